//! The pages' templates: minijinja, embedded in the binary, read from the disk in a debug build.
//!
//! Undefined names are errors, so a page that forgets a value fails its test instead of showing a
//! gap. Only names ending in `.html` are escaped, and all of ours do.

mod context;
mod filters;
pub mod format;
mod names;

use std::path::Path;

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};
use parking_lot::RwLock;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../templates/"]
struct TemplateSources;

/// Templates belong to the binary like its code, so there is one set of them in the process.
static TEMPLATES: LazyLock<RwLock<Environment<'static>>> = LazyLock::new(|| RwLock::new(environment()));

/// Renders a template.
pub fn render(name: &str, context: Value) -> Result<String, Error> {
    if cfg!(debug_assertions) {
        TEMPLATES.write().clear_templates();
    }
    TEMPLATES.read().get_template(name)?.render(context)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_loader(|name| Ok(source(name).map(|text| context::annotate(&text))));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if Path::new(name).extension().is_some_and(|e| e == "html") { AutoEscape::Html } else { AutoEscape::None }
    });
    // A tag on a line of its own leaves no empty line behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(write_value);
    filters::install(&mut environment);
    names::install(&mut environment);
    environment
}

/// The engine's own escaping turns every `/` into five characters, and these pages are full of
/// paths. In an attribute or a text a slash needs none.
fn write_value(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.as_str() {
        Some(text) if !value.is_safe() && *state.auto_escape() == AutoEscape::Html => text,
        _ => return escape_formatter(output, state, value),
    };
    let failed = |cause: std::fmt::Error| Error::new(ErrorKind::WriteFailure, "could not write").with_source(cause);
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (plain, special) = rest.split_at(at);
        let escaped = match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        };
        output.write_str(plain).and_then(|()| output.write_str(escaped)).map_err(failed)?;
        rest = special.get(1..).unwrap_or_default();
    }
    output.write_str(rest).map_err(failed)
}

fn source(name: &str) -> Option<String> {
    let file = TemplateSources::get(name)?;
    String::from_utf8(file.data.into_owned()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn every_template_loads() {
        let environment = environment();
        let names: Vec<_> = TemplateSources::iter().filter(|name| !name.ends_with(".md")).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(Path::new(name.as_ref()).extension().is_some_and(|e| e == "html"), "{name} would not be escaped");
            environment.get_template(&name).unwrap();
        }
    }

    #[test]
    fn what_comes_from_disk_can_not_become_markup() {
        let environment = environment();
        let template = environment.template_from_named_str("x.html", "<a title=\"{{ x }}\">{{ x }}</a>").unwrap();
        let text = template.render(minijinja::context! { x => "a/<b>&\"'" }).unwrap();
        assert_eq!(text, "<a title=\"a/&lt;b&gt;&amp;&quot;&#39;\">a/&lt;b&gt;&amp;&quot;&#39;</a>");
    }

    /// Whoever reads sees what a name is made of, wherever a template prints it; whoever computes gets the
    /// name itself.
    #[test]
    fn no_template_shows_a_name_that_lies() {
        for name in TemplateSources::iter().filter(|name| name.ends_with(".html")) {
            let text = source(&name).unwrap();
            let printed = text.matches("{{").count() - text.matches("{{ super() }}").count();
            let annotated = context::annotate(&text);
            let filtered = [names::IN_TEXT, names::IN_LABEL, names::FOR_PROGRAMS];
            let n: usize = filtered.iter().map(|filter| annotated.matches(&format!(")|{filter} ")).count()).sum();
            assert_eq!(n, printed, "{name}");
        }
        let mut environment = environment();
        let shown = "<a href=\"{{ x }}\" title=\"{{ x }}\">{{ x }}</a><title>{{ x }}</title>";
        environment.add_template_owned("x.html", context::annotate(shown)).unwrap();
        let text =
            environment.get_template("x.html").unwrap().render(minijinja::context! { x => "a\u{202e}<" }).unwrap();
        assert_eq!(
            text,
            "<a href=\"a\u{202e}&lt;\" title=\"a⟨U+202E⟩&lt;\"><bdi>a<span class=\"odd\">⟨U+202E⟩</span>&lt;</bdi></a>\
             <title>a⟨U+202E⟩&lt;</title>"
        );
    }

    /// The guard against injected script forbids what this finds: it would just not work.
    #[test]
    fn no_template_has_inline_script_or_style() {
        for name in TemplateSources::iter() {
            let text = source(&name).unwrap();
            for forbidden in [" style=", "<style", " onclick=", "hx-on", "js:", "javascript:", "|safe"] {
                assert!(!text.contains(forbidden), "{name} has {forbidden}");
            }
            for script in text.split("<script").skip(1) {
                assert!(script.trim_start().starts_with("src="), "{name} has an inline script");
            }
        }
    }
}
