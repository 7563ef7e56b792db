//! The direction of imports, and the one place of each big dependency.
//!
//! `shared-protocol ← domain ← {storage, fs} ← services ← web ← app ← main`: a file may name what
//! stands before its own layer, never what stands behind it. Storage and fs don't know each other.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::cycles::find_cycles;
use super::source::{CodePath, SourceFile, read_crate};

/// A layer of the hub: its name, and the layers it may name besides itself.
const LAYERS: [(&str, &[&str]); 11] = [
    ("allocator", &[]),
    ("domain", &[]),
    ("storage", &["domain"]),
    ("fs", &["domain"]),
    ("config", &["domain", "fs"]),
    ("services", &["domain", "storage", "fs", "config"]),
    // Log lines also go into the ring that a service keeps for the logs page.
    ("telemetry", &["domain", "config", "services"]),
    ("web", &["domain", "storage", "fs", "config", "services"]),
    ("app", &["allocator", "domain", "storage", "fs", "config", "services", "web"]),
    ("cli", &["domain", "config"]),
    ("run", &["domain", "storage", "fs", "config", "services", "telemetry", "web", "app", "cli"]),
];

/// What only some layers may name. A path is meant with everything below it.
const PLACES: [(&str, &[&str]); 11] = [
    ("rusqlite", &["storage"]),
    ("rusqlite_migration", &["storage"]),
    ("axum", &["web", "app"]),
    ("axum_server", &["app"]),
    ("clap", &["cli", "config"]),
    ("std::env", &["cli", "config", "run"]),
    // storage, config, telemetry and app touch the hub's own files, never people's.
    ("std::fs", &["fs", "storage", "config", "telemetry", "app", "run"]),
    ("tokio::fs", &[]),
    ("walkdir", &["fs"]),
    // By way of services::outbound, which judges every address.
    ("reqwest", &["services"]),
    ("shared_io", &["services"]),
];

/// What the domain, which is pure, may not name at all.
const IMPURE: [&str; 9] = [
    "tokio",
    "std::net",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "SystemTime::now",
    "Instant::now",
    "jiff::Timestamp::now",
    "Timestamp::now",
];

/// Methods of `std::path::Path` that look at the disk without naming `std::fs`.
const DISK_METHODS: [&str; 6] =
    ["read_dir", "symlink_metadata", "canonicalize", "try_exists", "read_link", "is_symlink"];

/// What shared-protocol, which is types only, may not name.
const NOT_TYPES: [&str; 7] = ["shared_io", "tokio", "std::fs", "std::net", "std::process", "std::env", "std::thread"];

/// The crates whose files may not import each other in a circle.
const WITHOUT_CIRCLES: [&str; 4] = ["hub", "hub/lookups", "agent", "shared-protocol/io"];

/// What the crate lookups, which asks nobody itself, may not name.
const NOT_ASKING: [&str; 13] = [
    "hub",
    "shared_io",
    "reqwest",
    "rusqlite",
    "tokio",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime::now",
    "std::time::SystemTime::now",
    "Instant::now",
];

/// Checks a checkout.
pub fn check(project: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in read_crate(&project.join("hub/src"))? {
        check_hub_file(&file, &mut findings);
    }
    for member in WITHOUT_CIRCLES {
        for cycle in find_cycles(&read_crate(&project.join(member).join("src"))?) {
            let what = format!("these files import each other in a circle: {}", cycle.join(" → "));
            let first = cycle.first().map_or("", String::as_str);
            findings.push(Finding { file: format!("{member}/src/{first}"), what });
        }
    }
    forbid(project, "shared-protocol", &NOT_TYPES, "shared-protocol holds types only", &mut findings)?;
    forbid(project, "hub/lookups", &NOT_ASKING, "lookups asks nobody itself and is handed the time", &mut findings)?;
    forbid(project, "shared-protocol/io", &["hub", "agent"], "both programs stand on it", &mut findings)?;
    forbid(project, "agent", &["hub"], "the agent never depends on the hub", &mut findings)?;
    findings.sort();
    Ok(findings)
}

fn forbid(project: &Path, member: &str, names: &[&str], why: &str, findings: &mut Vec<Finding>) -> Result<()> {
    for file in read_crate(&project.join(member).join("src"))? {
        for name in names.iter().filter(|name| file.paths.iter().any(|path| is_within(path, name))) {
            let what = format!("names `{name}`, but {why}");
            findings.push(Finding { file: format!("{member}/src/{}", file.file), what });
        }
    }
    Ok(())
}

fn check_hub_file(file: &SourceFile, findings: &mut Vec<Finding>) {
    let mut add = |what: String| findings.push(Finding { file: format!("hub/src/{}", file.file), what });
    let Some(layer) = file.module.first() else {
        // lib.rs and main.rs wire everything together, but hold none of the big dependencies.
        for name in ["rusqlite", "axum", "std::fs", "tokio::fs"] {
            if file.paths.iter().any(|path| is_within(path, name)) {
                add(format!("names `{name}`; the crate's root only wires"));
            }
        }
        return;
    };
    let Some((_, may)) = LAYERS.iter().find(|(name, _)| name == layer) else {
        add(format!("`{layer}` is no layer; tests/src/checks/layers.rs lists them"));
        return;
    };
    for (other, _) in LAYERS.iter().filter(|(other, _)| other != layer && !may.contains(other)) {
        if file.paths.iter().any(|path| is_within(path, &format!("crate::{other}"))) {
            add(format!("names `crate::{other}`, which stands behind {layer}"));
        }
    }
    for (name, layers) in PLACES.iter().filter(|(_, layers)| !layers.contains(&layer.as_str())) {
        if file.paths.iter().any(|path| is_within(path, name)) {
            let place = if layers.is_empty() { "no layer".to_owned() } else { layers.join(", ") };
            add(format!("names `{name}`, whose place is {place}"));
        }
    }
    if layer == "domain" {
        for name in IMPURE.iter().filter(|name| file.paths.iter().any(|path| is_within(path, name))) {
            add(format!("names `{name}`, but the domain is pure"));
        }
    }
    if ["domain", "services", "web"].contains(&layer.as_str()) {
        for method in DISK_METHODS.iter().filter(|method| file.methods.contains(**method)) {
            add(format!("calls `.{method}()`, which looks at the disk: the place of that is fs"));
        }
    }
}

fn is_within(path: &CodePath, name: &str) -> bool {
    let mut parts = path.iter();
    name.split("::").all(|expected| parts.next().is_some_and(|part| part == expected))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    /// A sound little project with some files added or changed.
    fn findings(changed: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let sound = [
            ("shared-protocol/src/lib.rs", "use serde::Serialize;"),
            ("shared-protocol/io/src/lib.rs", "use shared_protocol::RelPath; use std::fs;"),
            ("agent/src/lib.rs", "use shared_protocol::RelPath; use std::fs;"),
            ("hub/lookups/src/lib.rs", "use shared_protocol::Sha256; use std::time::SystemTime;"),
            ("hub/src/lib.rs", "pub mod domain; pub mod fs; pub mod storage; pub mod services; pub mod web;"),
            ("hub/src/domain.rs", "use shared_protocol::RelPath;"),
            ("hub/src/storage.rs", "use rusqlite::Connection; use crate::domain::A;"),
            ("hub/src/fs.rs", "use std::fs; use crate::domain::A;"),
            ("hub/src/services.rs", "use crate::{domain::A, storage::B, fs::C};"),
            ("hub/src/web.rs", "use axum::Router; use crate::services::D;"),
        ];
        for (file, text) in sound.iter().chain(changed) {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(folder.path()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_project_has_no_findings() {
        let of_the_parent = ("hub/src/domain/a.rs", "use crate::domain::A; use super::B;");
        let in_a_test = ("hub/src/domain/b.rs", "#[cfg(test)] mod tests { use std::fs; }");
        assert_eq!(findings(&[of_the_parent, in_a_test]), Vec::<String>::new());
    }

    #[test]
    fn planted_violations_are_found() {
        for (file, text, expected) in [
            ("hub/src/domain/a.rs", "use crate::services::x;", "crate::services"),
            ("hub/src/domain/a.rs", "fn f() { let _ = tokio::spawn(async {}); }", "`tokio`"),
            ("hub/src/domain/a.rs", "use std::time::SystemTime; fn f() { SystemTime::now(); }", "SystemTime::now"),
            ("hub/src/storage/a.rs", "use crate::fs::x;", "crate::fs"),
            ("hub/src/fs/a.rs", "use super::super::storage::x;", "crate::storage"),
            ("hub/src/services/a.rs", "use crate::{domain::x, web::y};", "crate::web"),
            ("hub/src/services/a.rs", "fn f(row: &rusqlite::Row) {}", "rusqlite"),
            ("hub/src/services/a.rs", "fn f() { std::fs::remove_file(x); }", "std::fs"),
            ("hub/src/services/a.rs", "use std::{fs, path::Path};", "std::fs"),
            ("hub/src/services/a.rs", "fn f(p: &Path) { p.read_dir(); }", ".read_dir()"),
            ("hub/src/services/a.rs", "fn f() { assert!(tokio::fs::metadata(1).is_ok()); }", "tokio::fs"),
            ("hub/src/services/a.rs", "use axum::Json;", "axum"),
            ("hub/src/web/a.rs", "fn f() { std::env::var(x); }", "std::env"),
            ("hub/src/web/a.rs", "use crate::app::x;", "crate::app"),
            ("hub/src/helpers.rs", "", "no layer"),
            ("hub/src/main.rs", "use rusqlite::Connection; fn main() {}", "only wires"),
            ("shared-protocol/src/a.rs", "use std::fs::File;", "types only"),
            ("shared-protocol/src/a.rs", "use shared_io::http::Http;", "types only"),
            ("shared-protocol/io/src/a.rs", "use agent::jobs;", "both programs stand on it"),
            ("hub/lookups/src/a.rs", "use shared_io::http::Http;", "asks nobody itself"),
            ("hub/lookups/src/a.rs", "fn f() { SystemTime::now(); }", "SystemTime::now"),
            ("hub/src/web/a.rs", "use shared_io::http::Http;", "shared_io"),
            ("agent/src/a.rs", "use hub::domain;", "never depends on the hub"),
        ] {
            let found = findings(&[(file, text)]);
            assert!(found.iter().any(|f| f.starts_with(file) && f.contains(expected)), "{file} {text}: {found:?}");
        }
    }

    #[test]
    fn files_that_import_each_other_are_found() {
        for src in
            ["hub/src/services", "hub/lookups/src/services", "agent/src/services", "shared-protocol/io/src/services"]
        {
            let (a, b) = (format!("{src}/a.rs"), format!("{src}/b.rs"));
            let found = findings(&[(&a, "use crate::services::b::B;"), (&b, "use super::a::A;")]);
            assert!(found.iter().any(|f| f.contains("services/a.rs → services/b.rs → services/a.rs")), "{found:?}");
        }
    }
}
