//! safetensors: eight bytes with a length, a header in JSON, then the data of all tensors without
//! holes. The header is read in one go after its length was compared with the file's size, and told
//! precisely where it is wrong, because the library refuses a file for one wrong tensor of thousands.

mod broken;
mod building;
mod json;
mod layout;
mod plain;
mod values;

use std::io::{self, Read, Seek};

use crate::contents::Contents;
use crate::description::{part_words, size_words};
use crate::source::Source;
use crate::vocabulary::{DamageCode, Format};

pub(crate) use broken::{MAX_DEPTH, depth, shown, too_deep};
pub(crate) use values::text_of;

/// The longest header; the format's own library has the same limit.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes in front of the header that hold its length.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// Reads a file whose name or beginning says that it is safetensors.
pub(crate) fn read<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let size = source.size();
    let Some(length) = source.start().first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
        let detail = format!("Truncated: {} are there, too few for a header.", size_words(size));
        return Ok(Contents::broken(Format::Safetensors, DamageCode::TruncatedHeader, detail));
    };
    if length > size.saturating_sub(LENGTH_BYTES) || length > MAX_HEADER_BYTES || length == 0 {
        return refused(source, length);
    }
    let bytes = source.beginning(LENGTH_BYTES + length)?;
    let header = bytes.get(8..).unwrap_or_default();
    Ok(described(header, size))
}

/// What a whole header tells of a file of this size.
pub(crate) fn described(header: &[u8], size: u64) -> Contents {
    let mut contents = Contents::new(Format::Safetensors);
    let entries = match json::read_entries(header) {
        Ok(entries) => entries,
        Err(damage) => {
            contents.damage.push(damage);
            return contents;
        }
    };
    let data_bytes = size.saturating_sub(LENGTH_BYTES).saturating_sub(header.len() as u64);
    let end = layout::check(&entries, data_bytes, size, &mut contents.damage);
    contents.expected_bytes = Some((LENGTH_BYTES + header.len() as u64).saturating_add(end));
    contents.metadata = entries.metadata;
    contents.table = Some(entries.table);
    contents
}

/// A length that cannot be: a cut header, another file, or a lie.
fn refused<R: Read + Seek>(source: &mut Source<'_, R>, length: u64) -> io::Result<Contents> {
    let size = source.size();
    let there = size.saturating_sub(LENGTH_BYTES);
    let broken = |code, detail: String| Ok(Contents::broken(Format::Safetensors, code, detail));
    if length == 0 {
        let all_zero = source.start().iter().all(|byte| *byte == 0);
        return if all_zero {
            broken(DamageCode::ZeroFilled, "Zeros only: the file was set aside but never written.".to_owned())
        } else {
            broken(DamageCode::HeaderLength, "Its header has no length.".to_owned())
        };
    }
    if length > there && length <= MAX_HEADER_BYTES {
        let rest = source.beginning(size)?;
        if json::is_cut_header(rest.get(8..).unwrap_or_default()) {
            let detail = format!("Truncated in its header: {} are there.", part_words(there, length));
            return broken(DamageCode::TruncatedHeader, detail);
        }
    }
    if length <= there {
        let detail = format!("Its header is said to be {} long; more than 100 MB is refused.", size_words(length));
        return broken(DamageCode::HeaderTooLarge, detail);
    }
    let detail =
        format!("Its header is said to be {} long, but the file has {}.", size_words(length), size_words(size));
    broken(DamageCode::HeaderLength, detail)
}
