//! The graphics cards, by NVIDIA's program `nvidia-smi`, else by what the driver tells in `/proc`. A machine with
//! neither has no cards that matter here. A driver that hangs must not hang the agent.
//!
//! NVIDIA's library could tell more, but a static program can't load one (ADR 18).

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shared_protocol::facts::GpuFacts;

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take to end once it was killed: a call into a broken driver may never come back.
const END: Duration = Duration::from_millis(200);

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// The program: by the usual way to programs, and where WSL has it.
const PROGRAMS: [&str; 2] = ["nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"];

/// Where the driver tells of itself and its cards, in containers too.
const DRIVER: &str = "/proc/driver/nvidia";

/// All cards.
pub(super) fn gpus() -> Vec<GpuFacts> {
    /// One that hangs in the driver and can't be killed; another would hang as well.
    static HANGS: AtomicBool = AtomicBool::new(false);
    let asked = PROGRAMS.iter().find_map(|program| by_program(program, PATIENCE, &HANGS));
    asked.or_else(|| by_driver(Path::new(DRIVER))).unwrap_or_default()
}

fn by_program(program: &str, patience: Duration, hangs: &'static AtomicBool) -> Option<Vec<GpuFacts>> {
    if hangs.load(Ordering::Relaxed) {
        return None;
    }
    let mut child = Command::new(program)
        .args(["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Its answer is far shorter than what a pipe holds, so it never waits for us to read.
    let Some(status) = ended(&mut child, patience) else {
        // It may have ended in this moment.
        child.kill().ok();
        if ended(&mut child, END).is_none() {
            hangs.store(true, Ordering::Relaxed);
            let wait = move || {
                child.wait().ok();
                hangs.store(false, Ordering::Relaxed);
            };
            std::thread::Builder::new().name("nvidia-smi".to_owned()).spawn(wait).ok();
        }
        return None;
    };
    let mut text = String::new();
    child.stdout.take()?.take(64 << 10).read_to_string(&mut text).ok()?;
    status.success().then(|| parse(&text))
}

fn ended(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// The driver's own files tell names, and nothing of the cards' memory.
fn by_driver(folder: &Path) -> Option<Vec<GpuFacts>> {
    let driver = fs::read_to_string(folder.join("version")).ok().and_then(|text| driver_version(&text));
    let mut cards: Vec<_> = fs::read_dir(folder.join("gpus")).ok()?.flatten().map(|entry| entry.path()).collect();
    cards.sort();
    let told = cards.iter().filter_map(|card| {
        let text = fs::read_to_string(card.join("information")).ok()?;
        let name = text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned();
        (!name.is_empty()).then(|| GpuFacts { name, memory_bytes: None, driver: driver.clone() })
    });
    Some(told.collect())
}

/// The version in a line such as `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 …`.
fn driver_version(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("NVRM version:"))?;
    let is_version = |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    line.split_whitespace().find(is_version).map(str::to_owned)
}

/// Reads lines such as `NVIDIA GeForce RTX 4090, 24564, 550.54.14`; memory is in MiB.
fn parse(text: &str) -> Vec<GpuFacts> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.rsplitn(3, ',').map(str::trim);
            let (driver, memory, name) = (fields.next()?, fields.next()?, fields.next()?);
            let known = |text: &str| (!text.is_empty() && !text.starts_with('[')).then(|| text.to_owned());
            let memory_bytes = memory.parse::<u64>().ok().and_then(|mib| mib.checked_mul(1 << 20));
            Some(GpuFacts { name: known(name)?, memory_bytes, driver: known(driver) })
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    static NOTHING_HANGS: AtomicBool = AtomicBool::new(false);

    #[test]
    fn what_the_program_says_is_read() {
        let cards = parse("NVIDIA GeForce RTX 4090, 24564, 550.54.14\nA, B, [N/A], 535.1\n\n[Unknown], 5, 1\n");
        let [first, second] = &cards[..] else { unreachable!("two have names: {cards:?}") };
        assert_eq!(first.name, "NVIDIA GeForce RTX 4090");
        assert_eq!(first.memory_bytes, Some(24_564 << 20));
        assert_eq!(first.driver.as_deref(), Some("550.54.14"));
        assert_eq!((second.name.as_str(), second.memory_bytes), ("A, B", None));
    }

    #[test]
    fn a_machine_without_the_program_has_no_answer() {
        assert_eq!(by_program("no-such-program-anywhere", PATIENCE, &NOTHING_HANGS), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_answers_fails_or_hangs() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = |script: &str| {
            let path = folder.path().join(script.len().to_string());
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let answering = program("[ \"$1\" = --query-gpu=name,memory.total,driver_version ] && echo 'T4, 15360, 1.2'");
        let by_program = |program: &str, patience| by_program(program, patience, &NOTHING_HANGS);
        assert_eq!(by_program(&answering, PATIENCE).unwrap().first().unwrap().name, "T4");
        assert_eq!(by_program(&program("echo 'T4, 1, 1'; exit 9"), PATIENCE), None);
        assert_eq!(by_program(&program("exec sleep 1000"), Duration::from_millis(50)), None);
    }

    #[test]
    fn a_driver_without_its_program_tells_names_and_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(by_driver(folder.path()), None, "there is no driver");
        for (card, text) in [
            ("0000:c1:00.0", "Model: \t\t NVIDIA L40S\nIRQ:   \t\t 158\nGPU UUID: \t GPU-1\n"),
            ("0000:41:00.0", "Model: \t\t NVIDIA GH200 480GB\nIRQ:   \t\t 9\n"),
            ("0000:e1:00.0", "nothing of use\n"),
        ] {
            let card = folder.path().join("gpus").join(card);
            fs::create_dir_all(&card).unwrap();
            fs::write(card.join("information"), text).unwrap();
        }
        let version =
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  560.35.03  Release Build\nGCC version:\n";
        fs::write(folder.path().join("version"), version).unwrap();
        let cards = by_driver(folder.path()).unwrap();
        assert_eq!(
            cards.iter().map(|card| card.name.as_str()).collect::<Vec<_>>(),
            ["NVIDIA GH200 480GB", "NVIDIA L40S"]
        );
        assert!(cards.iter().all(|card| card.driver.as_deref() == Some("560.35.03") && card.memory_bytes.is_none()));
        let old = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n";
        assert_eq!(driver_version(old).as_deref(), Some("550.54.14"));
        assert_eq!(driver_version("NVRM version: none\n"), None);
    }
}
