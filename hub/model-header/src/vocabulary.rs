//! The words that are said of a model file: each is an enum whose id goes into the API and whose
//! label people read. Ids and labels stand together, so that a new word is one line.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumIter, EnumMessage, EnumString, IntoStaticStr};

/// Gives an enum of strum its id, its label, and its form in JSON, which is the id.
macro_rules! says {
    ($($name:ty),+) => {$(
        impl $name {
            /// The id, as it stands in JSON.
            pub fn id(self) -> &'static str {
                self.into()
            }

            /// The word that people use for it.
            pub fn label(self) -> &'static str {
                self.get_message().unwrap_or(self.id())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.id())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let id = String::deserialize(deserializer)?;
                id.parse().map_err(|_| serde::de::Error::custom(format!("{id:?} is not known here")))
            }
        }
    )+};
}
pub(crate) use says;

/// How a file is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum Format {
    #[strum(message = "safetensors")]
    Safetensors,
    #[strum(message = "GGUF")]
    Gguf,
    #[strum(message = "PyTorch")]
    TorchZip,
    #[strum(message = "PyTorch, before 1.6")]
    TorchLegacy,
    #[strum(message = "PyTorch, before 0.2")]
    TorchTar,
    #[strum(message = "pickle")]
    Pickle,
    #[strum(message = "ONNX")]
    Onnx,
    #[strum(message = "diffusers folder")]
    Diffusers,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum Kind {
    #[strum(message = "checkpoint")]
    Checkpoint,
    #[strum(message = "diffusion model")]
    DiffusionModel,
    #[strum(message = "LoRA")]
    Lora,
    #[strum(message = "VAE")]
    Vae,
    #[strum(message = "preview VAE")]
    VaeApprox,
    #[strum(message = "text encoder")]
    TextEncoder,
    #[strum(message = "CLIP vision")]
    ClipVision,
    #[strum(message = "ControlNet")]
    Controlnet,
    #[strum(serialize = "t2i_adapter", message = "T2I-Adapter")]
    T2iAdapter,
    #[strum(message = "IP-Adapter")]
    IpAdapter,
    #[strum(message = "upscaler")]
    Upscaler,
    #[strum(message = "embedding")]
    Embedding,
    #[strum(message = "motion module")]
    MotionModule,
    #[strum(message = "style model")]
    StyleModel,
    #[strum(message = "model patch")]
    ModelPatch,
    #[strum(message = "language model")]
    Llm,
    #[strum(message = "vision part of a language model")]
    Mmproj,
    #[strum(message = "unknown")]
    None,
}

/// What tells the base family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum BaseHow {
    #[strum(message = "its tensors")]
    Tensors,
    #[strum(message = "its metadata")]
    Metadata,
    #[strum(message = "a file beside it")]
    Sidecar,
    #[strum(message = "its folder")]
    Folder,
}

/// Whether a file is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum State {
    #[strum(message = "sound")]
    Ok,
    #[strum(message = "damaged")]
    Damaged,
    #[strum(message = "odd")]
    Odd,
    #[strum(message = "not read yet")]
    Unread,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum DamageCode {
    #[strum(message = "empty")]
    Empty,
    #[strum(message = "truncated")]
    TruncatedData,
    #[strum(message = "truncated header")]
    TruncatedHeader,
    #[strum(message = "bytes behind the end")]
    TrailingBytes,
    #[strum(message = "impossible header length")]
    HeaderLength,
    #[strum(message = "header too large")]
    HeaderTooLarge,
    #[strum(message = "unreadable header")]
    JsonError,
    #[strum(message = "header is no object")]
    NotAnObject,
    #[strum(message = "header is not text")]
    NotUtf8,
    #[strum(message = "gap between tensors")]
    Gap,
    #[strum(message = "overlapping tensors")]
    Overlap,
    #[strum(message = "impossible offsets")]
    BadOffsets,
    #[strum(message = "shape does not fit")]
    ShapeMismatch,
    #[strum(message = "impossible shape")]
    ShapeOverflow,
    #[strum(message = "unknown type of numbers")]
    UnknownDtype,
    #[strum(message = "metadata is not text")]
    MetadataType,
    #[strum(message = "tensor listed twice")]
    DuplicateKey,
    #[strum(message = "zeros only")]
    ZeroFilled,
    #[strum(message = "a web page")]
    Html,
    #[strum(message = "a git-lfs pointer")]
    GitLfsPointer,
    #[strum(message = "wrong extension")]
    WrongExtension,
    #[strum(message = "may run code")]
    DangerousPickle,
    #[strum(message = "unknown version")]
    UnknownVersion,
    #[strum(message = "changed after saving")]
    HashMismatch,
    #[strum(message = "half a character")]
    LoneSurrogate,
    #[strum(message = "space before the header")]
    LeadingSpace,
    #[strum(message = "header too deep")]
    DeepJson,
    #[strum(message = "too many tensors")]
    TooManyTensors,
    #[strum(message = "broken pickle")]
    PickleError,
    #[strum(message = "broken archive")]
    ArchiveError,
    #[strum(message = "not a model")]
    UnknownContent,
}

impl DamageCode {
    /// Programs differ on whether they open such a file; every other code is damage.
    pub fn is_odd(self) -> bool {
        matches!(
            self,
            Self::Gap
                | Self::Overlap
                | Self::TrailingBytes
                | Self::MetadataType
                | Self::LoneSurrogate
                | Self::DuplicateKey
                | Self::LeadingSpace
        )
    }

    /// The file does not hold what its header says, or has no header that can be read.
    pub(crate) fn is_torn(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::ZeroFilled
                | Self::TruncatedData
                | Self::TruncatedHeader
                | Self::TrailingBytes
                | Self::BadOffsets
                | Self::JsonError
                | Self::NotAnObject
                | Self::NotUtf8
                | Self::DeepJson
        )
    }

    /// The state of a file with this code.
    pub fn state(self) -> State {
        if self.is_odd() { State::Odd } else { State::Damaged }
    }
}

says!(Format, Kind, BaseHow, State, DamageCode);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::Base;
    use strum::IntoEnumIterator;

    #[test]
    fn every_word_has_an_id_and_a_label() {
        for base in Base::iter() {
            assert_eq!(base.id().parse::<Base>().unwrap(), base);
            assert!(base.get_message().is_some(), "{base:?} has no label");
        }
        for kind in Kind::iter() {
            assert_eq!(serde_json::from_str::<Kind>(&serde_json::to_string(&kind).unwrap()).unwrap(), kind);
            assert!(kind.get_message().is_some());
        }
        assert_eq!((Kind::T2iAdapter.id(), Format::TorchZip.id()), ("t2i_adapter", "torch_zip"));
        assert!(serde_json::from_str::<Kind>("\"spaceship\"").is_err());
        assert!(DamageCode::iter().all(|code| code.get_message().is_some()));
        assert_eq!(DamageCode::Gap.state(), State::Odd);
        assert_eq!(DamageCode::NotUtf8.id(), "not_utf8");
    }
}
