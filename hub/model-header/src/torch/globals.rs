//! Names of Python that a pickle may call without harm: those that rebuild tensors and plain values. All
//! others may run code when the file is loaded, and are named.

/// Modules with the names in them that are harmless (PyTorch's `_weights_only_unpickler.py`, and what
/// ComfyUI adds to it in its `utils.py`).
const HARMLESS: [(&str, &[&str]); 16] = [
    (
        "torch._utils",
        &[
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_nested_tensor",
            "_rebuild_device_tensor_from_numpy",
        ],
    ),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    ("torch", &["Size", "Tensor", "device", "per_tensor_affine", "per_channel_affine", "strided"]),
    ("torch.nn.parameter", &["Parameter", "Buffer"]),
    ("torch.nn", &["Parameter"]),
    ("torch.storage", &["TypedStorage", "UntypedStorage", "_TypedStorage", "_UntypedStorage"]),
    ("torch.serialization", &["_get_layout"]),
    ("collections", &["OrderedDict", "defaultdict", "Counter"]),
    (
        "builtins",
        &["set", "frozenset", "dict", "list", "tuple", "int", "float", "complex", "bytearray", "str", "bool", "slice"],
    ),
    (
        "__builtin__",
        &["set", "frozenset", "dict", "list", "tuple", "int", "float", "complex", "bytearray", "long", "unicode"],
    ),
    ("numpy.core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy._core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy", &["dtype", "ndarray"]),
    ("numpy.dtypes", &["Float64DType", "Float32DType", "Int64DType", "Int32DType", "BoolDType"]),
    ("_codecs", &["encode"]),
    // ComfyUI puts an empty class in its place.
    ("pytorch_lightning.callbacks.model_checkpoint", &["ModelCheckpoint"]),
];

/// What a name of Python does to what is followed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// Makes a tensor of a storage and a shape.
    RebuildTensor,
    /// Makes a parameter of a tensor, which is its first argument.
    Wrap,
    /// Makes an object by its type; the arguments of the first tell what it is.
    RebuildFromType,
    /// A storage of this type of numbers.
    Storage(&'static str),
    /// A type of numbers.
    NumberType(&'static str),
    /// Makes a dictionary.
    Dictionary,
    /// A shape.
    Size,
    /// Harmless, and of no interest.
    Plain,
    /// May run code.
    Dangerous,
}

/// Storages, types and the names that files have for them.
const STORAGES: [(&str, &str, &str); 20] = [
    ("DoubleStorage", "float64", "F64"),
    ("FloatStorage", "float32", "F32"),
    ("HalfStorage", "float16", "F16"),
    ("BFloat16Storage", "bfloat16", "BF16"),
    ("LongStorage", "int64", "I64"),
    ("IntStorage", "int32", "I32"),
    ("ShortStorage", "int16", "I16"),
    ("CharStorage", "int8", "I8"),
    ("ByteStorage", "uint8", "U8"),
    ("BoolStorage", "bool", "BOOL"),
    ("ComplexFloatStorage", "complex64", "C64"),
    ("ComplexDoubleStorage", "complex128", "C128"),
    ("QInt8Storage", "qint8", "I8"),
    ("QUInt8Storage", "quint8", "U8"),
    ("QInt32Storage", "qint32", "I32"),
    ("Float8_e4m3fnStorage", "float8_e4m3fn", "F8_E4M3"),
    ("Float8_e5m2Storage", "float8_e5m2", "F8_E5M2"),
    ("UInt16Storage", "uint16", "U16"),
    ("UInt32Storage", "uint32", "U32"),
    ("UInt64Storage", "uint64", "U64"),
];

/// What a name does.
pub(super) fn global(module: &str, name: &str) -> Global {
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
            return Global::RebuildTensor;
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
        | ("torch.nn.parameter" | "torch.nn", "Parameter") => return Global::Wrap,
        ("torch._tensor", "_rebuild_from_type_v2") => return Global::RebuildFromType,
        ("collections", "OrderedDict" | "defaultdict" | "Counter") | ("builtins" | "__builtin__", "dict") => {
            return Global::Dictionary;
        }
        ("torch", "Size") => return Global::Size,
        ("torch" | "torch.cuda" | "torch.storage", _) => {
            if let Some((_, _, dtype)) = STORAGES.iter().find(|(storage, ..)| *storage == name) {
                return Global::Storage(dtype);
            }
            if let Some((_, _, dtype)) = STORAGES.iter().find(|(_, number, _)| module == "torch" && *number == name) {
                return Global::NumberType(dtype);
            }
            if name == "UntypedStorage" || name == "_UntypedStorage" {
                return Global::Storage("U8");
            }
        }
        _ => {}
    }
    let is_tensor_type = module == "torch" && name.ends_with("Tensor") && name.chars().all(char::is_alphanumeric);
    let is_harmless = HARMLESS.iter().any(|(known, names)| *known == module && names.contains(&name));
    if is_harmless || is_tensor_type { Global::Plain } else { Global::Dangerous }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rebuilds_is_harmless() {
        assert_eq!(global("torch", "HalfStorage"), Global::Storage("F16"));
        assert_eq!(global("torch", "bfloat16"), Global::NumberType("BF16"));
        assert_eq!(global("collections", "OrderedDict"), Global::Dictionary);
        for (module, name) in [
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("posix", "system"),
            ("numpy", "load"),
            ("collections", "namedtuple"),
            ("torch._utils", "_import_dotted_name"),
            ("", ""),
        ] {
            assert_eq!(global(module, name), Global::Dangerous, "{module}.{name}");
        }
    }
}
