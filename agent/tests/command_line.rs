//! The built program, as someone types it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

use assert_cmd::Command;
use shared_protocol::SessionKey;

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

#[test]
fn what_nobody_goes_on_with_is_removed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("comfy/models");
    let part = |name: &str| models.join("loras").join(name);
    let (old, young, theirs) = (part(".old.part"), part(".young.part"), part(".my_training_run.part"));
    fs::create_dir_all(models.join("loras")).unwrap();
    let long_ago = SystemTime::now() - Duration::from_hours(8 * 24);
    let journal = serde_json::json!({
        "version": 1, "blake3": format!("blake3:{}", "07".repeat(32)), "size_bytes": 2_000_000, "is_open": true,
        "proved": [0],
    });
    for path in [&old, &young, &theirs] {
        fs::write(path, "half").unwrap();
        if path != &theirs {
            fs::write(path.with_extension("part.journal"), journal.to_string()).unwrap();
        }
    }
    for path in [&old, &old.with_extension("part.journal"), &theirs] {
        File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    let key = folder.path().join("key");
    fs::write(&key, SessionKey::from_bytes([1; 32]).expose()).unwrap();
    // Nobody is there: it looks for its hub all the while.
    let mut running = std::process::Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["--hub", "http://127.0.0.1:9", "--comfy-dir"])
        .arg(folder.path().join("comfy"))
        .arg("--state-dir")
        .arg(folder.path().join("state"))
        .env("COMFY_HUB_KEY_FILE", key)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let mut log = String::new();
    // It is logged after it was done.
    while !log.contains("removed loras/.old.part") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
        log = fs::read_to_string(folder.path().join("state/agent.log")).unwrap_or_default();
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(log.contains("removed loras/.old.part") && log.contains("bytes="), "{log}");
    assert!(!old.exists() && young.exists());
    assert_eq!(fs::read(&theirs).unwrap(), b"half", "what has no journal of ours is not ours");
}
