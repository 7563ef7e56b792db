//! `hub doctor`: every check that a person would make by hand, each with its verdict.

mod remote;
mod skipped;

use std::net::TcpListener;

use jiff::Timestamp;
use shared_protocol::Target;

use super::instance::{Instance, InstanceError};
use super::{DATABASE, bind, prepare_data_dir};
use crate::config::Config;
use crate::domain::root::Root;
use crate::fs::private;
use crate::services::roots::{self, Usable};
use crate::storage::{StorageError, check_file, facts, look_into, remote_sessions};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
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
    let running = Instance::take_folder(&config.app_data_dir).err();
    checks.push(database(config, running.is_some()));
    checks.extend(lost(config));
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
        ("agent", remote::agent(&config.remote, Target::X86_64Linux)),
        ("agent for Arm", remote::agent(&config.remote, Target::Aarch64Linux)),
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

/// Whether somebody is asked if the database was lost: then the folders know more than it does.
fn lost(config: &Config) -> Option<Check> {
    look_into(&config.app_data_dir.join(DATABASE), |connection| facts::get(connection, facts::LOST)).ok().flatten()?;
    let text = "It is new, but the folders carry the mark of a hub that knew them: was the database lost? If the data \
                folder was moved, set APP_DATA_DIR to the right one. Otherwise answer on the page Overview";
    Some(Check { what: "database, earlier".into(), verdict: Err(text.into()) })
}

fn folder(config: &Config, root: Root) -> Result<String, String> {
    let name = root.as_str().to_uppercase();
    let Some(dir) = &config.roots.get(root).dir else {
        return Err(format!("no folder: set {name}_MODELS_ROOT, or open the hub and follow its setup"));
    };
    let path = config.app_data_dir.join(DATABASE);
    let found = match look_into(&path, |connection| roots::examine(Some(connection), config, root, dir)) {
        Ok(found) => Ok(found),
        // That it can't be read is told of the database.
        Err(_) => roots::examine(None, config, root, dir),
    };
    let Usable { space, writable, id } = match found.map_err(|error| error.to_string())? {
        Ok(usable) => usable,
        Err(refusal) if refusal.can_adopt => {
            return Err(format!("{} waits for your decision on the page Overview: {}", dir.display(), refusal.why));
        }
        Err(refusal) => return Err(refusal.why),
    };
    Ok(format!(
        "{}: {}{}{}{}",
        dir.display(),
        space.map_or_else(
            || "free space unknown".to_owned(),
            |space| format!("{} GB free", space.free_bytes / 1_000_000_000)
        ),
        if writable { "" } else { ", read-only" },
        if id.is_some() { "" } else { ", not adopted yet" },
        dir.own_below().map(|own| format!(", without the hub's own data in {own}")).unwrap_or_default(),
    ))
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
    use crate::domain::ticks::Ticks;
    use crate::storage::{Database, index, now_ms, roots as rows};

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
    fn a_folder_that_waits_for_a_decision_and_a_lost_database_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let [data, other] = ["data", "other"].map(|name| folder.path().join(name));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        let flags = BTreeMap::from([
            (Key::AppDataDir, data.display().to_string()),
            (Key::LakeModelsRoot, other.display().to_string()),
        ]);
        let config = Layers { flags, ..Layers::default() }.resolve().unwrap();
        let verdict = |what: &str| examine(&config).into_iter().find(|check| check.what == what).map(|c| c.verdict);
        let (database, _) = Database::open(&data.join(DATABASE)).unwrap();
        assert!(verdict("Lake").unwrap().unwrap().contains("not adopted yet"));
        let indexed = |c: &crate::storage::Connection| {
            let row = rows::activate(c, Root::Lake, "root:1", "/mnt/nas", true)?;
            let path = shared_protocol::RelPath::parse("loras/x").unwrap();
            index::put_file(c, row.id, &path, 1, Ticks::from_unix(0, 0), None)
        };
        database.write_blocking(|tx| indexed(tx)).unwrap();
        let told = verdict("Lake").unwrap().unwrap_err();
        assert!(told.contains("waits for your decision") && told.contains("was not used as Lake before"), "{told}");
        assert_eq!(verdict("database, earlier"), None);
        database.write_blocking(|c| facts::set(c, facts::LOST, "1")).unwrap();
        assert!(verdict("database, earlier").unwrap().unwrap_err().contains("APP_DATA_DIR"));
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
        let _running = Instance::take_folder(folder.path()).unwrap();
        let (database, _) = Database::open(&folder.path().join(DATABASE)).unwrap();
        assert!(verdict().unwrap_err().contains("Another program"), "it has no session");
        let session = database.write_blocking(|c| remote_sessions::begin(c, &[0; 32], now_ms() + 60_000)).unwrap();
        assert!(verdict().unwrap().contains("the running hub lives until"));
        database.write_blocking(|c| remote_sessions::set_expiry(c, session.id, now_ms() - 1)).unwrap();
        assert!(verdict().is_err(), "its time is over");
    }
}
