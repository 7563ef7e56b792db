//! What templates can call besides the engine's own: sizes, times, icons, addresses.

use jiff::Timestamp;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, HtmlEscape};

use super::format;
use crate::domain::ticks;
use crate::web::address::{self, QueryString, encode};
use crate::web::assets;
use crate::web::error::sentence;

/// Adds every filter and function.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("bytes", |size: &Value| number(size).map(format::bytes));
    environment.add_filter("count", |value: i64| format::count(value));
    environment.add_filter("rate", |size: &Value| number(size).map(|rate| format!("{}/s", format::bytes(rate))));
    environment.add_filter("duration", |seconds: &Value| number(seconds).map(format::duration));
    environment.add_filter("ago", |time: &Value| match far(time) {
        Some(far) => Ok(Value::from(far)),
        None => timestamp(time).map(time_tag),
    });
    environment.add_filter("absolute", |time: &Value| match far(time) {
        Some(far) => Ok(far),
        None => timestamp(time).map(format::absolute),
    });
    environment.add_filter("since", |time: &Value| timestamp(time).map(|time| format::since(time, Timestamp::now())));
    environment.add_filter("clock", |time: &Value| timestamp(time).map(format::clock));
    environment.add_filter("percent_of", |part: u64, whole: u64| format::percent(part, whole));
    environment.add_filter("folder_of", |path: &str| split(path).0.to_owned());
    environment.add_filter("name_of", |path: &str| split(path).1.to_owned());
    environment.add_filter("parent", |path: &str| split(path).0.trim_end_matches('/').to_owned());
    // The folder may be spelled in another case than the path's own.
    environment.add_filter("below", |path: &str, folder: Option<&str>| {
        folder.and_then(|folder| path.get(folder.len() + 1..)).unwrap_or(path).to_owned()
    });
    environment.add_filter("plural", plural);
    environment.add_filter("sentence", sentence);
    environment.add_filter("urlvalue", encode);
    environment.add_function("icon", icon);
    environment.add_function("asset", asset);
    environment.add_function("query", query);
    environment.add_function("keeping", keeping);
}

fn number(value: &Value) -> Result<u64, Error> {
    if let Ok(number) = u64::try_from(value.clone()) {
        return Ok(number);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and far below 2^53")]
    f64::try_from(value.clone()).map(|number| number.max(0.0) as u64)
}

/// A time is the API's text or the database's milliseconds.
fn timestamp(value: &Value) -> Result<Timestamp, Error> {
    let bad = |cause: jiff::Error| Error::new(ErrorKind::InvalidOperation, "not a time").with_source(cause);
    match value.as_str() {
        Some(text) => text.parse().map_err(bad),
        None => Timestamp::from_millisecond(i64::try_from(value.clone())?).map_err(bad),
    }
}

/// A time that no calendar of ours holds: its date with the sign, or on which side it lies.
fn far(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let time = || text.parse::<Timestamp>().ok();
    match text {
        _ if text.starts_with(['+', '-']) => Some(text.to_owned()),
        _ if time() == Some(Timestamp::MAX) => Some("after 9999".to_owned()),
        _ if time() == Some(ticks::first()) => Some("before the year 0".to_owned()),
        _ => None,
    }
}

fn time_tag(time: Timestamp) -> Value {
    let (relative, absolute) = (format::ago(time, Timestamp::now()), format::absolute(time));
    Value::from_safe_string(format!("<time datetime=\"{time}\" title=\"{absolute}\">{relative}</time>"))
}

/// The folder with its `/`, and the name.
fn split(path: &str) -> (&str, &str) {
    path.rfind('/').map_or(("", path), |at| path.split_at(at + 1))
}

/// `{{ n|plural("file") }}` is "1 file" or "12,345 files".
fn plural(number: i64, one: &str, many: Option<&str>) -> String {
    match (number, many) {
        (1, _) => format!("1 {one}"),
        (_, Some(many)) => format!("{} {many}", format::count(number)),
        (_, None) => format!("{} {one}s", format::count(number)),
    }
}

/// An icon of the sprite. Alone it says nothing to a screen reader: the word stands beside it.
fn icon(name: &str, class: Option<&str>) -> Result<Value, Error> {
    let sprite = asset("icons.svg")?;
    let class = class.map_or_else(|| "icon".to_owned(), |class| format!("icon {class}"));
    let (name, class) = (HtmlEscape(name), HtmlEscape(&class));
    Ok(Value::from_safe_string(format!(
        "<svg class=\"{class}\" aria-hidden=\"true\"><use href=\"{sprite}#{name}\"/></svg>"
    )))
}

fn asset(path: &str) -> Result<String, Error> {
    assets::address(path)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("there is no static file {path}")))
}

/// `keeping(state, root="lake")` is the list's query with another root: everything else that it shows
/// stays.
#[allow(clippy::needless_pass_by_value, reason = "the engine hands the arguments over")]
fn keeping(state: &str, arguments: Kwargs) -> Result<String, Error> {
    let values = named(&arguments)?;
    let changes: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(address::changed(state, &changes))
}

/// Values by name as they stand in an address, in their order; what says nothing is empty.
fn named(arguments: &Kwargs) -> Result<Vec<(&str, String)>, Error> {
    let mut values = Vec::new();
    for name in arguments.args() {
        let value: Value = arguments.get(name)?;
        let text = match value.kind() {
            ValueKind::None | ValueKind::Undefined => String::new(),
            ValueKind::Bool => if value.is_true() { "1" } else { "" }.to_owned(),
            _ => value.to_string(),
        };
        values.push((name, text));
    }
    arguments.assert_all_used()?;
    Ok(values)
}

/// `query(root="local", q="")` is `?root=local`: parameters that say nothing are left out.
#[allow(clippy::needless_pass_by_value, reason = "the engine hands the arguments over")]
fn query(arguments: Kwargs) -> Result<String, Error> {
    // '&' between parameters is legal in an attribute as long as no name looks like an entity.
    Ok(named(&arguments)?
        .into_iter()
        .fold(QueryString::new(), |query, (name, value)| query.with(name, &value))
        .into_text())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use minijinja::context;

    fn render(source: &str) -> String {
        let environment = super::super::environment();
        environment.render_named_str("x.html", source, context! { path => "a/b & c/<x>.png", nothing => () }).unwrap()
    }

    #[test]
    fn addresses_leave_out_what_says_nothing() {
        assert_eq!(render("{{ query(root='local', q='', open=nothing, all=false) }}"), "?root=local");
        assert_eq!(render("{{ query(folder=path) }}"), "?folder=a/b%20%26%20c/%3Cx%3E.png");
    }

    #[test]
    fn names_from_disk_are_escaped() {
        assert_eq!(render("{{ path|name_of }}"), "&lt;x&gt;.png");
        assert_eq!(render("{{ path|folder_of }}"), "a/b &amp; c/");
    }

    #[test]
    fn numbers_read_as_words() {
        assert_eq!(render("{{ 1|plural('file') }}, {{ 12345|plural('file') }}"), "1 file, 12,345 files");
        assert_eq!(render("{{ 2|plural('copy', 'copies') }}"), "2 copies");
        assert_eq!(render("{{ 2048|bytes }} {{ 2048.7|rate }} {{ 65|duration }}"), "2.00 KiB 2.00 KiB/s 1 min 5 s");
    }

    #[test]
    fn times_out_of_the_calendar_are_told() {
        assert_eq!(render("{{ '+31197-09-14'|ago }} {{ '-00001-12-31'|absolute }}"), "+31197-09-14 -00001-12-31");
        assert_eq!(render("{{ '0000-01-01T00:00:00Z'|ago }}"), "before the year 0");
        let last = jiff::Timestamp::MAX;
        assert_eq!(render(&format!("{{{{ '{last}'|ago }}}}")), "after 9999");
    }

    #[test]
    fn an_absolute_time_stands_in_the_title() {
        assert!(render("{{ 0|ago }}").contains("datetime=\"1970-01-01T00:00:00Z\" title=\"19"));
    }
}
