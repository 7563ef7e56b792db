//! The word for the numbers of a model: the type with most bytes, and whether scales stand beside it.

use crate::contents::Contents;
use crate::dtype::Dtype;
use crate::tally::Tally;

/// `general.file_type` of GGUF (`llama_ftype` in llama.cpp's `llama.h`).
const FILE_TYPES: [(u64, &str); 34] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
    (39, "NVFP4"),
];

/// Types that ComfyUI's reader has a number for (`_TYPES` in its `utils.py`): not four bits, nor
/// the scales of eight.
pub(crate) fn comfyui_knows(dtype: Dtype) -> bool {
    dtype != Dtype::F4 && dtype != Dtype::F8_E8M0
}

/// The word for the numbers of what was found.
pub(crate) fn of(contents: &Contents, tally: Option<&Tally>) -> Option<String> {
    let tally = tally?;
    if let Some(gguf) = &contents.gguf {
        let by_type = FILE_TYPES.iter().find(|(number, _)| gguf.file_type == Some(*number)).map(|(_, name)| *name);
        return by_type.map(str::to_owned).or_else(|| tally.main_dtype()?.name().map(str::to_owned));
    }
    let main = tally.main_dtype()?;
    let scales = tally.scales;
    let word = match main {
        Dtype::U8 if scales.second => "nvfp4",
        Dtype::U8 if scales.nf4 => "nf4",
        Dtype::U8 if scales.fp4 => "fp4",
        _ if main.is_fp8() && scales.micro => "mxfp8",
        _ => main.precision()?,
    };
    let is_scaled = scales.float && (main.is_fp8() || main == Dtype::I8) && word != "mxfp8";
    Some(if is_scaled { format!("{word}_scaled") } else { word.to_owned() })
}
