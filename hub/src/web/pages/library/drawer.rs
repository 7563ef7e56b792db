//! The details of one file.

use serde::Serialize;
use shared_protocol::{RelPath, Sha256};

use super::query::LibraryQuery;
use super::rows::picture;
use crate::domain::diff::DiffStatus;
use crate::domain::kind::{FileKind, WeightFormat};
use crate::domain::root::Root;
use crate::domain::safetensors::SafetensorsSummary;
use crate::fs::FileStamp;
use crate::services::ServiceError;
use crate::services::model_header::{self, ModelHeaderError};
use crate::services::queue::rename_offer;
use crate::storage::skipped::because;
use crate::storage::views::FileView;
use crate::storage::views::detail;
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
    let Some((found, preview, rename)) = found else { return Ok(None) };
    let model = if found.file.kind == FileKind::Model {
        let stamp = FileStamp::known(found.file.size_bytes, found.file.modified, None);
        let header = model_header::read(&services.roots, root, path, stamp, found.file.placeholder).await;
        Some(model(path, header))
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

fn model(path: &RelPath, header: Result<SafetensorsSummary, ModelHeaderError>) -> DrawerModel {
    let format = match WeightFormat::of(path.name()) {
        Some(WeightFormat::Safetensors) => "Safetensors",
        Some(WeightFormat::Pickle) => "Pickle: it can run programs when it is loaded",
        Some(WeightFormat::Gguf) => "GGUF",
        Some(WeightFormat::Onnx) => "ONNX",
        None => "unknown",
    };
    let mut facts = vec![DrawerFact { name: "Format", value: format.to_owned() }];
    let summary = match header {
        Ok(summary) => summary,
        Err(ModelHeaderError::NotSafetensors) => return DrawerModel { facts, ..DrawerModel::default() },
        Err(error) => return DrawerModel { facts, problem: Some(error.to_string()), ..DrawerModel::default() },
    };
    let damaged = summary.damaged.then(|| {
        format!(
            "Damaged: by its header it has to have {}. It was cut off, or something was put behind it.",
            format::bytes(summary.expected_bytes)
        )
    });
    let specification = &summary.metadata.modelspec;
    let mut add = |name: &'static str, value: Option<&String>| {
        facts.extend(value.map(|value| DrawerFact { name, value: value.clone() }));
    };
    add("Title", specification.get("title"));
    add("Architecture", specification.get("architecture"));
    add("Base model", summary.metadata.base_model.as_ref());
    add("Author", specification.get("author"));
    add("License", specification.get("license"));
    add("Trigger", specification.get("trigger_phrase"));
    facts.push(DrawerFact { name: "Parameters", value: parameters(summary.n_parameters) });
    let weights: Vec<&str> = summary.dtypes.iter().map(|count| count.dtype.as_str()).collect();
    facts.push(DrawerFact {
        name: "Weights",
        value: format!(
            "{} in {} tensors",
            weights.join(", "),
            format::count(i64::try_from(summary.n_tensors).unwrap_or(i64::MAX))
        ),
    });
    let tags = summary.metadata.top_tags.into_iter().take(20).map(|count| count.tag).collect();
    DrawerModel { problem: damaged, facts, tags }
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
