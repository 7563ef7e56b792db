//! Prints the licences of everything that is built into the hub and the agent, for the packages.
//!
//! Each licence text stands once, below the names of all crates that come with it.

#![allow(clippy::print_stdout, reason = "a program for scripts")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// What packages are made for.
const TARGETS: [&str; 4] =
    ["x86_64-pc-windows-gnu", "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

fn main() -> Result<()> {
    let mut crates: BTreeMap<String, (String, String)> = BTreeMap::new();
    for target in TARGETS {
        for package in built_in(target)? {
            let text = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = format!("{} {}", text("name"), text("version"));
            crates.insert(name, (text("license"), text("manifest_path")));
        }
    }
    let mut by_text: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    println!("What others wrote and the hub and the agent contain\n");
    for (name, (licence, manifest)) in &crates {
        println!("{name}: {licence}");
        for text in licence_texts(Path::new(manifest))? {
            by_text.entry(text).or_default().insert(name.clone());
        }
    }
    for (text, names) in by_text {
        let names: Vec<_> = names.into_iter().collect();
        println!("\n{}\n{}\n\n{text}", "=".repeat(80), names.join(", "));
    }
    Ok(())
}

/// The packages that reach the programs by their normal dependencies.
fn built_in(target: &str) -> Result<Vec<Value>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata tells")?;
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let id = |value: &Value| value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> =
        list(metadata.get("packages")).into_iter().map(|package| (id(&package), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(metadata.pointer("/resolve/nodes")).into_iter().map(|node| (id(&node), node)).collect();
    let is_ours = |package: &Value| package.get("source").is_none_or(Value::is_null);
    let is_program = |package: &Value| matches!(package.get("name").and_then(Value::as_str), Some("hub" | "agent"));
    let mut open: Vec<String> = packages.values().filter(|p| is_ours(p) && is_program(p)).map(id).collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        for dependency in list(nodes.get(&next).and_then(|node| node.get("deps"))) {
            let is_normal =
                list(dependency.get("dep_kinds")).iter().any(|kind| kind.get("kind").is_some_and(Value::is_null));
            if is_normal && let Some(package) = dependency.get("pkg").and_then(Value::as_str) {
                open.push(package.to_owned());
            }
        }
    }
    Ok(packages.into_iter().filter(|(id, package)| seen.contains(id) && !is_ours(package)).map(|(_, p)| p).collect())
}

/// The texts that a crate brings, by the names such files have.
fn licence_texts(manifest: &Path) -> Result<Vec<String>> {
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        let is_licence =
            ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"].iter().any(|word| name.starts_with(word));
        if is_licence && entry.file_type()?.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).trim().replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}
