//! The oldest format of PyTorch, made byte by byte.

/// What PyTorch wrote before 0.2: a tar with these members.
pub(crate) fn torch_tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data) in members {
        let start = bytes.len();
        bytes.resize(start + 512, 0);
        bytes.splice(start..start + name.len(), name.bytes());
        bytes.splice(start + 124..start + 136, format!("{:011o}\0", data.len()).bytes());
        bytes.splice(start + 257..start + 262, b"ustar".iter().copied());
        bytes.extend(*data);
        bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    }
    bytes.resize(bytes.len() + 1_024, 0);
    bytes
}
