//! What PyTorch writes: a pickle that says which tensors there are, and their data, in an archive or one
//! behind the other. A pickle is a program; it is followed here with marks in place of values, so that
//! names and shapes come out and nothing is ever run.

mod archive;
mod globals;
mod legacy;
mod machine;
mod tar;
mod values;

use std::io::{self, Read, Seek};

use crate::contents::Contents;
use crate::source::Source;
use crate::vocabulary::{DamageCode, Format};

pub(crate) use archive::read_zip;
pub(crate) use legacy::read_legacy;
pub(crate) use tar::read_tar;

use machine::{Outcome, run};

/// Bytes of a pickle that are read; those of models of thousands of tensors have one million.
pub(crate) const MAX_PICKLE: u64 = 64 << 20;

/// A pickle with nothing around it.
pub(crate) fn read_pickle<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let bytes = source.beginning(MAX_PICKLE)?;
    let mut contents = Contents::new(Format::Pickle);
    finish(&mut contents, run(bytes, 0));
    Ok(contents)
}

/// Takes over what a pickle told.
fn finish(contents: &mut Contents, outcome: Outcome<'_>) {
    if let Some(detail) = outcome.danger {
        contents.report(DamageCode::DangerousPickle, detail);
    }
    if let Some(detail) = outcome.fault {
        let code = if outcome.needs_more { DamageCode::TruncatedData } else { DamageCode::PickleError };
        contents.report(code, detail);
        return;
    }
    let mut told = values::tell_value(&outcome.machine, outcome.result);
    for (key, value) in told.texts {
        contents.metadata.add(&key, &value);
    }
    if !told.is_whole {
        contents.notes.push("It holds more than is looked at.".to_owned());
    }
    contents.table = Some(std::mem::take(&mut told.table));
}
