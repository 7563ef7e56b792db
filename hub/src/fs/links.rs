//! Links below a root whose folders are a part of it, because a person included them.
//!
//! Everyone who goes along a path asks these: the walk, what is read, and what is changed. A link counts only as long as
//! it leads to the folder that was included, known by its real path and its identity ([`super::entry::link`]); else it is
//! an error, and whatever lies behind it was not seen. No other link is followed, neither beside it nor below.

use std::sync::Arc;

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use crate::domain::included_link::IncludedLink;

/// An included link of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    included: IncludedLink,
    key: String,
    /// Why it is not followed by now, though it was included.
    barred: Option<String>,
}

impl Link {
    /// Follows the link; `barred` says why not.
    pub fn new(included: IncludedLink, barred: Option<String>) -> Self {
        Self { key: included.path.match_key(), included, barred }
    }

    pub const fn path(&self) -> &RelPath {
        &self.included.path
    }

    pub const fn included(&self) -> &IncludedLink {
        &self.included
    }

    /// Why it is not followed by now.
    pub fn barred(&self) -> Option<&str> {
        self.barred.as_deref()
    }
}

/// All included links of a root; clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(Option<Arc<[Link]>>);

impl Links {
    /// These.
    pub fn new(links: Vec<Link>) -> Self {
        Self((!links.is_empty()).then(|| links.into()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter().flat_map(|links| links.iter())
    }

    /// The link of this path. The case of its letters is the file system's business: where `A` is not `a`, another link
    /// of such a name leads elsewhere, and is refused.
    pub fn at(&self, path: &str) -> Option<&Link> {
        self.find(path, |at, link| at == link)
    }

    /// The link that a path is, or lies behind.
    pub fn above(&self, path: &str) -> Option<&Link> {
        self.find(path, |at, link| at.strip_prefix(link).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    /// By the very letters, or else by the key.
    fn find(&self, path: &str, is: impl Fn(&str, &str) -> bool) -> Option<&Link> {
        let links = self.0.as_ref()?;
        let exact = links.iter().find(|link| is(path, link.path().as_str()));
        exact.or_else(|| {
            let key = match_key(path);
            links.iter().find(|link| is(&key, &link.key))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::included_link::FolderIdentity;

    #[test]
    fn a_path_is_found_by_its_letters_and_else_in_any_case() {
        let link = |path: &str| {
            let identity = FolderIdentity { disk: "x".to_owned(), file: None };
            let path = RelPath::parse(path).unwrap();
            Link::new(IncludedLink { path, target: "/x".to_owned(), identity }, None)
        };
        let links = Links::new(vec![link("a/B"), link("a/b"), link("c")]);
        let at = |path: &str| links.at(path).map(|link| link.path().as_str());
        let above = |path: &str| links.above(path).map(|link| link.path().as_str());
        assert_eq!(
            (at("a/b"), at("a/B"), at("C"), at("a/b/x"), at("a")),
            (Some("a/b"), Some("a/B"), Some("c"), None, None)
        );
        assert_eq!(
            (above("a/b/x"), above("C/x/y"), above("c"), above("cx")),
            (Some("a/b"), Some("c"), Some("c"), None)
        );
        assert!(Links::default().above("c").is_none() && Links::default().iter().next().is_none());
    }
}
