//! What the header of a safetensors file tells about a model, without reading its weights.
//!
//! The header is JSON: a tensor's name leads to its type, shape and place, `__metadata__` to texts
//! by whoever made the file. It comes from the internet, so nothing in it is trusted: it is read in
//! one pass without building a tree, numbers saturate, and texts are cut.

mod metadata;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize};

pub use metadata::Metadata;
pub use table::tensor_table;

/// The longest header that is read; the format's own library has the same limit.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes in front of the header that hold its length.
const LENGTH_BYTES: u64 = 8;

/// Most types of numbers that are told apart; there are about twenty in the format.
const MAX_DTYPES: usize = 32;

/// What a header tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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
    /// What its maker wrote into it.
    #[serde(flatten)]
    pub metadata: Metadata,
}

/// How much of a model is of one type of number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DtypeCount {
    /// The type as the format names it: `F16`, `BF16`, `F8_E4M3` …
    pub dtype: String,
    /// Numbers of it.
    pub n_parameters: u64,
}

/// The bytes are not such a header.
#[derive(Debug, thiserror::Error)]
#[error("the header can't be read: {0}")]
pub struct HeaderError(#[from] serde_json::Error);

/// Reads a header of a file of this size.
pub fn summarize(header: &[u8], file_bytes: u64) -> Result<SafetensorsSummary, HeaderError> {
    let header_bytes = header.len() as u64;
    let read: Header = serde_json::from_slice(header)?;
    let expected_bytes = LENGTH_BYTES.saturating_add(header_bytes).saturating_add(read.data_bytes);
    let mut dtypes: Vec<DtypeCount> =
        read.dtypes.into_iter().map(|(dtype, n_parameters)| DtypeCount { dtype, n_parameters }).collect();
    dtypes.sort_by(|a, b| b.n_parameters.cmp(&a.n_parameters).then_with(|| a.dtype.cmp(&b.dtype)));
    Ok(SafetensorsSummary {
        n_tensors: read.n_tensors,
        n_parameters: read.n_parameters,
        dtypes,
        expected_bytes,
        damaged: expected_bytes != file_bytes,
        metadata: read.metadata,
    })
}

/// What is kept of a header while it is read.
#[derive(Debug, Default)]
struct Header {
    n_tensors: u64,
    n_parameters: u64,
    dtypes: BTreeMap<String, u64>,
    data_bytes: u64,
    metadata: Metadata,
}

#[derive(DeserializeDerive)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Header {
    fn add(&mut self, tensor: Tensor) {
        let n = tensor.shape.into_iter().fold(1_u64, u64::saturating_mul);
        self.n_tensors += 1;
        self.n_parameters = self.n_parameters.saturating_add(n);
        self.data_bytes = self.data_bytes.max(tensor.data_offsets.1);
        if self.dtypes.contains_key(&tensor.dtype) || self.dtypes.len() < MAX_DTYPES {
            let count = self.dtypes.entry(metadata::cut(&tensor.dtype, 16)).or_default();
            *count = count.saturating_add(n);
        }
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                    } else {
                        header.add(map.next_value()?);
                    }
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

#[cfg(test)]
mod tests;
