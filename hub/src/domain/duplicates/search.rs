//! From names to groups with as little reading as possible.

use std::collections::HashMap;
use std::hash::Hash;

use shared_protocol::Blake3;

/// Bytes at the beginning and at the end that are compared first.
pub const ENDS_BYTES: u64 = 64 << 10;

/// Files up to this size are their own ends: they are read whole at once.
pub const WHOLE_BYTES: u64 = 2 * ENDS_BYTES;

/// Which file a name leads to: two names with the same node are hard links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    pub device: u64,
    pub file: u128,
}

/// A name that was found, and what is known of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundName {
    /// The file's size.
    pub size_bytes: u64,
    /// The file it leads to; none where it is the only name.
    pub node: Option<Node>,
    /// The hash of the first and last bytes.
    pub ends: Option<Blake3>,
    /// The hash of everything.
    pub hash: Option<Blake3>,
}

/// Names of one file.
#[derive(Debug, Clone)]
struct File {
    size_bytes: u64,
    /// Positions of its names; the first one is read.
    names: Vec<usize>,
    ends: Option<Blake3>,
    hash: Option<Blake3>,
    /// It could not be read: it is in no group.
    lost: bool,
}

/// A search under way. Names go by their position in what it was begun with.
#[derive(Debug)]
pub struct Search {
    files: Vec<File>,
    /// The file of the name that is read for it.
    by_name: HashMap<usize, usize>,
    whole_bytes: u64,
}

impl Search {
    /// Takes the names together that are one file, and leaves out sizes that occur once.
    pub fn new(found: &[FoundName], whole_bytes: u64) -> Self {
        let mut files: Vec<File> = Vec::with_capacity(found.len());
        let mut nodes: HashMap<Node, usize> = HashMap::new();
        for (name, one) in found.iter().enumerate().filter(|(_, one)| one.size_bytes > 0) {
            let known = one.node.and_then(|node| nodes.get(&node).copied());
            if let Some(file) = known.and_then(|at| files.get_mut(at)) {
                file.names.push(name);
                file.ends = file.ends.or(one.ends);
                file.hash = file.hash.or(one.hash);
                continue;
            }
            if let Some(node) = one.node {
                nodes.insert(node, files.len());
            }
            let (ends, hash) = (one.ends, one.hash);
            files.push(File { size_bytes: one.size_bytes, names: vec![name], ends, hash, lost: false });
        }
        let shared: Vec<usize> = alike(files.iter().map(|file| Some(file.size_bytes))).into_iter().flatten().collect();
        let mut keep = vec![false; files.len()];
        for at in shared {
            if let Some(flag) = keep.get_mut(at) {
                *flag = true;
            }
        }
        let mut flags = keep.into_iter();
        files.retain(|_| flags.next().unwrap_or(false));
        let by_name = files.iter().enumerate().filter_map(|(at, file)| Some((*file.names.first()?, at))).collect();
        Self { files, by_name, whole_bytes }
    }

    /// Names whose first and last bytes have to be known. Where all of a size have a hash, none.
    pub fn needs_ends(&self) -> Vec<usize> {
        let groups = alike(self.files.iter().map(|file| Some(file.size_bytes).filter(|_| !file.lost)));
        let open = groups.into_iter().filter(|group| self.of(group).any(|file| file.hash.is_none()));
        let mut names: Vec<usize> = open
            .flat_map(|group| {
                let wanted = |file: &&File| file.ends.is_none() && file.size_bytes > self.whole_bytes;
                self.of(&group).filter(wanted).filter_map(first_name).collect::<Vec<_>>()
            })
            .collect();
        names.sort_unstable();
        names
    }

    /// Names that have to be read whole, once all ends are known.
    pub fn needs_hash(&self) -> Vec<usize> {
        let key = |file: &File| (!file.lost).then_some((file.size_bytes, file.ends.filter(|_| self.has_ends(file))));
        // A size of which all are hashed has no ends: it is no concern here.
        let groups = alike(self.files.iter().map(key));
        let mut names: Vec<usize> = groups
            .into_iter()
            .flat_map(|group| {
                self.of(&group).filter(|file| file.hash.is_none()).filter_map(first_name).collect::<Vec<_>>()
            })
            .collect();
        names.sort_unstable();
        names
    }

    /// Takes in what was read of a name; nothing if it could not be read.
    pub fn set_ends(&mut self, name: usize, ends: Option<Blake3>) {
        if let Some(file) = self.file_mut(name) {
            file.ends = ends;
            file.lost |= ends.is_none();
        }
    }

    /// The same for the whole content.
    pub fn set_hash(&mut self, name: usize, hash: Option<Blake3>) {
        if let Some(file) = self.file_mut(name) {
            file.hash = hash;
            file.lost |= hash.is_none();
        }
    }

    /// The groups: each content with its files, each file with its names.
    pub fn groups(&self) -> Vec<(Blake3, Vec<Vec<usize>>)> {
        let groups = alike(self.files.iter().map(|file| file.hash.filter(|_| !file.lost)));
        groups
            .into_iter()
            .filter_map(|group| {
                let hash = self.of(&group).find_map(|file| file.hash)?;
                Some((hash, self.of(&group).map(|file| file.names.clone()).collect()))
            })
            .collect()
    }

    /// The names that belong to files with a hash, with it: a hash that was read under one name is that
    /// of the others too.
    pub fn hashed_names(&self) -> impl Iterator<Item = (usize, Blake3)> {
        let hashed = self.files.iter().filter(|file| !file.lost).filter_map(|file| Some((file, file.hash?)));
        hashed.flat_map(|(file, hash)| file.names.iter().map(move |name| (*name, hash)))
    }

    const fn has_ends(&self, file: &File) -> bool {
        file.size_bytes > self.whole_bytes
    }

    fn file_mut(&mut self, name: usize) -> Option<&mut File> {
        self.by_name.get(&name).and_then(|at| self.files.get_mut(*at))
    }

    fn of<'a>(&'a self, group: &'a [usize]) -> impl Iterator<Item = &'a File> {
        group.iter().filter_map(|at| self.files.get(*at))
    }
}

fn first_name(file: &File) -> Option<usize> {
    file.names.first().copied()
}

/// Positions with the same key, two or more; those without a key are alone.
fn alike<K: Eq + Hash>(keys: impl Iterator<Item = Option<K>>) -> Vec<Vec<usize>> {
    let mut groups: HashMap<K, Vec<usize>> = HashMap::new();
    for (at, key) in keys.enumerate() {
        if let Some(key) = key {
            groups.entry(key).or_default().push(at);
        }
    }
    let mut found: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Files of at most this size are their own ends, in these tests.
    const WHOLE: usize = 2;

    /// A file on a disk of the tests: what it holds, and what is in the cache.
    #[derive(Debug, Clone)]
    struct OnDisk {
        content: Vec<u8>,
        knows_ends: bool,
        knows_hash: bool,
        unreadable: bool,
    }

    fn digest(bytes: &[u8]) -> Blake3 {
        let mut raw = [0; 32];
        raw[0] = u8::try_from(bytes.len()).unwrap();
        raw[1..=bytes.len()].copy_from_slice(bytes);
        Blake3::from_bytes(raw)
    }

    fn ends(bytes: &[u8]) -> Blake3 {
        digest(&[&bytes[..1], &bytes[bytes.len() - 1..]].concat())
    }

    fn on_disk() -> impl Strategy<Value = OnDisk> {
        let content = proptest::collection::vec(0_u8..2, 0..5);
        (content, any::<bool>(), any::<bool>(), proptest::bool::weighted(0.1)).prop_map(
            |(content, knows_ends, knows_hash, unreadable)| OnDisk {
                content,
                knows_ends,
                knows_hash,
                unreadable: unreadable && !knows_hash,
            },
        )
    }

    fn found(file: &OnDisk, at: usize) -> FoundName {
        let is_long = file.content.len() > WHOLE;
        FoundName {
            size_bytes: file.content.len() as u64,
            node: Some(Node { device: 1, file: at as u128 }),
            ends: (file.knows_ends && is_long).then(|| ends(&file.content)),
            hash: file.knows_hash.then(|| digest(&file.content)),
        }
    }

    proptest! {
        #[test]
        fn groups_are_those_of_equal_contents(
            disk in proptest::collection::vec(on_disk(), 0..14),
            names in proptest::collection::vec(0_usize..14, 0..24),
        ) {
            let names: Vec<usize> = names.into_iter().filter(|at| *at < disk.len()).collect();
            let known: Vec<FoundName> = names.iter().map(|at| found(&disk[*at], *at)).collect();
            let mut search = Search::new(&known, WHOLE as u64);
            let mut read_whole = BTreeSet::new();
            for name in search.needs_ends() {
                let file = &disk[names[name]];
                prop_assert!(file.content.len() > WHOLE);
                search.set_ends(name, (!file.unreadable).then(|| ends(&file.content)));
            }
            for name in search.needs_hash() {
                let file = &disk[names[name]];
                prop_assert!(!file.knows_hash, "what is known is not read again");
                prop_assert!(read_whole.insert(names[name]), "a file is read once, whatever its names");
                search.set_hash(name, (!file.unreadable).then(|| digest(&file.content)));
            }
            for (name, hash) in search.hashed_names() {
                prop_assert_eq!(hash, digest(&disk[names[name]].content));
            }
            let mut expected: BTreeMap<&[u8], BTreeMap<usize, BTreeSet<usize>>> = BTreeMap::new();
            for (name, at) in names.iter().enumerate() {
                let file = &disk[*at];
                if !file.content.is_empty() && !file.unreadable {
                    expected.entry(&file.content).or_default().entry(*at).or_default().insert(name);
                }
            }
            let expected: BTreeSet<(Blake3, BTreeSet<BTreeSet<usize>>)> = expected
                .into_iter()
                .filter(|(_, files)| files.len() > 1)
                .map(|(content, files)| (digest(content), files.into_values().collect()))
                .collect();
            let groups: BTreeSet<(Blake3, BTreeSet<BTreeSet<usize>>)> = search
                .groups()
                .into_iter()
                .map(|(hash, files)| (hash, files.into_iter().map(|names| names.into_iter().collect()).collect()))
                .collect();
            let hashed: BTreeSet<usize> = search.hashed_names().map(|(name, _)| name).collect();
            let grouped = groups.iter().flat_map(|(_, files)| files).flatten();
            prop_assert!(grouped.clone().all(|name| hashed.contains(name)), "each name of a group has its hash");
            prop_assert_eq!(groups, expected);
        }
    }

    fn one(content: &[u8]) -> FoundName {
        FoundName { size_bytes: content.len() as u64, node: None, ends: None, hash: None }
    }

    #[test]
    fn a_size_of_its_own_is_never_read() {
        let search = Search::new(&[one(b"abc"), one(b"abcd"), one(b"ab")], WHOLE as u64);
        assert!(search.needs_ends().is_empty() && search.needs_hash().is_empty() && search.files.is_empty());
    }

    #[test]
    fn other_ends_save_reading_whole() {
        let contents: [&[u8]; 3] = [b"axxb", b"ayyb", b"czzd"];
        let mut search = Search::new(&contents.map(one), WHOLE as u64);
        assert_eq!(search.needs_ends(), [0, 1, 2]);
        for (name, content) in contents.iter().enumerate() {
            search.set_ends(name, Some(ends(content)));
        }
        assert_eq!(search.needs_hash(), [0, 1]);
    }

    #[test]
    fn a_size_that_is_hashed_already_is_not_read_at_all() {
        let hashed = |content: &[u8]| FoundName { hash: Some(digest(content)), ..one(content) };
        let search = Search::new(&[hashed(b"abcd"), hashed(b"abcd"), hashed(b"abce")], WHOLE as u64);
        assert_eq!((search.needs_ends(), search.needs_hash()), (vec![], vec![]));
        assert_eq!(search.groups(), [(digest(b"abcd"), vec![vec![0], vec![1]])]);
    }

    #[test]
    fn names_of_one_file_are_no_duplicates() {
        let node = Some(Node { device: 1, file: 7 });
        let linked = FoundName { node, ..one(b"abcd") };
        let search = Search::new(&[linked, linked], WHOLE as u64);
        assert_eq!((search.needs_hash(), search.groups()), (vec![], vec![]));
    }
}
