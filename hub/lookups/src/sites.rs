//! The public sites that models come from, and where they are. Their addresses are settings, because some
//! have more than one name and tests stand in for them.

use serde::{Deserialize, Serialize};
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, Gate, WebUrl};
use strum::{EnumString, IntoStaticStr, VariantArray};
use url::Url;

/// A site that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Site {
    /// `civitai.com`, `civitai.red`.
    Civitai,
    /// `civarchive.com`: what Civitai has deleted.
    #[serde(rename = "civarchive")]
    #[strum(serialize = "civarchive")]
    CivArchive,
    /// `huggingface.co`, `hf.co`.
    #[serde(rename = "huggingface")]
    #[strum(serialize = "huggingface")]
    HuggingFace,
    /// `modelscope.cn`, `modelscope.ai`.
    #[serde(rename = "modelscope")]
    #[strum(serialize = "modelscope")]
    ModelScope,
    /// The address of ComfyUI-Manager's list.
    ManagerList,
}

impl Site {
    /// All of them.
    pub const ALL: &[Self] = <Self as VariantArray>::VARIANTS;

    /// Its name in settings (`LOOKUPS`), files and the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Civitai => "Civitai",
            Self::CivArchive => "CivArchive",
            Self::HuggingFace => "Hugging Face",
            Self::ModelScope => "ModelScope",
            Self::ManagerList => "ComfyUI-Manager's list",
        }
    }

    /// What is sent there, in one line for people who decide whether to allow it.
    pub const fn what_is_sent(self) -> &'static str {
        match self {
            Self::Civitai => "The SHA-256 of your files, many at once; never names or paths.",
            Self::CivArchive => "The SHA-256 of each file that Civitai does not have; never names or paths.",
            Self::HuggingFace => "The repository and file that something on your disk names as the source of a file.",
            Self::ModelScope => "The repository that something on your disk names as the source of a file.",
            Self::ManagerList => "Nothing: the list is downloaded as a whole.",
        }
    }

    /// Whose token may be sent there, if one is set.
    pub const fn gate(self) -> Option<Gate> {
        match self {
            Self::Civitai => Some(Gate::Civitai),
            Self::HuggingFace => Some(Gate::HuggingFace),
            Self::CivArchive | Self::ModelScope | Self::ManagerList => None,
        }
    }

    const fn public_base(self) -> &'static str {
        match self {
            Self::Civitai => "https://civitai.com",
            Self::CivArchive => "https://civarchive.com",
            Self::HuggingFace => "https://huggingface.co",
            Self::ModelScope => "https://modelscope.cn",
            Self::ManagerList => "https://raw.githubusercontent.com/Comfy-Org/ComfyUI-Manager/main/model-list.json",
        }
    }

    /// Other hosts under which it is found. What is pasted with one of them is asked at the configured base.
    const fn other_hosts(self) -> &'static [&'static str] {
        match self {
            Self::Civitai => &["civitai.com", "www.civitai.com", "civitai.red", "www.civitai.red", "civitai.green"],
            Self::CivArchive => &["civarchive.com", "www.civarchive.com"],
            Self::HuggingFace => &["huggingface.co", "www.huggingface.co", "hf.co"],
            Self::ModelScope => &["modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai"],
            Self::ManagerList => &[],
        }
    }
}

/// Where the sites are, as configured, and which networks may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites {
    allowed: Allowed,
    bases: Vec<(Site, Url)>,
}

impl Sites {
    /// The public addresses of all sites.
    pub fn public() -> Self {
        Self::new(Allowed::PublicOnly)
    }

    /// The public addresses of all sites; private ones may be set if that is allowed.
    pub fn new(allowed: Allowed) -> Self {
        let base = |site: &Site| Some((*site, Url::parse(site.public_base()).ok()?));
        Self { allowed, bases: Site::ALL.iter().filter_map(base).collect() }
    }

    /// With a base address of one's own (`CIVITAI_URL`, …). What stands behind its path is dropped.
    ///
    /// # Errors
    ///
    /// If it is no address that may be asked: not `https`, with a password, private where that is not allowed.
    pub fn with_base(mut self, site: Site, base: &str) -> Result<Self, UrlError> {
        let judged = WebUrl::parse(base, self.allowed)?;
        let mut url = Url::parse(judged.as_str()).map_err(|_| UrlError::Unreadable)?;
        url.set_query(None);
        self.bases.retain(|(known, _)| *known != site);
        self.bases.push((site, url));
        Ok(self)
    }

    /// Which networks may be reached.
    pub const fn allowed(&self) -> Allowed {
        self.allowed
    }

    /// A site's base address; `None` for one that was never set.
    pub fn base(&self, site: Site) -> Option<&Url> {
        self.bases.iter().find(|(known, _)| *known == site).map(|(_, url)| url)
    }

    /// Which site an address is of: by its configured base (host and port), or by its public hosts.
    pub fn site_of(&self, url: &Url) -> Option<Site> {
        let is_configured = |(_, base): &&(Site, Url)| {
            base.host_str() == url.host_str() && base.port_or_known_default() == url.port_or_known_default()
        };
        let of_sites = || self.bases.iter().filter(|(site, _)| *site != Site::ManagerList);
        let configured = of_sites().find(is_configured).map(|(site, _)| *site);
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let is_usual = url.scheme() == "https" && url.port().is_none();
        configured.or_else(|| Site::ALL.iter().copied().find(|site| is_usual && site.other_hosts().contains(&host)))
    }

    /// An address below a site's base: its parts are encoded, so none can leave its place.
    pub(crate) fn at(&self, site: Site, parts: &[&str], query: &[(&str, &str)]) -> Option<Url> {
        let mut url = self.base(site)?.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Some(url)
    }
}

impl Default for Sites {
    fn default() -> Self {
        Self::public()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_setting() {
        let names: Vec<_> = Site::ALL.iter().map(|site| site.as_str()).collect();
        assert_eq!(names, ["civitai", "civarchive", "huggingface", "modelscope", "manager_list"]);
        for site in Site::ALL {
            assert_eq!(site.as_str().parse::<Site>().unwrap(), *site);
            assert_eq!(serde_json::to_string(site).unwrap(), format!("\"{}\"", site.as_str()));
        }
    }

    #[test]
    fn a_site_is_known_by_all_its_hosts_and_by_its_setting() {
        let sites =
            Sites::new(Allowed::PrivateToo).with_base(Site::Civitai, "http://127.0.0.1:9000/mirror?x=1").unwrap();
        let of = |text: &str| sites.site_of(&Url::parse(text).unwrap());
        assert_eq!(of("https://hf.co/a/b"), Some(Site::HuggingFace));
        assert_eq!(of("https://civitai.red/models/1"), Some(Site::Civitai));
        assert_eq!(of("http://127.0.0.1:9000/models/1"), Some(Site::Civitai));
        for other in ["http://127.0.0.1:9001/", "http://hf.co/a/b", "https://hf.co:8443/a/b", "https://xhf.co/"] {
            assert_eq!(of(other), None, "{other}");
        }
        let at = sites.at(Site::Civitai, &["api", "../x y"], &[("a", "b&c")]).unwrap();
        assert_eq!(at.as_str(), "http://127.0.0.1:9000/mirror/api/..%2Fx%20y?a=b%26c");
    }

    #[test]
    fn a_base_is_judged() {
        assert_eq!(Sites::public().with_base(Site::Civitai, "http://127.0.0.1/").unwrap_err(), UrlError::NotHttps);
        assert_eq!(
            Sites::public().with_base(Site::Civitai, "https://me:x@a.example/").unwrap_err(),
            UrlError::UserInfo
        );
    }
}
