//! Who may be asked where models can be had, and where they are.

use std::path::PathBuf;

use ::lookups::{Site, Sites};
use shared_protocol::Allowed;

use super::reader::ConfigReader;
use super::{Key, LookupsConfig};

/// Reads what is set about look-ups. A base address is held to the rules of all addresses.
pub(super) fn lookups(reader: &mut ConfigReader<'_>, allow_private: bool) -> LookupsConfig {
    let allowed = reader.read(Key::Lookups, sites_of).unwrap_or_default();
    let mut sites = Sites::new(Allowed::with_private(allow_private));
    for (site, key) in [
        (Site::Civitai, Key::CivitaiUrl),
        (Site::CivArchive, Key::CivarchiveUrl),
        (Site::HuggingFace, Key::HuggingfaceUrl),
        (Site::ModelScope, Key::ModelscopeUrl),
    ] {
        sites = reader.read(key, |text| with_base(&sites, site, text)).unwrap_or(sites);
    }
    let is_address = |text: &str| text.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
    let mut manager_list = None;
    match reader.text(Key::ManagerList) {
        Some(text) if is_address(&text) => {
            sites = reader.read(Key::ManagerList, |text| with_base(&sites, Site::ManagerList, text)).unwrap_or(sites);
        }
        Some(_) => manager_list = reader.read(Key::ManagerList, list_file),
        None => {}
    }
    LookupsConfig { allowed, sites, manager_list }
}

/// The names of sites, separated by commas, semicolons or blanks.
fn sites_of(text: &str) -> Result<Vec<Site>, String> {
    let mut found = Vec::new();
    for name in text.split([',', ';', ' ']).map(str::trim).filter(|name| !name.is_empty()) {
        let site = name.to_ascii_lowercase().parse().map_err(|_| {
            let names: Vec<&str> = Site::ALL.iter().map(|site| site.as_str()).collect();
            format!("some of {}, separated by commas", names.join(", "))
        })?;
        if !found.contains(&site) {
            found.push(site);
        }
    }
    Ok(found)
}

fn with_base(sites: &Sites, site: Site, text: &str) -> Result<Sites, String> {
    let base = text.trim().trim_end_matches('/');
    sites.clone().with_base(site, base).map_err(|error| format!("an https address of the site itself ({error})"))
}

fn list_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text.trim());
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("the whole path of a model-list.json, or an https address".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn resolve(values: &[(Key, &str)]) -> Result<LookupsConfig, String> {
        let mut flags: std::collections::BTreeMap<_, _> =
            values.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        flags.insert(Key::AppDataDir, std::env::temp_dir().display().to_string());
        let resolved = Layers { flags, ..Layers::default() }.resolve();
        resolved.map(|config| config.lookups).map_err(|problems| problems.first().unwrap().to_string())
    }

    #[test]
    fn nobody_may_be_asked_until_a_person_says_so() {
        let none = resolve(&[]).unwrap();
        assert!(none.allowed.is_empty() && none.manager_list.is_none());
        for site in Site::ALL {
            assert_eq!(none.sites.base(*site), Sites::public().base(*site));
        }
    }

    #[test]
    fn sites_are_named_each_once() {
        let found = resolve(&[(Key::Lookups, "Civitai, huggingface;civitai")]).unwrap();
        assert_eq!(found.allowed, [Site::Civitai, Site::HuggingFace]);
        let wrong = resolve(&[(Key::Lookups, "civitai,google")]).unwrap_err();
        assert!(wrong.contains("LOOKUPS") && wrong.contains("modelscope, manager_list"), "{wrong}");
    }

    #[test]
    fn a_base_is_held_to_the_rules_of_addresses() {
        let local = (Key::CivitaiUrl, "http://127.0.0.1:9000/");
        assert!(resolve(&[local]).unwrap_err().contains("CIVITAI_URL"));
        let sites = resolve(&[local, (Key::RemoteAllowPrivateSources, "true")]).unwrap().sites;
        assert_eq!(sites.base(Site::Civitai).unwrap().as_str(), "http://127.0.0.1:9000/");
        assert_eq!(sites.base(Site::HuggingFace).unwrap().as_str(), "https://huggingface.co/");
    }

    #[test]
    fn the_list_is_a_file_or_an_address() {
        let file = std::env::temp_dir().join("model-list.json");
        let found = resolve(&[(Key::ManagerList, &file.display().to_string())]).unwrap();
        assert_eq!(found.manager_list, Some(file));
        let found = resolve(&[(Key::ManagerList, "https://example.org/list.json")]).unwrap();
        assert_eq!(found.sites.base(Site::ManagerList).unwrap().as_str(), "https://example.org/list.json");
        assert!(found.manager_list.is_none());
        assert!(resolve(&[(Key::ManagerList, "list.json")]).unwrap_err().contains("MANAGER_LIST"));
    }
}
