//! Addresses of pages with their view state: what is shown can be bookmarked, reloaded and gone
//! back to, because all of it stands behind the `?`.

use axum::http::{HeaderMap, HeaderValue};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a query value: paths stay readable in the address bar.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b',').remove(b':');

/// The header in which the page says where it is.
const CURRENT: &str = "hx-current-url";

/// Writes one query string value.
pub(super) fn encode(value: &str) -> String {
    utf8_percent_encode(value, QUERY_VALUE).to_string()
}

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

/// What belongs to one list only, or to one moment: it goes when the list becomes another one.
const OF_ONE_LIST: [&str; 5] = ["cursor", "s", "open", "shown", "choose"];

/// The query of a list with some values changed: everything else that is shown stays, only the page,
/// the selection and the open file go. Every link, tab and switch of a list is made by this.
pub(super) fn changed(state: &str, changes: &[(&str, &str)]) -> String {
    let kept = without(state, &OF_ONE_LIST);
    changes.iter().fold(kept, |state, (name, value)| with_value(&state, name, value))
}

/// A query without the values of these names.
fn without(query: &str, names: &[&str]) -> String {
    let query = query.strip_prefix('?').unwrap_or(query);
    let stays = |part: &&str| !part.is_empty() && !names.contains(&part.split('=').next().unwrap_or_default());
    let parts: Vec<&str> = query.split('&').filter(stays).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// A query with one value in the place of the one it had, or at its end; an empty one leaves it.
fn with_value(query: &str, name: &str, value: &str) -> String {
    let is_it = |part: &str| part.split('=').next() == Some(name);
    let new = (!value.is_empty()).then(|| format!("{name}={}", encode(value)));
    let old = query.strip_prefix('?').unwrap_or(query);
    let mut parts: Vec<String> = old.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    match (parts.iter().position(|part| is_it(part)), new) {
        (Some(at), Some(new)) => parts.splice(at..=at, [new]).for_each(drop),
        (Some(at), None) => drop(parts.remove(at)),
        (None, new) => parts.extend(new),
    }
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// The page's own address with one value changed, for `HX-Replace-Url`. Only the path and the query
/// of what the browser said are used, so the answer can't lead elsewhere.
pub(super) fn current_with(headers: &HeaderMap, name: &str, value: Option<&str>) -> Option<HeaderValue> {
    let (path, query) = current(headers)?;
    let changed = with_value(&without(query, &[name]), name, value.unwrap_or_default());
    HeaderValue::from_str(&format!("{path}{changed}")).ok()
}

/// Whether the page's own address has a value of this name.
pub(super) fn current_has(headers: &HeaderMap, name: &str) -> bool {
    let has = |query: &str| query.split('&').any(|part| part.split_once('=').is_some_and(|(of, _)| of == name));
    current(headers).is_some_and(|(_, query)| has(query))
}

/// Path and query of the page, as the browser said.
fn current(headers: &HeaderMap) -> Option<(&str, &str)> {
    let current = headers.get(CURRENT)?.to_str().ok()?;
    let after_scheme = current.split_once("://")?.1;
    let path_and_query = after_scheme.find('/').and_then(|at| after_scheme.get(at..))?;
    let path_and_query = path_and_query.split('#').next()?;
    Some(path_and_query.split_once('?').unwrap_or((path_and_query, "")))
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

    #[test]
    fn what_is_shown_stays_when_one_thing_of_it_changes() {
        let list = "?root=local&folder=a%20b&q=x%26y&sort=size&view=cards";
        assert_eq!(super::changed(list, &[("root", "lake")]), "?root=lake&folder=a%20b&q=x%26y&sort=size&view=cards");
        assert_eq!(super::changed(list, &[("folder", "")]), "?root=local&q=x%26y&sort=size&view=cards");
        assert_eq!(super::changed("?root=local&cursor=7&s=1&open=a/b&shown=200", &[]), "?root=local");
        assert_eq!(super::changed("?tab=evicted&choose=1", &[("tab", "")]), "");
        assert_eq!(super::changed("", &[("q", "a b")]), "?q=a%20b");
    }

    #[test]
    fn the_page_is_asked_what_it_shows() {
        let mut headers = HeaderMap::new();
        assert!(!current_has(&headers, "open"));
        headers.insert(CURRENT, "http://127.0.0.1:1/library?reopen=1&open=a".parse().unwrap());
        assert!(current_has(&headers, "open") && !current_has(&headers, "pen"));
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
