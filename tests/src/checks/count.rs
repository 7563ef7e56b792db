//! How many lines the project has, of the product and of its tests: by program, and by layer in the hub.
//!
//! A line counts as it stands, comments and empty ones included. In a source file what exists in tests only counts as
//! test, and so does the whole crate of end-to-end tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use syn::spanned::Spanned as _;

use super::lengths::is_foreign;
use super::source::{is_test_only, list, read_crate};

/// The members of the workspace.
const MEMBERS: [&str; 5] = ["hub", "agent", "shared-protocol", "shared-protocol/io", "tests"];

/// What else people write and maintain: folder and extension.
const OTHERS: [(&str, &str); 6] =
    [("hub", "sql"), ("hub", "css"), ("hub", "js"), ("templates", "html"), ("scripts", "sh"), ("scripts", "ps1")];

/// Lines of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// Of the product.
    pub product: usize,
    /// Of its tests.
    pub test: usize,
}

/// Counts a checkout: part → lines.
///
/// # Errors
/// A file that can't be read or parsed.
pub fn count(project: &Path) -> Result<BTreeMap<String, Lines>> {
    let mut counted = BTreeMap::new();
    for member in MEMBERS.iter().filter(|member| project.join(member).join("src").is_dir()) {
        count_member(&project.join(member), member, &mut counted)?;
    }
    for (folder, extension) in OTHERS.iter().filter(|(folder, _)| project.join(folder).is_dir()) {
        for file in list(&project.join(folder), extension)?.iter().filter(|file| !is_foreign(file)) {
            let lines: &mut Lines = counted.entry(format!("{folder} ({extension})")).or_default();
            lines.product += read(&project.join(folder).join(file))?.lines().count();
        }
    }
    Ok(counted)
}

/// The sum of all parts.
pub fn total(counted: &BTreeMap<String, Lines>) -> Lines {
    let sum =
        |total: Lines, part: &Lines| Lines { product: total.product + part.product, test: total.test + part.test };
    counted.values().fold(Lines::default(), sum)
}

fn count_member(folder: &Path, member: &str, counted: &mut BTreeMap<String, Lines>) -> Result<()> {
    let src = folder.join("src");
    let product: BTreeSet<String> = read_crate(&src)?.into_iter().map(|file| file.file).collect();
    for file in list(&src, "rs")? {
        let text = read(&src.join(&file))?;
        let n = text.lines().count();
        let n_test = match member {
            "tests" => n,
            _ if product.contains(&file) => test_lines(&text).with_context(|| format!("cannot parse {file}"))?,
            _ => n,
        };
        let layer = file.split(['/', '.']).next().unwrap_or(&file);
        let part = if member == "hub" { format!("{member}: {layer}") } else { member.to_owned() };
        let lines = counted.entry(part).or_default();
        lines.product += n - n_test;
        lines.test += n_test;
    }
    if folder.join("tests").is_dir() {
        for file in list(&folder.join("tests"), "rs")? {
            counted.entry(member.to_owned()).or_default().test +=
                read(&folder.join("tests").join(file))?.lines().count();
        }
    }
    Ok(())
}

/// Lines of the items of a file that exist in tests only.
fn test_lines(text: &str) -> Result<usize> {
    let items = syn::parse_file(text)?.items;
    let lines = items.iter().filter(|item| is_test_only(attributes(item))).map(|item| {
        let span = item.span();
        span.end().line + 1 - span.start().line
    });
    Ok(lines.sum())
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn product_and_tests_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("hub/src/web.rs", "mod page;\n#[cfg(test)]\nmod tests;\n"),
            ("hub/src/web/page.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n"),
            ("hub/src/web/tests.rs", "fn a() {}\nfn b() {}\n"),
            ("hub/migrations/1.sql", "one\ntwo\n"),
            ("hub/static/vendor/x.js", "not ours\n"),
            ("agent/src/lib.rs", "fn f() {}\n"),
            ("agent/tests/x.rs", "fn f() {}\nfn g() {}\n"),
            ("tests/src/lib.rs", "fn f() {}\n"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let counted = count(folder.path()).unwrap();
        let told: Vec<_> = counted.iter().map(|(part, l)| format!("{part} {} {}", l.product, l.test)).collect();
        assert_eq!(told, ["agent 1 2", "hub (sql) 2 0", "hub: web 3 8", "tests 0 1"]);
        assert_eq!(total(&counted), Lines { product: 6, test: 11 });
    }
}
