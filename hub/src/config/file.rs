//! `config.toml`: read leniently as to encoding, strictly as to content, and written without losing
//! comments.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use toml_edit::{DocumentMut, Item, Value};

use super::{ConfigProblem, Key};
use crate::fs::private;

/// Its name in the data folder.
pub const NAME: &str = "config.toml";
/// Its name while it is written.
pub const TEMPORARY: &str = "config.toml.new";

/// Reads the file; none is an empty one.
pub fn read(app_data_dir: &Path) -> Result<BTreeMap<Key, String>, Vec<ConfigProblem>> {
    let path = app_data_dir.join(NAME);
    let whole =
        |expected: String| vec![ConfigProblem { key: NAME.to_owned(), value: path.display().to_string(), expected }];
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(whole(format!("a file that can be read ({error})"))),
    };
    let text = decode(&bytes).ok_or_else(|| whole("text in UTF-8 or UTF-16".into()))?;
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        whole(format!("a TOML file ({})", error.to_string().lines().collect::<Vec<_>>().join(" ")))
    })?;
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, item) in document.iter() {
        let text = plain(item);
        let shown = text.clone().unwrap_or_else(|| item.to_string().trim().to_owned());
        match (Key::from_name(name), text) {
            (Some(Key::AppDataDir), _) => problems.push(ConfigProblem::new(
                Key::AppDataDir,
                &shown,
                "to be set by flag or environment: this file lies in the folder it names",
            )),
            (Some(key), Some(text)) => {
                if !text.is_empty() {
                    values.insert(key, text);
                }
            }
            (Some(key), None) => problems.push(ConfigProblem::new(key, &shown, "a single value")),
            (None, _) => problems.push(ConfigProblem::unknown(name, &shown)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// Changes keys in the file; `None` takes a key out. The old file stays whole until the new one is
/// on the disk.
pub fn write(app_data_dir: &Path, changes: &BTreeMap<Key, Option<String>>) -> std::io::Result<()> {
    let path = app_data_dir.join(NAME);
    let old = match fs::read(&path) {
        Ok(bytes) => decode(&bytes).unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| std::io::Error::new(ErrorKind::InvalidData, error))?;
    for (key, value) in changes {
        let names: Vec<String> = document
            .iter()
            .map(|(name, _)| name.to_owned())
            .filter(|name| Key::from_name(name) == Some(*key))
            .collect();
        let name = names.first().cloned().unwrap_or_else(|| key.file_name());
        match value {
            Some(text) => put_value(&mut document, &name, typed(text)),
            None => {
                document.remove(&name);
            }
        }
    }
    let temporary = app_data_dir.join(TEMPORARY);
    // It may hold tokens: never readable for others, not even for a moment.
    let mut file = private::create(&temporary)?;
    file.write_all(document.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &path)
}

/// Replaces a value with the comments around it, or adds it at the end.
fn put_value(document: &mut DocumentMut, name: &str, mut value: Value) {
    match document.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            document.insert(name, toml_edit::value(value));
        }
    }
}

/// Numbers and truth values are written as such, everything else as text.
fn typed(text: &str) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => text.into(),
    }
}

fn plain(item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::String(text) => Some(text.value().trim().to_owned()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(flag) => Some(flag.value().to_string()),
        Value::Float(number) => Some(number.value().to_string()),
        _ => None,
    }
}

/// UTF-8 with or without its mark, or UTF-16 with its mark: what `PowerShell` 5.1 writes by `>`.
fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks::<2>();
        rest.is_empty().then(|| String::from_utf16(&units.iter().map(|u| unit(*u)).collect::<Vec<_>>()).ok())?
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<BTreeMap<Key, String>, Vec<ConfigProblem>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), bytes).unwrap();
        read(folder.path())
    }

    #[test]
    fn every_usual_encoding_is_read() {
        let text = "hub_port = 9000\nlocal_allow_delete = true\n";
        let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [vec![0xff, 0xfe], wide(u16::to_le_bytes)].concat(),
            [vec![0xfe, 0xff], wide(u16::to_be_bytes)].concat(),
        ] {
            let values = read_bytes(&bytes).unwrap();
            assert_eq!(values.get(&Key::HubPort).unwrap(), "9000");
            assert_eq!(values.get(&Key::LocalAllowDelete).unwrap(), "true");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let line = |bytes: &[u8]| read_bytes(bytes).unwrap_err().first().unwrap().to_string();
        assert!(line(b"hub_prot = 1").contains("hub_prot"));
        assert!(line(b"hub_port = [1]").contains("HUB_PORT"));
        assert!(line(b"app_data_dir = \"/x\"").contains("APP_DATA_DIR"));
        assert!(line(b"hub_port = ").contains(NAME));
        assert!(line(&[0xff, 0xfe, 0x00]).contains("UTF-16"));
    }

    #[test]
    fn writing_keeps_comments_and_other_keys() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "# mine\nHUB_PORT = 1 # why\nlocal_allow_delete = true\n").unwrap();
        let changes = BTreeMap::from([
            (Key::HubPort, Some("2".to_owned())),
            (Key::LocalAllowDelete, None),
            (Key::LocalModelsRoot, Some(r"D:\models".to_owned())),
        ]);
        write(folder.path(), &changes).unwrap();
        let text = fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(text.starts_with("# mine\n") && !text.contains("local_allow_delete"), "{text}");
        let values = read(folder.path()).unwrap();
        assert_eq!(values.get(&Key::HubPort).unwrap(), "2");
        assert_eq!(values.get(&Key::LocalModelsRoot).unwrap(), r"D:\models");
    }
}
