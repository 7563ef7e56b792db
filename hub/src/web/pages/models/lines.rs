//! What lists of files say of the models among them: kind, base and picture.

use std::collections::{BTreeMap, HashMap};

use lookups::Coverage;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use shared_protocol::{Blake3, RelPath};

use super::labels::{base_label, kind_label};
use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::storage::views::models::{ModelBrief, of_files};
use crate::web::error::Answer;
use crate::web::fragments::preview::{is_film, picture_address};
use crate::web::state::WebState;

/// A model in a list of files.
#[derive(Debug, Serialize)]
struct ModelLine {
    id: ModelId,
    /// None until its header was read.
    label: Option<String>,
    picture: Option<String>,
    /// Whether it can be had again, if that is known.
    coverage: Option<&'static str>,
}

impl ModelLine {
    fn of(brief: ModelBrief, coverages: &HashMap<Blake3, Coverage>) -> Self {
        let ModelBrief { id, hash, kind, base, picture } = brief;
        let picture = picture.filter(|file| !is_film(file.path.name())).as_ref().and_then(picture_address);
        let coverage = hash.and_then(|hash| coverages.get(&hash)).map(|coverage| coverage.as_str());
        Self { id, label: kind.map(|kind| label(&kind, base.as_deref())), picture, coverage }
    }
}

/// A kind with its base, in words.
pub(super) fn label(kind: &str, base: Option<&str>) -> String {
    match base {
        Some(base) => format!("{} · {}", kind_label(kind), base_label(base)),
        None => kind_label(kind),
    }
}

/// The models of files, for the macro `model_line`.
pub(in crate::web) async fn lines(state: &WebState, files: Vec<(Root, RelPath)>) -> Answer<Value> {
    let look = move |connection: &_| of_files(connection, files.iter().map(|(root, path)| (*root, path)));
    let found = state.services.database.read(look).await?;
    let coverages = state.services.sources.coverages(found.values().filter_map(|brief| brief.hash).collect()).await?;
    let lines = found.into_iter().map(|(key, brief)| (key, ModelLine::of(brief, &coverages)));
    Ok(Value::from(Serde(lines.collect::<BTreeMap<_, _>>())))
}
