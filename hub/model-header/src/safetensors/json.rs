//! The header's JSON, read in one pass into the table of tensors. No tree is built, names are not
//! copied one by one, and numbers that make no sense are kept as such: they are told, not fatal.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::building::{Building, Entry};
use super::values::{Bytes, NumbersSeed};
use super::{broken, plain};
use crate::description::Damage;
use crate::dtype::Dtype;
use crate::vocabulary::DamageCode;

/// Reads a header; an error where nothing can be told.
pub(super) fn read_entries(header: &[u8]) -> Result<Entry, Damage> {
    let Ok(text) = std::str::from_utf8(header) else { return Err(broken::not_text(header)) };
    if let Some(entry) = plain::read(text) {
        return Ok(entry);
    }
    let mut building = Building::new(header.len());
    let mut json = serde_json::Deserializer::from_str(text);
    let read = HeaderSeed(&mut building).deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        let is_over = building.fatal.is_none() && building.is_overwritten(text.len(), &error);
        if !is_over {
            return Err(building.fatal.take().unwrap_or_else(|| broken::not_json(text, &error)));
        }
        building.add_pending();
    }
    if !text.starts_with('{') {
        building.fault(DamageCode::LeadingSpace, || "There is space before its header.".to_owned());
    }
    Ok(building.entry)
}

/// Whether these bytes are the beginning of a header that goes on behind them.
pub(super) fn is_cut_header(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character may be cut through the middle.
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    if valid.is_empty() {
        return true;
    }
    let mut json = serde_json::Deserializer::from_str(valid);
    matches!(json.deserialize_map(AnyMap), Err(error) if error.is_eof())
}

struct AnyMap;

impl<'de> Visitor<'de> for AnyMap {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct HeaderSeed<'b>(&'b mut Building);

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let building = self.0;
        while let Some(name) = map.next_key_seed(Bytes)? {
            if &*name == b"__metadata__" {
                let value: &'de RawValue = map.next_value()?;
                building.take_metadata(value.get()).map_err(A::Error::custom)?;
                continue;
            }
            if matches!(name, Cow::Owned(_)) && std::str::from_utf8(&name).is_err() {
                building.tensor_fault(DamageCode::LoneSurrogate, &name, "has half a character in its name");
            }
            if building.over_header > 0 {
                building.pending = Some(name.to_vec());
            }
            map.next_value_seed(TensorSeed(building))?;
            building.pending = None;
            building.add(&name).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

struct TensorSeed<'b>(&'b mut Building);

impl<'de> DeserializeSeed<'de> for TensorSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TensorSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor with dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let building = self.0;
        building.tensor.dtype = None;
        building.tensor.shape.clear();
        building.tensor.offsets.clear();
        while let Some(key) = map.next_key_seed(Bytes)? {
            match &*key {
                b"dtype" => {
                    let name = map.next_value_seed(Bytes)?;
                    let known = Dtype::named(&name);
                    building.tensor.is_known = known.is_some();
                    building.tensor.dtype = Some(known.unwrap_or_else(|| building.entry.table.dtype(&name)));
                }
                b"shape" => map.next_value_seed(NumbersSeed(&mut building.tensor.shape))?,
                b"data_offsets" => map.next_value_seed(NumbersSeed(&mut building.tensor.offsets))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
