//! Which repository an address means: the same one has many spellings.
//!
//! `https://github.com/Comfy-Org/ComfyUI`, the same with `.git` or a slash behind it, in another case, with a name and
//! a token in it, as `ssh://git@github.com/…` or `git@github.com:…` are one repository. A name that moved leads to the
//! new one by a redirect: that only its server can tell.

use std::fmt;

/// Host and path of a repository, without what makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    host: String,
    /// Of an address by http only: where ssh listens says nothing about where the same server speaks http.
    port: Option<u16>,
    is_web: bool,
    path: String,
}

impl Repository {
    /// Reads an address of the web or of ssh; none for a path on this machine or what is no address.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let address = address.trim();
        let Some((scheme, rest)) = address.split_once("://") else {
            // As `scp` has it: user@host:path.
            let (host, path) = address.split_once(':').filter(|(host, _)| !host.contains('/'))?;
            return Self::of(host, None, false, path);
        };
        let (place, path) = rest.split_once('/')?;
        let place = without_user(place);
        let (name, port) = match place.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "git+https" => Self::of(name, port.filter(|port| *port != 443), true, path),
            "http" => Self::of(name, port.filter(|port| *port != 80), true, path),
            "ssh" | "git+ssh" | "git" => Self::of(name, None, false, path),
            _ => None,
        }
    }

    fn of(place: &str, port: Option<u16>, is_web: bool, path: &str) -> Option<Self> {
        let host = without_user(place).trim_end_matches('.').to_lowercase();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let path = parts.join("/").replace("%20", " ").to_lowercase();
        let path = path.strip_suffix(".git").unwrap_or(&path).to_owned();
        (!host.is_empty() && !path.is_empty()).then_some(Self { host, port, is_web, path })
    }

    /// Whether both are one repository.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_port = !self.is_web || !other.is_web || self.port == other.port;
        self.host == other.host && self.path == other.path && same_port
    }
}

fn without_user(place: &str) -> &str {
    place.rsplit_once('@').map_or(place, |(_, host)| host)
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.path)
    }
}

/// Whether two addresses mean one repository by their spelling.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    a == b || matches!((Repository::parse(a), Repository::parse(b)), (Some(a), Some(b)) if a.is(&b))
}

/// The address to ask where a repository is: its own if it is one of the web.
pub(super) fn askable(address: &str) -> Option<String> {
    let repository = Repository::parse(address)?;
    let of_web = || address.trim().trim_end_matches('/').to_owned();
    let has_name =
        address.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or("").contains('@'));
    Some(if repository.is_web && !has_name { of_web() } else { repository.to_string() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    const ASKED: &str = "https://github.com/Comfy-Org/ComfyUI";

    #[test]
    fn one_repository_has_many_spellings() {
        for same in [
            "https://github.com/Comfy-Org/ComfyUI",
            "https://github.com/Comfy-Org/ComfyUI.git",
            "https://github.com/Comfy-Org/ComfyUI/",
            "https://github.com/Comfy-Org/ComfyUI.git/",
            "https://GitHub.com/comfy-org/comfyui",
            "https://github.com:443/Comfy-Org/ComfyUI",
            "https://github.com//Comfy-Org//ComfyUI",
            "https://someone:token@github.com/Comfy-Org/ComfyUI.git",
            "http://github.com/Comfy-Org/ComfyUI",
            "ssh://git@github.com/Comfy-Org/ComfyUI.git",
            "ssh://git@github.com:22/Comfy-Org/ComfyUI",
            "git://github.com/Comfy-Org/ComfyUI",
            "git@github.com:Comfy-Org/ComfyUI.git",
            "git@github.com:/Comfy-Org/ComfyUI",
            "github.com:Comfy-Org/ComfyUI.git",
        ] {
            assert!(is_same(same, ASKED) && is_same(ASKED, same), "{same}");
        }
        for other in [
            "https://github.com/comfyanonymous/ComfyUI",
            "https://github.com/Comfy-Org/ComfyUI-Manager",
            "https://gitlab.com/Comfy-Org/ComfyUI",
            "https://github.com.example/Comfy-Org/ComfyUI",
            "https://github.com:8443/Comfy-Org/ComfyUI",
            "https://github.com@example.com/Comfy-Org/ComfyUI",
            "git@example.com:Comfy-Org/ComfyUI",
            "/srv/git/Comfy-Org/ComfyUI",
            "file:///github.com/Comfy-Org/ComfyUI",
            "https://github.com",
            "",
        ] {
            assert!(!is_same(other, ASKED), "{other}");
        }
    }

    #[test]
    fn a_name_of_the_past_is_asked_for_on_the_web_and_without_what_is_secret() {
        assert_eq!(askable("git@github.com:old/X.git").unwrap(), "https://github.com/old/x");
        assert_eq!(askable("https://u:secret@h:81/old/X/").unwrap(), "https://h:81/old/x");
        assert_eq!(askable("http://127.0.0.1:81/old/X.git/").unwrap(), "http://127.0.0.1:81/old/X.git");
        assert_eq!(askable("/srv/git/x"), None);
    }
}
