//! One pass over the tensors: numbers, bytes by type, and how many names stand where. Rules ask
//! this before they look for single names.

use crate::dtype::Dtype;
use crate::table::{Row, Table};

/// Names in front of which a denoiser stands, in the order they are tried
/// (`unet_prefix_from_state_dict` in ComfyUI's `model_detection.py`, then what other tools write).
pub(crate) const DENOISER_PREFIXES: [&str; 6] =
    ["model.diffusion_model.", "model.model.", "net.", "diffusion_model.", "transformer.", "model."];

/// Names in front of a VAE or a text encoder in one file with a denoiser.
const BESIDE: [&str; 7] = [
    "first_stage_model.",
    "vae.",
    "pretransform.",
    "cond_stage_model.",
    "conditioner.",
    "text_encoder.",
    "text_encoders.",
];

/// What one pass over all tensors tells.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) n_parameters: u64,
    pub(crate) n_elements: u64,
    /// Bytes by type, in the order of types.
    pub(crate) bytes: Vec<(Dtype, u64)>,
    /// A VAE or a text encoder stands beside what else there is.
    pub(crate) has_beside: bool,
    /// Names as only adapters of low rank have them.
    pub(crate) n_lora: u64,
    /// Scales of the sorts that tell a quantized model.
    pub(crate) scales: Scales,
}

/// Which scales stand beside the weights (`convert_old_quants` and `detect_layer_quantization` in
/// ComfyUI's `utils.py`).
#[derive(Debug, Default, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a mark that is there or not")]
pub(crate) struct Scales {
    /// A float scale for a tensor or a row.
    pub(crate) float: bool,
    /// Bytes that are scales of blocks of 32.
    pub(crate) micro: bool,
    /// A second scale, as only NVFP4 has it.
    pub(crate) second: bool,
    /// bitsandbytes' state of a 4-bit tensor.
    pub(crate) nf4: bool,
    pub(crate) fp4: bool,
}

impl Tally {
    pub(crate) fn of(table: &Table) -> Self {
        let mut tally = Self::default();
        for (name, row) in table.iter() {
            tally.add(table, name, row);
        }
        tally.has_beside = BESIDE.iter().any(|start| table.begins(start));
        tally.bytes.sort_unstable();
        tally
    }

    fn add(&mut self, table: &Table, name: &[u8], row: &Row) {
        let (stem, last) = split_last(name);
        self.n_elements = self.n_elements.saturating_add(row.elements);
        self.n_parameters = self.n_parameters.saturating_add(parameters(table, name, stem, last, row));
        match self.bytes.iter_mut().find(|(dtype, _)| *dtype == row.dtype) {
            Some((_, bytes)) => *bytes = bytes.saturating_add(row.bytes),
            None => self.bytes.push((row.dtype, row.bytes)),
        }
        self.n_lora += u64::from(is_lora(stem, last));
        self.scales.add(stem, last, row.dtype);
    }

    /// The type with most bytes. Where two have as many, that of more bits a number.
    pub(crate) fn main_dtype(&self) -> Option<Dtype> {
        let by_bytes = |(dtype, bytes): &&(Dtype, u64)| (*bytes, std::cmp::Reverse(*dtype));
        self.bytes.iter().max_by_key(by_bytes).map(|(dtype, _)| *dtype)
    }
}

impl Scales {
    fn add(&mut self, stem: &[u8], last: &[u8], dtype: Dtype) {
        match last {
            b"scale_weight" => self.float = true,
            b"weight_scale" if dtype == Dtype::U8 => self.micro = true,
            b"weight_scale" if dtype != Dtype::F8_E8M0 => self.float = true,
            b"weight_scale_2" => self.second = true,
            b"bitsandbytes__nf4" if stem.ends_with(b".quant_state") => self.nf4 = true,
            b"bitsandbytes__fp4" if stem.ends_with(b".quant_state") => self.fp4 = true,
            _ => {}
        }
    }
}

/// A name's last part and what stands before it.
pub(crate) fn split_last(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'.', name) {
        Some(at) => (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default()),
        None => (&[], name),
    }
}

/// How many numbers of the model a tensor holds. Scales, counters and copies are none.
fn parameters(table: &Table, name: &[u8], stem: &[u8], last: &[u8], row: &Row) -> u64 {
    match last {
        b"scaled_fp8" | b"scale_weight" | b"scale_input" | b"input_scale" | b"weight_scale" | b"weight_scale_2"
        | b"comfy_quant" | b"absmax" | b"quant_map" | b"nested_absmax" | b"nested_quant_map" => return 0,
        b"alpha" if row.elements == 1 => return 0,
        _ => {}
    }
    if name.starts_with(b"model_ema.") {
        return 0;
    }
    if !row.dtype.is_integer() {
        return row.elements;
    }
    let beside = |end: &str| {
        let sought = [stem, b".", end.as_bytes()].concat();
        table.get(&sought).is_some()
    };
    let is_weight = last == b"weight";
    match row.dtype {
        // Two numbers a byte: NVFP4, and bitsandbytes' 4-bit types.
        Dtype::U8 if is_weight && (beside("weight_scale_2") || beside("weight.absmax")) => {
            row.elements.saturating_mul(2)
        }
        Dtype::I8 if is_weight && (beside("weight_scale") || beside("scale_weight")) => row.elements,
        _ => 0,
    }
}

/// Ends of names that only adapters have: kohya, PEFT, diffusers, `LyCORIS`.
fn is_lora(stem: &[u8], last: &[u8]) -> bool {
    match last {
        b"dora_scale" | b"diff" | b"diff_b" | b"set_weight" | b"w_norm" | b"b_norm" | b"lora_A" | b"lora_B"
        | b"lora_down" | b"lora_up" => true,
        b"weight" => {
            let (_, part) = split_last(stem);
            matches!(part, b"lora_down" | b"lora_up" | b"lora_A" | b"lora_B" | b"lora_mid" | b"lora_magnitude_vector")
                || (matches!(part, b"down" | b"up") && is_diffusers_lora(stem))
                || stem.ends_with(b".lora_A.default")
                || stem.ends_with(b".lora_B.default")
        }
        _ => last.starts_with(b"hada_w") || last.starts_with(b"lokr_") || last.starts_with(b"oft_"),
    }
}

/// `….to_q_lora.down`, `….to_q.lora.down`, `….qkv_lora1.down`.
fn is_diffusers_lora(stem: &[u8]) -> bool {
    let (before, _) = split_last(stem);
    let (_, part) = split_last(before);
    part.ends_with(b"lora") || part.ends_with(b"_lora1") || part.ends_with(b"_lora2") || part == b"lora_linear_layer"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_adapters_are_known() {
        let is = |name: &str| {
            let (stem, last) = split_last(name.as_bytes());
            is_lora(stem, last)
        };
        for name in [
            "lora_unet_x.lora_down.weight",
            "a.b.lora_A.weight",
            "a.lora_B.default.weight",
            "a.processor.to_q_lora.down.weight",
            "double_blocks.0.processor.qkv_lora1.up.weight",
            "unet.x.to_q.lora.up.weight",
            "a.hada_w1_a",
            "a.lokr_w2",
            "a.diff_b",
            "a.dora_scale",
        ] {
            assert!(is(name), "{name}");
        }
        for name in ["a.weight", "decoder.up.weight", "x.down.weight", "weight", "", "down.weight"] {
            assert!(!is(name), "{name}");
        }
    }
}
