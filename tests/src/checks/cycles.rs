//! Finds files that import each other in a circle.
//!
//! `foo.rs` and the files in `foo/` are one module in several files: what a file takes from its own
//! ancestors doesn't count, everything else does. A name that a module only passes on counts as an
//! import of the file it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{CodePath, SourceFile};

/// Longest chain of names passed on that is followed.
const MAX_HOPS: usize = 8;

/// Every smallest set of files with a circle in it, as a walk through the circle.
pub fn find_cycles(files: &[SourceFile]) -> Vec<Vec<String>> {
    let by_module: BTreeMap<&[String], &SourceFile> = files.iter().map(|file| (&file.module[..], file)).collect();
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        let targets = file.paths.iter().filter_map(|path| target(&by_module, path));
        let counted = targets.filter(|target| !file.module.starts_with(&target.module));
        imports.insert(&file.file, counted.map(|target| target.file.as_str()).collect());
    }
    let mut cycles: Vec<Vec<String>> = Vec::new();
    for start in imports.keys() {
        if cycles.iter().any(|cycle| cycle.iter().any(|file| file == start)) {
            continue;
        }
        if let Some(cycle) = way_back(&imports, start) {
            cycles.push(cycle);
        }
    }
    cycles
}

/// The file that a path of this crate comes from.
fn target<'a>(by_module: &BTreeMap<&[String], &'a SourceFile>, path: &CodePath) -> Option<&'a SourceFile> {
    let mut path = path.clone();
    for _ in 0..MAX_HOPS {
        let inside = path.strip_prefix(&["crate".to_owned()][..])?;
        let (file, n) = (1..=inside.len()).rev().find_map(|n| Some((*by_module.get(inside.get(..n)?)?, n)))?;
        match inside.get(n).and_then(|name| file.passed_on.get(name)) {
            Some(origin) if *origin != path => path = origin.iter().chain(inside.iter().skip(n + 1)).cloned().collect(),
            _ => return Some(file),
        }
    }
    None
}

/// The shortest walk from a file back to itself.
fn way_back(imports: &BTreeMap<&str, BTreeSet<&str>>, start: &str) -> Option<Vec<String>> {
    let mut reached_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut frontier = vec![start];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for file in frontier {
            for import in imports.get(file).into_iter().flatten() {
                if *import == start {
                    let mut walk = vec![start.to_owned(), file.to_owned()];
                    let mut here = file;
                    while let Some(before) = reached_from.get(here) {
                        walk.push((*before).to_owned());
                        here = before;
                    }
                    walk.dedup();
                    walk.reverse();
                    return Some(walk);
                }
                if !reached_from.contains_key(import) {
                    reached_from.insert(import, file);
                    next.push(*import);
                }
            }
        }
        frontier = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> CodePath {
        text.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn file(module: &str, names: &[&str], passed_on: &[(&str, &str)]) -> SourceFile {
        SourceFile {
            file: format!("{}.rs", module.replace("::", "/")),
            module: path(module),
            paths: names.iter().map(|name| path(name)).collect(),
            methods: BTreeSet::new(),
            test_modules: Vec::new(),
            passed_on: passed_on.iter().map(|(name, origin)| ((*name).to_owned(), path(origin))).collect(),
        }
    }

    #[test]
    fn a_circle_is_found_and_walked() {
        let files = [
            file("a", &["crate::b::B"], &[]),
            file("b", &["crate::c::C"], &[]),
            file("c", &["crate::a::A", "crate::d::D"], &[]),
            file("d", &[], &[]),
        ];
        assert_eq!(find_cycles(&files), [["a.rs", "b.rs", "c.rs", "a.rs"]]);
    }

    #[test]
    fn a_name_passed_on_counts_for_the_file_it_comes_from() {
        let with = |origin: &[&str]| {
            [
                file("m", &["crate::m::x::X"], &[("X", "crate::m::x::X")]),
                file("m::x", origin, &[]),
                file("m::y", &["crate::m::X"], &[]),
            ]
        };
        assert_eq!(find_cycles(&with(&[])), Vec::<Vec<String>>::new());
        assert_eq!(find_cycles(&with(&["crate::m::y::Y"])), [["m/x.rs", "m/y.rs", "m/x.rs"]]);
    }

    #[test]
    fn a_file_may_use_what_its_own_module_defines() {
        let files = [file("m", &["crate::m::x::f"], &[]), file("m::x", &["crate::m::Error"], &[])];
        assert_eq!(find_cycles(&files), Vec::<Vec<String>>::new());
    }
}
