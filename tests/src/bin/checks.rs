//! `checks layers|lengths [PROJECT]`: prints what is wrong with the source, one line each, and fails
//! if there is anything. `checks count [PROJECT]` prints how many lines there are.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use end_to_end::checks::{count, layers, lengths};

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let check = arguments.next().unwrap_or_default();
    let project = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let findings = match check.to_str() {
        Some("layers") => layers::check(&project)?,
        Some("lengths") => lengths::check(&project)?,
        Some("count") => return print_count(&project),
        _ => bail!("expected `layers`, `lengths` or `count`, and the project's folder if it is not this one"),
    };
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_count(project: &Path) -> Result<ExitCode> {
    let counted = count::count(project)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<24} {:>8} {:>8}", "lines of", "product", "test")?;
    let total = ("all".to_owned(), count::total(&counted));
    for (part, lines) in counted.into_iter().chain([total]) {
        writeln!(out, "{part:<24} {:>8} {:>8}", lines.product, lines.test)?;
    }
    Ok(ExitCode::SUCCESS)
}
