//! What PyTorch wrote before 0.2: a tar with a pickle of what there is. Of these rare files it is told
//! whether they may run code and whether they are whole; their names are in the pickle, their
//! shapes are not, so that no kind is told.

use std::io::{self, Read, Seek};

use super::MAX_PICKLE;
use super::machine::run;
use crate::contents::Contents;
use crate::source::Source;
use crate::table::Table;
use crate::vocabulary::{DamageCode, Format};

const BLOCK: u64 = 512;

/// Members of such a tar: `sys_info`, `pickle`, `tensors`, `storages`.
const MAX_MEMBERS: usize = 16;

pub(crate) fn read_tar<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let mut contents = Contents::new(Format::TorchTar);
    let size = source.size();
    let mut at = 0_u64;
    let mut has_pickle = false;
    for _ in 0..MAX_MEMBERS {
        let header = source.read_at(at, BLOCK)?;
        let Some((name, length)) = member(&header) else { break };
        let data = at.saturating_add(BLOCK);
        let end = data.saturating_add(length);
        if end > size {
            contents.report(DamageCode::TruncatedData, "Truncated: one of its members has no end.");
            break;
        }
        if matches!(name.as_slice(), b"pickle" | b"tensors" | b"storages" | b"sys_info") {
            has_pickle |= name == b"pickle";
            let bytes = source.read_at(data, length.min(MAX_PICKLE))?;
            let outcome = run(&bytes, 0);
            if let Some(danger) = outcome.danger {
                contents.report(DamageCode::DangerousPickle, danger);
            }
        }
        at = end.div_ceil(BLOCK).saturating_mul(BLOCK);
    }
    if has_pickle {
        contents.table = Some(Table::default());
        contents.notes.push("Its tensors are not listed: it is of a format that PyTorch left in 2017.".to_owned());
    } else if contents.damage.is_empty() {
        contents.report(DamageCode::UnknownContent, "An archive without a model in it.");
    }
    Ok(contents)
}

/// A member's name and length.
fn member(header: &[u8]) -> Option<(Vec<u8>, u64)> {
    let name = header.get(..100)?.split(|byte| *byte == 0).next()?;
    let name = name.strip_prefix(b"./").unwrap_or(name).to_vec();
    let digits = std::str::from_utf8(header.get(124..136)?).ok()?;
    let length = u64::from_str_radix(digits.trim_matches(|c: char| c == '\0' || c == ' '), 8).ok()?;
    (!name.is_empty()).then_some((name, length))
}
