//! What is told of a model file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::metadata::Lineage;
use crate::vocabulary::{BaseHow, DamageCode, Format, Kind, State};

/// What is told of a model file. What cannot be told is `None` or empty, never guessed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// How the file is built, or by its extension should be.
    pub format: Format,
    /// How it is built where its extension says otherwise.
    pub content: Option<Format>,
    /// What it is for.
    pub kind: Kind,
    /// The family it belongs to.
    pub base: Option<Base>,
    /// What tells the family.
    pub base_how: Option<BaseHow>,
    /// Other families that its tensors equally allow.
    pub also_bases: Vec<Base>,
    /// Which of the family: `inpaint`, `schnell`, `i2v_14b`, `dora` …
    pub variant: Option<String>,
    /// What it was made from, by what its maker wrote.
    pub lineage: Option<Lineage>,
    /// Names of its tensors as diffusers has them.
    pub is_diffusers_layout: bool,
    /// The type of numbers with most bytes; `_scaled` where scales stand beside them.
    pub precision: Option<String>,
    /// Numbers of the model, without scales, counters and copies.
    pub n_parameters: Option<u64>,
    /// Numbers in all tensors.
    pub n_elements: Option<u64>,
    /// Tensors.
    pub n_tensors: Option<u64>,
    /// Bytes by type of number.
    pub dtypes: BTreeMap<String, u64>,
    /// The size that a safetensors file has to have by its header.
    pub expected_bytes: Option<u64>,
    /// Its name, by its maker.
    pub title: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Under which terms.
    pub license: Option<String>,
    /// What its maker says of it.
    pub description: Option<String>,
    /// The size of pictures it is for, as its maker wrote it.
    pub resolution: Option<String>,
    /// Words that call what it has learned.
    pub trigger_words: Vec<String>,
    /// The tags of the pictures it was trained with, the most frequent first, each with how many had it.
    #[serde(default)]
    pub top_tags: Vec<(String, u64)>,
    /// Rank and strength of an adapter.
    pub network: Option<Network>,
    /// The SHA-256 of its data as trainers write it; the first 12 digits are known as AutoV3.
    pub autov3: Option<String>,
    /// The SHA-256 that its data should have.
    pub declared_sha256: Option<String>,
    /// Where it may have come from.
    pub source_hints: Vec<SourceHint>,
    /// The picture in its header.
    pub thumbnail: Option<Thumbnail>,
    /// Whether it is sound.
    pub state: State,
    /// What is wrong with it: the worst first found.
    pub damage: Option<Damage>,
    /// What else is wrong with it.
    pub more_damage: Vec<Damage>,
    /// Whether ComfyUI opens it; `None` where that is up to a custom node.
    pub comfyui_opens: Option<bool>,
    /// Whether the format's own library opens it without running code.
    pub library_opens: bool,
    /// Its tensors, summed up by where they stand, the largest first.
    pub tensors: Vec<TensorSum>,
    /// Sums that are left out of `tensors`.
    pub n_tensor_sums_left_out: u64,
    /// What its maker wrote into it.
    pub metadata: Vec<MetadataEntry>,
    /// Entries that are left out of `metadata`.
    pub n_metadata_left_out: u64,
    /// What people should know, in English.
    pub notes: Vec<String>,
}

impl Description {
    /// Whether a safetensors file is not as its header says: cut off, grown, empty, or only reserved and never filled.
    pub fn is_torn(&self) -> bool {
        self.damage.iter().chain(&self.more_damage).any(|damage| damage.code.is_torn())
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What it is.
    pub code: DamageCode,
    /// The same for people: "Truncated: 4.2 of 6.9 GB are there."
    pub detail: String,
}

impl Damage {
    pub(crate) fn new(code: DamageCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Rank and strength of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Who trained it: `networks.lora`, `lycoris.kohya` …
    pub module: Option<String>,
    /// Its rank.
    pub rank: Option<u64>,
    /// Its alpha.
    pub alpha: Option<f64>,
}

/// A note on where a file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHint {
    /// The key it stands under.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// A picture in the header. It is not decoded here, and nothing is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// The key it stands under.
    pub key: String,
    /// What it says to be: `image/png`, `image/svg+xml`, `url` …
    pub media_type: String,
    /// Bytes of its text in the header.
    pub text_bytes: u64,
    /// Whether it is a picture of a sort that may be shown.
    pub is_showable: bool,
}

/// Tensors that stand in one place and are of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSum {
    /// What their names have in common.
    pub prefix: String,
    /// Their type.
    pub dtype: String,
    /// How many.
    pub n: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One thing that the maker wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataEntry {
    /// Its name.
    pub key: String,
    /// What it says, at most 64 KiB.
    pub value: String,
    /// Bytes of the whole text.
    pub n_bytes: u64,
}

/// Bytes in words that people use.
#[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(crate) fn size_words(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = "kB";
    for next in UNITS.into_iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `4.2 of 6.9 GB`: the unit is said once where it is the same.
pub(crate) fn part_words(part: u64, whole: u64) -> String {
    let (part_text, whole_text) = (size_words(part), size_words(whole));
    match (part_text.split_once(' '), whole_text.split_once(' ')) {
        (Some((number, unit)), Some((whole_number, whole_unit))) if unit == whole_unit && number != whole_number => {
            format!("{number} of {whole_text}")
        }
        _ if part_text == whole_text => format!("{part} of {whole} bytes"),
        _ => format!("{part_text} of {whole_text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_words() {
        assert_eq!(part_words(4_200_000_000, 6_938_041_520), "4.2 of 6.9 GB");
        assert_eq!(part_words(999, 6_900_000), "999 bytes of 6.9 MB");
        assert_eq!(part_words(6_900_000_001, 6_900_000_002), "6900000001 of 6900000002 bytes");
        assert_eq!(size_words(1_000), "1.0 kB");
        assert_eq!(size_words(999_960_000), "1.0 GB");
        assert_eq!(size_words(1), "1 byte");
        assert!(size_words(u64::MAX).ends_with(" TB"));
    }
}
