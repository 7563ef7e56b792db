//! The proxies that an environment names, as curl reads it: `https_proxy`, `http_proxy`, `all_proxy`, and in
//! `no_proxy` who is asked directly. This machine itself always is.

use std::net::IpAddr;

use url::{Host, Url};

/// Which proxy leads where; the default knows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Url>,
    http: Option<Url>,
    direct: Vec<String>,
    unusable: Option<String>,
}

impl Proxies {
    /// Reads the variables of an environment. `HTTP_PROXY` in capitals is none of them: a web server may set it by
    /// what a visitor says.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| variable(name).filter(|text| !text.trim().is_empty()).map(|text| (*name, text)))
        };
        let mut unusable = None;
        let mut proxy = |names: &[&'static str]| {
            let (name, text) = first(names)?;
            let url = parse(&text);
            if url.is_none() {
                unusable = Some(format!("{name} names no http or https proxy and is passed over"));
            }
            url
        };
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let http = proxy(&["http_proxy", "all_proxy", "ALL_PROXY"]);
        let direct = first(&["no_proxy", "NO_PROXY"]).map(|(_, text)| text).unwrap_or_default();
        let direct = direct.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        Self { https, http, direct: direct.map(str::to_ascii_lowercase).collect(), unusable }
    }

    /// The proxy that leads to an address.
    pub(crate) fn to(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.is_direct(url))
    }

    /// Whether a name is a proxy's: it is the owner of the machine who named it.
    pub(crate) fn is_one(&self, name: &str) -> bool {
        [&self.https, &self.http].into_iter().flatten().any(|proxy| proxy.host_str() == Some(name))
    }

    /// How an address is reached, for people and without a password; none if directly.
    pub fn describe(&self, url: &Url) -> Option<String> {
        let proxy = self.to(url)?;
        let port = proxy.port_or_known_default().unwrap_or_default();
        Some(format!("{}://{}:{port}", proxy.scheme(), proxy.host_str().unwrap_or_default()))
    }

    /// What of the environment can't be used.
    pub fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    fn is_direct(&self, url: &Url) -> bool {
        let (host, address) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::from(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::from(address))),
            None => return true,
        };
        if host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.direct.iter().any(|entry| {
            let (entry, port) = split_port(entry);
            if port.is_some_and(|port| url.port_or_known_default() != Some(port)) {
                return false;
            }
            match (address, entry.split_once('/')) {
                (Some(address), Some((network, bits))) => is_in(address, network, bits),
                (Some(address), None) => entry == "*" || entry.parse() == Ok(address),
                (None, _) => {
                    let name = entry.trim_start_matches("*.").trim_start_matches('.');
                    entry == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
                }
            }
        })
    }
}

fn parse(text: &str) -> Option<Url> {
    let text = text.trim();
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// An entry and its port, if it has one.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(inside) = entry.strip_prefix('[') {
        let (host, rest) = inside.split_once(']').unwrap_or((inside, ""));
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

fn is_in(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.describe(&Url::parse(url).unwrap())
    }

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let set = proxies(&[("HTTPS_PROXY", "u:secret@proxy.example:3128"), ("HTTP_PROXY", "http://other:1")]);
        assert_eq!(way(&set, "https://a.example/x").as_deref(), Some("http://proxy.example:3128"));
        assert_eq!(way(&set, "http://a.example/x"), None, "set by who knows whom");
        let set = proxies(&[("https_proxy", "https://one:8443"), ("HTTPS_PROXY", "http://two:1")]);
        assert_eq!(way(&set, "https://a.example").as_deref(), Some("https://one:8443"));
        let set = proxies(&[("all_proxy", "http://[fd00::1]:3128"), ("https_proxy", "")]);
        assert_eq!(way(&set, "http://a.example").as_deref(), Some("http://[fd00::1]:3128"));
        assert_eq!(way(&set, "https://a.example").as_deref(), Some("http://[fd00::1]:3128"));
        let socks = proxies(&[("https_proxy", "socks5://proxy:1080")]);
        assert!(way(&socks, "https://a.example").is_none() && socks.unusable().unwrap().contains("https_proxy"));
        assert_eq!(proxies(&[]), Proxies::default());
    }

    #[test]
    fn who_is_asked_directly_is() {
        let direct =
            |list: &str, url: &str| way(&proxies(&[("https_proxy", "p:1"), ("NO_PROXY", list)]), url).is_none();
        for (list, url) in [
            ("*", "https://a.example"),
            ("a.example", "https://a.example"),
            ("example", "https://a.example"),
            (".example", "https://a.example"),
            ("*.example", "https://a.b.example"),
            ("other, A.Example", "https://a.example"),
            ("a.example:443", "https://a.example"),
            ("10.0.0.0/8", "https://10.1.2.3"),
            ("10.1.2.3", "https://10.1.2.3"),
            ("fd00::/8", "https://[fd00::7]"),
            ("[fd00::7]:8443", "https://[fd00::7]:8443"),
            ("", "https://localhost:8421"),
            ("", "https://127.0.0.1"),
            ("", "https://[::1]"),
        ] {
            assert!(direct(list, url), "{list} {url}");
        }
        for (list, url) in [
            ("", "https://a.example"),
            ("b.example", "https://a.example"),
            ("ample", "https://a.example"),
            ("a.example:8443", "https://a.example"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.0.0.0/99", "https://10.1.2.3"),
        ] {
            assert!(!direct(list, url), "{list} {url}");
        }
    }
}
