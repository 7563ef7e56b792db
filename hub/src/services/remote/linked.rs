//! Links in an agent's folder of models: what would go through one that it does not go through is told before it is
//! sent, and room is asked of the disk that a file would lie on.

use std::collections::HashMap;

use shared_protocol::RelPath;
use shared_protocol::facts::{Facts, LinkedFolder};

/// The link that a path lies behind, if its agent does not go through it.
pub(super) fn in_the_way<'a>(facts: &'a Facts, path: &RelPath) -> Option<&'a LinkedFolder> {
    let links = facts.comfyui.iter().flat_map(|comfyui| &comfyui.linked_folders);
    links.filter(|link| !link.allowed).find(|link| is_behind(path, &link.path))
}

/// Why a file behind such a link is not sent.
pub(super) fn why(link: &LinkedFolder) -> String {
    let what = format!("\"{}\" is a link on that machine (to {})", link.path, link.target);
    match &link.problem {
        Some(problem) => format!("{what}, and {problem}"),
        None => format!("{what}: paste the line there again with --allow-linked-folders to use it"),
    }
}

fn is_behind(path: &RelPath, link: &RelPath) -> bool {
    path.as_str().strip_prefix(link.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// The disks of an agent's folder of models, as it told last.
pub(super) struct Disks<'a> {
    facts: &'a Facts,
    models: String,
    needed: HashMap<&'a str, u64>,
}

impl<'a> Disks<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        let models = facts.comfyui.as_ref().map_or_else(String::new, |comfyui| comfyui.models_path.clone());
        Self { facts, models, needed: HashMap::new() }
    }

    /// A file is to come here.
    pub(super) fn add(&mut self, path: &RelPath, size_bytes: u64) {
        let place = format!("{}/{path}", self.models);
        let is_above = |root: &str| place.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let roots = self.facts.roots.iter().map(|root| root.path.as_str());
        let nearest = roots.filter(|root| is_above(root)).max_by_key(|root| root.len());
        if let Some(root) = nearest.or_else(|| self.facts.roots.first().map(|root| root.path.as_str())) {
            *self.needed.entry(root).or_default() += size_bytes;
        }
    }

    /// Whether everything fits where it comes; none where nothing is known.
    pub(super) fn fit(&self) -> Option<bool> {
        let rooms: Vec<(Option<u64>, u64)> = self
            .facts
            .roots
            .iter()
            .filter_map(|root| Some((root.free_bytes, *self.needed.get(root.path.as_str())?)))
            .collect();
        if rooms.iter().any(|(free, needed)| free.is_some_and(|free| free < *needed)) {
            return Some(false);
        }
        let is_known = rooms.iter().all(|(free, _)| free.is_some());
        let models = self.facts.roots.first().and_then(|root| root.free_bytes);
        if rooms.is_empty() { models.map(|_| true) } else { is_known.then_some(true) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn rel(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn facts() -> Facts {
        serde_json::from_value(serde_json::json!({
            "os": "Linux", "arch": "x86_64",
            "roots": [
                { "path": "/w/models", "exists": true, "free_bytes": 100, "total_bytes": 100 },
                { "path": "/w/models/checkpoints", "exists": true, "free_bytes": 1_000, "total_bytes": 1_000 },
            ],
            "comfyui": {
                "path": "/w", "models_path": "/w/models", "models_inside": true, "found": true,
                "linked_folders": [
                    { "path": "checkpoints", "target": "/volume/checkpoints", "allowed": true },
                    { "path": "loras", "target": "/volume/loras", "allowed": false },
                    { "path": "vae/gone", "target": "/x", "allowed": false, "problem": "it leads nowhere" },
                ],
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_lies_behind_a_link_that_is_not_used_is_told() {
        let facts = facts();
        for fine in ["checkpoints/x", "loras2/x", "vae/x", "x"] {
            assert!(in_the_way(&facts, &rel(fine)).is_none(), "{fine}");
        }
        assert!(why(in_the_way(&facts, &rel("loras/deep/x")).unwrap()).contains("--allow-linked-folders"));
        assert!(why(in_the_way(&facts, &rel("vae/gone/x")).unwrap()).ends_with("it leads nowhere"));
    }

    #[test]
    fn room_is_that_of_the_disk_that_a_file_comes_to() {
        let facts = facts();
        let fits = |files: &[(&str, u64)]| {
            let mut disks = Disks::new(&facts);
            for (path, size_bytes) in files {
                disks.add(&rel(path), *size_bytes);
            }
            disks.fit()
        };
        assert_eq!(fits(&[("checkpoints/x", 900), ("vae/x", 90)]), Some(true));
        assert_eq!(fits(&[("checkpoints/x", 9), ("vae/x", 101)]), Some(false));
        assert_eq!(fits(&[("checkpoints/x", 600), ("checkpoints/y", 600)]), Some(false));
        assert_eq!(fits(&[]), Some(true));
        assert_eq!(Disks::new(&Facts::default()).fit(), None);
    }
}
