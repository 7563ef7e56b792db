//! The named values of GGUF. Texts are kept up to a bound, short lists of numbers too; the rest is passed
//! over without being kept.

use std::io::{Read, Seek};

use super::Stop;
use crate::description::size_words;
use crate::source::Stream;

/// Bytes of a name and of a text that are kept.
const MAX_KEY: u64 = 1 << 16;
const MAX_TEXT: u64 = 64 * 1024;

/// Numbers of a list that are kept.
const MAX_NUMBERS: u64 = 16;

/// Lists in lists.
const MAX_DEPTH: u8 = 4;

/// A value as far as it is kept.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    /// A number with a sign or a fraction, or a truth, in its words.
    Other(String),
    Numbers(Vec<u64>),
    /// A list of so many that is not kept.
    List(u64),
}

/// A value with what it is called.
pub(super) struct Kept {
    pub(super) value: Value,
}

impl Kept {
    /// The value for people.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Other(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Numbers(numbers) => format!("{numbers:?}"),
            Value::List(n) => format!("[{n} values]"),
        }
    }
}

/// Bytes of a number of this type; `None` for texts, lists and what is not known.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

pub(super) fn read<R: Read + Seek>(stream: &mut Stream<'_, R>) -> Result<(String, Kept), Stop> {
    let key = text(stream, MAX_KEY)?;
    let kind = stream.u32()?.ok_or(Stop::End)?;
    let value = value(stream, kind, 0)?;
    Ok((String::from_utf8_lossy(&key).into_owned(), Kept { value }))
}

/// A text of a length that cannot be more than this.
pub(super) fn text<R: Read + Seek>(stream: &mut Stream<'_, R>, limit: u64) -> Result<Vec<u8>, Stop> {
    let length = length(stream)?;
    if length > limit {
        return Err(Stop::Impossible(format!("A name in it is said to be {} long.", size_words(length))));
    }
    let bytes = stream.take(usize::try_from(length).unwrap_or(usize::MAX))?.ok_or(Stop::End)?;
    Ok(bytes.to_vec())
}

/// A length: one that the whole file has no room for is a lie, one that the rest has none for is a cut.
fn length<R: Read + Seek>(stream: &mut Stream<'_, R>) -> Result<u64, Stop> {
    let length = stream.u64()?.ok_or(Stop::End)?;
    if length > stream.left().saturating_add(stream.position()) {
        return Err(Stop::Impossible(format!("A text in it is said to be {} long.", size_words(length))));
    }
    if length > stream.left() { Err(Stop::End) } else { Ok(length) }
}

fn skip<R: Read + Seek>(stream: &mut Stream<'_, R>, bytes: u64) -> Result<(), Stop> {
    if stream.skip(bytes) { Ok(()) } else { Err(Stop::End) }
}

fn value<R: Read + Seek>(stream: &mut Stream<'_, R>, kind: u32, depth: u8) -> Result<Value, Stop> {
    match kind {
        8 => {
            let length = length(stream)?;
            let kept = length.min(MAX_TEXT);
            let bytes = stream.take(usize::try_from(kept).unwrap_or(0))?.ok_or(Stop::End)?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            skip(stream, length - kept)?;
            Ok(Value::Text(text))
        }
        9 if depth < MAX_DEPTH => list(stream, depth),
        _ => number(stream, kind),
    }
}

fn number<R: Read + Seek>(stream: &mut Stream<'_, R>, kind: u32) -> Result<Value, Stop> {
    let Some(width) = width(kind) else {
        return Err(Stop::Impossible(format!("A value in it is of the unknown type {kind}.")));
    };
    let bytes = stream.take(usize::try_from(width).unwrap_or(0))?.ok_or(Stop::End)?;
    let mut wide = [0_u8; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    let unsigned = u64::from_le_bytes(wide);
    let low = |bits: u32| i64::from_le_bytes(wide) << (64 - bits) >> (64 - bits);
    let short = f32::from_bits(u32::try_from(unsigned & u64::from(u32::MAX)).unwrap_or(0));
    let signed = match kind {
        1 => low(8),
        3 => low(16),
        5 => low(32),
        11 => low(64),
        6 => return Ok(Value::Other(short.to_string())),
        7 => return Ok(Value::Other((unsigned != 0).to_string())),
        12 => return Ok(Value::Other(f64::from_bits(unsigned).to_string())),
        _ => return Ok(Value::Number(unsigned)),
    };
    Ok(u64::try_from(signed).map_or_else(|_| Value::Other(signed.to_string()), Value::Number))
}

fn list<R: Read + Seek>(stream: &mut Stream<'_, R>, depth: u8) -> Result<Value, Stop> {
    let kind = stream.u32()?.ok_or(Stop::End)?;
    let n = stream.u64()?.ok_or(Stop::End)?;
    let least = width(kind).unwrap_or(8);
    let needed = n.saturating_mul(least);
    if needed > stream.left().saturating_add(stream.position()) {
        return Err(Stop::Impossible(format!("A list in it is said to have {n} values.")));
    }
    if needed > stream.left() {
        return Err(Stop::End);
    }
    if width(kind).is_some() && n > MAX_NUMBERS {
        skip(stream, needed)?;
        return Ok(Value::List(n));
    }
    let mut numbers = Vec::new();
    for _ in 0..n {
        match kind {
            8 => {
                let length = length(stream)?;
                skip(stream, length)?;
            }
            _ => {
                if let Value::Number(number) = value(stream, kind, depth + 1)? {
                    numbers.push(number);
                }
            }
        }
    }
    Ok(if n > 0 && numbers.len() as u64 == n { Value::Numbers(numbers) } else { Value::List(n) })
}
