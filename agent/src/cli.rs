//! The command line. Nothing below this module reads arguments or the environment.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// Brings models to this machine, verified.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the agent can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints what this machine is and how much room it has, as JSON.
    Facts {
        /// Folders whose disks are asked for their room; `ComfyUI`'s folder when none is named.
        roots: Vec<PathBuf>,
    },
}

/// Where `ComfyUI` lies when nobody says: rented machines keep what survives in `/workspace`.
pub fn default_comfy_dir() -> PathBuf {
    choose_comfy_dir(Path::new("/workspace"), std::env::home_dir())
}

fn choose_comfy_dir(workspace: &Path, home: Option<PathBuf>) -> PathBuf {
    if workspace.is_dir() { workspace.join("ComfyUI") } else { home.unwrap_or_default().join("ComfyUI") }
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
