//! What a reader of one format hands over; what it means is told by the rules, which are the same
//! for all formats.

use crate::description::Damage;
use crate::metadata::Metadata;
use crate::table::Table;
use crate::vocabulary::{DamageCode, Format};

/// What was found in a file.
#[derive(Debug)]
pub(crate) struct Contents {
    /// How the file is built.
    pub(crate) format: Format,
    /// Its tensors, if they could be read.
    pub(crate) table: Option<Table>,
    pub(crate) metadata: Metadata,
    /// The size that the file has to have by its header, where that says so.
    pub(crate) expected_bytes: Option<u64>,
    /// What is wrong, in the order found.
    pub(crate) damage: Vec<Damage>,
    /// What GGUF tells beside its tensors.
    pub(crate) gguf: Option<Gguf>,
    /// What people should know.
    pub(crate) notes: Vec<String>,
    /// Pictures in and out of a graph of operations, for ONNX.
    pub(crate) graph: Option<Graph>,
}

/// What GGUF tells beside its tensors.
#[derive(Debug, Default)]
pub(crate) struct Gguf {
    pub(crate) architecture: String,
    /// `model`, `mmproj`, `adapter` …
    pub(crate) kind: String,
    pub(crate) size_label: Option<String>,
    pub(crate) file_type: Option<u64>,
    pub(crate) projector: Option<String>,
}

/// The shapes of what goes into a graph and what comes out; 0 where it may be anything.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Vec<u64>>,
    pub(crate) outputs: Vec<Vec<u64>>,
}

impl Contents {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            table: None,
            metadata: Metadata::default(),
            expected_bytes: None,
            damage: Vec::new(),
            gguf: None,
            notes: Vec::new(),
            graph: None,
        }
    }

    /// A file of which nothing but its damage can be told.
    pub(crate) fn broken(format: Format, code: DamageCode, detail: impl Into<String>) -> Self {
        let mut contents = Self::new(format);
        contents.report(code, detail);
        contents
    }

    pub(crate) fn report(&mut self, code: DamageCode, detail: impl Into<String>) {
        self.damage.push(Damage::new(code, detail));
    }
}
