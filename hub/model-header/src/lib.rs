//! Tells what a model file is from its header, without loading it.
//!
//! [`describe()`] reads what stands at the beginning of a file (and, for archives, its directory), never its
//! weights. Each format has a reader that hands over a table of tensors and the texts of the file's maker;
//! what they mean is told by rules that are the same for all formats (`detect`). Files come from the
//! internet and may be cut, wrong or made to hurt: every length is compared with the file's size before it
//! is believed, nothing in a file is run, and what is odd about it is part of the answer, not an error.

mod base;
mod contents;
mod describe;
mod description;
mod detect;
mod digest;
mod dtype;
mod folder;
mod gguf;
mod metadata;
mod onnx;
mod precision;
mod ranges;
mod safetensors;
pub mod sidecar;
mod sniff;
mod source;
mod sums;
mod table;
mod tally;
mod torch;
mod vocabulary;

pub use base::Base;
pub use describe::describe;
pub use description::{Damage, Description, MetadataEntry, Network, SourceHint, TensorSum, Thumbnail};
pub use digest::compare_digest;
pub use dtype::numbers_in;
pub use folder::{FolderPart, describe_folder};
pub use metadata::{Lineage, read_thumbnail};
pub use ranges::{Ranged, describe_ranges};
pub use safetensors::MAX_HEADER_BYTES;
pub use vocabulary::{BaseHow, DamageCode, Format, Kind, State};
