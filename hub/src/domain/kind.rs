//! What a file in a model folder is, by its name alone.

use serde::{Deserialize, Serialize};

/// Extensions that `ComfyUI` and its common nodes load weights from.
pub const WEIGHT_EXTENSIONS: [&str; 10] =
    ["safetensors", "sft", "ckpt", "pt", "pt2", "pth", "bin", "pkl", "gguf", "onnx"];

/// Weights that only running them as a program can read: never opened, only named as such.
const PICKLE_EXTENSIONS: [&str; 6] = ["ckpt", "pt", "pt2", "pth", "bin", "pkl"];

const PREVIEW_EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "avif", "mp4", "webm"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::FromRepr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
#[repr(i64)]
pub enum FileKind {
    /// Weights.
    Model = 0,
    /// A picture or a film, usually of what a model makes.
    Preview = 1,
    /// Text about a model.
    Metadata = 2,
    /// Anything else.
    Other = 3,
}

impl FileKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Model, Self::Preview, Self::Metadata, Self::Other];

    /// Tells the kind from a file's name.
    pub fn of(name: &str) -> Self {
        let Some((_, extension)) = name.rsplit_once('.') else { return Self::Other };
        let is = |list: &[&str]| list.iter().any(|known| extension.eq_ignore_ascii_case(known));
        if is(&WEIGHT_EXTENSIONS) {
            Self::Model
        } else if is(&PREVIEW_EXTENSIONS) {
            Self::Preview
        } else if is(&["json", "info", "yaml", "yml", "txt", "md", "toml"]) {
            Self::Metadata
        } else {
            Self::Other
        }
    }

    /// The kind behind a code of the database; an unknown code is [`FileKind::Other`].
    pub fn from_code(code: i64) -> Self {
        Self::from_repr(code).unwrap_or(Self::Other)
    }
}

/// How a file's weights are stored, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// Plain numbers behind a header of JSON.
    Safetensors,
    /// A program in Python's pickle format; loading it runs it.
    Pickle,
    /// llama.cpp's format.
    Gguf,
    /// A graph of operations with its weights.
    Onnx,
}

impl WeightFormat {
    /// Tells the format from a file's name; `None` for what holds no weights.
    pub fn of(name: &str) -> Option<Self> {
        let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
        match extension.as_str() {
            "safetensors" | "sft" => Some(Self::Safetensors),
            "gguf" => Some(Self::Gguf),
            "onnx" => Some(Self::Onnx),
            other => PICKLE_EXTENSIONS.contains(&other).then_some(Self::Pickle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_name() {
        assert_eq!(FileKind::of("x.Safetensors"), FileKind::Model);
        assert_eq!(FileKind::of("x.preview.png"), FileKind::Preview);
        assert_eq!(FileKind::of("x.civitai.info"), FileKind::Metadata);
        assert_eq!(FileKind::of("LICENSE"), FileKind::Other);
        for kind in FileKind::ALL {
            assert_eq!(FileKind::from_code(kind.code()), kind);
        }
    }

    #[test]
    fn every_model_has_a_format_and_nothing_else_has() {
        for extension in WEIGHT_EXTENSIONS {
            assert!(WeightFormat::of(&format!("x.{extension}")).is_some(), "{extension}");
        }
        assert_eq!(WeightFormat::of("X.CKPT"), Some(WeightFormat::Pickle));
        assert_eq!(WeightFormat::of("x.png"), None);
        assert_eq!(WeightFormat::of("bin"), None);
    }
}
