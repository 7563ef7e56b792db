//! The agent brings itself to the version of its hub.
//!
//! A hub that was updated meanwhile may speak no version that this agent speaks. That ends no session: the key stays,
//! and the hub has the program that fits. It is fetched beside this one, checked by the digest that the hub tells, tried
//! out, and given this one's name; then the agent starts anew and goes on with its jobs.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::header::ETAG;
use sha2::{Digest as _, Sha256};
use shared_io::http::header_text;
use shared_io::hub_api::{HubApi, HubError, answer};
use shared_io::{FileError, durable};
use shared_protocol::{Target, routes};
use tokio::process::Command;

/// Longest program.
const MAX_BYTES: u64 = 256 << 20;

/// How long the connection may be silent, and how long the program may take to say its version.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why the program stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The hub does not give it.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// What came is not what the hub has.
    #[error("what came is not the agent: {0}")]
    Wrong(&'static str),
}

/// A new program, until it has its name.
struct Fetched(PathBuf);

impl Drop for Fetched {
    fn drop(&mut self) {
        // It is ours: made under a name that nothing had. With its final name it is no longer here.
        drop(fs::remove_file(&self.0));
    }
}

/// Puts the hub's program in the place of `program`; tells whether it is another one.
pub async fn replace(api: &HubApi, program: &Path) -> Result<bool, UpdateError> {
    let request = api
        .client()
        .get(api.address().route(&routes::agent_binary(Target::OWN)))
        .header(reqwest::header::AUTHORIZATION, api.authorization());
    let response = answer(request).await?;
    let expected = header_text(&response, ETAG).map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
    let (fetched, digest) = fetch(response, program).await?;
    if expected.is_some_and(|expected| expected.len() == 64 && expected != digest) {
        return Err(UpdateError::Wrong("its digest is another one"));
    }
    if digest_of(program).is_ok_and(|own| own == digest) {
        return Ok(false);
    }
    try_out(&fetched.0).await?;
    fs::rename(&fetched.0, program).map_err(FileError::of("replace", program))?;
    Ok(true)
}

/// Fetches the program beside the one that runs.
async fn fetch(mut response: reqwest::Response, program: &Path) -> Result<(Fetched, String), UpdateError> {
    let name = format!("{}.new-{}", program.file_name().unwrap_or_default().to_string_lossy(), uuid::Uuid::new_v4());
    let path = program.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o700);
    let mut file = options.open(&path).map_err(FileError::of("make", &path))?;
    let fetched = Fetched(path);
    let (mut hasher, mut n_bytes) = (Sha256::new(), 0);
    loop {
        let chunk = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let chunk = chunk.map_err(|_| HubError::OutOfReach("nothing came for a minute".to_owned()))?;
        let Some(chunk) = chunk.map_err(HubError::from)? else { break };
        n_bytes += chunk.len() as u64;
        if n_bytes > MAX_BYTES {
            return Err(UpdateError::Wrong("it is too long"));
        }
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(FileError::of("write", &fetched.0))?;
    }
    durable::sync_bytes(&file).map_err(FileError::of("write", &fetched.0))?;
    Ok((fetched, hex(&hasher.finalize())))
}

fn digest_of(program: &Path) -> std::io::Result<String> {
    let (mut file, mut hasher) = (File::open(program)?, Sha256::new());
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(block.get(..n).unwrap_or_default()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text in memory can't fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Whether it runs here and is an agent.
async fn try_out(program: &Path) -> Result<(), UpdateError> {
    let said = Command::new(program)
        .arg("--version")
        .env_remove(crate::key::VARIABLE)
        .env_remove(crate::key::FILE_VARIABLE)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(Ok(output)) if output.status.success() && output.stdout.starts_with(b"agent ") => Ok(()),
        _ => Err(UpdateError::Wrong("it does not run here")),
    }
}
