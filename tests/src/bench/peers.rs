//! The other tools.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::timed;

/// Runs a tool to its end and tells how long it took; what it prints is thrown away.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Result<Duration> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (time, status) = timed(|| command.status().with_context(|| format!("cannot run {program}")))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(time)
}

/// `find` with size and time of every entry.
pub fn find(root: &Path) -> Result<Duration> {
    run("find", [root.as_os_str(), "-printf".as_ref(), "%p %s %T@\n".as_ref()])
}

/// walkdir on one thread, with the metadata of every entry.
pub fn walkdir(root: &Path) -> Result<Duration> {
    let (time, n) = timed(|| {
        let mut n = 0_usize;
        for entry in walkdir::WalkDir::new(root) {
            let entry = entry?;
            n += usize::from(entry.metadata()?.modified().is_ok());
        }
        Ok(n)
    })?;
    ensure!(n > 0, "nothing to walk");
    Ok(time)
}

/// rclone's listing with path, size and time.
pub fn rclone_list(root: &Path) -> Result<Duration> {
    run("rclone", ["lsf".as_ref(), "-R".as_ref(), "--format".as_ref(), "pst".as_ref(), root.as_os_str()])
}

/// What rsync finds to be done, without doing it.
pub fn rsync_dry(from: &Path, to: &Path) -> Result<Duration> {
    let inside = from.join("");
    run("rsync", ["-an".as_ref(), "--delete".as_ref(), inside.as_os_str(), to.as_os_str()])
}

/// What rclone finds to be done, without doing it.
pub fn rclone_sync_dry(from: &Path, to: &Path) -> Result<Duration> {
    run("rclone", ["sync".as_ref(), "--dry-run".as_ref(), from.as_os_str(), to.as_os_str()])
}

/// rsync's comparison by content: it reads both trees whole.
pub fn rsync_check(from: &Path, to: &Path) -> Result<Duration> {
    let inside = from.join("");
    run("rsync", ["-anc".as_ref(), inside.as_os_str(), to.as_os_str()])
}

/// rclone's comparison by content: it reads both trees whole.
pub fn rclone_check(from: &Path, to: &Path) -> Result<Duration> {
    run("rclone", ["check".as_ref(), from.as_os_str(), to.as_os_str()])
}

/// b3sum over every file of a tree.
pub fn b3sum(root: &Path) -> Result<Duration> {
    let script = "find \"$0\" -type f -print0 | xargs -0 b3sum --no-names";
    run("sh", ["-c".as_ref(), script.as_ref(), root.as_os_str()])
}

/// Reads trees so that memory holds them, twice: whoever reads something for the second time has the work of moving it
/// to what the system keeps. rclone tells the system to forget what it has read, so that this is needed after it, too.
pub fn warm(roots: &[&Path]) -> Result<()> {
    roots.iter().chain(roots).try_for_each(|root| b3sum(root).map(drop))
}

/// Copies a tree with a tool into an empty folder, which is taken away again.
pub fn copy(tool: &str, from: &Path, to: &Path) -> Result<Duration> {
    let inside = from.join("");
    let time = match tool {
        "cp" => run("cp", ["-a".as_ref(), from.as_os_str(), to.as_os_str()]),
        "rsync" => run("rsync", ["-a".as_ref(), inside.as_os_str(), to.as_os_str()]),
        _ => run("rclone", ["copy".as_ref(), from.as_os_str(), to.as_os_str()]),
    };
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    time
}
