//! `hub doctor`: every check that a person would make by hand, each with its verdict.

mod remote;
mod skipped;

use std::net::TcpListener;

use jiff::Timestamp;

use super::instance::{Instance, InstanceError};
use super::{DATABASE, bind, prepare_data_dir};
use crate::config::Config;
use crate::domain::root::Root;
use crate::fs::private;
use crate::fs::probe::{RootStatus, probe};
use crate::storage::{StorageError, check_file, look_into, remote_sessions};

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// What was found; an error says what to do.
    pub verdict: Result<String, String>,
}

/// Makes all checks; nothing is changed but that the data folder is made.
pub fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![Check { what: "configuration".into(), verdict: Ok("valid".into()) }];
    let data = prepare_data_dir(config).map(|()| {
        let dir = &config.app_data_dir;
        let open = if private::is_open_to_others(dir) {
            ". Other users of this computer may be able to read it, with the tokens in config.toml: choose a folder \
             of your own, or take their rights away"
        } else {
            ""
        };
        format!("{}{open}", dir.display())
    });
    checks.push(Check { what: "data folder".into(), verdict: data.map_err(|error| format!("{error:#}")) });
    let running = Instance::take(&config.app_data_dir).err();
    checks.push(database(config, running.is_some()));
    for root in Root::ALL {
        checks.push(Check { what: root.label().into(), verdict: folder(config, root) });
        checks.extend(skipped::check(config, root));
    }
    let now = Timestamp::now();
    let session = running.as_ref().and_then(|running| session(config, running)).filter(|end| *end > now);
    checks.push(port(config, running));
    for (what, verdict) in [
        ("public address", remote::public_address(&config.remote)),
        ("remote listener", remote::listener(&config.remote, session)),
        ("certificate", remote::certificate(&config.remote, now)),
        ("agent", remote::agent(&config.remote)),
    ] {
        checks.push(Check { what: what.into(), verdict });
    }
    checks
}

/// The end of the session that the running hub has. Where its database can't be read there is none.
fn session(config: &Config, running: &InstanceError) -> Option<Timestamp> {
    let InstanceError::Taken(_) = running else { return None };
    let live = look_into(&config.app_data_dir.join(DATABASE), remote_sessions::live).ok()?;
    live.map(|session| session.expires_at)
}

fn database(config: &Config, running: bool) -> Check {
    let path = config.app_data_dir.join(DATABASE);
    let verdict = if running {
        Ok("in use by a running hub, which checked it at its start".into())
    } else if path.exists() {
        check_file(&path).map(|()| "sound".into()).map_err(|error| match error {
            // What is to be done is said already.
            StorageError::Unopenable { .. } => error.to_string(),
            error => format!("{error}: the next start sets it aside and takes the newest copy of the folder backups"),
        })
    } else {
        Ok("not made yet: the first start makes it".into())
    };
    Check { what: "database".into(), verdict }
}

fn folder(config: &Config, root: Root) -> Result<String, String> {
    let name = root.as_str().to_uppercase();
    let Some(dir) = &config.roots.get(root).dir else {
        return Err(format!("no folder: set {name}_MODELS_ROOT, or open the hub and follow its setup"));
    };
    match probe(dir, None) {
        RootStatus::Online { space, writable, id } => Ok(format!(
            "{}: {}{}{}{}",
            dir.display(),
            space.map_or_else(
                || "free space unknown".to_owned(),
                |space| format!("{} GB free", space.free_bytes / 1_000_000_000)
            ),
            if writable { "" } else { ", read-only" },
            if id.is_some() { "" } else { ", not adopted yet" },
            dir.own_below().map(|own| format!(", without the hub's own data in {own}")).unwrap_or_default(),
        )),
        RootStatus::Offline { why } | RootStatus::MarkerDamaged { why } => Err(why),
        RootStatus::Swapped { .. } | RootStatus::MarkerMissing { .. } => Err("it changed just now: try again".into()),
    }
}

fn port(config: &Config, running: Option<InstanceError>) -> Check {
    let verdict = match running {
        Some(InstanceError::Taken(Some(hub))) => Ok(format!("a hub of this data folder listens at {}", hub.url)),
        Some(other) => Err(other.to_string()),
        None => bind(config)
            .and_then(|listener: TcpListener| Ok(format!("{} is free", listener.local_addr()?)))
            .map_err(|error| format!("{error:#}")),
    };
    Check { what: "port".into(), verdict }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Key, Layers};
    use crate::storage::{Database, now_ms};

    #[test]
    fn missing_folders_and_a_taken_port_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let flags = BTreeMap::from([
            (Key::AppDataDir, folder.path().join("data").display().to_string()),
            (Key::HubPort, taken.local_addr().unwrap().port().to_string()),
            (Key::LocalModelsRoot, folder.path().join("none").display().to_string()),
            (Key::RemoteBind, "127.0.0.1:0".to_owned()),
        ]);
        let config = Layers { flags, ..Layers::default() }.resolve().unwrap();
        let failed: Vec<_> =
            examine(&config).into_iter().filter(|check| check.verdict.is_err()).map(|check| check.what).collect();
        assert_eq!(failed, ["Local", "Lake", "port"]);
    }

    #[test]
    fn the_remote_listener_of_a_running_hub_is_no_other_program() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let flags = BTreeMap::from([
            (Key::AppDataDir, folder.path().display().to_string()),
            (Key::RemoteBaseUrl, "https://hub.example".to_owned()),
            (Key::RemoteBind, taken.local_addr().unwrap().to_string()),
        ]);
        let config = Layers { flags, ..Layers::default() }.resolve().unwrap();
        let verdict = || {
            let checks = examine(&config);
            checks.into_iter().find(|check| check.what == "remote listener").unwrap().verdict
        };
        let _running = Instance::take(folder.path()).unwrap();
        let (database, _) = Database::open(&folder.path().join(DATABASE)).unwrap();
        assert!(verdict().unwrap_err().contains("Another program"), "it has no session");
        let session = database.write_blocking(|c| remote_sessions::begin(c, &[0; 32], now_ms() + 60_000)).unwrap();
        assert!(verdict().unwrap().contains("the running hub lives until"));
        database.write_blocking(|c| remote_sessions::set_expiry(c, session.id, now_ms() - 1)).unwrap();
        assert!(verdict().is_err(), "its time is over");
    }
}
