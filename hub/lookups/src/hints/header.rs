//! What a model's own header says: `source_hints` of `model_header::Description`.

use model_header::SourceHint;

use super::Hint;
use crate::address::{Address, CivitaiFile, HuggingFaceFile};
use crate::claim::Origin;
use crate::json::sha256;
use crate::sites::Sites;

/// Where a header says that its file is from: each place once, the most exact first. `file_name` is what the file is
/// called here; a repository that is named without a file is asked for that.
pub fn from_header(hints: &[SourceHint], file_name: &str, sites: &Sites) -> Vec<Hint> {
    let said = |name: &str| hints.iter().find(|hint| hint.name == name).map(|hint| hint.value.trim());
    let mut addresses = Vec::new();
    for name in ["resolve_url", "source_url", "air"] {
        addresses.extend(said(name).and_then(|value| Address::parse(value, sites).ok()));
    }
    let id = said("civitai_model_version_id").and_then(|value| value.parse().ok()).filter(|id: &u64| *id > 0);
    addresses.extend(id.map(|id| Address::Civitai(CivitaiFile::of_version(None, id, None))));
    let repo = said("repo_id").and_then(|repo| HuggingFaceFile::new(repo, said("revision"), Some(file_name)));
    addresses.extend(repo.map(Address::HuggingFace));
    // GGUF: keys that end so name a repository or a page.
    let urls = hints.iter().filter(|hint| hint.name.ends_with("url") && hint.name.contains('.'));
    addresses.extend(urls.filter_map(|hint| Address::parse(hint.value.trim(), sites).ok()));
    let digest = said("source_hash").and_then(sha256);
    let mut found: Vec<Hint> = Vec::new();
    for address in addresses {
        // In the one form that spellings share.
        let is_known =
            |known: &Hint| known.address.as_ref().is_some_and(|known| known.to_string() == address.to_string());
        if !found.iter().any(is_known) {
            found.push(Hint { address: Some(address), sha256: digest, ..Hint::new(Origin::Header) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_comes_first_and_nothing_twice() {
        let hint = |name: &str, value: &str| SourceHint { name: name.to_owned(), value: value.to_owned() };
        let hints = [
            hint("repo_id", "a/b"),
            hint("revision", "v1"),
            hint("source_url", "https://huggingface.co/a/b/blob/v1/x.safetensors"),
            hint("air", "urn:air:sdxl:lora:civitai:1@2"),
            hint("civitai_model_version_id", "2"),
            hint("general.url", "https://huggingface.co/c/d"),
            hint("resolve_url", "http://127.0.0.1/x"),
        ];
        let found = from_header(&hints, "x.safetensors", &Sites::public());
        let told: Vec<String> = found.iter().filter_map(|hint| Some(hint.address.as_ref()?.to_string())).collect();
        assert_eq!(told.first().map(String::as_str), Some("hf://a/b@v1/x.safetensors"));
        assert_eq!(told.iter().filter(|text| text.as_str() == "civitai:@2").count(), 1, "{told:?}");
        assert!(told.contains(&"hf://c/d@main".to_owned()));
        assert_eq!(told.iter().filter(|text| text.starts_with("hf://a/b")).count(), 1);
    }
}
