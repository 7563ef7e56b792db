//! The validated configuration: made once from arguments and environment; nothing below checks again.

use std::path::PathBuf;

use shared_io::http::Proxies;
use shared_io::hub_api::{HubAddress, HubAddressError};

use crate::cli::{RunArguments, default_comfy_dir, default_state_dir};
use crate::timing::Timing;

/// Most jobs at once.
pub const MAX_PARALLEL: usize = 16;

/// How the agent works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The hub.
    pub hub: HubAddress,
    /// `ComfyUI`'s folder, absolute; perhaps not there yet.
    pub comfy_dir: PathBuf,
    /// The folder of models, absolute; perhaps not there yet.
    pub models_dir: PathBuf,
    /// The folder of state, absolute.
    pub state_dir: PathBuf,
    /// Jobs worked on at once.
    pub parallel: usize,
    /// A file of certificates to believe besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Whether private addresses may be fetched from.
    pub allow_private: bool,
    /// Whether links to folders of the same owner are gone through.
    pub allow_links: bool,
    /// The proxies of the environment.
    pub proxies: Proxies,
    /// All times it keeps to.
    pub timing: Timing,
}

/// A wrong value, told with its name and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No hub.
    #[error("--hub is missing: the https address of the hub, as its Remote page shows it")]
    NoHub,
    /// Not a hub's address.
    #[error("--hub is \"{text}\", but {source}")]
    Hub {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: HubAddressError,
    },
    /// Not a number of jobs.
    #[error("--parallel is \"{0}\", but a number from 1 to {MAX_PARALLEL} is expected")]
    Parallel(String),
    /// A folder that can't be one.
    #[error("{option} is \"{}\", but {why}", path.display())]
    Folder {
        /// Which.
        option: &'static str,
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Config {
    /// Validates arguments.
    pub fn new(arguments: &RunArguments) -> Result<Self, ConfigError> {
        let text = arguments.hub.as_deref().map(str::trim).filter(|text| !text.is_empty()).ok_or(ConfigError::NoHub)?;
        let hub =
            HubAddress::parse(text).map_err(|source| ConfigError::Hub { text: crate::log::redact(text), source })?;
        let parallel = arguments.parallel.trim().parse().ok().filter(|n| (1..=MAX_PARALLEL).contains(n));
        let comfy_dir = folder("--comfy-dir", arguments.comfy_dir.clone().unwrap_or_else(default_comfy_dir))?;
        let models_dir = arguments.models_dir.clone().unwrap_or_else(|| comfy_dir.join("models"));
        Ok(Self {
            hub,
            models_dir: folder("--models-dir", models_dir)?,
            comfy_dir,
            state_dir: folder("--state-dir", arguments.state_dir.clone().unwrap_or_else(default_state_dir))?,
            parallel: parallel.ok_or_else(|| ConfigError::Parallel(arguments.parallel.clone()))?,
            ca_file: arguments.ca_file.clone(),
            allow_private: arguments.allow_private_sources,
            allow_links: arguments.allow_linked_folders,
            proxies: proxies(),
            timing: timing(arguments),
        })
    }
}

/// The proxies that this process is told of by its environment.
pub fn proxies() -> Proxies {
    Proxies::read(|name| std::env::var(name).ok())
}

#[cfg(debug_assertions)]
fn timing(arguments: &RunArguments) -> Timing {
    Timing::default().hurried(arguments.haste)
}

#[cfg(not(debug_assertions))]
fn timing(_: &RunArguments) -> Timing {
    Timing::default()
}

fn folder(option: &'static str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.as_os_str().is_empty() {
        return Err(ConfigError::Folder { option, path, why: "a folder is expected".to_owned() });
    }
    match std::path::absolute(&path) {
        Ok(absolute) if absolute.parent().is_none() => {
            let why = "the whole disk is no folder to work in".to_owned();
            Err(ConfigError::Folder { option, path, why })
        }
        Ok(absolute) if absolute.is_dir() || !absolute.exists() => Ok(absolute),
        Ok(_) => Err(ConfigError::Folder { option, path, why: "that is no folder".to_owned() }),
        Err(error) => Err(ConfigError::Folder { option, path, why: error.to_string() }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn arguments(hub: &str) -> RunArguments {
        let hub = Some(hub.to_owned());
        RunArguments { hub, comfy_dir: Some("/none/ComfyUI".into()), parallel: "1".to_owned(), ..Default::default() }
    }

    #[test]
    fn models_lie_in_the_folder_of_comfyui_unless_told() {
        let config = Config::new(&arguments("https://hub.example/")).unwrap();
        assert!(config.models_dir.ends_with("ComfyUI/models"));
        let elsewhere = RunArguments { models_dir: Some("/data/models".into()), ..arguments("https://hub.example") };
        assert!(Config::new(&elsewhere).unwrap().models_dir.ends_with("data/models"));
    }

    #[test]
    fn what_is_wrong_is_told_on_one_line_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let wrong = [
            (RunArguments { hub: None, ..arguments("") }, "--hub is missing"),
            (arguments("http://hub.example"), "--hub is \"http://hub.example\", but plain http"),
            (arguments("hub"), "--hub is \"hub\""),
            (RunArguments { parallel: "0".to_owned(), ..arguments("https://hub.example") }, "--parallel is \"0\""),
            (RunArguments { parallel: "all".to_owned(), ..arguments("https://hub.example") }, "from 1 to 16"),
            (RunArguments { comfy_dir: Some("/".into()), ..arguments("https://hub.example") }, "--comfy-dir is \"/\""),
            (
                RunArguments { models_dir: Some(file.path().to_owned()), ..arguments("https://hub.example") },
                "that is no folder",
            ),
        ];
        for (arguments, expected) in wrong {
            let error = Config::new(&arguments).unwrap_err().to_string();
            assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
        }
    }
}
