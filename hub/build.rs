//! What the program carries on Windows besides its code: icon, version, and the manifest (paths over 260
//! characters, UTF-8).

use std::{env, io};

fn main() -> io::Result<()> {
    tell("rerun-if-changed=build.rs");
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
