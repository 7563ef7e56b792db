//! ONNX: a graph of operations in protobuf. Only the names, types and shapes of its weights and of what goes
//! in and out are read; the weights are passed over (`onnx.proto`).

use std::io::{self, Read, Seek};

use crate::contents::{Contents, Graph};
use crate::description::part_words;
use crate::dtype::Dtype;
use crate::source::{Source, Stream};
use crate::table::{New, Table};
use crate::vocabulary::{DamageCode, Format};

/// Fields that are looked at, names and texts that are kept.
const MAX_FIELDS: u64 = 4_000_000;
const MAX_NAME: u64 = 1 << 16;
const MAX_SHAPES: usize = 64;

/// Types of tensors by their number (`TensorProto.DataType`).
const TYPES: [(u64, &str); 18] = [
    (1, "F32"),
    (2, "U8"),
    (3, "I8"),
    (4, "U16"),
    (5, "I16"),
    (6, "I32"),
    (7, "I64"),
    (9, "BOOL"),
    (10, "F16"),
    (11, "F64"),
    (12, "U32"),
    (13, "U64"),
    (14, "C64"),
    (15, "C128"),
    (16, "BF16"),
    (17, "F8_E4M3"),
    (19, "F8_E5M2"),
    (23, "F4"),
];

enum Stop {
    Io(io::Error),
    End,
    Odd,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A field: its number, and its value or the length of what follows.
enum Field {
    Number(u64, u64),
    Bytes(u64, u64),
    Other,
}

pub(crate) fn read<R: Read + Seek>(source: &mut Source<'_, R>) -> io::Result<Contents> {
    let size = source.size();
    let mut reading = Reading {
        stream: source.stream(0),
        contents: Contents::new(Format::Onnx),
        table: Table::default(),
        graph: Graph::default(),
        fields: 0,
    };
    let result = reading.model(size);
    let (mut contents, table, graph, end) = (reading.contents, reading.table, reading.graph, reading.stream.position());
    match result {
        Ok(true) => {
            contents.table = Some(table);
            contents.graph = Some(graph);
        }
        Ok(false) => contents.report(DamageCode::UnknownContent, "It holds no graph of operations."),
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::End) => {
            let detail = format!("Truncated: a part at {} goes on behind its end.", part_words(end, size));
            contents.report(DamageCode::TruncatedData, detail);
        }
        Err(Stop::Odd) => contents.report(DamageCode::UnknownContent, "It can't be read as a graph of operations."),
    }
    Ok(contents)
}

struct Reading<'s, R> {
    stream: Stream<'s, R>,
    contents: Contents,
    table: Table,
    graph: Graph,
    fields: u64,
}

impl<R: Read + Seek> Reading<'_, R> {
    /// `ModelProto`; whether there was a graph.
    fn model(&mut self, size: u64) -> Result<bool, Stop> {
        let mut has_graph = false;
        while self.stream.position() < size {
            match self.field(size)? {
                Field::Bytes(7, length) => {
                    let end = self.end(length, size)?;
                    self.graph(end)?;
                    has_graph = true;
                }
                Field::Bytes(2, length) if length <= MAX_NAME => {
                    let name = self.text(length)?;
                    self.contents.metadata.add("producer_name", &name);
                }
                // `metadata_props`: a key and a value.
                Field::Bytes(14, length) => {
                    let end = self.end(length, size)?;
                    self.property(end)?;
                }
                Field::Bytes(_, length) => self.skip(length)?,
                _ => {}
            }
        }
        Ok(has_graph)
    }

    fn property(&mut self, end: u64) -> Result<(), Stop> {
        let (mut key, mut value) = (String::new(), String::new());
        while self.stream.position() < end {
            match self.field(end)? {
                Field::Bytes(1, length) if length <= MAX_NAME => key = self.text(length)?,
                Field::Bytes(2, length) if length <= MAX_NAME => value = self.text(length)?,
                Field::Bytes(_, length) => self.skip(length)?,
                _ => {}
            }
        }
        self.contents.metadata.add(&key, &value);
        Ok(())
    }

    /// `GraphProto`: 5 weights, 11 what goes in, 12 what comes out.
    fn graph(&mut self, end: u64) -> Result<(), Stop> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        while self.stream.position() < end {
            match self.field(end)? {
                Field::Bytes(5, length) => {
                    let end = self.end(length, end)?;
                    self.tensor(end)?;
                }
                Field::Bytes(number @ (11 | 12), length) if inputs.len() + outputs.len() < MAX_SHAPES => {
                    let end = self.end(length, end)?;
                    let mut named = (String::new(), Vec::new());
                    self.value_info(end, &mut named, 0)?;
                    if number == 11 { inputs.push(named) } else { outputs.push(named) }
                }
                Field::Bytes(_, length) => self.skip(length)?,
                _ => {}
            }
        }
        // Before version 4 weights were listed among what goes in.
        inputs.retain(|(name, _)| self.table.get(name.as_bytes()).is_none());
        self.graph.inputs = inputs.into_iter().map(|(_, shape)| shape).collect();
        self.graph.outputs = outputs.into_iter().map(|(_, shape)| shape).collect();
        Ok(())
    }

    /// `TensorProto`: 1 dims, 2 type, 8 name.
    fn tensor(&mut self, end: u64) -> Result<(), Stop> {
        let (mut dims, mut kind, mut name) = (Vec::new(), 0, String::new());
        while self.stream.position() < end {
            match self.field(end)? {
                Field::Number(1, dim) if dims.len() < 16 => dims.push(dim),
                Field::Number(2, number) => kind = number,
                Field::Bytes(1, length) => {
                    let end = self.end(length, end)?;
                    while self.stream.position() < end && dims.len() < 16 {
                        dims.push(self.varint()?);
                    }
                    self.to(end)?;
                }
                Field::Bytes(8, length) if length <= MAX_NAME => name = self.text(length)?,
                Field::Bytes(_, length) => self.skip(length)?,
                _ => {}
            }
        }
        let known =
            TYPES.iter().find(|(number, _)| *number == kind).and_then(|(_, name)| Dtype::named(name.as_bytes()));
        let dtype = known.unwrap_or_else(|| self.table.dtype(format!("type {kind}").as_bytes()));
        let elements = dims.iter().fold(1_u64, |product, dim| product.saturating_mul(*dim));
        let bytes = dtype.bytes(elements).unwrap_or(0);
        self.table.push(&New { name: name.as_bytes(), dtype, dims: &dims, elements, bytes, begin: 0 });
        Ok(())
    }

    /// `ValueInfoProto` (1 name, 2 type), `TypeProto` (1 tensor), its shape (2), its dimensions (1), each a
    /// number (1) or a name (2): the same walk, one level deeper each time.
    fn value_info(&mut self, end: u64, named: &mut (String, Vec<u64>), level: u8) -> Result<(), Stop> {
        while self.stream.position() < end {
            let field = self.field(end)?;
            match (level, field) {
                (0, Field::Bytes(1, length)) if length <= MAX_NAME => named.0 = self.text(length)?,
                (0 | 2, Field::Bytes(2, length)) | (1, Field::Bytes(1, length)) => {
                    let end = self.end(length, end)?;
                    self.value_info(end, named, level + 1)?;
                }
                (3, Field::Bytes(1, length)) => {
                    let end = self.end(length, end)?;
                    if named.1.len() < 16 {
                        named.1.push(0);
                    }
                    self.value_info(end, named, 4)?;
                }
                (4, Field::Number(1, dim)) => {
                    if let Some(last) = named.1.last_mut() {
                        *last = dim;
                    }
                }
                (_, Field::Bytes(_, length)) => self.skip(length)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.stream.take(1)?.and_then(|bytes| bytes.first().copied()).ok_or(Stop::End)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Stop::Odd)
    }

    fn field(&mut self, end: u64) -> Result<Field, Stop> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Stop::Odd);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        let field = match tag & 7 {
            0 => Field::Number(number, self.varint()?),
            1 => {
                self.skip(8)?;
                Field::Other
            }
            2 => Field::Bytes(number, self.varint()?),
            5 => {
                self.skip(4)?;
                Field::Other
            }
            _ => return Err(Stop::Odd),
        };
        if number == 0 || self.stream.position() > end { Err(Stop::Odd) } else { Ok(field) }
    }

    /// Where a part ends, which has to be within the whole.
    fn end(&self, length: u64, outer: u64) -> Result<u64, Stop> {
        if length > self.stream.left() {
            return Err(Stop::End);
        }
        let end = self.stream.position().saturating_add(length);
        if end > outer { Err(Stop::Odd) } else { Ok(end) }
    }

    fn to(&mut self, end: u64) -> Result<(), Stop> {
        let left = end.checked_sub(self.stream.position()).ok_or(Stop::Odd)?;
        self.skip(left)
    }

    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        if self.stream.skip(length) { Ok(()) } else { Err(Stop::End) }
    }

    fn text(&mut self, length: u64) -> Result<String, Stop> {
        let bytes = self.stream.take(usize::try_from(length).unwrap_or(usize::MAX))?.ok_or(Stop::End)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
