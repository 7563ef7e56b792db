//! The built program, as someone types it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use assert_cmd::Command;

fn agent() -> Command {
    Command::cargo_bin("agent").expect("the agent is built")
}

#[test]
fn the_version_is_one_line() {
    let output = agent().arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("agent {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn facts_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = agent().arg("facts").arg(folder.path()).output().unwrap();
    assert!(output.status.success());
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["roots"][0]["path"].as_str(), folder.path().to_str());
    assert_eq!(facts["roots"][0]["exists"], true);
    assert_eq!(facts["arch"], std::env::consts::ARCH);
}

#[test]
fn without_a_command_the_help_is_shown_and_nothing_else_happens() {
    let output = agent().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: agent"));
}
