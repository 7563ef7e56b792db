//! What is read of a header so far: tensors go into the table, what is wrong with one is noted, the first
//! of each sort.

use super::broken;
use super::values::Numbers;
use crate::description::Damage;
use crate::dtype::Dtype;
use crate::metadata::Metadata;
use crate::table::{New, Pushed, Table};
use crate::vocabulary::DamageCode;

/// What stands in a header.
#[derive(Debug)]
pub(super) struct Entry {
    pub(crate) table: Table,
    pub(crate) metadata: Metadata,
    /// What is wrong with single tensors and texts, the first of each sort.
    pub(crate) faults: Vec<Damage>,
    /// Where data begin and end, of all tensors whose offsets make sense.
    pub(crate) spans: Vec<(u64, u64)>,
}

/// A header that is being read.
pub(super) struct Building {
    pub(super) entry: Entry,
    pub(super) fatal: Option<Damage>,
    pub(super) tensor: Tensor,
    /// How many bytes of the header's end the data of a tensor with an offset below zero lie over.
    pub(super) over_header: u64,
    /// The name of the tensor that is being read, if its end may be such data.
    pub(super) pending: Option<Vec<u8>>,
}

/// One tensor as its entry says it; used again for the next, to save the allocations.
#[derive(Default)]
pub(super) struct Tensor {
    pub(super) dtype: Option<Dtype>,
    pub(super) is_known: bool,
    pub(super) shape: Numbers,
    pub(super) offsets: Numbers,
}

impl Building {
    pub(super) fn new(header_bytes: usize) -> Self {
        let table = Table::for_header(header_bytes);
        let spans = Vec::with_capacity((header_bytes / 128).min(65_536));
        let entry = Entry { table, metadata: Metadata::default(), faults: Vec::new(), spans };
        Self { entry, fatal: None, tensor: Tensor::default(), over_header: 0, pending: None }
    }

    /// Keeps the first of each sort.
    pub(super) fn fault(&mut self, code: DamageCode, detail: impl FnOnce() -> String) {
        if self.entry.faults.iter().all(|fault| fault.code != code) {
            self.entry.faults.push(Damage::new(code, detail()));
        }
    }

    pub(super) fn tensor_fault(&mut self, code: DamageCode, name: &[u8], says: &str) {
        self.fault(code, || format!("The tensor {} {says}.", broken::shown(name)));
    }

    /// A tensor whose offset is below zero has its data where the header ends: what can't be read there is
    /// no second fault.
    pub(super) fn is_overwritten(&self, header_bytes: usize, error: &serde_json::Error) -> bool {
        let place = (error.column() as u64).saturating_sub(1);
        self.over_header > 0 && error.line() == 1 && place >= (header_bytes as u64).saturating_sub(self.over_header)
    }

    pub(super) fn add_pending(&mut self) {
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
        let by_shape = tensor.shape.product.filter(|_| !tensor.shape.has_huge);
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
