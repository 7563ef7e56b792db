//! What the header of a safetensors file tells, as the API has it.

use std::collections::BTreeMap;

use model_header::{Description, numbers_in};
use serde::Serialize;
use utoipa::ToSchema;

use crate::storage::views::models::metadata_of;

/// What a header tells.
#[derive(Debug, Serialize, ToSchema)]
pub struct SafetensorsSummary {
    pub n_tensors: u64,
    /// Numbers in all tensors.
    pub n_parameters: u64,
    /// Types of numbers, the most frequent first.
    pub dtypes: Vec<DtypeCount>,
    /// Size that the file has to have by its header.
    pub expected_bytes: u64,
    /// The file has another size: it was cut off, or something was put behind it.
    pub damaged: bool,
    /// The model specification: `title`, `architecture`, `author`, `license` and so on.
    pub modelspec: BTreeMap<String, String>,
    /// What it was trained on, by kohya's trainer: `sdxl_base_v1-0`, `flux1` …
    pub base_model: Option<String>,
    /// The tags it was trained with, the most frequent first.
    pub top_tags: Vec<TagCount>,
    /// Where it may have come from.
    pub source_hints: Vec<SourceHint>,
}

/// How much of a model is of one type of number.
#[derive(Debug, Serialize, ToSchema)]
pub struct DtypeCount {
    /// The type as the format names it: `F16`, `BF16`, `F8_E4M3` …
    pub dtype: String,
    /// Numbers of it.
    pub n_parameters: u64,
}

/// A tag of the training pictures.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagCount {
    pub tag: String,
    /// Pictures that had it.
    pub n: u64,
}

/// A note on where a file came from.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceHint {
    /// `air`, `source_url`, `repo_id` and the like.
    pub name: String,
    pub value: String,
}

impl SafetensorsSummary {
    /// What was read of a file of this size; else why it has no such header.
    pub(super) fn of(size_bytes: u64, header: &Description) -> Result<Self, String> {
        let why = || header.damage.as_ref().map_or_else(|| "it has no tensors".to_owned(), |of| of.detail.clone());
        let n_tensors = header.n_tensors.filter(|_| header.content.is_none()).ok_or_else(why)?;
        let metadata = metadata_of(header);
        let modelspec = metadata.iter().filter_map(|(key, value)| Some((key.strip_prefix("modelspec.")?, value)));
        let dtypes = header.dtypes.iter().map(|(dtype, bytes)| DtypeCount {
            dtype: dtype.clone(),
            n_parameters: numbers_in(dtype, *bytes).unwrap_or_default(),
        });
        let mut dtypes: Vec<_> = dtypes.collect();
        dtypes.sort_by_key(|count| std::cmp::Reverse(count.n_parameters));
        let hints = header.source_hints.iter();
        Ok(Self {
            n_tensors,
            n_parameters: header.n_elements.unwrap_or_default(),
            dtypes,
            expected_bytes: header.expected_bytes.unwrap_or(size_bytes),
            damaged: header.is_torn(),
            modelspec: modelspec.map(|(key, value)| (key.to_owned(), (*value).to_owned())).collect(),
            base_model: metadata.get("ss_base_model_version").map(|base| (*base).to_owned()),
            top_tags: header.top_tags.iter().map(|(tag, n)| TagCount { tag: tag.clone(), n: *n }).collect(),
            source_hints: hints.map(|hint| SourceHint { name: hint.name.clone(), value: hint.value.clone() }).collect(),
        })
    }
}
