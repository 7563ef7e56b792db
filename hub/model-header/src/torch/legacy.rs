//! What PyTorch wrote before 1.6: five pickles one behind the other, then the data of all storages, each
//! behind its length (`_legacy_load` in `torch/serialization.py`).

use std::io::{self, Read, Seek};

use super::machine::{Machine, Object, Outcome, Value, run};
use super::{MAX_PICKLE, finish};
use crate::contents::Contents;
use crate::description::part_words;
use crate::dtype::Dtype;
use crate::source::{START_BYTES, Source};
use crate::vocabulary::{DamageCode, Format};

/// Pickles in front of the one with the tensors: the magic number, the protocol, the machine.
const PICKLES_BEFORE: usize = 3;

pub(crate) fn read_legacy<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let mut contents = Contents::new(Format::TorchLegacy);
    let size = source.size();
    let all = size.min(MAX_PICKLE);
    let mut length = START_BYTES.min(all);
    // How long the pickles are is known at their end only.
    while length < all && matches!(follow(source.beginning(length)?), Followed::More) {
        length = length.saturating_mul(4).min(all);
    }
    let Followed::All(outcome, keys) = follow(source.beginning(length)?) else {
        contents.report(DamageCode::TruncatedHeader, "Truncated: its list of tensors has no end.");
        return Ok(contents);
    };
    let data = keys.end as u64;
    let is_followed = outcome.fault.is_none();
    let expected = expected_size(&outcome.machine, data);
    finish(&mut contents, *outcome);
    if is_followed && expected > size {
        let detail = format!("Truncated: {} are there.", part_words(size, expected));
        contents.report(DamageCode::TruncatedData, detail);
    }
    if keys.fault.is_some() && is_followed {
        contents.report(DamageCode::PickleError, "Its list of storages can't be followed.");
    }
    Ok(contents)
}

enum Followed<'d> {
    More,
    All(Box<Outcome<'d>>, Box<Outcome<'d>>),
}

fn follow(bytes: &[u8]) -> Followed<'_> {
    let mut at = 0;
    for _ in 0..PICKLES_BEFORE {
        let outcome = run(bytes, at);
        if outcome.needs_more {
            return Followed::More;
        }
        at = outcome.end;
    }
    let tensors = run(bytes, at);
    if tensors.needs_more {
        return Followed::More;
    }
    let keys = run(bytes, tensors.end);
    if keys.needs_more && tensors.fault.is_none() {
        return Followed::More;
    }
    Followed::All(Box::new(tensors), Box::new(keys))
}

/// Where the data should end: each storage once, behind eight bytes with its length.
fn expected_size(machine: &Machine<'_>, data: u64) -> u64 {
    let mut seen = std::collections::HashSet::new();
    let sizes = machine.objects.iter().filter_map(|object| match object {
        Object::Storage { dtype, numel, key } => {
            let is_new = match key {
                Value::Text(..) => seen.insert(machine.text(*key).unwrap_or_default()),
                _ => true,
            };
            let bytes = Dtype::named(dtype.as_bytes())?.bytes(*numel)?;
            is_new.then(|| bytes.saturating_add(8))
        }
        _ => None,
    });
    sizes.fold(data, u64::saturating_add)
}
