//! Reads a crate's source: which file is which module, and which paths it names.
//!
//! Code under `#[cfg(test)]` is left out, files of such modules too: tests may reach further than
//! what they test. Paths inside macro calls are found in their tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A path in the code, resolved: either `crate::…` of its own crate or one that begins with the name
/// of another.
pub type CodePath = Vec<String>;

/// One file of a crate.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the crate's `src` folder, with `/`.
    pub file: String,
    /// Its module path without `crate`; empty for the crate's root.
    pub module: CodePath,
    /// Every path it names.
    pub paths: BTreeSet<CodePath>,
    /// Every method it calls.
    pub methods: BTreeSet<String>,
    /// What it passes on under a name of its own: name → where that comes from.
    pub passed_on: BTreeMap<String, CodePath>,
    /// The modules of its own that exist in tests only and lie in files of their own.
    pub test_modules: Vec<CodePath>,
}

/// Reads all files below a crate's `src` folder.
pub fn read_crate(src: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for file in list(src, "rs")? {
        let text = fs::read_to_string(src.join(&file)).with_context(|| format!("cannot read {file}"))?;
        files.push(read_file(&file, &text).with_context(|| format!("cannot parse {file}"))?);
    }
    let test_modules: Vec<CodePath> = files.iter().flat_map(|file| file.test_modules.clone()).collect();
    files.retain(|file| !test_modules.iter().any(|module| file.module.starts_with(module)));
    Ok(files)
}

/// Files with an extension below a folder, relative to it, sorted.
pub fn list(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == extension) {
                let relative = path.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
                found.push(relative);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read_file(file: &str, text: &str) -> Result<SourceFile> {
    let parsed = syn::parse_file(text)?;
    let module: CodePath = match file.trim_end_matches(".rs") {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    };
    let mut reader = Reader { here: module.clone(), ..Reader::default() };
    reader.visit_file(&parsed);
    Ok(SourceFile {
        file: file.to_owned(),
        module,
        paths: reader.paths,
        methods: reader.methods,
        passed_on: reader.passed_on,
        test_modules: reader.test_modules,
    })
}

#[derive(Default)]
struct Reader {
    here: CodePath,
    paths: BTreeSet<CodePath>,
    methods: BTreeSet<String>,
    passed_on: BTreeMap<String, CodePath>,
    test_modules: Vec<CodePath>,
}

impl Reader {
    /// Turns `super::` and `self::` into `crate::…`.
    fn resolve(&self, path: &[String]) -> CodePath {
        let mut rest = path.iter().peekable();
        let mut resolved: CodePath = match rest.peek().map(|first| first.as_str()) {
            Some("crate") => {
                rest.next();
                vec!["crate".to_owned()]
            }
            Some("self" | "super") => {
                let mut module = self.here.clone();
                while rest.next_if(|part| *part == "super").is_some() {
                    module.pop();
                }
                rest.next_if(|part| *part == "self");
                std::iter::once("crate".to_owned()).chain(module).collect()
            }
            _ => Vec::new(),
        };
        resolved.extend(rest.cloned());
        resolved
    }

    fn add(&mut self, path: &[String]) {
        if path.len() > 1 {
            let resolved = self.resolve(path);
            self.paths.insert(resolved);
        }
    }

    fn add_use(&mut self, before: &mut CodePath, tree: &syn::UseTree, is_public: bool) {
        let (name, original) = match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(before, &path.tree, is_public);
                before.pop();
                return;
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(before, tree, is_public);
                }
                return;
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            syn::UseTree::Rename(rename) => (rename.rename.to_string(), rename.ident.to_string()),
            syn::UseTree::Glob(_) => (String::new(), "*".to_owned()),
        };
        let mut path = before.clone();
        path.push(original);
        self.add(&path);
        if is_public && !name.is_empty() {
            let mut origin = self.resolve(&path);
            if origin.first().is_some_and(|first| first != "crate") {
                // `pub use child::Name`: a child of this module, or another crate, which no file has.
                origin = std::iter::once("crate".to_owned()).chain(self.here.iter().cloned()).chain(origin).collect();
            }
            self.passed_on.insert(name, origin);
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = CodePath::new();
        let mut n_colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => n_colons += 1,
                TokenTree::Ident(ident) => {
                    if n_colons != 2 {
                        self.add(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    n_colons = 0;
                }
                other => {
                    self.add(&std::mem::take(&mut path));
                    n_colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(&path);
    }
}

/// Whether something exists in tests only.
pub fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            self.here.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.here.pop();
        } else if item.content.is_none() {
            let mut module = self.here.clone();
            module.push(item.ident.to_string());
            self.test_modules.push(module);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            let is_public = !matches!(item.vis, syn::Visibility::Inherited);
            self.add_use(&mut CodePath::new(), &item.tree, is_public);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: CodePath = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn paths(file: &str, text: &str) -> Vec<String> {
        read_file(file, text).unwrap().paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_are_named() {
        let text =
            "use crate::{a::B, c}; use super::d as e; fn f(x: crate::g::H) { std::fs::read(x); vec![crate::i::j()]; }";
        let found = paths("web/api.rs", text);
        assert_eq!(found, ["crate::a::B", "crate::c", "crate::g::H", "crate::i::j", "crate::web::d", "std::fs::read"]);
    }

    #[test]
    fn tests_are_left_out() {
        let text =
            "#[cfg(test)] mod tests { use crate::web::X; } #[test] fn t() { std::fs::read(1); } fn f() { a::b(); }";
        assert_eq!(paths("domain.rs", text), ["a::b"]);
    }

    #[test]
    fn files_of_test_modules_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("web.rs", "#[cfg(test)] mod tests; mod api;"),
            ("web/tests.rs", "use std::fs; mod deep;"),
            ("web/tests/deep.rs", "use std::fs;"),
            ("web/api.rs", "#[cfg(test)] mod helpers;"),
            ("web/api/helpers.rs", "use std::fs;"),
            ("web/helpers.rs", "use std::fs;"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files: Vec<_> = read_crate(folder.path()).unwrap().into_iter().map(|file| file.file).collect();
        assert_eq!(files, ["web.rs", "web/api.rs", "web/helpers.rs"]);
    }

    #[test]
    fn what_is_passed_on_is_known_by_its_name() {
        let file = read_file("fs.rs", "pub mod error; pub use error::FsError; pub use crate::x::{Y as Z};").unwrap();
        assert_eq!(file.passed_on.get("FsError").unwrap().join("::"), "crate::fs::error::FsError");
        assert_eq!(file.passed_on.get("Z").unwrap().join("::"), "crate::x::Y");
    }
}
