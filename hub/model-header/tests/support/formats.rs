//! Small files of the other formats, made byte by byte.

/// GGUF with some named values, a list of words, and these tensors of type F16.
pub(crate) fn gguf(architecture: &str, tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(3_u64.to_le_bytes());
    text(&mut bytes, "general.architecture");
    bytes.extend(8_u32.to_le_bytes());
    text(&mut bytes, architecture);
    text(&mut bytes, "general.file_type");
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    text(&mut bytes, "tokenizer.ggml.tokens");
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(8_u32.to_le_bytes());
    bytes.extend(100_u64.to_le_bytes());
    for n in 0..100 {
        text(&mut bytes, &format!("word{n}"));
    }
    let mut offset = 0_u64;
    for (name, shape) in tensors {
        text(&mut bytes, name);
        bytes.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
        for dim in shape.iter().rev() {
            bytes.extend(dim.to_le_bytes());
        }
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        offset += (shape.iter().product::<u64>() * 2).div_ceil(32) * 32;
    }
    let data = bytes.len().div_ceil(32) * 32;
    bytes.resize(data + usize::try_from(offset).unwrap(), 0);
    bytes
}

/// A pickle of these tensors of halves, each with a storage of its own; before them what is called.
pub(crate) fn pickle(tensors: &[(&str, &[u64])], calls: Option<(&str, &str)>, is_legacy: bool) -> Vec<u8> {
    let mut bytes = b"\x80\x02".to_vec();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(b'X');
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    let int = |bytes: &mut Vec<u8>, number: u64| {
        bytes.push(b'J');
        bytes.extend(u32::try_from(number).unwrap().to_le_bytes());
    };
    if let Some((module, name)) = calls {
        bytes.extend(format!("c{module}\n{name}\n").as_bytes());
        bytes.extend(b")R0");
    }
    bytes.extend(b"}(");
    for (at, (name, shape)) in tensors.iter().enumerate() {
        text(&mut bytes, name);
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut bytes, "storage");
        bytes.extend(b"ctorch\nHalfStorage\n");
        text(&mut bytes, &at.to_string());
        text(&mut bytes, "cpu");
        int(&mut bytes, shape.iter().product());
        bytes.extend(if is_legacy { &b"NtQ"[..] } else { b"tQ" });
        int(&mut bytes, 0);
        bytes.push(b'(');
        for dim in *shape {
            int(&mut bytes, *dim);
        }
        bytes.extend(b"t(t\x89ccollections\nOrderedDict\n)RtR");
    }
    bytes.extend(b"u.");
    bytes
}

/// What PyTorch wrote before 1.6.
pub(crate) fn torch_legacy(tensors: &[(&str, &[u64])], calls: Option<(&str, &str)>) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.");
    bytes.extend(b"\x80\x02}.");
    bytes.extend(pickle(tensors, calls, true));
    bytes.extend(b"\x80\x02].");
    for (_, shape) in tensors {
        let n = shape.iter().product::<u64>();
        bytes.extend(n.to_le_bytes());
        bytes.resize(bytes.len() + usize::try_from(n * 2).unwrap(), 0);
    }
    bytes
}

/// What PyTorch writes since, with its pickle as the only member.
pub(crate) fn torch_zip(tensors: &[(&str, &[u64])], calls: Option<(&str, &str)>) -> Vec<u8> {
    let data = pickle(tensors, calls, false);
    let name = b"archive/data.pkl";
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let sizes = [length, length].concat();
    bytes.extend(&sizes);
    bytes.extend([16, 0, 0, 0]);
    bytes.extend(name);
    bytes.extend(&data);
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(&sizes);
    bytes.extend([16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(name);
    let directory = u32::try_from(bytes.len()).unwrap() - start;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend(directory.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// A graph of ONNX with these weights of type FLOAT16, and a picture in and out.
pub(crate) fn onnx(tensors: &[(&str, &[u64])], scale: u64) -> Vec<u8> {
    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    }
    let part = |field: u64, inner: &[u8]| [varint(field << 3 | 2), varint(inner.len() as u64), inner.to_vec()].concat();
    let number = |field: u64, value: u64| [varint(field << 3), varint(value)].concat();
    let picture = |field: u64, name: &str, side: u64| {
        let dims = [1, 3, side, side].map(|dim| part(1, &number(1, dim))).concat();
        let tensor = [number(1, 1), part(2, &dims)].concat();
        part(field, &[part(1, name.as_bytes()), part(2, &part(1, &tensor))].concat())
    };
    let weights = tensors.iter().map(|(name, shape)| {
        let dims: Vec<u8> = shape.iter().flat_map(|dim| number(1, *dim)).collect();
        let data = vec![0; usize::try_from(shape.iter().product::<u64>() * 2).unwrap()];
        part(5, &[dims, number(2, 10), part(8, name.as_bytes()), part(9, &data)].concat())
    });
    let weights: Vec<u8> = weights.flatten().collect();
    let graph = [weights, picture(11, "in", 64), picture(12, "out", 64 * scale)].concat();
    [number(1, 8), part(2, b"pytorch"), part(7, &graph)].concat()
}
