//! The agent: the small program on a rented GPU machine that fetches models there.
//!
//! What it writes always lies below one folder, and [`confine`] is the only way from a path that
//! someone sent to a path on its disk. [`facts`] is what it tells about the machine it runs on, [`jobs`]
//! what it can be asked to do.

pub mod cli;
pub mod confine;
pub mod download;
pub mod facts;
pub mod http;
pub mod hub_api;
pub mod jobs;
pub mod library;
pub mod tls;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Arguments, Command};
use crate::facts::Facts;

/// Does what the arguments say and writes the answer to `out`.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Facts { roots } => {
            let roots = if roots.is_empty() { vec![cli::default_comfy_dir()] } else { roots.clone() };
            let facts = Facts::collect(&roots)?;
            let text = serde_json::to_string_pretty(&facts).context("cannot write the facts as JSON")?;
            writeln!(out, "{text}").context("cannot write to standard output")
        }
    }
}

/// Tells on one line why the agent ends, and picks the exit code.
pub fn report(error: &anyhow::Error, out: &mut dyn Write) -> ExitCode {
    // A reader that is gone can't be told anything; the exit code still can.
    drop(writeln!(out, "agent: {error:#}"));
    ExitCode::FAILURE
}
