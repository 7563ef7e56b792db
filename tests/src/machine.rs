//! What tests do to the machine: users, signals, small disks. Most of it needs root on Linux; a
//! test that can't have it says so with [`skip`] and never passes in silence.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// An ordinary user that owns nothing.
pub const NOBODY_IN_PARTICULAR: u32 = 2000;

/// Says on standard error, where the runner shows it, that a test can't be told here.
pub fn skip(test: &str, why: &str) {
    drop(writeln!(std::io::stderr(), "SKIPPED {test}: {why}"));
    if let Some(file) = std::env::var_os("STORIES_SKIPPED") {
        let line = format!("{test}: {why}\n");
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        drop(opened.and_then(|mut file| file.write_all(line.as_bytes())));
    }
}

/// Says a figure that a test measured, on standard error. No test fails by it.
pub fn measured(what: &str, figure: &str) {
    drop(writeln!(std::io::stderr(), "MEASURED {what}: {figure}"));
}

/// Whether the bootstrapper leaves the machine as it was: run by root where systemd runs, it would make
/// a service. Says so with [`skip`] if not.
pub fn may_install(test: &str) -> bool {
    let has_service = is_root() && Path::new("/run/systemd/system").is_dir();
    if has_service {
        skip(test, "the bootstrapper would make a service of this machine's systemd");
    }
    !has_service
}

/// Whether this is root on Linux.
pub fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::process::getuid().is_root();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// A command run as another user.
pub fn command_as(user: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups").arg(program);
    command
}

/// Gives a folder with all it holds to a user, and lets that user come to it.
pub fn give_to(folder: &Path, user: u32) -> Result<()> {
    run("chown", ["-R".as_ref(), format!("{user}:{user}").as_ref(), folder.as_os_str()])?;
    for above in folder.ancestors().skip(1).filter(|above| above.starts_with(std::env::temp_dir())) {
        if above != std::env::temp_dir() {
            run("chmod", ["o+x".as_ref(), above.as_os_str()])?;
        }
    }
    Ok(())
}

/// `kill -9`.
pub fn kill(process: u32) -> Result<()> {
    signal(process, "-KILL")
}

/// What Ctrl-C sends.
pub fn interrupt(process: u32) -> Result<()> {
    signal(process, "-INT")
}

/// What the end of a terminal sends.
pub fn hang_up(process: u32) -> Result<()> {
    signal(process, "-HUP")
}

fn signal(process: u32, signal: &str) -> Result<()> {
    ensure!(cfg!(unix), "signals are sent on Unix only");
    run("kill", [signal, &process.to_string()])
}

/// Runs a program to its end, which has to be a good one.
pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: &str, arguments: I) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("?")
    );
    Ok(())
}

/// A small disk in memory, taken away when it goes out of scope.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Makes one of so many bytes for a test; `None`, after [`skip`], where nothing may be mounted: only
    /// root may, and not in every container.
    pub fn make_for(test: &str, size_bytes: u64) -> Result<Option<Self>> {
        match Self::make(size_bytes) {
            Ok(disk) => Ok(Some(disk)),
            Err(error) => {
                skip(test, &format!("a small disk can't be mounted: {error:#}"));
                Ok(None)
            }
        }
    }

    fn make(size_bytes: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("disk");
        std::fs::create_dir(&path)?;
        let disk = Self { path, _folder: folder };
        disk.mount(size_bytes)?;
        Ok(disk)
    }

    /// The folder it is mounted at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the disk away and leaves the empty folder behind, as when a NAS goes off.
    pub fn unmount(&self) -> Result<()> {
        run("umount", ["-l".as_ref(), self.path.as_os_str()])
    }

    /// Changes its size while it is in use.
    pub fn resize(&self, size_bytes: u64) -> Result<()> {
        run("mount", ["-o".as_ref(), format!("remount,size={size_bytes}").as_ref(), self.path.as_os_str()])
    }

    /// Puts a fresh, empty disk there.
    pub fn mount(&self, size_bytes: u64) -> Result<()> {
        let options = format!("size={size_bytes},mode=0777");
        run(
            "mount",
            ["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), options.as_ref(), "small".as_ref(), self.path.as_os_str()],
        )
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Already unmounted by the test, or the folder's own clean-up will complain loudly enough.
        drop(self.unmount());
    }
}

/// A disk that is mounted on a folder inside a root, taken away when it goes out of scope.
#[derive(Debug)]
pub struct InnerDisk {
    at: PathBuf,
}

impl InnerDisk {
    /// Mounts a fresh disk in memory on a folder, which is made; `None`, after [`skip`], where nothing may be
    /// mounted.
    pub fn in_memory(test: &str, at: &Path) -> Result<Option<Self>> {
        Self::mounted(test, at, &["-t", "tmpfs", "-o", "size=16m,mode=0777", "inner"])
    }

    /// Mounts a folder of the same disk on another folder.
    pub fn bound(test: &str, from: &Path, at: &Path) -> Result<Option<Self>> {
        let from = from.to_string_lossy().into_owned();
        Self::mounted(test, at, &["--bind", &from])
    }

    fn mounted(test: &str, at: &Path, arguments: &[&str]) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let all = arguments.iter().map(OsStr::new).chain([at.as_os_str()]);
        match run("mount", all) {
            Ok(()) => Ok(Some(Self { at: at.to_owned() })),
            Err(error) => {
                skip(test, &format!("nothing can be mounted: {error:#}"));
                Ok(None)
            }
        }
    }

    /// Takes the disk away and leaves the folder that it was mounted on.
    pub fn unmount(&self) -> Result<()> {
        run("umount", ["-l".as_ref(), self.at.as_os_str()])
    }
}

impl Drop for InnerDisk {
    fn drop(&mut self) {
        // The test may have unmounted it already.
        drop(self.unmount());
    }
}
