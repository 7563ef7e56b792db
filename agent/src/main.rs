//! Starts the agent: arguments in, exit code out.

use std::process::ExitCode;

use agent::cli::Arguments;
use clap::Parser as _;

fn main() -> ExitCode {
    match agent::run(&Arguments::parse(), &mut std::io::stdout().lock()) {
        Ok(exit) => exit.into(),
        Err(error) => agent::report(&error, &mut std::io::stderr().lock()).into(),
    }
}
