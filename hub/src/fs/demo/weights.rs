//! Weight files: a true safetensors header over noise.

/// Tensors with their shapes.
pub(super) type Tensors = Vec<(String, Vec<u64>)>;

/// The type of all numbers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    F16,
    F8,
}

impl Numbers {
    const fn name_and_bytes(self) -> (&'static str, u64) {
        match self {
            Self::F16 => ("F16", 2),
            Self::F8 => ("F8_E4M3", 1),
        }
    }
}

/// A model to write.
#[derive(Debug, Clone)]
pub(super) struct DemoModel {
    /// Decides every byte of the weights.
    pub(super) seed: u64,
    pub(super) tensors: Tensors,
    pub(super) numbers: Numbers,
    /// The header's `__metadata__`.
    pub(super) metadata: Vec<(&'static str, String)>,
}

/// The whole file: length of the header, header, tensors one after the other.
pub(super) fn safetensors(model: &DemoModel) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    if !model.metadata.is_empty() {
        let metadata = model.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        header.insert("__metadata__".to_owned(), serde_json::Value::Object(metadata));
    }
    let mut end = 0;
    let (dtype, n_bytes) = model.numbers.name_and_bytes();
    for (name, shape) in &model.tensors {
        let begin = end;
        end += shape.iter().product::<u64>() * n_bytes;
        let tensor = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] });
        header.insert(name.clone(), tensor);
    }
    let mut text = serde_json::Value::Object(header).to_string();
    // The reference writer pads with spaces so that the tensors begin at a multiple of 8.
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    append_noise(&mut bytes, model.seed, end);
    bytes
}

/// A file with the beginning of a zip archive, as `PyTorch` writes it; the hub names such files and
/// never loads them.
pub(super) fn pickle(seed: u64, size_bytes: u64) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    append_noise(&mut bytes, seed, size_bytes.saturating_sub(4));
    bytes
}

/// Noise that doesn't compress and costs little (xorshift64*).
fn append_noise(bytes: &mut Vec<u8>, seed: u64, size_bytes: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let size = usize::try_from(size_bytes).unwrap_or(0);
    let end = bytes.len() + size;
    bytes.reserve(size + 8);
    while bytes.len() < end {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(end);
}

/// Tensors of a whole network: so many square matrices of a side.
pub(super) fn network_tensors(prefix: &str, n_layers: u64, side: u64) -> Tensors {
    let mut tensors = Vec::new();
    for layer in 0..n_layers {
        tensors.push((format!("{prefix}.{layer}.weight"), vec![side, side]));
        tensors.push((format!("{prefix}.{layer}.bias"), vec![side]));
    }
    tensors
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_files_true_length() {
        let model = DemoModel {
            seed: 7,
            tensors: network_tensors("layers", 3, 8),
            numbers: Numbers::F16,
            metadata: vec![("modelspec.title", "x".to_owned())],
        };
        let bytes = safetensors(&model);
        let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
        let end = tensors.map(|(_, tensor)| tensor["data_offsets"][1].as_u64().unwrap()).max().unwrap();
        assert_eq!(bytes.len() as u64, 8 + length as u64 + end);
        assert_eq!(header["__metadata__"]["modelspec.title"], "x");
        assert_eq!(length % 8, 0);
    }

    #[test]
    fn noise_follows_the_seed_alone() {
        assert_eq!(pickle(1, 1000), pickle(1, 1000));
        assert_ne!(pickle(1, 1000), pickle(2, 1000));
        assert_eq!(pickle(1, 1000).len(), 1000);
    }
}
