//! The same header as almost all programs write it: no spaces, nothing escaped, the fields of a tensor in
//! one order. Such headers are most of a library, and this reads them several times faster than a reader
//! of any JSON. Whatever else stands there ends it, and the header is read anew by `json`.

use serde_json::value::RawValue;

use super::building::{Building, Entry};
use super::values::Numbers;
use crate::dtype::Dtype;

/// Reads a header; `None` where it is not of this form.
pub(super) fn read(text: &str) -> Option<Entry> {
    let mut building = Building::new(text.len());
    read_into(text, &mut building).map(|()| building.entry)
}

fn read_into(text: &str, building: &mut Building) -> Option<()> {
    let bytes = text.trim_ascii_end().as_bytes();
    let mut rest = bytes.strip_prefix(b"{\"")?;
    let mut last_dtype: (&[u8], Option<Dtype>) = (b"", None);
    loop {
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        let (name, behind) = rest.split_at_checked(end)?;
        if name == b"__metadata__" {
            let value = behind.strip_prefix(b"\":")?;
            let at = bytes.len().checked_sub(value.len())?;
            let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<&RawValue>();
            let raw = values.next()?.ok()?;
            building.take_metadata(raw.get()).ok()?;
            rest = value.get(values.byte_offset()..)?;
        } else {
            let behind = behind.strip_prefix(b"\":{\"dtype\":\"")?;
            let (dtype, behind) = behind.split_at_checked(memchr::memchr(b'"', behind.get(..16)?)?)?;
            if dtype != last_dtype.0 {
                last_dtype = (dtype, Some(Dtype::named(dtype)?));
            }
            let tensor = building.next_tensor(last_dtype.1?);
            let behind = behind.strip_prefix(b"\",\"shape\":[")?;
            let behind = numbers(behind, &mut tensor.shape)?;
            let behind = behind.strip_prefix(b",\"data_offsets\":[")?;
            let behind = numbers(behind, &mut tensor.offsets)?;
            building.add(name).ok()?;
            rest = behind.strip_prefix(b"}")?;
        }
        match rest {
            b"}" => return Some(()),
            [b',', b'"', next @ ..] => rest = next,
            _ => return None,
        }
    }
}

/// Whole numbers up to the end of their list.
fn numbers<'r>(mut rest: &'r [u8], numbers: &mut Numbers) -> Option<&'r [u8]> {
    if let Some(behind) = rest.strip_prefix(b"]") {
        return Some(behind);
    }
    loop {
        let mut number = 0_u64;
        let mut n_digits = 0_usize;
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            n_digits += 1;
        }
        // Nineteen digits always fit; a number begins with zero only if it is zero.
        if n_digits == 0 || n_digits > 19 || (n_digits > 1 && rest.first() == Some(&b'0')) {
            return None;
        }
        numbers.push(number);
        match rest.get(n_digits..)? {
            [b',', next @ ..] => rest = next,
            [b']', behind @ ..] => return Some(behind),
            _ => return None,
        }
    }
}
