//! What the program carries besides its code: in packages the Linux agents that it hands out; on Windows
//! icon, version, and the manifest (paths over 260 characters, UTF-8).

use std::path::PathBuf;
use std::{env, fs, io};

/// Each names an agent's program that is to be carried, the file that it is taken from, and the switch that says so;
/// without it the hub looks for a file beside itself.
const CARRIED: [(&str, &str, &str); 2] = [
    ("HUB_CARRIES_AGENT", "agent", "carries_agent"),
    ("HUB_CARRIES_AGENT_AARCH64", "agent-aarch64", "carries_agent_aarch64"),
];

fn main() -> io::Result<()> {
    tell("rerun-if-changed=build.rs");
    tell("rerun-if-changed=windows");
    for (variable, name, switch) in CARRIED {
        tell(&format!("rerun-if-env-changed={variable}"));
        tell(&format!("rustc-check-cfg=cfg({switch})"));
        if let Some(agent) = env::var_os(variable).filter(|agent| !agent.is_empty()).map(PathBuf::from) {
            let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
            fs::copy(&agent, out.join(name))
                .map_err(|error| io::Error::new(error.kind(), format!("{variable}={}: {error}", agent.display())))?;
            tell(&format!("rerun-if-changed={}", agent.display()));
            tell(&format!("rustc-cfg={switch}"));
        }
    }
    // The target's system, not that of the machine that builds.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("windows") {
        winresource::WindowsResource::new()
            .set_icon("windows/hub.ico")
            .set_manifest_file("windows/hub.manifest")
            .set("ProductName", "ComfyUI Model Library")
            .set("FileDescription", "ComfyUI Model Library hub")
            .set("OriginalFilename", "hub.exe")
            .compile()?;
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]
fn tell(instruction: &str) {
    println!("cargo::{instruction}");
}
