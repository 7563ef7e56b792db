//! ComfyUI-Manager's list of models: a file of the user's ComfyUI, or its address.
//!
//! `{"models": [{name, type, base, save_path, description, reference, filename, url, size}]}`, `size` in words
//! (`"4.71MB"`) and missing in older lists: `Comfy-Org/ComfyUI-Manager`, `model-list.json`. There are no digests, so a
//! claim of it is a hint: its address is asked, by the finder of the address's own site.

use serde::Deserialize;
use shared_protocol::rel_path::match_key;

use crate::address::{Address, file_name_from};
use crate::answer::{Answer, AnswerError};
use crate::claim::{Claim, Offer, Origin};
use crate::finder::{Finder, Found};
use crate::finders::civitai_version::bytes;
use crate::json::{Entries, Maybe, Text, parse};
use crate::request::Request;
use crate::sites::{Site, Sites};

const MAX_ENTRIES: usize = 20_000;

const MAX_BYTES: usize = 16 << 20;

/// What the list says of files of some names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerList {
    /// The names of files that are wanted, compared without regard to case; all if there are none.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    models: Entries<'a, MAX_ENTRIES>,
}

#[derive(Deserialize)]
struct Entry {
    filename: Text,
    url: Text,
    #[serde(default)]
    size: Maybe<Text>,
}

impl Finder for ManagerList {
    fn site(&self) -> Site {
        Site::ManagerList
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        Some(Request::get(Site::ManagerList, sites.base(Site::ManagerList)?.clone(), MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        self.read_file(answer.data(MAX_BYTES)?, sites)
    }
}

impl ManagerList {
    /// Reads the list from a file of the user's ComfyUI.
    ///
    /// # Errors
    ///
    /// If it is too long or not of the form.
    pub fn read_file(&self, file: &[u8], sites: &Sites) -> Result<Found, AnswerError> {
        if file.len() > MAX_BYTES {
            return Err(AnswerError::TooLarge(MAX_BYTES));
        }
        let (entries, n_unreadable) = parse::<Whole<'_>>(file)?.models.read::<Entry>();
        let wanted: Vec<String> = self.names.iter().map(|name| match_key(name)).collect();
        let is_wanted = |entry: &&Entry| wanted.is_empty() || wanted.contains(&match_key(&entry.filename.0));
        let claims = entries.iter().filter(is_wanted).filter_map(|entry| claim(entry, sites)).collect();
        Ok(Found { claims, n_unreadable, ..Found::default() })
    }
}

fn claim(entry: &Entry, sites: &Sites) -> Option<Claim> {
    Some(Claim {
        origin: Origin::ManagerList,
        url: Address::parse(&entry.url.0, sites).ok()?.download(sites)?,
        file_name: file_name_from(&entry.filename.0),
        sha256: None,
        blake3: None,
        size_bytes: None,
        about_bytes: entry.size.0.as_ref().and_then(|size| size_of_words(&size.0)),
        offer: Offer::Open,
    })
}

/// `4.71MB`, `2.1 GB`: thousands, as the list's own script makes them.
fn size_of_words(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "B" => 1.0,
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return None,
    };
    bytes(number.trim().parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::size_of_words;

    #[test]
    fn sizes_in_words() {
        assert_eq!(size_of_words("4.71MB"), Some(4_710_000));
        assert_eq!(size_of_words(" 2.1 gb "), Some(2_100_000_000));
        assert_eq!(size_of_words("67B"), Some(67));
        for none in ["", "4.71", "MB", "x MB", "-1MB", "infMB", "1e300TB", "4 parsecs"] {
            assert_eq!(size_of_words(none), None, "{none}");
        }
    }
}
