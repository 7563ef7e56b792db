//! The graphics cards, by NVIDIA's library where it is, else by its program `nvidia-smi`. A machine with
//! neither has no cards that matter here. A driver that hangs must not hang the agent.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use shared_protocol::facts::GpuFacts;

/// How long a driver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The library as drivers install it; the name without a number comes with development files only.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };

/// The program beside it.
const PROGRAM: &str = "nvidia-smi";

/// All cards.
pub(super) fn gpus() -> Vec<GpuFacts> {
    by_library().or_else(|| by_program(PROGRAM, PATIENCE)).unwrap_or_default()
}

fn by_library() -> Option<Vec<GpuFacts>> {
    let (sender, found) = mpsc::channel();
    // A thread of its own: a call into a broken driver may never come back.
    std::thread::Builder::new().name("nvml".to_owned()).spawn(move || sender.send(ask_library()).ok()).ok()?;
    found.recv_timeout(PATIENCE).ok()?
}

fn ask_library() -> Option<Vec<GpuFacts>> {
    let library = Nvml::builder().lib_path(std::ffi::OsStr::new(LIBRARY)).init().ok()?;
    let driver = library.sys_driver_version().ok();
    let n_cards = library.device_count().ok()?;
    let cards = (0..n_cards).filter_map(|i| {
        let card = library.device_by_index(i).ok()?;
        let memory_bytes = card.memory_info().ok().map(|memory| memory.total);
        Some(GpuFacts { name: card.name().ok()?, memory_bytes, driver: driver.clone() })
    });
    Some(cards.collect())
}

fn by_program(program: &str, patience: Duration) -> Option<Vec<GpuFacts>> {
    let mut child = Command::new(program)
        .args(["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + patience;
    // Its answer is far shorter than what a pipe holds, so it never waits for us to read.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                // It may have ended in this moment.
                child.kill().ok();
                child.wait().ok();
                return None;
            }
        }
    };
    let mut text = String::new();
    child.stdout.take()?.take(64 << 10).read_to_string(&mut text).ok()?;
    status.success().then(|| parse(&text))
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
        assert_eq!(by_program("no-such-program-anywhere", PATIENCE), None);
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
        assert_eq!(by_program(&answering, PATIENCE).unwrap().first().unwrap().name, "T4");
        assert_eq!(by_program(&program("echo 'T4, 1, 1'; exit 9"), PATIENCE), None);
        assert_eq!(by_program(&program("exec sleep 1000"), Duration::from_millis(50)), None);
    }
}
