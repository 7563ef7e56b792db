//! Headers as tools write them, and headers as an enemy writes them.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::metadata::TagCount;
use super::*;

/// The summary of a file of exactly the size that its header says.
fn whole(header: &Value, data_bytes: u64) -> SafetensorsSummary {
    let header = serde_json::to_vec(header).unwrap();
    summarize(&header, 8 + header.len() as u64 + data_bytes).unwrap()
}

fn tensor(dtype: &str, shape: &[u64], end: u64) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [0, end]})
}

#[test]
fn parameters_are_counted_by_type() {
    let header = json!({
        "a": tensor("F16", &[320, 4, 3, 3], 23_040),
        "b": tensor("F32", &[], 23_044),
        "c": tensor("F16", &[0, 7], 23_044),
    });
    let summary = whole(&header, 23_044);
    assert_eq!((summary.n_tensors, summary.n_parameters), (3, 11_521));
    assert_eq!(
        summary.dtypes,
        [DtypeCount { dtype: "F16".into(), n_parameters: 11_520 }, DtypeCount { dtype: "F32".into(), n_parameters: 1 }]
    );
    assert!(!summary.damaged);
}

#[test]
fn a_file_cut_short_or_grown_is_damaged() {
    let header = serde_json::to_vec(&json!({"a": tensor("F16", &[50], 100)})).unwrap();
    let right = 8 + header.len() as u64 + 100;
    for (size, damaged) in [(right, false), (right - 1, true), (right + 1, true), (0, true)] {
        let summary = summarize(&header, size).unwrap();
        assert_eq!((summary.damaged, summary.expected_bytes), (damaged, right));
    }
}

#[test]
fn padding_behind_the_header_counts() {
    let mut header = serde_json::to_vec(&json!({"a": tensor("F16", &[1], 2)})).unwrap();
    header.extend_from_slice(b"     ");
    assert!(!summarize(&header, 8 + header.len() as u64 + 2).unwrap().damaged);
}

#[test]
fn what_the_maker_wrote_is_told() {
    let header = json!({
        "__metadata__": {
            "format": "pt",
            "modelspec.title": " Style ",
            "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
            "modelspec.thumbnail": "data:image/jpeg;base64,AAAA",
            "modelspec.author": "",
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_tag_frequency": r#"{"10_a": {"cat": 3, " dog": 5}, "5_b": {"cat": 4}}"#,
            "ss_network_dim": "32",
            "source_url": "https://example.org/x",
            "air": 7,
        },
        "a": tensor("BF16", &[2], 4),
    });
    let metadata = whole(&header, 4).metadata;
    let spec: Vec<_> = metadata.modelspec.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(spec, [("architecture", "stable-diffusion-xl-v1-base/lora"), ("title", "Style")]);
    assert_eq!(metadata.base_model.as_deref(), Some("sdxl_base_v1-0"));
    assert_eq!(metadata.top_tags, [TagCount { tag: "cat".into(), n: 7 }, TagCount { tag: "dog".into(), n: 5 }]);
    let hints: Vec<_> = metadata.source_hints.iter().map(|hint| (hint.name.as_str(), hint.value.as_str())).collect();
    assert_eq!(hints, [("air", "7"), ("source_url", "https://example.org/x")]);
}

#[test]
fn odd_metadata_is_no_error() {
    for odd in [json!(null), json!({}), json!({"ss_tag_frequency": "not json", "modelspec.title": null})] {
        let header = json!({"__metadata__": odd, "a": tensor("F16", &[1], 2)});
        assert_eq!(whole(&header, 2).metadata, Metadata::default());
    }
}

#[test]
fn numbers_and_texts_have_bounds() {
    let header = json!({
        "__metadata__": {"modelspec.description": "x".repeat(100_000)},
        "a": tensor("F16", &[u64::MAX, u64::MAX], u64::MAX),
        "b": tensor(&"Y".repeat(1_000), &[1], 5),
    });
    let bytes = serde_json::to_vec(&header).unwrap();
    let summary = summarize(&bytes, 10).unwrap();
    assert_eq!(summary.n_parameters, u64::MAX);
    assert!(summary.damaged);
    assert!(summary.metadata.modelspec.values().all(|text| text.len() == 2_000));
    assert!(summary.dtypes.iter().all(|count| count.dtype.len() <= 16));
}

#[test]
fn other_json_is_no_header() {
    for other in ["[]", "{", "3", "{\"a\": 1}", "{\"a\": {\"dtype\": \"F16\"}}", "", "{\"__metadata__\": [1]}"] {
        assert!(summarize(other.as_bytes(), 100).is_err(), "{other}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(summarize(&bytes, 100));
    }
}
