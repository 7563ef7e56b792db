//! The command line: what to do, and settings given as flags. One flag per key of the
//! configuration, made from its table.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::Key;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CliAction {
    /// Serve the two configured folders.
    Serve {
        /// Open the browser when ready.
        open: bool,
    },
    /// Make the demo library and serve it.
    Demo {
        /// Where; a folder in the data folder by default.
        dir: Option<PathBuf>,
        /// Open the browser when ready.
        open: bool,
    },
    /// Check everything and say what is wrong.
    Doctor,
    /// Print the description of the API.
    Openapi,
}

/// A parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub action: CliAction,
    /// Settings given as flags.
    pub flags: BTreeMap<Key, String>,
}

/// Parses arguments, the program's name first; an error prints itself.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let (action, matches) = match matches.subcommand() {
        Some(("demo", sub)) => (CliAction::Demo { dir: sub.get_one("dir").cloned(), open: sub.get_flag("open") }, sub),
        Some(("doctor", sub)) => (CliAction::Doctor, sub),
        Some(("openapi", sub)) => (CliAction::Openapi, sub),
        Some((_, sub)) => (CliAction::Serve { open: sub.get_flag("open") }, sub),
        None => (CliAction::Serve { open: matches.get_flag("open") }, &matches),
    };
    Ok(CommandLine { action, flags: flags(matches) })
}

fn flags(matches: &ArgMatches) -> BTreeMap<Key, String> {
    keys().filter_map(|key| Some((key, matches.get_one::<String>(key.name())?.clone()))).collect()
}

fn keys() -> impl Iterator<Item = Key> {
    Key::all().filter(|key| !key.is_secret())
}

fn settings(command: Command) -> Command {
    keys().fold(command, |command, key| {
        let help = match key.default_value() {
            Some(default) => format!("{} [env: {}] [default: {default}]", key.help(), key.name()),
            None => format!("{} [env: {}]", key.help(), key.name()),
        };
        command.arg(Arg::new(key.name()).long(key.flag()).value_name("VALUE").help(help).allow_hyphen_values(true))
    })
}

fn command() -> Command {
    let open = || Arg::new("open").long("open").action(ArgAction::SetTrue).help("Open the browser when ready");
    let dir = Arg::new("dir")
        .long("dir")
        .value_name("DIR")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Where to make it [default: \"demo\" in the data folder]");
    settings(Command::new("hub"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("Your models on a fast disk and on a NAS: what is where, what differs, copied and checked")
        .arg(open())
        .args_conflicts_with_subcommands(true)
        .subcommand(settings(Command::new("serve")).about("Serve the two folders (the default)").arg(open()))
        .subcommand(
            settings(Command::new("demo")).about("Make a small library to try and serve it").arg(dir).arg(open()),
        )
        .subcommand(
            settings(Command::new("doctor")).about("Check configuration, folders, database, ports and remote side"),
        )
        .subcommand(settings(Command::new("openapi")).about("Print the description of the API"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<CommandLine, clap::Error> {
        parse(std::iter::once("hub").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn every_command_is_understood() {
        command().debug_assert();
        assert_eq!(parsed(&[]).unwrap().action, CliAction::Serve { open: false });
        assert_eq!(parsed(&["serve", "--open"]).unwrap().action, CliAction::Serve { open: true });
        assert_eq!(parsed(&["doctor"]).unwrap().action, CliAction::Doctor);
        let demo = parsed(&["demo", "--dir", "x", "--hub-port", "0"]).unwrap();
        assert_eq!(demo.action, CliAction::Demo { dir: Some("x".into()), open: false });
        assert_eq!(demo.flags, BTreeMap::from([(Key::HubPort, "0".to_owned())]));
        assert!(parsed(&["--hub-prot", "0"]).is_err());
    }

    #[test]
    fn secrets_are_no_flags() {
        assert!(parsed(&["--hf-token", "x"]).is_err());
    }
}
