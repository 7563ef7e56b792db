//! Which files there are, found by what they hold: the same cost however many there are.

use std::collections::{BTreeSet, HashMap};

use shared_protocol::{Blake3, RelPath};

/// The files.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    places: HashMap<RelPath, (u64, Option<Blake3>)>,
    by_content: HashMap<Blake3, BTreeSet<RelPath>>,
    /// By size, those that were never read.
    unread: HashMap<u64, BTreeSet<RelPath>>,
}

impl Shelf {
    /// Notes a file, in the place of what was known of it.
    pub(super) fn put(&mut self, path: &RelPath, size_bytes: u64, blake3: Option<Blake3>) {
        self.take_off(path);
        self.places.insert(path.clone(), (size_bytes, blake3));
        match blake3 {
            Some(blake3) => self.by_content.entry(blake3).or_default().insert(path.clone()),
            None => self.unread.entry(size_bytes).or_default().insert(path.clone()),
        };
    }

    /// Forgets a file.
    pub(super) fn take_off(&mut self, path: &RelPath) {
        match self.places.remove(path) {
            Some((_, Some(blake3))) => take_out(&mut self.by_content, &blake3, path),
            Some((size_bytes, None)) => take_out(&mut self.unread, &size_bytes, path),
            None => {}
        }
    }

    /// A file that holds a content, or may: those that are known to come first.
    pub(super) fn candidate(&self, blake3: &Blake3, size_bytes: u64, except: &RelPath) -> Option<RelPath> {
        let known = self.by_content.get(blake3).into_iter().flatten();
        let unread = self.unread.get(&size_bytes).into_iter().flatten();
        known.chain(unread).find(|path| *path != except).cloned()
    }
}

fn take_out<K: Eq + std::hash::Hash>(map: &mut HashMap<K, BTreeSet<RelPath>>, key: &K, path: &RelPath) {
    if let Some(paths) = map.get_mut(key) {
        paths.remove(path);
        if paths.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_what_it_holds_now() {
        let rel = |text: &str| RelPath::parse(text).unwrap();
        let (one, two) = (Blake3::from_bytes([1; 32]), Blake3::from_bytes([2; 32]));
        let mut shelf = Shelf::default();
        shelf.put(&rel("a"), 5, None);
        shelf.put(&rel("b"), 5, Some(one));
        assert_eq!(shelf.candidate(&one, 5, &rel("x")), Some(rel("b")));
        assert_eq!(shelf.candidate(&one, 5, &rel("b")), Some(rel("a")));
        assert_eq!(shelf.candidate(&two, 5, &rel("a")), None);
        shelf.put(&rel("b"), 5, Some(two));
        shelf.put(&rel("a"), 5, Some(two));
        assert_eq!(shelf.candidate(&one, 5, &rel("x")), None);
        shelf.take_off(&rel("b"));
        assert_eq!(shelf.candidate(&two, 5, &rel("x")), Some(rel("a")));
        shelf.take_off(&rel("a"));
        assert!(shelf.by_content.is_empty() && shelf.unread.is_empty() && shelf.places.is_empty());
    }
}
