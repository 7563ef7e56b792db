//! The command line. Nothing below this module and [`crate::config`] reads arguments or the environment.
//!
//! Scripts and the bootstrapper rely on it:
//!
//! - `agent --hub URL --comfy-dir DIR [options]` works until it is asked to end (exit 0), or until the hub
//!   ends it for good (78: revoked, expired, refused). 2 means wrong arguments, 1 any other fault.
//! - `agent supervise` with the same options does that in a child, and starts it again when it crashes.
//! - `agent status [--state-dir DIR] [--json]` tells how it goes: exit 0 connected, 1 not running, 3 running
//!   but not connected.
//! - `agent facts [FOLDER …]` prints what this machine is.
//!
//! Every option has a form `COMFY_AGENT_…` in the environment. The key comes by the file that
//! `COMFY_HUB_KEY_FILE` names, else by `COMFY_HUB_KEY`; never as an argument, which everyone can list.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

/// Brings models to this machine, verified.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// How to work, if no command is named.
    #[command(flatten)]
    pub run: RunArguments,
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How the agent works.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArguments {
    /// The hub's address: https, or http on this machine itself.
    #[arg(long, value_name = "URL", env = "COMFY_AGENT_HUB")]
    pub hub: Option<String>,
    /// ComfyUI's folder; made when something is cloned or fetched into it.
    #[arg(long, value_name = "DIR", env = "COMFY_AGENT_COMFY_DIR")]
    pub comfy_dir: Option<PathBuf>,
    /// The folder of models, if it is not `models` in ComfyUI's folder.
    #[arg(long, value_name = "DIR", env = "COMFY_AGENT_MODELS_DIR")]
    pub models_dir: Option<PathBuf>,
    /// Where the agent keeps its state, if not in `state` beside this program.
    #[arg(long, value_name = "DIR", env = "COMFY_AGENT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Jobs worked on at once.
    #[arg(long, value_name = "N", env = "COMFY_AGENT_PARALLEL", default_value = "1")]
    pub parallel: String,
    /// A file of certificates (PEM) to believe besides the usual ones.
    #[arg(long, value_name = "FILE", env = "COMFY_AGENT_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Lets sources and repositories be at private addresses, if the hub allows it too.
    #[arg(long, env = "COMFY_AGENT_ALLOW_PRIVATE_SOURCES", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_private_sources: bool,
    /// Goes through links in the folder of models that lead to folders of the same owner.
    #[arg(long, env = "COMFY_AGENT_ALLOW_LINKED_FOLDERS", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_linked_folders: bool,
    /// Waits a part as long between two tries. For tests: no release has it.
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "N", env = "COMFY_AGENT_HASTE", default_value_t = 1, hide = true)]
    pub haste: u32,
}

/// What the agent can do besides its work.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Works in a child process and starts it again when it crashes; for machines without systemd.
    Supervise(RunArguments),
    /// Tells how it goes: exit code 0 connected, 1 not running, 3 running but not connected.
    Status {
        /// Where the agent keeps its state, if not in `state` beside this program.
        #[arg(long, value_name = "DIR", env = "COMFY_AGENT_STATE_DIR")]
        state_dir: Option<PathBuf>,
        /// Tells of the agent only that was started with this word in `COMFY_AGENT_INSTANCE`: whoever starts one wants
        /// to hear of that one.
        #[arg(long, value_name = "WORD", hide = true)]
        instance: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints what this machine is and how much room it has, as JSON.
    Facts {
        /// Folders whose disks are asked for their room; ComfyUI's folder when none is named.
        roots: Vec<PathBuf>,
    },
    /// Does one git job that comes by standard input: the agent's own child.
    #[command(hide = true, name = crate::jobs::git::COMMAND)]
    Git,
}

/// Where ComfyUI lies when nobody says: rented machines keep what survives in `/workspace`.
pub fn default_comfy_dir() -> PathBuf {
    choose_comfy_dir(Path::new("/workspace"), std::env::home_dir())
}

fn choose_comfy_dir(workspace: &Path, home: Option<PathBuf>) -> PathBuf {
    if workspace.is_dir() { workspace.join("ComfyUI") } else { home.unwrap_or_default().join("ComfyUI") }
}

/// Where the state lies when nobody says.
pub fn default_state_dir() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    beside.unwrap_or_default().join("state")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_preferred_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = PathBuf::from("/home/someone");
        assert_eq!(choose_comfy_dir(folder.path(), Some(home.clone())), folder.path().join("ComfyUI"));
        assert_eq!(choose_comfy_dir(&folder.path().join("none"), Some(home.clone())), home.join("ComfyUI"));
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
