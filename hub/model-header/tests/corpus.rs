//! What is told of files with the headers of real models is what is true of them. The files are sparse: their
//! headers are those of real models, their data are holes. All differences are told at once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may unwrap, print and fail"
)]

#[path = "support/unpacked.rs"]
mod unpacked;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use model_header::{Description, describe};
use serde_json::Value;
use unpacked::unpacked;

fn of(folder: &Path, file: &str, name: &str) -> Description {
    let path = folder.join(file);
    let size = path.metadata().unwrap().len();
    describe(&mut File::open(path).unwrap(), size, name).unwrap()
}

/// Everything that differs, one line each.
fn differences(file: &str, expected: &Value, told: &Description) -> Vec<String> {
    let told_json = serde_json::to_value(told).unwrap();
    let mut lines = Vec::new();
    let mut compare = |field: &str, told: &Value, expected: &Value| {
        if told != expected {
            lines.push(format!("{file}: {field} is {told}, not {expected}"));
        }
    };
    for field in
        ["kind", "format", "precision", "n_parameters", "n_elements", "n_tensors", "lineage", "title", "variant"]
    {
        if let Some(expected) = expected.get(field) {
            compare(field, &told_json[field], expected);
        }
    }
    for (field, told_field) in [("opens", "library_opens"), ("comfyui_opens", "comfyui_opens"), ("content", "content")]
    {
        if let Some(expected) = expected.get(field) {
            compare(field, &told_json[told_field], expected);
        }
    }
    compare("damaged", &told_json["damage"]["code"], &expected["damaged"]);
    let also = expected.get("also_ok").and_then(Value::as_array).cloned().unwrap_or_default();
    if !also.contains(&told_json["base"]) {
        compare("base", &told_json["base"], &expected["base"]);
    }
    if let Some(words) = expected.get("trigger_words") {
        compare("trigger_words", &told_json["trigger_words"], words);
    }
    // A type that is not known counts as itself, not as the one that it should have been.
    if expected["dtypes"].is_object() && expected["damaged"] != "unknown_dtype" {
        compare("dtypes", &told_json["dtypes"], &expected["dtypes"]);
    }
    let layout = expected.get("layout").and_then(Value::as_str) == Some("diffusers");
    if layout {
        compare("layout", &told_json["is_diffusers_layout"], &Value::Bool(true));
    }
    compare("thumbnail", &Value::Bool(told.thumbnail.is_some()), &Value::Bool(expected.get("thumbnail").is_some()));
    lines
}

#[test]
fn what_is_told_is_true() {
    let Some(folder) = unpacked() else { return };
    let text = std::fs::read_to_string(folder.path().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 141);
    let mut lines = Vec::new();
    for (file, expected) in &expected {
        let told = of(folder.path(), file, expected["name"].as_str().unwrap());
        lines.extend(differences(file, expected, &told));
    }
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
}
