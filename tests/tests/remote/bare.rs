//! A pod as bare as they come: old, with wget only, no git, no sudo, no systemd.

use anyhow::{Result, ensure};
use end_to_end::bare_machine::BareMachine;
use end_to_end::ca::TestCa;
use end_to_end::git_server::GitServer;
use end_to_end::machine::measured;
use end_to_end::remote::{Remote, begin_session, order, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use serde_json::json;

#[test]
fn a_bare_old_machine_gets_comfyui_and_models_by_wget_alone() -> Result<()> {
    let Some(pod) = BareMachine::start_for("a_bare_old_machine_gets_comfyui_and_models_by_wget_alone")? else {
        return Ok(());
    };
    for missing in ["curl", "git", "sudo", "systemctl"] {
        ensure!(!pod.run(&format!("command -v {missing}"), &[])?.status.success(), "{missing} is there");
    }
    measured("the bare machine", pod.said("ldd --version | head -n 1", &[])?.trim());

    let ca = TestCa::new()?;
    let git = GitServer::start(&ca)?;
    let mut remote = Remote::new()?.set("REMOTE_ALLOW_PRIVATE_SOURCES", "true").set("COMFY_REPO_URL", &git.url());
    if std::env::var_os("HUB_BIN").is_none() {
        // The one built for old systems, which packages carry inside.
        remote = remote.set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    }
    let files = [("checkpoints/big.safetensors", noise(1, (9 << 20) + 77)), ("loras/a b/small.pt", noise(2, 300_000))];
    for (path, content) in &files {
        remote.roots.lake_file(path, content)?;
    }
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    std::fs::copy(ca.authority(), pod.home().join("ca.pem"))?;
    let (authority, dir, comfy) = (pod.inside("ca.pem")?, pod.inside("agent")?, pod.inside("ComfyUI")?);
    let environment = [
        ("COMFY_HUB_KEY", session.key.as_str()),
        ("COMFY_AGENT_DIR", dir.as_str()),
        ("COMFY_AGENT_COMFY_DIR", comfy.as_str()),
        ("COMFY_AGENT_CA_FILE", authority.as_str()),
        ("COMFY_AGENT_ALLOW_PRIVATE_SOURCES", "1"),
    ];
    let said = pod.said(&session.install_command_with_wget, &environment)?;
    ensure!(said.contains("connected"), "{said}");

    let id = wait_for_agent(&api)?;
    let clone = order(&api, &json!({ "agent_id": id, "kind": "comfy_git_clone" }))?;
    succeeded(&api, &clone[0])?;
    ensure!(pod.home().join("ComfyUI/.git").is_dir() && pod.home().join("ComfyUI/main.py").is_file());
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    for job in send(&api, &id, &paths)? {
        succeeded(&api, &job)?;
    }
    for (path, content) in &files {
        ensure!(std::fs::read(pod.home().join("ComfyUI/models").join(path))? == *content, "{path} differs");
    }

    // Killed, it is started again; taken away, it leaves the models.
    let agents = r"for p in /proc/[0-9]*; do
        case $(tr '\0' ' ' <$p/cmdline) in *agent\ supervise*) ;; *agent\ *--state-dir*) echo ${p#/proc/} ;; esac
    done 2>/dev/null";
    let running = || -> Result<String> { Ok(pod.said(agents, &[])?.trim().to_owned()) };
    let first = running()?;
    ensure!(first.parse::<u32>().is_ok(), "one agent runs, not \"{first}\"");
    pod.said(&format!("kill -KILL {first}"), &[])?;
    wait_until("another agent in its place", SOON * 2, || {
        let now = running()?;
        Ok(!now.is_empty() && now != first)
    })?;
    let again = session.install_command_with_wget.replace("bash", "bash -s --");
    wait_until("the new one to be connected", SOON * 2, || {
        Ok(pod.run(&format!("{again} --status"), &environment)?.status.success())
    })?;
    pod.said(&format!("{again} --uninstall --purge"), &environment)?;
    ensure!(!pod.home().join("agent").exists(), "something of the agent is left");
    ensure!(pod.home().join("ComfyUI/models/checkpoints/big.safetensors").is_file(), "models are never removed");
    Ok(())
}
