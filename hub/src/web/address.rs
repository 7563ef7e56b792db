//! Addresses of pages with their view state: what is shown can be bookmarked, reloaded and gone
//! back to, because all of it stands behind the `?`.

use axum::http::{HeaderMap, HeaderValue};

use super::templates::encode;

/// The header in which the page says where it is.
const CURRENT: &str = "hx-current-url";

/// A query string under construction; values that say nothing are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct QueryString(String);

impl QueryString {
    /// Without values yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With one more value.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.push_str(&encode(value));
        }
        self
    }

    /// With one more value, if there is one.
    #[must_use]
    pub(super) fn with_some(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value.as_ref()),
            None => self,
        }
    }

    /// The text with its `?`, or nothing at all.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The page's own address with one value changed, for `HX-Replace-Url`. Only the path and the query
/// of what the browser said are used, so the answer can't lead elsewhere.
pub(super) fn current_with(headers: &HeaderMap, name: &str, value: Option<&str>) -> Option<HeaderValue> {
    let current = headers.get(CURRENT)?.to_str().ok()?;
    let after_scheme = current.split_once("://")?.1;
    let path_and_query = after_scheme.find('/').and_then(|at| after_scheme.get(at..))?;
    let path_and_query = path_and_query.split('#').next()?;
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let prefix = format!("{name}=");
    let mut parts: Vec<String> =
        query.split('&').filter(|part| !part.is_empty() && !part.starts_with(&prefix)).map(str::to_owned).collect();
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        parts.push(format!("{prefix}{}", encode(value)));
    }
    let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
    HeaderValue::from_str(&format!("{path}{query}")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_left_out() {
        let text =
            QueryString::new().with("root", "local").with("q", "").with_some("folder", Some("a b/c")).into_text();
        assert_eq!(text, "?root=local&folder=a%20b/c");
        assert_eq!(QueryString::new().with_some("x", None::<&str>).into_text(), "");
    }

    fn changed(current: &str, name: &str, value: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(CURRENT, current.parse().unwrap());
        current_with(&headers, name, value).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn one_value_of_the_address_changes() {
        let here = "http://127.0.0.1:8420/library?root=local&s=old&q=a%20b#x";
        assert_eq!(changed(here, "s", Some("new")), "/library?root=local&q=a%20b&s=new");
        assert_eq!(changed(here, "s", None), "/library?root=local&q=a%20b");
        assert_eq!(changed("http://127.0.0.1:8420/library", "open", Some("a/b")), "/library?open=a/b");
    }
}
