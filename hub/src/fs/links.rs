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

    /// Where it lies.
    pub const fn path(&self) -> &RelPath {
        &self.included.path
    }

    /// What was included.
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
        let links = self.0.as_ref()?;
        let key = match_key(path);
        links.iter().find(|link| link.key == key)
    }

    /// The link that a path is, or lies behind.
    pub fn above(&self, path: &str) -> Option<&Link> {
        let links = self.0.as_ref()?;
        let key = match_key(path);
        let is_above =
            |link: &&Link| key.strip_prefix(&link.key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        links.iter().find(is_above)
    }
}
