//! The bootstrapper says what is wrong, each thing with an exit code of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use anyhow::{Result, ensure};
use end_to_end::bootstrap::{AGENT, Answers, KEY, Machine, StandIn, processes_with, refusal, write_program};

const CLIENTS: [&str; 2] = ["curl", "wget"];

/// The script ended with this code and said this.
fn said(output: &Output, code: i32, words: &str) -> Result<()> {
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code), "expected {code}, was {:?}: {text}", output.status.code());
    ensure!(text.contains(words), "expected `{words}` in: {text}");
    ensure!(!text.contains(KEY), "the key was said: {text}");
    Ok(())
}

/// A machine whose script leads to a hub that answers like this and has this agent.
fn ready(client: &str, answers: Answers, agent: &str) -> Result<(Machine, StandIn)> {
    let hub = StandIn::start(answers)?;
    let mut machine = Machine::with(client)?;
    machine.render(&hub.address, agent)?;
    Ok((machine, hub))
}

fn usual(client: &str) -> Result<(Machine, StandIn)> {
    ready(client, Answers::with_agent(AGENT), AGENT)
}

#[test]
fn code_10_another_system() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    machine.put_tool("uname", "#!/bin/bash\n[ $1 = -m ] && echo arm64 || echo Darwin\n")?;
    said(&machine.install(&[])?, 10, "Darwin on arm64")?;
    machine.put_tool("uname", "#!/bin/bash\n[ $1 = -m ] && echo riscv64 || echo Linux\n")?;
    said(&machine.install(&[])?, 10, "for Linux on x86_64 and aarch64; this is Linux on riscv64")
}

#[test]
fn an_arm_machine_asks_for_its_own_agent() -> Result<()> {
    let program = "/remote/v1/agent/aarch64-linux";
    for name in ["aarch64", "arm64"] {
        let answers = Answers::with_agent("#!/bin/bash\nexit 1\n").answer(program, 200, AGENT.as_bytes());
        let (mut machine, hub) = ready("curl", answers, AGENT)?;
        machine.put_tool("uname", &format!("#!/bin/bash\n[ $1 = -m ] && echo {name} || echo Linux\n"))?;
        said(&machine.install(&[])?, 0, "connected")?;
        ensure!(hub.requests.lock().unwrap().iter().any(|(path, _)| path == program), "{name}");
    }
    // A hub that has none says so, and it is told on.
    let refused = refusal("not_found", "This hub has no agent for aarch64-linux. Set AGENT_BINARY_AARCH64.");
    let (mut machine, _hub) = ready("curl", Answers::with_agent(AGENT).answer(program, 404, &refused), AGENT)?;
    machine.put_tool("uname", "#!/bin/bash\n[ $1 = -m ] && echo aarch64 || echo Linux\n")?;
    said(&machine.install(&[])?, 21, "AGENT_BINARY_AARCH64")?;
    machine.change("agent_sha256_aarch64='", "agent_sha256_aarch64='' # '");
    said(&machine.install(&[])?, 21, "no agent for aarch64-linux")
}

#[test]
fn code_11_a_tool_is_missing() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    machine.remove_tool("curl")?;
    said(&machine.install(&[])?, 11, "curl or GNU wget")?;
    // BusyBox's wget takes headers as arguments only, where everybody sees them.
    machine.put_tool("wget", "#!/bin/bash\necho BusyBox v1.35 >&2; exit 1\n")?;
    said(&machine.install(&[])?, 11, "curl or GNU wget")?;
    let (mut machine, _hub) = usual("curl")?;
    machine.remove_tool("sha256sum")?;
    said(&machine.install(&[])?, 11, "sha256sum")
}

#[test]
fn code_12_an_address_without_tls() -> Result<()> {
    for address in ["http://hub.example", "http://127.0.0.1.hub.example", "ftp://hub.example", "https://", ""] {
        let mut machine = Machine::with("curl")?;
        machine.render(address, AGENT)?;
        said(&machine.install(&[])?, 12, "https")?;
    }
    Ok(())
}

#[test]
fn code_13_no_key_and_nobody_to_ask() -> Result<()> {
    let (machine, _hub) = usual("curl")?;
    let dir = machine.dir().display().to_string();
    said(&machine.run(&["--dir", &dir])?, 13, "COMFY_HUB_KEY")
}

#[test]
fn code_14_no_key_by_its_form() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    let dir = machine.dir().display().to_string();
    for key in ["chk_", &KEY[..60], &KEY.to_uppercase(), &format!("{KEY}0"), "$(touch x)", "chk_\"; touch x"] {
        machine.set("COMFY_HUB_KEY", key);
        said(&machine.run(&["--dir", &dir])?, 14, "Copy the whole of it")?;
    }
    Ok(())
}

#[test]
fn code_15_no_folder() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    machine.set("COMFY_HUB_KEY", KEY);
    said(&machine.run(&["--dir", "/proc/agent"])?, 15, "it can't be made")?;
    // Where programs may not run, none can be tried: as on a disk mounted noexec.
    machine.change("\"$probe\" </dev/null", "false </dev/null");
    said(&machine.run(&["--dir", &machine.dir().display().to_string()])?, 15, "noexec")?;
    ensure!(!machine.dir().exists(), "what was made for the try is taken away");
    Ok(())
}

#[test]
fn code_16_no_room() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    machine.put_tool("df", "#!/bin/bash\necho head; echo disk 100000 90000 10240 90% /\n")?;
    said(&machine.install(&[])?, 16, "10 MB free and needs 200 MB")
}

#[test]
fn code_20_the_key_is_refused() -> Result<()> {
    for client in CLIENTS {
        let answers =
            Answers::with_agent(AGENT).answer("/remote/v1/", 401, &refusal("revoked", "The session was ended."));
        let (mut machine, _hub) = ready(client, answers, AGENT)?;
        // wget keeps no body of a 401.
        let words = if client == "wget" { "the hub refuses the key" } else { "The session was ended." };
        said(&machine.install(&[])?, 20, words)?;
        ensure!(!machine.dir().join("key").exists(), "a refused key is not kept");
    }
    Ok(())
}

#[test]
fn code_21_no_hub() -> Result<()> {
    for client in CLIENTS {
        let mut machine = Machine::with(client)?;
        machine.render("http://127.0.0.1:1", AGENT)?;
        said(&machine.install(&[])?, 21, "nothing answers at http://127.0.0.1:1")?;
        let proxy = Answers::default().answer("/remote/v1/health", 403, b"<html>blocked</html>");
        let (mut machine, _hub) = ready(client, proxy, AGENT)?;
        said(&machine.install(&[])?, 21, "something other than the hub answers")?;
        // A proxy's 401 is no word of the hub's about the key; wget, which keeps no body of it, can't tell.
        if client != "wget" {
            let proxy = Answers::with_agent(AGENT).answer("/remote/v1/", 401, b"<html>log in</html>");
            let (mut machine, _hub) = ready(client, proxy, AGENT)?;
            said(&machine.install(&[])?, 21, "(HTTP 401)")?;
        }
        let mut machine = Machine::with(client)?;
        machine.render("https://no-such-host.invalid", AGENT)?;
        said(&machine.install(&[])?, 21, "can't be resolved")?;
    }
    Ok(())
}

#[test]
fn code_21_no_agent_to_hand_out() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    machine.change("agent_sha256='", "agent_sha256='' # '");
    said(&machine.install(&[])?, 21, "no agent for x86_64-linux")
}

#[test]
fn code_22_another_program_came() -> Result<()> {
    for client in CLIENTS {
        let (mut machine, _hub) = ready(client, Answers::with_agent("#!/bin/bash\ntouch /ran\n"), AGENT)?;
        said(&machine.install(&[])?, 22, "checksum")?;
        ensure!(!machine.dir().join("agent").exists());
    }
    Ok(())
}

#[test]
fn code_23_the_program_does_not_run() -> Result<()> {
    let broken = "#!/bin/bash\necho 'cannot execute' >&2\nexit 1\n";
    let (mut machine, _hub) = ready("curl", Answers::with_agent(broken), broken)?;
    said(&machine.install(&[])?, 23, "cannot execute")
}

#[test]
fn code_30_not_connected_in_time() -> Result<()> {
    let lost = AGENT.replace(": >\"$state/connected\"", "");
    let (mut machine, _hub) = ready("curl", Answers::with_agent(&lost), &lost)?;
    machine.change("patience_s=20", "patience_s=1");
    said(&machine.install(&[])?, 30, "agent: hello")
}

#[test]
fn code_2_what_is_no_option() -> Result<()> {
    let machine = Machine::with("curl")?;
    said(&machine.run(&["--sudo"])?, 2, "unknown option: --sudo")?;
    said(&machine.run(&["--dir"])?, 2, "--dir needs a value")?;
    said(&machine.run(&["--parallel", "two"])?, 2, "needs a number")
}

#[test]
fn an_agent_is_brought_started_and_left_alone() -> Result<()> {
    for client in CLIENTS {
        let (mut machine, hub) = usual(client)?;
        said(
            &machine.install(&["--comfy-dir", "my comfy", "--parallel", "3", "--allow-private-sources"])?,
            0,
            "connected",
        )?;
        let given = std::fs::read_to_string(machine.dir().join("state/given"))?;
        let (dir, home) = (machine.dir().display().to_string(), machine.home().display().to_string());
        let expected = format!(
            "supervise --hub {} --comfy-dir {home}/my comfy --state-dir {dir}/state --parallel 3 --allow-private-sources\n",
            hub.address
        );
        ensure!(given.starts_with(&expected), "{given}");
        ensure!(given.contains(&format!("COMFY_HUB_KEY_FILE={dir}/key")), "{given}");
        // The descriptors that `ls` opens itself are those of /proc; pipes would be the installer's.
        ensure!(!given.contains("pipe:"), "{given}");
        the_key_is_nowhere_but_in_its_file(&machine, &hub)?;
        let requests = hub.requests.lock().unwrap().clone();
        for (path, authorization) in requests {
            let expected = (path != "/remote/v1/health").then(|| format!("Bearer {KEY}"));
            ensure!(authorization == expected, "{path}: {authorization:?}");
        }
    }
    Ok(())
}

fn the_key_is_nowhere_but_in_its_file(machine: &Machine, hub: &StandIn) -> Result<()> {
    let leaks = hub.leaks.lock().unwrap().clone();
    ensure!(leaks.is_empty(), "seen in process lists: {leaks:?}");
    // Other tests bring agents with the same key at the same time.
    let home = machine.home().display().to_string();
    let inherited: Vec<_> = processes_with(KEY, "environ").into_iter().filter(|one| one.contains(&home)).collect();
    ensure!(inherited.is_empty(), "inherited: {inherited:?}");
    let mut holders = Vec::new();
    for entry in walkdir::WalkDir::new(machine.home()) {
        let entry = entry?;
        if entry.file_type().is_file() && String::from_utf8_lossy(&std::fs::read(entry.path())?).contains(KEY) {
            ensure!(entry.metadata()?.permissions().mode() & 0o777 == 0o600, "{}", entry.path().display());
            holders.push(entry.path().to_owned());
        }
    }
    ensure!(holders == [machine.dir().join("key")], "{holders:?}");
    Ok(())
}

#[test]
fn a_second_run_keeps_what_the_first_was_told() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    said(&machine.install(&["--comfy-dir", "/tmp/comfy of mine", "--parallel", "2"])?, 0, "connected")?;
    let given = machine.dir().join("state/given");
    let first = std::fs::read_to_string(&given)?;
    let first_pid = std::fs::read_to_string(machine.dir().join("agent.pid"))?;
    std::fs::remove_file(machine.dir().join("state/connected"))?;
    std::fs::remove_file(&given)?;
    said(&machine.install(&[])?, 0, "connected")?;
    let again = std::fs::read_to_string(&given)?;
    ensure!(first.lines().next() == again.lines().next(), "{first} {again}");
    drop(std::process::Command::new("kill").arg("-KILL").arg(first_pid.trim()).status());
    Ok(())
}

#[test]
fn uninstall_takes_the_key_away_and_leaves_what_is_not_ours() -> Result<()> {
    let (mut machine, _hub) = usual("curl")?;
    said(&machine.install(&[])?, 0, "connected")?;
    let dir = machine.dir();
    let pid = std::fs::read_to_string(dir.join("agent.pid"))?;
    write_program(&dir.join("mine"), "")?;
    let name = dir.display().to_string();
    said(&machine.run(&["--dir", &name, "--uninstall"])?, 0, "models and ComfyUI are untouched")?;
    ensure!(!dir.join("key").exists() && !dir.join("agent").exists() && dir.join("state").exists());
    said(&machine.run(&["--dir", &name, "--uninstall", "--purge"])?, 0, "untouched")?;
    ensure!(!dir.join("state").exists() && dir.join("mine").exists(), "only what is ours goes");
    drop(std::process::Command::new("kill").arg("-KILL").arg(pid.trim()).status());
    Ok(())
}
