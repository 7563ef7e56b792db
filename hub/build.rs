//! What a release carries besides its code: the Linux agent it hands out, and on Windows the icon, the
//! version and the manifest (paths over 260 characters, UTF-8).
//!
//! `EMBED_AGENT` names the agent's program; without it the hub looks for one beside itself. Scripts
//! that make packages set it (`scripts/package`).

use std::path::PathBuf;
use std::{env, io};

fn main() -> io::Result<()> {
    tell("rustc-check-cfg=cfg(embedded_agent)");
    tell("rerun-if-env-changed=EMBED_AGENT");
    if let Some(agent) = env::var_os("EMBED_AGENT").filter(|path| !path.is_empty()) {
        let agent = PathBuf::from(agent).canonicalize()?;
        tell(&format!("rerun-if-changed={}", agent.display()));
        tell(&format!("rustc-env=EMBEDDED_AGENT={}", agent.display()));
        tell("rustc-cfg=embedded_agent");
    }
    tell("rerun-if-changed=windows");
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
