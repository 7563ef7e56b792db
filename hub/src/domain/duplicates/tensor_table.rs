//! The table of tensors apart from what the file's maker wrote about it: two files with the same table
//! and the same bytes behind it are the same model under different descriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a tensor lies and how it is read.
#[derive(Debug, Deserialize, Serialize)]
struct TensorPlace {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A text that is the same for two headers that tell of the same tensors, in whatever order they are
/// written and whatever stands beside them.
pub fn tensor_table(header: &[u8]) -> Result<String, serde_json::Error> {
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)?;
    entries.remove("__metadata__");
    let places = entries.into_iter().map(|(name, entry)| Ok((name, serde_json::from_value::<TensorPlace>(entry)?)));
    let places: BTreeMap<String, TensorPlace> = places.collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_string(&places)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    const A: &str = r#""a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}"#;
    const B: &str = r#""b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}"#;

    fn table(header: &str) -> String {
        tensor_table(header.as_bytes()).unwrap()
    }

    #[test]
    fn only_tensors_count() {
        let plain = table(&format!("{{{A},{B}}}"));
        assert_eq!(table(&format!("{{ {B}, \"__metadata__\":{{\"title\":\"x\"}}, {A} }}   ")), plain);
        assert_ne!(table(&format!("{{{A}}}")), plain);
        assert_ne!(table(&format!("{{{A},{B}}}").replace("F16", "I16")), plain);
        assert_ne!(table(&format!("{{{A},{B}}}").replace("\"b\"", "\"c\"")), plain);
        assert_ne!(table(&format!("{{{A},{B}}}").replace("[2]", "[1,2]")), plain);
    }

    #[test]
    fn what_is_no_header_has_none() {
        for text in ["", "[]", "{\"a\":1}", "{\"a\":{\"dtype\":\"F16\"}}"] {
            assert!(tensor_table(text.as_bytes()).is_err(), "{text}");
        }
    }
}
