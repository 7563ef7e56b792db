//! Which folder of state is this machine's, where several machines see the same disk.
//!
//! Pods that share a volume are given the same `--state-dir`. It belongs to the machine that came first, which its
//! `machine.json` names; every other one has a folder of its own in `machines/` there. A machine that started anew has
//! another boot id and is known by its name, once the folder is quiet: then nobody else is using that name there.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared_io::machine::{self, Machine};
use shared_io::{FileError, durable};

/// Names the machine that a folder belongs to.
const FILE: &str = "machine.json";

/// Where the folders of the others are.
const OTHERS: &str = "machines";

/// Written again and again while an agent runs.
pub const ALIVE: &str = "alive";

/// How often that is written.
pub const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// A folder that was not written to for so long is not in use.
const QUIET: Duration = Duration::from_mins(2);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    hostname: String,
    boot_id: String,
}

impl Owner {
    fn of(machine: &Machine) -> Self {
        Self { hostname: machine.hostname.clone(), boot_id: machine.boot_id.clone() }
    }

    fn is(&self, machine: &Machine) -> bool {
        *self == Self::of(machine)
    }
}

/// The folder of this machine below `base`; it is its own from now on.
pub fn claim(base: &Path) -> Result<PathBuf, FileError> {
    claim_for(base, machine::this())
}

/// The folder of this machine below `base`, to look into it.
pub fn find(base: &Path) -> PathBuf {
    let machine = machine::this();
    let own = base.join(OTHERS).join(machine.id());
    let is_others = owner_of(base).is_some_and(|owner| !owner.is(machine));
    if is_others && own.join(FILE).exists() { own } else { base.to_owned() }
}

fn claim_for(base: &Path, machine: &Machine) -> Result<PathBuf, FileError> {
    for folder in candidates(base, machine) {
        make(&folder)?;
        loop {
            match owner_of(&folder) {
                Some(owner) if owner.is(machine) => return Ok(folder),
                Some(owner) if owner.hostname == machine.hostname && is_quiet(&folder) => {
                    own(&folder, machine)?;
                    return Ok(folder);
                }
                Some(_) => break,
                None if own_new(&folder, machine)? => return Ok(folder),
                // Someone was faster; what can't be read is nobody's.
                None if owner_of(&folder).is_some() => {}
                None => {
                    own(&folder, machine)?;
                    return Ok(folder);
                }
            }
        }
    }
    // The last candidate is named after this machine, so only one with the same id could have it.
    Ok(base.join(OTHERS).join(machine.id()))
}

/// The folder itself, those that this machine had before it was started anew, and the one of its own.
fn candidates(base: &Path, machine: &Machine) -> Vec<PathBuf> {
    let others = base.join(OTHERS);
    let own = others.join(machine.id());
    let mut all = vec![base.to_owned()];
    if !own.join(FILE).exists() {
        let listed = fs::read_dir(&others).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        all.extend(listed.filter(|path| owner_of(path).is_some_and(|owner| owner.hostname == machine.hostname)));
    }
    all.push(own);
    all
}

fn make(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(FileError::of("make the folder", folder))
}

fn owner_of(folder: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
}

/// Writes the name of its machine to a folder that has none yet.
fn own_new(folder: &Path, machine: &Machine) -> Result<bool, FileError> {
    let path = folder.join(FILE);
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::of("make", &path)(error)),
        Ok(mut file) => {
            let text = serde_json::to_vec(&Owner::of(machine)).unwrap_or_default();
            file.write_all(&text).map(|()| true).map_err(FileError::of("write", &path))
        }
    }
}

fn own(folder: &Path, machine: &Machine) -> Result<(), FileError> {
    durable::replace(&folder.join(FILE), &serde_json::to_vec(&Owner::of(machine)).unwrap_or_default())
}

fn is_quiet(folder: &Path) -> bool {
    let written = fs::metadata(folder.join(ALIVE)).and_then(|found| found.modified());
    // A time to come is that of a clock that is ahead.
    written.map_or(true, |at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= QUIET))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn machine(hostname: &str, boot_id: &str) -> Machine {
        Machine { hostname: hostname.to_owned(), boot_id: boot_id.to_owned() }
    }

    fn live(folder: &Path) {
        fs::write(folder.join(ALIVE), "").unwrap();
    }

    #[test]
    fn every_machine_of_a_volume_has_a_folder_of_its_own_and_finds_it_again() {
        let volume = tempfile::tempdir().unwrap();
        let base = volume.path().join("state");
        let (first, second) = (machine("pod-a", "1"), machine("pod-b", "1"));
        assert_eq!(claim_for(&base, &first).unwrap(), base, "the first one's is where it always was");
        let other = claim_for(&base, &second).unwrap();
        assert_eq!(other, base.join("machines").join(second.id()));
        assert_eq!(claim_for(&base, &first).unwrap(), base);
        assert_eq!(claim_for(&base, &second).unwrap(), other);
    }

    #[test]
    fn a_machine_that_started_anew_has_its_folder_back_and_a_namesake_does_not_get_it() {
        let volume = tempfile::tempdir().unwrap();
        let base = volume.path();
        claim_for(base, &machine("localhost", "1")).unwrap();
        live(base);
        let namesake = claim_for(base, &machine("localhost", "2")).unwrap();
        assert_ne!(namesake, base, "someone by that name is at work there");
        let quiet = SystemTime::now() - 2 * QUIET;
        fs::File::options().write(true).open(base.join(ALIVE)).unwrap().set_modified(quiet).unwrap();
        assert_eq!(claim_for(base, &machine("localhost", "3")).unwrap(), base);
        live(base);
        assert_eq!(claim_for(base, &machine("localhost", "4")).unwrap(), namesake, "it was never written to again");
    }

    #[test]
    fn what_names_no_machine_is_nobodys() {
        let volume = tempfile::tempdir().unwrap();
        fs::write(volume.path().join(FILE), "{").unwrap();
        assert_eq!(claim_for(volume.path(), &machine("pod", "1")).unwrap(), volume.path());
        assert!(owner_of(volume.path()).is_some());
    }
}
