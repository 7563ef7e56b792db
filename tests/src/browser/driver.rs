//! The driver's process and the browser's settings.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context as _, Result};
use thirtyfour::common::capabilities::desiredcapabilities::Capabilities;
use thirtyfour::prelude::*;

use crate::wait::SOON;

/// For pages that are looked at by a test: no GPU, no network of its own, nothing that comes up at a
/// first start. `--no-sandbox` because tests run as root in containers.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
];

/// A running `chromedriver` on a port of its own.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    address: String,
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts it and reads the port from what it says.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start chromedriver; on Debian and Ubuntu: apt-get install chromium chromium-driver")?;
        let out = child.stdout.take().context("chromedriver has no standard output")?;
        let mut driver = Self { child, address: String::new(), profile: tempfile::tempdir()? };
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    // Nobody waits any more once the port is known; the rest is read to keep the pipe open.
                    drop(send.send(port.trim_end_matches('.').to_owned()));
                }
            }
        });
        let port = receive.recv_timeout(SOON).context("chromedriver does not say its port")?;
        driver.address = format!("http://127.0.0.1:{port}");
        Ok(driver)
    }

    /// Where it takes commands.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the browser is to be started.
    pub fn capabilities(&self) -> Result<Capabilities> {
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", self.profile.path().display()))?;
        wanted.set_logging_prefs("browser".to_owned(), thirtyfour::LoggingPrefsLogLevel::All)?;
        Ok(wanted.into())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// Where pictures are kept.
pub fn screenshots() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&folder).context("cannot make target/screenshots")?;
    Ok(folder)
}
