//! A download of the bootstrapper that breaks off, wherever it does, runs nothing.
#![cfg(unix)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use end_to_end::bootstrap::{script, write_program};

/// Every program that the script could start, each leaving a trace.
const TRIPWIRES: [&str; 24] = [
    "cat",
    "chmod",
    "curl",
    "date",
    "df",
    "grep",
    "id",
    "kill",
    "mkdir",
    "mktemp",
    "mv",
    "nohup",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "setsid",
    "sha256sum",
    "sleep",
    "systemctl",
    "tail",
    "uname",
    "wget",
    "bash",
];

struct Trap {
    folder: tempfile::TempDir,
}

impl Trap {
    fn set() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["bin", "home"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let tripped = folder.path().join("tripped");
        for tool in TRIPWIRES {
            let trap = format!("#!/bin/sh\necho {tool} >>'{}'\n", tripped.display());
            write_program(&folder.path().join("bin").join(tool), &trap)?;
        }
        Ok(Self { folder })
    }

    fn bash(&self, arguments: &[&str], input: &[u8]) -> Result<()> {
        let mut bash = Command::new("/bin/bash")
            .args(arguments)
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .env("HOME", self.folder.path().join("home"))
            .current_dir(self.folder.path().join("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = bash.stdin.take().context("no stdin")?;
        drop(stdin.write_all(input));
        drop(stdin);
        bash.wait()?;
        Ok(())
    }

    fn tripped(&self) -> bool {
        let made = |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        self.folder.path().join("tripped").exists() || made(&self.folder.path().join("home"))
    }
}

/// The last line that closes the group, with its line break.
const END: &[u8] = b"\n}\n";

#[test]
fn the_whole_script_does_run() -> Result<()> {
    let trap = Trap::set()?;
    trap.bash(&[], &script()?.into_bytes())?;
    ensure!(trap.tripped(), "without this, the other tests prove nothing");
    Ok(())
}

#[test]
fn cut_where_a_cut_could_matter_a_shell_that_reads_a_pipe_runs_nothing() -> Result<()> {
    let script = script()?.into_bytes();
    ensure!(script.ends_with(END), "the script ends with its group");
    let trap = Trap::set()?;
    let whole = script.len() - 1;
    // Every byte of the head up to the first commands and of the tail, every end of a line, and every
    // brace, behind which a shell could take the group for finished.
    let cuts = (0..whole).filter(|&n| {
        let last = n.checked_sub(1).and_then(|i| script.get(i));
        n > whole - 200 || matches!(last, Some(b'\n' | b'}')) || (1_700..2_000).contains(&n)
    });
    for n in cuts {
        trap.bash(&[], script.get(..n).unwrap_or_default())?;
        ensure!(!trap.tripped(), "cut after {n} bytes, something ran");
    }
    Ok(())
}

#[test]
fn cut_at_every_byte_it_is_no_program() -> Result<()> {
    let trap = Trap::set()?;
    let script = script()?.into_bytes();
    let begin = script.windows(3).position(|w| w == b"\n{\n").context("the group begins on a line of its own")? + 3;
    // One shell evaluates every beginning: what is not a whole program is refused before any of it runs,
    // so there is nothing to undo between one and the next. A beginning that ran would trip or say so.
    let driver = "LC_ALL=C; IFS= read -r -d '' whole; trap 'echo $n >\"$1\"' EXIT; \
        for ((n = $0; n < ${#whole} - 1; n++)); do eval \"${whole:0:n}\" 2>/dev/null && { echo >ran; exit; }; done";
    let reached = trap.folder.path().join("reached");
    let mut at = begin;
    while at < script.len() - 1 {
        trap.bash(&["-c", driver, &at.to_string(), &reached.display().to_string()], &script)?;
        ensure!(!trap.tripped(), "a beginning ran");
        let text = std::fs::read_to_string(&reached).context("the shell ended without saying where")?;
        at = text.trim().parse().with_context(|| format!("\"{text}\" is no place"))?;
        if at < script.len() - 1 {
            // Some errors of syntax end the shell that evaluates: that beginning gets a shell of its own.
            trap.bash(&[], script.get(..at).unwrap_or_default())?;
            ensure!(!trap.tripped(), "cut after {at} bytes, something ran");
            at += 1;
        }
    }
    Ok(())
}
