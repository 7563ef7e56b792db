//! What PyTorch writes since 1.6: a zip whose members are not compressed. Only its directory, which is at
//! its end, and the member `data.pkl` are read. Our own reader, because a cut file must be told precisely,
//! and because nothing but a list of names and places is needed (`APPNOTE.TXT`, with ZIP64).

use std::io::{self, Read, Seek};

use super::machine::run;
use super::{MAX_PICKLE, finish};
use crate::contents::Contents;
use crate::description::size_words;
use crate::source::Source;
use crate::vocabulary::{DamageCode, Format};

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const MEMBER: [u8; 4] = *b"PK\x01\x02";

/// The end of a zip with the longest comment.
const MAX_TAIL: u64 = 22 + 0xffff;

/// Bytes of a directory that are read; one of a model of 10,000 tensors has one million.
const MAX_DIRECTORY: u64 = 128 << 20;

struct Member {
    name: Vec<u8>,
    /// As it is in the file, and as it was.
    packed: u64,
    plain: u64,
    method: u16,
    offset: u64,
}

pub(crate) fn read_zip<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let mut contents = Contents::new(Format::TorchZip);
    let size = source.size();
    let Some((start, length)) = directory(source)? else {
        let detail = format!("Truncated: {} are there, without the directory at the end.", size_words(size));
        contents.report(DamageCode::TruncatedData, detail);
        return Ok(contents);
    };
    if start.saturating_add(length) > size {
        contents.report(DamageCode::TruncatedData, "Truncated: its directory is not where it says.");
        return Ok(contents);
    }
    if length > MAX_DIRECTORY {
        contents.report(DamageCode::HeaderTooLarge, format!("Its directory has {}.", size_words(length)));
        return Ok(contents);
    }
    let bytes = source.read_at(start, length)?;
    let (pickle, is_program) = look_into(&bytes, start, &mut contents);
    let Some(pickle) = pickle else {
        if contents.damage.is_empty() {
            contents.report(DamageCode::UnknownContent, "An archive without a model in it.");
        }
        return Ok(contents);
    };
    if is_program {
        contents.report(DamageCode::DangerousPickle, "May run code when loaded: it holds a TorchScript program.");
    }
    let Some(bytes) = member_bytes(source, &pickle)? else {
        contents.report(DamageCode::ArchiveError, "Its list of tensors is packed or is not where it should be.");
        return Ok(contents);
    };
    finish(&mut contents, run(&bytes, 0));
    Ok(contents)
}

/// Where the directory begins and how long it is.
fn directory<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Option<(u64, u64)>> {
    let size = source.size();
    let tail_start = size.saturating_sub(MAX_TAIL);
    let tail = source.read_at(tail_start, MAX_TAIL)?;
    let Some(at) = memchr::memmem::rfind(&tail, &END) else { return Ok(None) };
    let record = tail.get(at..).unwrap_or_default();
    let (Some(length), Some(start)) = (u32_at(record, 12), u32_at(record, 16)) else { return Ok(None) };
    let locator = at.checked_sub(20).and_then(|at| tail.get(at..)).filter(|bytes| bytes.starts_with(&LOCATOR64));
    let Some(record64) = locator.and_then(|bytes| u64_at(bytes, 8)) else {
        return Ok(Some((u64::from(start), u64::from(length))));
    };
    let bytes = source.read_at(record64, 56)?;
    if !bytes.starts_with(&END64) {
        return Ok(None);
    }
    Ok(u64_at(&bytes, 48).zip(u64_at(&bytes, 40)))
}

/// The member with the pickle, and whether there is a program. Members that lie behind the directory are told.
fn look_into(directory: &[u8], directory_start: u64, contents: &mut Contents) -> (Option<Member>, bool) {
    let mut rest = directory;
    let (mut pickle, mut is_program): (Option<Member>, bool) = (None, false);
    while let Some((member, next)) = member(rest) {
        rest = next;
        if member.offset.saturating_add(member.packed) > directory_start && contents.damage.is_empty() {
            contents.report(DamageCode::ArchiveError, "Its directory names data that are not there.");
        }
        let depth = memchr::memchr_iter(b'/', &member.name).count();
        is_program |= depth >= 1 && memchr::memmem::find(&member.name, b"/code/").is_some();
        if member.name.ends_with(b"data.pkl") && depth <= 1 && pickle.is_none() {
            pickle = Some(member);
        }
    }
    (pickle, is_program)
}

/// One entry of the directory, and what follows it.
fn member(bytes: &[u8]) -> Option<(Member, &[u8])> {
    let bytes = bytes.strip_prefix(&MEMBER)?;
    let method = u16_at(bytes, 6)?;
    let (packed, plain) = (u32_at(bytes, 16)?, u32_at(bytes, 20)?);
    let lengths = [u16_at(bytes, 24)?, u16_at(bytes, 26)?, u16_at(bytes, 28)?].map(usize::from);
    let offset = u32_at(bytes, 38)?;
    let [name_length, extra_length, comment_length] = lengths;
    let name = bytes.get(42..42 + name_length)?.to_vec();
    let extra = bytes.get(42 + name_length..42 + name_length + extra_length)?;
    let rest = bytes.get(42 + name_length + extra_length + comment_length..)?;
    let mut wide = zip64(extra);
    let mut widened = |value: u32| if value == u32::MAX { wide.next().unwrap_or(u64::MAX) } else { u64::from(value) };
    let (plain, packed, offset) = (widened(plain), widened(packed), widened(offset));
    Some((Member { name, packed, plain, method, offset }, rest))
}

/// Numbers that did not fit, in the extra field of ZIP64.
fn zip64(extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = extra;
    let mut field: &[u8] = &[];
    while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let end = 4 + usize::from(length);
        if id == 1 {
            field = rest.get(4..end).unwrap_or_default();
            break;
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    field.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0)).collect::<Vec<_>>().into_iter()
}

/// A member's bytes; `None` if it is packed, or not there.
fn member_bytes<R: Read + Seek>(source: &mut Source<'_, R>, member: &Member) -> io::Result<Option<Vec<u8>>> {
    if member.method != 0 || member.packed != member.plain || member.packed > MAX_PICKLE {
        return Ok(None);
    }
    let local = source.read_at(member.offset, 30)?;
    let (Some(name), Some(extra)) = (u16_at(&local, 26), u16_at(&local, 28)) else { return Ok(None) };
    if !local.starts_with(b"PK\x03\x04") {
        return Ok(None);
    }
    let data = member.offset.saturating_add(30 + u64::from(name) + u64::from(extra));
    let bytes = source.read_at(data, member.packed)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == member.packed))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
