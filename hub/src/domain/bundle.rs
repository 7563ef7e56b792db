//! A model and its sidecars are one thing to people: previews, descriptions, digests and configurations
//! that tools put beside the weights under the same name.
//!
//! A file that holds no weights belongs to the weights beside it of whose name it has most: `<name>.*`
//! before `<stem>.*`, and of two stems the longer one. Where several weights share that name, it belongs
//! to all of them. Case and the form of accents don't count. Parts of one model
//! (`x-00001-of-00003.safetensors`) also share what is named after the whole.

use std::collections::HashMap;

use shared_protocol::rel_path::{MAX_PART, match_key};

use super::kind::FileKind;

/// Weights that were chosen, with what belongs to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Places in the list of names. Several where a sidecar belongs to all of them, or where they are
    /// parts of one model.
    pub weights: Vec<usize>,
    /// What belongs to them, chosen or not.
    pub sidecars: Vec<Sidecar>,
}

/// A file that belongs to weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Its place in the list of names.
    pub at: usize,
    /// All weights that it belongs to, also those that were not chosen.
    pub owners: Vec<usize>,
    /// A person chose the file itself.
    pub named: bool,
}

/// What becomes of a sidecar when some of its weights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Goes,
    /// Weights that stay need it, too: at most a copy goes.
    Shared,
    /// None of its weights goes.
    Stays,
}

impl Sidecar {
    /// What becomes of it. `goes` says of each of its weights whether it goes.
    pub fn fate(&self, goes: impl Fn(usize) -> bool) -> Fate {
        match self.owners.iter().filter(|owner| goes(**owner)).count() {
            0 => Fate::Stays,
            n if n == self.owners.len() || self.named => Fate::Goes,
            _ => Fate::Shared,
        }
    }

    /// Whether it is renamed with one of its weights: if it belongs to no others, or if only these are
    /// spelled exactly as it is.
    pub fn follows(&self, names: &[&str], weights: usize) -> bool {
        let is_spelled_as = |owner: &usize| {
            let (Some(own), Some(owner)) = (names.get(self.at), names.get(*owner)) else { return false };
            let after = |start: &str| own.strip_prefix(start).is_some_and(|rest| rest.starts_with('.'));
            after(owner) || stem(owner).is_some_and(after)
        };
        let mut others = self.owners.iter().filter(|owner| **owner != weights).peekable();
        others.peek().is_none() || is_spelled_as(&weights) && !others.any(is_spelled_as)
    }
}

/// The names of one folder, or those of them that matter, by what belongs together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// The chosen weights, each in one bundle.
    pub bundles: Vec<Bundle>,
    /// What was chosen without weights that it belongs to.
    pub alone: Vec<usize>,
}

/// Finds what belongs to the chosen names of a folder. `names` may hold more than was chosen: whatever
/// may be a sidecar, and other weights that may need it.
pub fn split(names: &[&str], is_chosen: impl Fn(usize) -> bool) -> Split {
    let keys: Vec<String> = names.iter().map(|name| match_key(name)).collect();
    let mut by_prefix: HashMap<&str, Vec<usize>> = HashMap::new();
    let wholes: Vec<Option<WholeBundle>> = keys.iter().map(|key| WholeBundle::of(key)).collect();
    for (at, key) in keys.iter().enumerate() {
        if !is_weight(key) {
            continue;
        }
        let whole = wholes.get(at).and_then(Option::as_ref);
        let mut prefixes = vec![key.as_str()];
        prefixes.extend(stem(key));
        prefixes.extend(whole.into_iter().flat_map(|whole| [whole.name.as_str(), whole.stem.as_str()]));
        for prefix in prefixes {
            let of = by_prefix.entry(prefix).or_default();
            if of.last() != Some(&at) {
                of.push(at);
            }
        }
    }
    let mut groups = Groups::default();
    // The parts of a model that were chosen are one bundle.
    let mut first_part: HashMap<(&str, &str), usize> = HashMap::new();
    for at in (0..names.len()).filter(|at| is_chosen(*at)) {
        if !keys.get(at).is_some_and(|key| is_weight(key)) {
            continue;
        }
        groups.add(at);
        if let Some(whole) = wholes.get(at).and_then(Option::as_ref) {
            let first = *first_part.entry((&whole.name, &whole.count)).or_insert(at);
            groups.join(first, at);
        }
    }
    let mut found = Split::default();
    for (at, key) in keys.iter().enumerate() {
        if is_weight(key) {
            continue;
        }
        let owners = owners(key, &by_prefix);
        let mut chosen = owners.iter().copied().filter(|owner| is_chosen(*owner));
        match chosen.next() {
            None if is_chosen(at) => found.alone.push(at),
            None => {}
            Some(first) => {
                chosen.for_each(|other| groups.join(first, other));
                groups.sidecars.push((first, Sidecar { at, owners: owners.to_vec(), named: is_chosen(at) }));
            }
        }
    }
    found.bundles = groups.finish();
    found
}

/// The weights of whose name the key has most.
fn owners<'a>(key: &str, by_prefix: &'a HashMap<&str, Vec<usize>>) -> &'a [usize] {
    let dots = key.char_indices().rev().filter(|(_, c)| *c == '.').map(|(at, _)| at);
    let mut prefixes = dots.filter_map(|at| key.get(..at));
    prefixes.find_map(|prefix| by_prefix.get(prefix)).map_or(&[], Vec::as_slice)
}

fn is_weight(name: &str) -> bool {
    FileKind::of(name) == FileKind::Model
}

/// The name without its last ending; none for what begins with its only dot.
fn stem(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty())
}

/// The model that a file is a part of.
struct WholeBundle {
    stem: String,
    name: String,
    count: String,
}

impl WholeBundle {
    fn of(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (whole, number) = rest.rsplit_once('-')?;
        let is_number = |text: &str| text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_weight(name) || !is_number(number) || !is_number(count) {
            return None;
        }
        Some(Self { stem: whole.to_owned(), name: format!("{whole}.{extension}"), count: count.to_owned() })
    }
}

/// What belongs together, joined as it is found.
#[derive(Default)]
struct Groups {
    weights: Vec<usize>,
    parents: HashMap<usize, usize>,
    sidecars: Vec<(usize, Sidecar)>,
}

impl Groups {
    fn add(&mut self, at: usize) {
        self.weights.push(at);
        self.parents.insert(at, at);
    }

    fn root(&self, mut at: usize) -> usize {
        while let Some(parent) = self.parents.get(&at).copied().filter(|parent| *parent != at) {
            at = parent;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents.insert(a.max(b), a.min(b));
    }

    fn finish(self) -> Vec<Bundle> {
        let mut bundles: Vec<Bundle> = Vec::new();
        let mut places: HashMap<usize, usize> = HashMap::new();
        for at in &self.weights {
            let place = *places.entry(self.root(*at)).or_insert_with(|| {
                bundles.push(Bundle::default());
                bundles.len() - 1
            });
            if let Some(bundle) = bundles.get_mut(place) {
                bundle.weights.push(*at);
            }
        }
        for (owner, sidecar) in &self.sidecars {
            let place = places.get(&self.root(*owner)).copied();
            if let Some(bundle) = place.and_then(|place| bundles.get_mut(place)) {
                bundle.sidecars.push(sidecar.clone());
            }
        }
        bundles
    }
}

/// Between which names, as keys, everything lies that has to be known of the folder of these weights:
/// what may belong to them, and the weights that may share it.
pub fn surroundings(weights: &str) -> (String, String) {
    let key = match_key(weights);
    let whole = WholeBundle::of(&key);
    let base = whole.as_ref().map(|whole| whole.stem.as_str()).or_else(|| stem(&key)).unwrap_or(&key);
    // Parts of the model have a hyphen where others have their dot, and that comes just before it.
    (format!("{base}-"), format!("{base}/"))
}

/// The names under which a bundle is put beside another one: `x (2).safetensors` with
/// `x (2).preview.png`. The first of `names` gives the name. One number serves all of them, and what
/// would be too long for a file system is cut at the same place in all.
pub fn numbered(names: &[&str], number: u32) -> Vec<String> {
    let Some(first) = names.first() else { return Vec::new() };
    let base = match WholeBundle::of(first) {
        Some(whole) => whole.stem,
        None => stem(first).unwrap_or(first).to_owned(),
    };
    let tails: Vec<&str> = names.iter().map(|name| tail(name, &base)).collect();
    let mark = format!(" ({number})");
    let longest = tails.iter().map(|tail| tail.len()).max().unwrap_or(0);
    let room = MAX_PART.saturating_sub(longest + mark.len());
    let base = base.get(..base.floor_char_boundary(room)).unwrap_or_default();
    tails.into_iter().map(|tail| format!("{base}{mark}{tail}")).collect()
}

/// What a sidecar of `weights` is called when the weights are called `to`; none if it is not named after
/// them.
pub fn renamed(sidecar: &str, weights: &str, to: &str) -> Option<String> {
    let (key, whole) = (match_key(sidecar), match_key(weights));
    let after = |start: &str| {
        let rest = key.strip_prefix(start)?;
        rest.starts_with('.').then(|| tail(sidecar, start))
    };
    if let Some(rest) = after(&whole) {
        return Some(format!("{to}{rest}"));
    }
    let rest = after(stem(&whole)?)?;
    Some(format!("{}{rest}", stem(to)?))
}

/// What follows the bundle's name in the name of one of its files.
fn tail<'a>(name: &'a str, base: &str) -> &'a str {
    let key = match_key(base);
    let ends = name.char_indices().filter(|(_, c)| matches!(c, '.' | '-')).map(|(at, _)| at);
    let found = ends.rev().find(|at| name.get(..*at).is_some_and(|start| match_key(start) == key));
    match found.and_then(|at| name.get(at..)) {
        Some(tail) => tail,
        None if match_key(name) == key => "",
        None => stem(name).and_then(|stem| name.get(stem.len()..)).unwrap_or_default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may unwrap")]
#[path = "bundle_tests.rs"]
mod tests;
