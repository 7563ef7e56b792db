//! The modules that an adapter changes: their names in one spelling, whatever tool wrote them, and how wide
//! what goes in and comes out is. Numbers in names stand for all blocks, so that a thousand
//! modules become a few dozen.

use hashbrown::HashMap;

use crate::table::{Row, Table};
use crate::tally::split_last;

/// Different modules that are kept; the most of a real model are a hundred.
const MAX_MODULES: usize = 4_096;

/// Names in front of a module that tell who wrote it, not what it is.
const FRONTS: [&[u8]; 12] = [
    b"base_model_model_",
    b"lora_unet_",
    b"lora_transformer_",
    b"lycoris_",
    b"model_diffusion_model_",
    b"diffusion_model_",
    b"transformer_",
    b"unet_",
    b"model_",
    b"dit_",
    b"net_",
    b"module_",
];

/// Ways to change a module, the more telling first.
const ALGORITHMS: [&str; 5] = ["dora", "loha", "lokr", "oft", "xlabs"];

/// What is known of modules of one name.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Module {
    /// Width of what goes in, the greatest of all blocks.
    pub(super) input: u64,
    /// Width of what comes out, likewise.
    pub(super) output: u64,
    /// One more than the greatest number of the first that stands in the name.
    pub(super) blocks: u64,
    /// One more than the greatest of the last.
    pub(super) depth: u64,
}

/// All modules of an adapter.
#[derive(Debug, Default)]
pub(super) struct Modules {
    by_name: HashMap<Vec<u8>, Module>,
    /// How it changes them, where that is not the plain way; the first in the order of [`ALGORITHMS`].
    algorithm: Option<usize>,
    ranks: HashMap<u64, u64>,
}

/// The last module's name in one spelling: its other side mostly stands next.
#[derive(Default)]
struct Spelling<'t> {
    stem: &'t [u8],
    name: Vec<u8>,
    numbers: (u64, u64),
}

impl<'t> Spelling<'t> {
    fn spell(&mut self, stem: &'t [u8]) {
        if stem != self.stem || self.name.is_empty() {
            self.stem = stem;
            self.numbers = spelled(stem, &mut self.name);
        }
    }
}

/// Which side of a module a tensor is.
enum Side {
    /// Takes what goes in: `[rank, width]`.
    In,
    /// Gives what comes out: `[width, rank]`.
    Out,
    /// Both in one: `[out, in]`.
    Whole,
    /// One of two factors of a Kronecker product.
    Factor,
    Other,
}

impl Modules {
    pub(super) fn of(table: &Table) -> Self {
        let mut modules = Self::default();
        let mut spelling = Spelling::default();
        for (name, row) in table.iter() {
            modules.add(table, name, row, &mut spelling);
        }
        modules
    }

    fn add<'t>(&mut self, table: &'t Table, name: &'t [u8], row: &Row, spelling: &mut Spelling<'t>) {
        let Some((stem, side)) = self.side(name) else { return };
        let dims = table.dims(row);
        let (first, second) = (dims.first().copied().unwrap_or(0), dims.get(1).copied().unwrap_or(0));
        let (input, output) = match side {
            Side::In => {
                *self.ranks.entry(first).or_default() += 1;
                (second, 0)
            }
            Side::Out => (0, first),
            Side::Whole => (second, first),
            Side::Factor => kronecker(table, stem),
            Side::Other => (0, 0),
        };
        spelling.spell(stem);
        let (buffer, (blocks, depth)) = (&spelling.name, spelling.numbers);
        if self.by_name.len() >= MAX_MODULES && !self.by_name.contains_key(buffer.as_slice()) {
            return;
        }
        let module = match self.by_name.get_mut(buffer.as_slice()) {
            Some(module) => module,
            None => self.by_name.entry(buffer.clone()).or_default(),
        };
        module.input = module.input.max(input);
        module.output = module.output.max(output);
        module.blocks = module.blocks.max(blocks);
        module.depth = module.depth.max(depth);
    }

    /// A tensor's module, and which side of it the tensor is; `None` if it is of no module.
    fn side<'n>(&mut self, name: &'n [u8]) -> Option<(&'n [u8], Side)> {
        let name = name.strip_suffix(b".default").unwrap_or(name);
        let (stem, last) = split_last(name);
        let (stem, last) = if last == b"weight" { split_last(stem) } else { (stem, last) };
        let (stem, last) = if last == b"default" { split_last(stem) } else { (stem, last) };
        let side = match last {
            b"lora_down" | b"lora_A" => Side::In,
            b"lora_up" | b"lora_B" => Side::Out,
            b"down" | b"up" => return self.diffusers_side(stem, last == b"down"),
            b"hada_w1_a" => {
                self.uses("loha");
                Side::Out
            }
            b"hada_w1_b" => {
                self.uses("loha");
                Side::In
            }
            b"lokr_w1" | b"lokr_w1_a" => {
                self.uses("lokr");
                Side::Factor
            }
            b"diff" => Side::Whole,
            b"dora_scale" | b"lora_magnitude_vector" => {
                self.uses("dora");
                Side::Other
            }
            _ if last.starts_with(b"oft_") => {
                self.uses("oft");
                Side::Other
            }
            _ => return None,
        };
        Some((stem, side))
    }

    /// `….processor.to_q_lora.down`, `….to_q.lora.down`, `….processor.qkv_lora1.down`.
    fn diffusers_side<'n>(&mut self, stem: &'n [u8], is_down: bool) -> Option<(&'n [u8], Side)> {
        let side = if is_down { Side::In } else { Side::Out };
        if stem.ends_with(b"_lora1") || stem.ends_with(b"_lora2") {
            self.uses("xlabs");
        }
        let module = [&b".lora"[..], b"_lora", b"_lora1", b"_lora2", b".lora_linear_layer"]
            .iter()
            .find_map(|end| stem.strip_suffix(*end))?;
        Some((module, side))
    }

    fn uses(&mut self, algorithm: &str) {
        let at = ALGORITHMS.iter().position(|known| *known == algorithm);
        self.algorithm = [self.algorithm, at].into_iter().flatten().min();
    }

    /// How the modules are changed, where that is not the plain way.
    pub(super) fn algorithm(&self) -> Option<&'static str> {
        ALGORITHMS.get(self.algorithm?).copied()
    }

    /// The rank that most modules have; of two as frequent the greater.
    pub(super) fn rank(&self) -> Option<u64> {
        self.ranks.iter().max_by_key(|(rank, n)| (**n, **rank)).map(|(rank, _)| *rank)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Module)> {
        self.by_name.iter().map(|(name, module)| (name.as_slice(), module))
    }

    /// Some module's name holds this.
    pub(super) fn any(&self, part: &str) -> bool {
        let finder = memchr::memmem::Finder::new(part);
        self.by_name.keys().any(|name| finder.find(name).is_some())
    }

    /// Some module's name begins so.
    pub(super) fn begins(&self, start: &str) -> bool {
        self.by_name.keys().any(|name| name.starts_with(start.as_bytes()))
    }

    /// Modules whose names hold this, as one.
    pub(super) fn with(&self, part: &str) -> Module {
        let finder = memchr::memmem::Finder::new(part);
        let found = self.by_name.iter().filter(|(name, _)| finder.find(name).is_some());
        found.fold(Module::default(), |sum, (_, module)| Module {
            input: sum.input.max(module.input),
            output: sum.output.max(module.output),
            blocks: sum.blocks.max(module.blocks),
            depth: sum.depth.max(module.depth),
        })
    }

    /// The first of these that some name holds and that tells a width.
    pub(super) fn input_of(&self, parts: &[&str]) -> u64 {
        parts.iter().map(|part| self.with(part).input).find(|width| *width > 0).unwrap_or(0)
    }
}

/// Both factors' widths multiplied; a factor may itself be of low rank.
fn kronecker(table: &Table, stem: &[u8]) -> (u64, u64) {
    let shape = |end: &str| table.get(&[stem, b".", end.as_bytes()].concat()).map(|row| table.dims(row));
    let factor = |whole: &str, a: &str, b: &str| -> Option<(u64, u64)> {
        if let Some(dims) = shape(whole) {
            return Some((*dims.first()?, *dims.get(1)?));
        }
        Some((*shape(a)?.first()?, *shape(b)?.get(1)?))
    };
    let first = factor("lokr_w1", "lokr_w1_a", "lokr_w1_b");
    let second = factor("lokr_w2", "lokr_w2_a", "lokr_w2_b");
    match (first, second) {
        (Some((out1, in1)), Some((out2, in2))) => (in1.saturating_mul(in2), out1.saturating_mul(out2)),
        _ => (0, 0),
    }
}

/// Writes a module's name with `_` for dots and `#` for numbers, without what stands in front; the first
/// and the last of its numbers, each plus one.
fn spelled(stem: &[u8], buffer: &mut Vec<u8>) -> (u64, u64) {
    buffer.clear();
    let (mut first, mut last, mut number): (Option<u64>, u64, Option<u64>) = (None, 0, None);
    let mut after_break = true;
    for &byte in stem {
        let byte = if byte == b'.' { b'_' } else { byte };
        if byte.is_ascii_digit() && (after_break || number.is_some()) {
            let digit = u64::from(byte - b'0');
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(1 << 32));
        } else {
            if let Some(value) = number.take() {
                // `0_attn` is a number, `4x4` is a word.
                buffer.push(b'#');
                first.get_or_insert(value + 1);
                last = value + 1;
            }
            buffer.push(byte);
        }
        after_break = byte == b'_';
    }
    if let Some(value) = number {
        buffer.push(b'#');
        first.get_or_insert(value + 1);
        last = value + 1;
    }
    strip_fronts(buffer);
    (first.unwrap_or(0), last)
}

fn strip_fronts(buffer: &mut Vec<u8>) {
    while let Some(front) = FRONTS.iter().find(|front| {
        // `transformer_blocks` is a name, `transformer_` in front of one is not.
        buffer.starts_with(front) && !buffer.starts_with(b"transformer_blocks")
    }) {
        buffer.drain(..front.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_tools_become_one() {
        let spell = |stem: &str| {
            let mut buffer = Vec::new();
            let numbers = spelled(stem.as_bytes(), &mut buffer);
            (String::from_utf8_lossy(&buffer).into_owned(), numbers)
        };
        let one = ("double_blocks_#_img_attn_qkv".to_owned(), (8, 8));
        assert_eq!(spell("lora_unet_double_blocks_7_img_attn_qkv"), one);
        assert_eq!(spell("diffusion_model.double_blocks.7.img_attn.qkv"), one);
        assert_eq!(spell("base_model.model.diffusion_model.double_blocks.7.img_attn.qkv"), one);
        let other = ("transformer_blocks_#_attn_to_out_#".to_owned(), (60, 1));
        assert_eq!(spell("transformer.transformer_blocks.59.attn.to_out.0"), other);
        assert_eq!(spell("transformer_blocks.59.attn.to_out.0"), other);
        assert_eq!(spell("lora_te1_text_model_encoder_layers_3_fc1").0, "lora_te1_text_model_encoder_layers_#_fc1");
    }
}
