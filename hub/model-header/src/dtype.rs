//! The types of numbers that tensors are made of, in all formats: one row each with its name, how
//! many numbers share a block of how many bytes, and the word for a model of this type.

/// A type of number: a row of [`ROWS`], or the n-th unknown name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Dtype(u8);

struct Row {
    name: &'static str,
    /// Numbers and bytes of a block.
    block: (u64, u64),
    is_integer: bool,
    precision: &'static str,
}

const fn plain(name: &'static str, bytes: u64, precision: &'static str) -> Row {
    Row { name, block: (1, bytes), is_integer: false, precision }
}

const fn integer(name: &'static str, bytes: u64, precision: &'static str) -> Row {
    Row { name, block: (1, bytes), is_integer: true, precision }
}

/// A type of ggml, whose name is its precision.
const fn quantized(name: &'static str, numbers: u64, bytes: u64) -> Row {
    Row { name, block: (numbers, bytes), is_integer: false, precision: name }
}

/// Types of safetensors (its `tensor.rs`, `Dtype`), then those of ggml (`ggml-common.h`).
const ROWS: [Row; 48] = [
    plain("F32", 4, "fp32"),
    plain("F16", 2, "fp16"),
    plain("BF16", 2, "bf16"),
    plain("F8_E4M3", 1, "fp8_e4m3fn"),
    plain("F8_E5M2", 1, "fp8_e5m2"),
    plain("F8_E8M0", 1, "fp8_e8m0"),
    plain("F8_E4M3FNUZ", 1, "fp8_e4m3fnuz"),
    plain("F8_E5M2FNUZ", 1, "fp8_e5m2fnuz"),
    Row { name: "F4", block: (2, 1), is_integer: false, precision: "fp4" },
    Row { name: "F6_E2M3", block: (4, 3), is_integer: false, precision: "fp6_e2m3" },
    Row { name: "F6_E3M2", block: (4, 3), is_integer: false, precision: "fp6_e3m2" },
    plain("F64", 8, "fp64"),
    plain("C64", 8, "complex64"),
    integer("I64", 8, "int64"),
    integer("I32", 4, "int32"),
    integer("I16", 2, "int16"),
    integer("I8", 1, "int8"),
    integer("U64", 8, "uint64"),
    integer("U32", 4, "uint32"),
    integer("U16", 2, "uint16"),
    integer("U8", 1, "uint8"),
    integer("BOOL", 1, "bool"),
    quantized("Q4_0", 32, 18),
    quantized("Q4_1", 32, 20),
    quantized("Q5_0", 32, 22),
    quantized("Q5_1", 32, 24),
    quantized("Q8_0", 32, 34),
    quantized("Q8_1", 32, 36),
    quantized("Q2_K", 256, 84),
    quantized("Q3_K", 256, 110),
    quantized("Q4_K", 256, 144),
    quantized("Q5_K", 256, 176),
    quantized("Q6_K", 256, 210),
    quantized("Q8_K", 256, 292),
    quantized("IQ2_XXS", 256, 66),
    quantized("IQ2_XS", 256, 74),
    quantized("IQ3_XXS", 256, 98),
    quantized("IQ1_S", 256, 50),
    quantized("IQ4_NL", 32, 18),
    quantized("IQ3_S", 256, 110),
    quantized("IQ2_S", 256, 82),
    quantized("IQ4_XS", 256, 136),
    quantized("IQ1_M", 256, 56),
    quantized("TQ1_0", 256, 54),
    quantized("TQ2_0", 256, 66),
    quantized("MXFP4", 32, 17),
    quantized("NVFP4", 64, 36),
    plain("C128", 16, "complex128"),
];

/// Where unknown names begin.
const OTHER: u8 = 128;

/// How many unknown names are told apart.
pub(crate) const MAX_OTHER: usize = 16;

impl Dtype {
    pub(crate) const F8_E4M3: Self = Self(3);
    pub(crate) const F8_E5M2: Self = Self(4);
    pub(crate) const F8_E8M0: Self = Self(5);
    pub(crate) const F4: Self = Self(8);
    pub(crate) const I8: Self = Self(16);
    pub(crate) const U8: Self = Self(20);

    /// The type of this name.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let at = ROWS.iter().position(|row| row.name.as_bytes() == name)?;
        u8::try_from(at).ok().map(Self)
    }

    /// The n-th unknown type of a table.
    pub(crate) fn other(at: usize) -> Self {
        Self(OTHER.saturating_add(u8::try_from(at.min(MAX_OTHER)).unwrap_or(0)))
    }

    /// Which unknown type of its table it is.
    pub(crate) fn other_at(self) -> Option<usize> {
        self.0.checked_sub(OTHER).map(usize::from)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.get(usize::from(self.0))
    }

    /// The name in the header, if the type is known.
    pub(crate) fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// The word for a model whose numbers are of this type.
    pub(crate) fn precision(self) -> Option<&'static str> {
        self.row().map(|row| row.precision)
    }

    pub(crate) fn is_integer(self) -> bool {
        self.row().is_some_and(|row| row.is_integer)
    }

    pub(crate) fn is_fp8(self) -> bool {
        self == Self::F8_E4M3 || self == Self::F8_E5M2
    }

    /// Bytes that so many numbers take; `None` where there is no such number of bytes.
    pub(crate) fn bytes(self, elements: u64) -> Option<u64> {
        let (numbers, bytes) = self.row()?.block;
        if !elements.is_multiple_of(numbers) {
            return None;
        }
        (elements / numbers).checked_mul(bytes)
    }

    /// Numbers that so many bytes hold.
    pub(crate) fn elements(self, bytes: u64) -> Option<u64> {
        let (numbers, block) = self.row()?.block;
        if !bytes.is_multiple_of(block) {
            return None;
        }
        (bytes / block).checked_mul(numbers)
    }
}

/// Numbers of this type that so many bytes hold; `None` where the type is not known.
pub fn numbers_in(dtype: &str, bytes: u64) -> Option<u64> {
    Dtype::named(dtype.as_bytes())?.elements(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_rows_of_their_name() {
        let constants = [
            (Dtype::F8_E4M3, "F8_E4M3"),
            (Dtype::F8_E5M2, "F8_E5M2"),
            (Dtype::F8_E8M0, "F8_E8M0"),
            (Dtype::F4, "F4"),
            (Dtype::I8, "I8"),
            (Dtype::U8, "U8"),
        ];
        for (dtype, name) in constants {
            assert_eq!(dtype.name(), Some(name));
            assert_eq!(Dtype::named(name.as_bytes()), Some(dtype));
        }
    }

    #[test]
    fn bytes_of_blocks() {
        assert_eq!(Dtype::F4.bytes(64), Some(32));
        assert_eq!(Dtype::F4.bytes(3), None);
        assert_eq!(Dtype::named(b"Q4_K").unwrap().bytes(512), Some(288));
        assert_eq!(Dtype::other(0).bytes(4), None);
        assert_eq!(Dtype::named(b"F32").unwrap().bytes(u64::MAX), None);
        assert_eq!(Dtype::other(3).other_at(), Some(3));
        assert_eq!(Dtype::other(3).name(), None);
    }
}
