//! `checks layers|lengths [PROJECT]`: prints what is wrong with the source, one line each, and fails
//! if there is anything.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use stories::checks::{layers, lengths};

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let check = arguments.next().unwrap_or_default();
    let project = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let findings = match check.to_str() {
        Some("layers") => layers::check(&project)?,
        Some("lengths") => lengths::check(&project)?,
        _ => bail!("expected `layers` or `lengths`, and the project's folder if it is not this one"),
    };
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
