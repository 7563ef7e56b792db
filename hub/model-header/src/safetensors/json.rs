//! The header's JSON, read in one pass into the table of tensors. No tree is built, names are not
//! copied one by one, and numbers that make no sense are kept as such: they are told, not fatal.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{broken, plain};
use crate::description::Damage;
use crate::dtype::Dtype;
use crate::metadata::Metadata;
use crate::table::{New, Pushed, Table};
use crate::vocabulary::DamageCode;

/// What stands in a header.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) table: Table,
    pub(crate) metadata: Metadata,
    /// What is wrong with single tensors and texts, the first of each sort.
    pub(crate) faults: Vec<Damage>,
    /// Where data begin and end, of all tensors whose offsets make sense.
    pub(crate) spans: Vec<(u64, u64)>,
}

/// Reads a header; an error where nothing can be told.
pub(crate) fn read_entries(header: &[u8]) -> Result<Entry, Damage> {
    let Ok(text) = std::str::from_utf8(header) else { return Err(broken::not_text(header)) };
    let mut building = Building::new(header.len());
    if plain::read(text, &mut building).is_some() {
        return Ok(building.entry);
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

pub(super) struct Building {
    entry: Entry,
    fatal: Option<Damage>,
    tensor: Tensor,
    /// How many bytes of the header's end the data of a tensor with an offset below zero lie over.
    over_header: u64,
    /// The name of the tensor that is being read, if its end may be such data.
    pending: Option<Vec<u8>>,
}

/// One tensor as its entry says it; used again for the next, to save the allocations.
#[derive(Default)]
pub(super) struct Tensor {
    dtype: Option<Dtype>,
    is_known: bool,
    pub(super) shape: Numbers,
    pub(super) offsets: Numbers,
}

/// Numbers of which some may be none.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) values: Vec<u64>,
    is_given: bool,
    /// Negative, or with a fraction.
    has_odd: bool,
    /// Greater than fits.
    has_huge: bool,
    /// How far below zero.
    below: u64,
}

impl Numbers {
    fn clear(&mut self) {
        self.values.clear();
        (self.is_given, self.has_odd, self.has_huge, self.below) = (false, false, false, 0);
    }
}

impl Building {
    fn new(header_bytes: usize) -> Self {
        let table = Table::for_header(header_bytes);
        let spans = Vec::with_capacity((header_bytes / 128).min(65_536));
        let entry = Entry { table, metadata: Metadata::default(), faults: Vec::new(), spans };
        Self { entry, fatal: None, tensor: Tensor::default(), over_header: 0, pending: None }
    }

    /// Keeps the first of each sort.
    fn fault(&mut self, code: DamageCode, detail: impl FnOnce() -> String) {
        if self.entry.faults.iter().all(|fault| fault.code != code) {
            self.entry.faults.push(Damage::new(code, detail()));
        }
    }

    fn tensor_fault(&mut self, code: DamageCode, name: &[u8], says: &str) {
        self.fault(code, || format!("The tensor {} {says}.", broken::shown(name)));
    }

    /// A tensor whose offset is below zero has its data where the header ends: what can't be read there is
    /// no second fault.
    fn is_overwritten(&self, header_bytes: usize, error: &serde_json::Error) -> bool {
        let place = (error.column() as u64).saturating_sub(1);
        self.over_header > 0 && error.line() == 1 && place >= (header_bytes as u64).saturating_sub(self.over_header)
    }

    fn add_pending(&mut self) {
        let Some(name) = self.pending.take() else { return };
        self.tensor.offsets.clear();
        self.tensor.offsets.is_given = true;
        if self.add(&name).is_err() {
            // Of this tensor too little was read.
            self.fatal = None;
        }
    }

    /// The next tensor, of a known type, with its lists given but empty.
    pub(super) fn next_tensor(&mut self, dtype: Dtype) -> &mut Tensor {
        let tensor = &mut self.tensor;
        (tensor.dtype, tensor.is_known) = (Some(dtype), true);
        tensor.shape.clear();
        tensor.offsets.clear();
        (tensor.shape.is_given, tensor.offsets.is_given) = (true, true);
        tensor
    }

    /// Reads the metadata; an error where the whole header is not to be read.
    pub(super) fn take_metadata(&mut self, json: &str) -> Result<(), &'static str> {
        let (metadata, faults) = Metadata::of_json(json);
        self.entry.metadata = metadata;
        for fault in faults {
            if fault.code == DamageCode::DeepJson {
                self.fatal = Some(fault);
                return Err("too deep");
            }
            self.fault(fault.code, || fault.detail);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, name: &[u8]) -> Result<(), &'static str> {
        let tensor = std::mem::take(&mut self.tensor);
        self.over_header = self.over_header.max(tensor.offsets.below);
        let result = self.add_tensor(name, &tensor);
        self.tensor = tensor;
        result
    }

    fn add_tensor(&mut self, name: &[u8], tensor: &Tensor) -> Result<(), &'static str> {
        let Some(dtype) = tensor.dtype else { return Err("a tensor without dtype") };
        if !tensor.shape.is_given || !tensor.offsets.is_given {
            return Err("a tensor without shape or data_offsets");
        }
        if !tensor.is_known {
            let type_name = self.entry.table.dtype_name(dtype).to_owned();
            self.tensor_fault(DamageCode::UnknownDtype, name, &format!("is of the unknown type {type_name:?}"));
        }
        let product = tensor.shape.values.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let by_shape = product.filter(|_| !tensor.shape.has_huge);
        let expected = by_shape.and_then(|elements| dtype.bytes(elements));
        let span = self.span(name, tensor);
        if by_shape.is_none() || (tensor.is_known && expected.is_none() && dtype.bytes(0).is_some() && huge(by_shape)) {
            self.tensor_fault(DamageCode::ShapeOverflow, name, "has a shape of more numbers than can be");
        } else if tensor.shape.has_odd {
            self.tensor_fault(DamageCode::ShapeMismatch, name, "has a shape that is none");
        } else if let Some((begin, end)) = span
            && tensor.is_known
            && expected != Some(end - begin)
        {
            self.tensor_fault(DamageCode::ShapeMismatch, name, "has a shape that does not fit its bytes");
        }
        self.keep(name, tensor, dtype, by_shape, expected, span)
    }

    /// Where a tensor says that its data are.
    fn span(&mut self, name: &[u8], tensor: &Tensor) -> Option<(u64, u64)> {
        let span = match *tensor.offsets.values.as_slice() {
            [begin, end] if begin <= end && !tensor.offsets.has_odd && !tensor.offsets.has_huge => Some((begin, end)),
            _ => None,
        };
        if span.is_none() {
            self.tensor_fault(DamageCode::BadOffsets, name, "has offsets that cannot be");
        }
        span
    }

    /// What its shape says holds, unless the bytes that are there contradict it.
    fn keep(
        &mut self,
        name: &[u8],
        tensor: &Tensor,
        dtype: Dtype,
        by_shape: Option<u64>,
        expected: Option<u64>,
        span: Option<(u64, u64)>,
    ) -> Result<(), &'static str> {
        let span_bytes = span.map(|(begin, end)| end - begin);
        let fits = tensor.is_known && expected.is_some() && (span.is_none() || expected == span_bytes);
        let by_span = span_bytes.and_then(|bytes| dtype.elements(bytes));
        let elements = if fits { by_shape } else { by_span.or(by_shape) };
        let bytes = if fits { expected } else { span_bytes.or(expected) };
        let pushed = self.entry.table.push(&New {
            name,
            dtype,
            dims: &tensor.shape.values,
            elements: elements.unwrap_or(0),
            bytes: bytes.unwrap_or(0),
            begin: span.map_or(0, |(begin, _)| begin),
        });
        match pushed {
            Pushed::New => self.entry.spans.extend(span),
            Pushed::Replaced => {
                self.entry.spans.extend(span);
                self.tensor_fault(DamageCode::DuplicateKey, name, "is listed twice; the last one holds");
            }
            Pushed::Full => {
                self.fatal = Some(Damage::new(DamageCode::TooManyTensors, "It lists more than 2,000,000 tensors."));
                return Err("too many tensors");
            }
        }
        Ok(())
    }
}

/// A number of numbers whose bytes do not fit into a number.
fn huge(elements: Option<u64>) -> bool {
    elements.is_some_and(|elements| elements > u64::MAX / 16)
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

/// A text as bytes: half characters, which JSON can say and text cannot, come through.
struct Bytes;

impl<'de> DeserializeSeed<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

/// The text of a JSON string, whatever stands in it; `None` if it is none.
pub(crate) fn text_of(raw: &str) -> Option<Cow<'_, [u8]>> {
    Bytes.deserialize(&mut serde_json::Deserializer::from_str(raw)).ok()
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

struct NumbersSeed<'n>(&'n mut Numbers);

impl<'de> DeserializeSeed<'de> for NumbersSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for NumbersSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.is_given = true;
        while let Some(()) = seq.next_element_seed(NumberSeed(self.0))? {}
        Ok(())
    }
}

struct NumberSeed<'n>(&'n mut Numbers);

impl<'de> DeserializeSeed<'de> for NumberSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for NumberSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.values.push(number);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.has_odd = true;
        self.0.below = self.0.below.max(number.unsigned_abs());
        self.0.values.push(0);
        Ok(())
    }

    /// A fraction, or a whole number that is too great for its type.
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if number.abs() >= 1.8e19 {
            self.0.has_huge = true;
        } else {
            self.0.has_odd = true;
        }
        self.0.values.push(0);
        Ok(())
    }
}
