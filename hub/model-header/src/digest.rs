//! Whether the data of a safetensors file are those that its maker saved: the model specification's
//! `modelspec.hash_sha256` is of everything behind the header.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use crate::description::{Damage, Description};
use crate::safetensors::LENGTH_BYTES;
use crate::vocabulary::{DamageCode, Format};

/// Data up to this size are compared when the header is read; larger ones by [`compare_digest`].
pub(crate) const MAX_DIGESTED: u64 = 1 << 20;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

impl Description {
    /// Whether the file's data, in a file of this size, are still to be compared with the digest in its header.
    pub fn digest_waits(&self, size_bytes: u64) -> bool {
        let is_plain = self.format == Format::Safetensors && self.content.is_none() && self.damage.is_none();
        is_plain && self.declared_sha256.is_some() && size_bytes > MAX_DIGESTED
    }
}

/// Reads the data of a safetensors file and compares them with the digest that its header tells. `go_on` is asked after
/// each block, with its bytes; `None` where it said no.
pub fn compare_digest(
    file: &mut (impl Read + Seek),
    declared: &str,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<Result<(), Damage>>> {
    let mut length = [0; 8];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut length)?;
    file.seek(SeekFrom::Start(LENGTH_BYTES.saturating_add(u64::from_le_bytes(length))))?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        let n = match file.read(&mut block) {
            Ok(0) => return Ok(Some(compared(declared, &hasher.finalize()))),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(block.get(..n).unwrap_or_default());
        if !go_on(n as u64) {
            return Ok(None);
        }
    }
}

/// What it means that data have this digest.
pub(crate) fn compared(declared: &str, digest: &[u8]) -> Result<(), Damage> {
    let detail = "Changed after it was saved: its data do not have the SHA-256 that its header tells.";
    if is_hex_of(declared, digest) { Ok(()) } else { Err(Damage::new(DamageCode::HashMismatch, detail)) }
}

/// Whether these digits are those bytes.
fn is_hex_of(digits: &str, bytes: &[u8]) -> bool {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let parsed = pairs.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    parsed.eq(bytes.iter().map(|byte| Some(*byte)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(data: &[u8]) -> Cursor<Vec<u8>> {
        Cursor::new([&2_u64.to_le_bytes()[..], b"{}", data].concat())
    }

    #[test]
    fn data_are_compared_whole_and_the_work_can_be_stopped() {
        let data = vec![7; 3 * BLOCK + 5];
        let declared = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut n_bytes = 0;
        let all = compare_digest(&mut file(&data), &declared, &mut |n| {
            n_bytes += n;
            true
        });
        assert_eq!((all.unwrap(), n_bytes), (Some(Ok(())), data.len() as u64));
        let upper = declared.to_uppercase();
        assert_eq!(compare_digest(&mut file(&data), &upper, &mut |_| true).unwrap(), Some(Ok(())));
        let mut changed = data.clone();
        *changed.last_mut().unwrap() = 8;
        let damage = compare_digest(&mut file(&changed), &declared, &mut |_| true).unwrap().unwrap().unwrap_err();
        assert_eq!(damage.code, DamageCode::HashMismatch);
        assert_eq!(compare_digest(&mut file(&data), &declared, &mut |_| false).unwrap(), None);
    }
}
