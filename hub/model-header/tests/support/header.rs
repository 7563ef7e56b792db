//! Files of safetensors made from names and shapes. Their data are left out of memory where nobody reads
//! them: a file is as long as it should be only up to a bound.

use serde_json::{Map, Value, json};

/// Bytes of data that are made.
const MAX_DATA: u64 = 1 << 20;

/// A file whose tensors are these, in this order, of one type of two bytes.
pub(crate) fn file(tensors: &[(&str, &[u64])], dtype: &str, metadata: Option<Value>) -> Vec<u8> {
    let mut header = Map::new();
    if let Some(metadata) = metadata {
        header.insert("__metadata__".to_owned(), metadata);
    }
    let mut end = 0_u64;
    for (name, shape) in tensors {
        let bytes = shape.iter().product::<u64>() * 2;
        header.insert((*name).to_owned(), json!({"dtype": dtype, "shape": shape, "data_offsets": [end, end + bytes]}));
        end += bytes;
    }
    let header = serde_json::to_vec(&Value::Object(header)).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + usize::try_from(end.min(MAX_DATA)).unwrap(), 0);
    file
}
