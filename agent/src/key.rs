//! The session's key: read once, and removed when the hub says that it opens nothing any more.
//!
//! It lies in a file of its owner only. A key that came by the environment is moved into such a file and
//! the program started anew without it: as long as a process lives, others can read with what
//! environment it was started.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shared_io::{FileError, durable};
use shared_protocol::SessionKey;
use shared_protocol::secret::KeyError;

use crate::state_dir::StateDir;

/// Names the file that holds the key.
pub const FILE_VARIABLE: &str = "COMFY_HUB_KEY_FILE";

/// Holds the key itself.
pub const VARIABLE: &str = "COMFY_HUB_KEY";

/// Longest file that may hold a key.
const MAX_FILE: u64 = 4_096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyLoadError {
    /// Nobody gave one.
    #[error("there is no key: set {FILE_VARIABLE} to a file that holds it, or {VARIABLE}")]
    None,
    /// The file is gone: the session was ended, or someone removed it.
    #[error("there is no key in {}: run the line again that the hub's Remote page shows", .0.display())]
    Gone(PathBuf),
    /// What was given is none.
    #[error("{place}: {source}")]
    Malformed {
        /// Where it was.
        place: String,
        /// What is expected.
        source: KeyError,
    },
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The two variables, read once.
#[derive(Debug, Default)]
pub struct KeyVariables {
    file: Option<OsString>,
    key: Option<OsString>,
}

/// A key and the file that holds it.
#[derive(Debug)]
pub struct LoadedKey {
    /// The key.
    pub key: SessionKey,
    /// Its file.
    pub file: PathBuf,
    /// Whether it is still in the environment of this process.
    pub is_exposed: bool,
}

impl KeyVariables {
    /// Reads the environment.
    pub fn read() -> Self {
        let filled = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self { file: filled(FILE_VARIABLE), key: filled(VARIABLE) }
    }

    /// Finds the key; one of the environment is moved into a file.
    pub fn load(self, state: &StateDir) -> Result<LoadedKey, KeyLoadError> {
        let is_exposed = self.key.is_some();
        if let Some(file) = self.file {
            let file = PathBuf::from(file);
            return Ok(LoadedKey { key: read(&file)?, file, is_exposed });
        }
        let file = state.file("key");
        match self.key {
            Some(text) => {
                let text = text.into_string().map_err(|_| malformed(VARIABLE.to_owned(), KeyError))?;
                let key: SessionKey = text.trim().parse().map_err(|source| malformed(VARIABLE.to_owned(), source))?;
                durable::replace(&file, key.expose().as_bytes())?;
                Ok(LoadedKey { key, file, is_exposed })
            }
            None if file.exists() => Ok(LoadedKey { key: read(&file)?, file, is_exposed }),
            None => Err(KeyLoadError::None),
        }
    }
}

impl LoadedKey {
    /// Removes the file: the key opens nothing any more. One that holds another key by now stays.
    pub fn forget(&self) {
        if read(&self.file).is_ok_and(|key| key != self.key) {
            return;
        }
        if let Err(error) = durable::remove(&self.file) {
            tracing::warn!("the key stays where it is: {error}");
        }
    }

    /// Starts this program anew, with the same arguments and without the key in its environment. Returns
    /// only if that fails, or where a program can't be replaced.
    #[cfg(unix)]
    pub fn hide(&self) -> io::Error {
        use std::os::unix::process::CommandExt as _;
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => return error,
        };
        std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env_remove(VARIABLE)
            .env(FILE_VARIABLE, &self.file)
            .exec()
    }

    /// Nothing to be done: on this system others can't read the environment of a process.
    #[cfg(not(unix))]
    pub fn hide(&self) -> io::Error {
        io::ErrorKind::Unsupported.into()
    }
}

fn read(file: &Path) -> Result<SessionKey, KeyLoadError> {
    match fs::metadata(file) {
        Ok(found) if found.len() > MAX_FILE => return Err(malformed(file.display().to_string(), KeyError)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyLoadError::Gone(file.to_owned())),
        _ => {}
    }
    let text = fs::read(file).map_err(FileError::of("read the key in", file))?;
    let text = String::from_utf8_lossy(&text);
    text.trim().parse().map_err(|source| malformed(file.display().to_string(), source))
}

const fn malformed(place: String, source: KeyError) -> KeyLoadError {
    KeyLoadError::Malformed { place, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_first_then_the_variable_which_becomes_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let (first, second) = (SessionKey::from_bytes([1; 32]), SessionKey::from_bytes([2; 32]));
        let file = folder.path().join("key");
        fs::write(&file, format!("{}\n", first.expose())).unwrap();

        assert!(matches!(KeyVariables::default().load(&state), Err(KeyLoadError::None)));
        let both = KeyVariables { file: Some(file.clone().into()), key: Some(second.expose().into()) };
        assert_eq!(both.load(&state).unwrap().key, first);

        let variable = KeyVariables { file: None, key: Some(second.expose().into()) };
        let loaded = variable.load(&state).unwrap();
        assert!(loaded.is_exposed && loaded.key == second);
        assert_eq!(KeyVariables::default().load(&state).unwrap().key, second, "kept for the next start");
        fs::write(state.file("key"), first.expose()).unwrap();
        loaded.forget();
        assert_eq!(KeyVariables::default().load(&state).unwrap().key, first, "another key is not its to remove");
        fs::write(state.file("key"), second.expose()).unwrap();
        loaded.forget();
        assert!(matches!(KeyVariables::default().load(&state), Err(KeyLoadError::None)));
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let file = folder.path().join("key");
        let of_file = || KeyVariables { file: Some(file.clone().into()), key: None };
        assert!(matches!(of_file().load(&state), Err(KeyLoadError::Gone(_))));
        fs::write(&file, "chk_almost").unwrap();
        let error = of_file().load(&state).unwrap_err().to_string();
        assert!(error.contains("a key is chk_") && !error.contains("almost"), "{error}");
        let variable = KeyVariables { file: None, key: Some("nonsense".into()) };
        let error = variable.load(&state).unwrap_err().to_string();
        assert!(error.starts_with(VARIABLE) && !error.contains("nonsense"), "{error}");
    }
}
