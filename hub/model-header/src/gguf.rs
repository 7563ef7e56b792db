//! GGUF: named values, then a table of tensors, then data. It is read as a stream: a count or a length is
//! believed only as far as bytes follow it, and lists of words, which are megabytes, are passed over
//! (`ggml/src/gguf.cpp` in llama.cpp).

mod values;

use std::collections::HashMap;
use std::io::{self, Read, Seek};

use crate::contents::{Contents, Gguf};
use crate::description::{part_words, size_words};
use crate::dtype::Dtype;
use crate::safetensors::shown;
use crate::source::{Source, Stream};
use crate::table::{MAX_TENSORS, New, Pushed, Table};
use crate::vocabulary::{DamageCode, Format};

use values::{Kept, Value};

/// Named values that are believed; real files have less than a hundred.
const MAX_VALUES: u64 = 1 << 20;

/// Bytes of a tensor's name, and dimensions of its shape.
const MAX_NAME: u64 = 1 << 16;
const MAX_DIMS: u32 = 8;

/// Where ComfyUI-GGUF notes a shape of more dimensions than ggml has (`loader.py`, `get_orig_shape`).
const ORIGINAL_SHAPE: &str = "comfy.gguf.orig_shape.";

/// Types of tensors by their number (`ggml_type` in `ggml.h`).
const TYPES: [(u32, &str); 37] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    // Types of numbers that some tools write for scales.
    (41, "U8"),
    (42, "U16"),
    (43, "U32"),
    (44, "U64"),
];

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Io(io::Error),
    /// The file ends.
    End,
    /// A number that no file has room for.
    Impossible(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) fn read<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let size = source.size();
    let broken = |code, detail: String| Ok(Contents::broken(Format::Gguf, code, detail));
    let cut = || format!("Truncated in its header: {} are there.", size_words(size));
    let mut stream = source.stream(4);
    let Some(version) = stream.u32()? else { return broken(DamageCode::TruncatedHeader, cut()) };
    if version != 2 && version != 3 {
        return broken(DamageCode::UnknownVersion, format!("Version {version} of GGUF is not known; 2 and 3 are."));
    }
    let mut reading = Reading::new(size);
    match reading.read(&mut stream) {
        Ok(()) => Ok(reading.contents),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::End) => broken(DamageCode::TruncatedHeader, cut()),
        Err(Stop::Impossible(detail)) => broken(DamageCode::HeaderLength, detail),
    }
}

struct Reading {
    contents: Contents,
    table: Table,
    gguf: Gguf,
    alignment: u64,
    original_shapes: HashMap<Vec<u8>, Vec<u64>>,
    spans: Vec<(u64, u64)>,
    size: u64,
}

impl Reading {
    fn new(size: u64) -> Self {
        Self {
            contents: Contents::new(Format::Gguf),
            table: Table::default(),
            gguf: Gguf::default(),
            alignment: 32,
            original_shapes: HashMap::new(),
            spans: Vec::new(),
            size,
        }
    }

    fn read<R: Read + Seek>(&mut self, stream: &mut Stream<'_, R>) -> Result<(), Stop> {
        let n_tensors = stream.u64()?.ok_or(Stop::End)?;
        let n_values = stream.u64()?.ok_or(Stop::End)?;
        if n_tensors > MAX_TENSORS as u64 {
            return Err(Stop::Impossible(format!("It says that it has {n_tensors} tensors; no file has.")));
        }
        if n_values > MAX_VALUES {
            return Err(Stop::Impossible(format!("It says that it has {n_values} named values; no file has.")));
        }
        for _ in 0..n_values {
            let (key, value) = values::read(stream)?;
            self.keep(&key, &value);
        }
        for _ in 0..n_tensors {
            self.tensor(stream)?;
        }
        let data = stream.position().div_ceil(self.alignment).saturating_mul(self.alignment);
        self.check(data);
        self.contents.table = Some(std::mem::take(&mut self.table));
        self.contents.gguf = Some(std::mem::take(&mut self.gguf));
        Ok(())
    }

    fn keep(&mut self, key: &str, value: &Kept) {
        match (key, &value.value) {
            ("general.architecture", Value::Text(text)) => self.gguf.architecture.clone_from(text),
            ("general.type", Value::Text(text)) => self.gguf.kind.clone_from(text),
            ("general.size_label", Value::Text(text)) => self.gguf.size_label = Some(text.clone()),
            ("clip.projector_type" | "clip.vision.projector_type", Value::Text(text)) => {
                self.gguf.projector = Some(text.clone());
            }
            ("general.file_type", Value::Number(number)) => self.gguf.file_type = Some(*number),
            ("general.alignment", Value::Number(number)) if number.is_power_of_two() && *number <= 1 << 16 => {
                self.alignment = *number;
            }
            _ => {}
        }
        if let (Some(name), Value::Numbers(dims)) = (key.strip_prefix(ORIGINAL_SHAPE), &value.value) {
            if self.original_shapes.len() < 4_096 {
                self.original_shapes.insert(name.as_bytes().to_vec(), dims.clone());
            }
            return;
        }
        self.contents.metadata.add(key, &value.shown());
    }

    fn tensor<R: Read + Seek>(&mut self, stream: &mut Stream<'_, R>) -> Result<(), Stop> {
        let name = values::text(stream, MAX_NAME)?;
        let n_dims = stream.u32()?.ok_or(Stop::End)?;
        if n_dims > MAX_DIMS {
            return Err(Stop::Impossible(format!("The tensor {} has {n_dims} dimensions.", shown(&name))));
        }
        let mut dims = Vec::with_capacity(n_dims as usize);
        for _ in 0..n_dims {
            dims.push(stream.u64()?.ok_or(Stop::End)?);
        }
        let number = stream.u32()?.ok_or(Stop::End)?;
        let offset = stream.u64()?.ok_or(Stop::End)?;
        dims.reverse();
        let known =
            TYPES.iter().find(|(known, _)| *known == number).and_then(|(_, name)| Dtype::named(name.as_bytes()));
        let dtype = known.unwrap_or_else(|| self.table.dtype(format!("type {number}").as_bytes()));
        if known.is_none() {
            self.fault(DamageCode::UnknownDtype, &name, &format!("is of the unknown type {number}"));
        }
        let elements = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let bytes = elements.and_then(|elements| dtype.bytes(elements));
        match (elements, bytes) {
            (None, _) => self.fault(DamageCode::ShapeOverflow, &name, "has a shape of more numbers than can be"),
            (_, None) if known.is_some() => {
                self.fault(DamageCode::ShapeMismatch, &name, "has a shape that its type has no blocks for");
            }
            _ => {}
        }
        if let Some(original) = self.original_shapes.get(&name)
            && original.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim)) == elements
        {
            dims.clone_from(original);
        }
        let pushed = self.table.push(&New {
            name: &name,
            dtype,
            dims: &dims,
            elements: elements.unwrap_or(0),
            bytes: bytes.unwrap_or(0),
            begin: offset,
        });
        if pushed == Pushed::Replaced {
            self.fault(DamageCode::DuplicateKey, &name, "is listed twice");
        }
        self.spans.push((offset, offset.saturating_add(bytes.unwrap_or(0))));
        Ok(())
    }

    fn fault(&mut self, code: DamageCode, name: &[u8], says: &str) {
        if self.contents.damage.iter().all(|damage| damage.code != code) {
            self.contents.report(code, format!("The tensor {} {says}.", shown(name)));
        }
    }

    /// Compares where the data should be with the file's size and with each other.
    fn check(&mut self, data: u64) {
        let end = self.spans.iter().map(|(_, end)| data.saturating_add(*end)).max().unwrap_or(0);
        if end > self.size {
            let detail = format!("Truncated: {} are there.", part_words(self.size, end));
            self.contents.damage.insert(0, crate::description::Damage::new(DamageCode::TruncatedData, detail));
        }
        self.spans.sort_unstable();
        let mut last = 0;
        let shares = self.spans.iter().any(|(begin, end)| {
            let shares = *begin < last && end > begin;
            last = last.max(*end);
            shares
        });
        let is_listed_twice = self.contents.damage.iter().any(|damage| damage.code == DamageCode::DuplicateKey);
        if shares && !is_listed_twice {
            self.contents.report(DamageCode::Overlap, "Two of its tensors share bytes.");
        }
    }
}

impl<R: Read + Seek> Stream<'_, R> {
    pub(crate) fn u32(&mut self) -> io::Result<Option<u32>> {
        Ok(self.take(4)?.and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes)))
    }

    pub(crate) fn u64(&mut self) -> io::Result<Option<u64>> {
        Ok(self.take(8)?.and_then(|bytes| bytes.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes)))
    }
}
