//! The details of one file.

use std::cmp::Reverse;

use model_header::Description;
use serde::Serialize;
use shared_protocol::{RelPath, Sha256};

use super::query::LibraryQuery;
use super::rows::picture;
use crate::domain::diff::DiffStatus;
use crate::domain::kind::{FileKind, WeightFormat};
use crate::domain::root::Root;
use crate::services::ServiceError;
use crate::services::queue::rename_offer;
use crate::storage::skipped::because;
use crate::storage::views::FileView;
use crate::storage::views::detail;
use crate::storage::views::models::metadata_of;
use crate::web::error::{Answer, sentence};
use crate::web::pages::remote::machines;
use crate::web::pages::sources::drawer::{Addresses, addresses};
use crate::web::state::WebState;
use crate::web::templates::format;

/// What the drawer shows.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Detail {
    #[serde(flatten)]
    file: FileView,
    /// Leads back to the list.
    close: String,
    preview: Option<String>,
    /// Other names of its root that differ only in case.
    nearly: Vec<RelPath>,
    /// The name that ends such a conflict.
    rename_to: Option<RelPath>,
    status: Option<DiffStatus>,
    why: Option<String>,
    twin: Option<FileView>,
    can_copy: bool,
    sha256: Option<Sha256>,
    n_copies: u64,
    model: Option<DrawerModel>,
    sidecars: Vec<FileView>,
    delete_reason: Option<String>,
    sources: Option<Addresses>,
    /// What the button says that sends it to a machine.
    send: Option<String>,
}

/// What a model's header tells.
#[derive(Debug, Default, Serialize)]
struct DrawerModel {
    problem: Option<String>,
    facts: Vec<DrawerFact>,
    tags: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DrawerFact {
    name: &'static str,
    value: String,
}

/// What is known of a file; none if the index does not have it.
pub(in crate::web) async fn detail(
    state: &WebState,
    root: Root,
    path: &RelPath,
    query: &LibraryQuery,
) -> Answer<Option<Detail>> {
    let services = &state.services;
    let wanted = path.clone();
    let found = services
        .database
        .read(move |connection| match detail::show(connection, root, &wanted)? {
            Some(found) => {
                let preview = picture(connection, &found.file)?;
                Ok(Some((found, preview, rename_offer(connection, root, &wanted)?)))
            }
            None => Ok(None),
        })
        .await?;
    let Some((mut found, preview, rename)) = found else { return Ok(None) };
    let model = if found.file.kind == FileKind::Model {
        Some(model(path, services.models.header(&found.file, found.header.take()).await))
    } else {
        None
    };
    let sources = match &found.file.hash {
        Some(hash) => Some(addresses(state, hash).await),
        None => None,
    };
    let file = found.file;
    Ok(Some(Detail {
        close: format!("/library{}", query.page()),
        preview,
        nearly: found.nearly,
        rename_to: rename.map(|rename| rename.to),
        status: found.status,
        why: because(&found.covers),
        twin: found.twin,
        can_copy: !file.conflict && !matches!(found.status, Some(DiffStatus::Same | DiffStatus::Unknown)),
        sha256: found.sha256,
        n_copies: found.n_copies + 1,
        model,
        sidecars: found.sidecars,
        delete_reason: services.roots.check_delete(root).err().as_ref().map(reason),
        sources,
        send: machines::send_label(state).await?,
        file,
    }))
}

/// Why something is not possible, as a sentence.
pub(in crate::web) fn reason(error: &ServiceError) -> String {
    sentence(&error.to_string())
}

fn model(path: &RelPath, header: Result<Description, String>) -> DrawerModel {
    let format = match WeightFormat::of(path.name()) {
        Some(WeightFormat::Safetensors) => "Safetensors",
        Some(WeightFormat::Pickle) => "Pickle: it can run programs when it is loaded",
        Some(WeightFormat::Gguf) => "GGUF",
        Some(WeightFormat::Onnx) => "ONNX",
        None => "unknown",
    };
    let mut facts = vec![DrawerFact { name: "Format", value: format.to_owned() }];
    let header = match header {
        Ok(header) => header,
        Err(why) => {
            facts.push(DrawerFact { name: "Header", value: sentence(&why) });
            return DrawerModel { facts, ..DrawerModel::default() };
        }
    };
    let metadata = metadata_of(&header);
    let said = |key| metadata.get(key).map(|value: &&str| (*value).to_owned());
    let mut weights: Vec<_> = header.dtypes.iter().map(|(dtype, bytes)| (Reverse(*bytes), dtype.as_str())).collect();
    weights.sort_unstable();
    let weights: Vec<&str> = weights.into_iter().map(|(_, dtype)| dtype).collect();
    let tensors =
        |n| format!("{} in {} tensors", weights.join(", "), format::count(i64::try_from(n).unwrap_or(i64::MAX)));
    let told = [
        ("Title", header.title.clone()),
        ("Architecture", said("modelspec.architecture")),
        ("Base model", said("ss_base_model_version")),
        ("Author", header.author.clone()),
        ("License", header.license.clone()),
        ("Trigger", (!header.trigger_words.is_empty()).then(|| header.trigger_words.join(", "))),
        ("Parameters", header.n_elements.map(parameters)),
        ("Weights", header.n_tensors.map(tensors)),
    ];
    facts.extend(told.into_iter().filter_map(|(name, value)| Some(DrawerFact { name, value: value? })));
    let tags = header.top_tags.into_iter().map(|(tag, _)| tag).collect();
    DrawerModel { problem: header.damage.map(|damage| damage.detail), facts, tags }
}

fn parameters(n: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let number = n as f64;
    match n {
        0..1_000_000 => format::count(i64::try_from(n).unwrap_or(0)),
        1_000_000..1_000_000_000 => format!("{:.0} million", number / 1e6),
        _ => format!("{:.1} billion", number / 1e9),
    }
}
