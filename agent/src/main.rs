//! Starts the agent: arguments in, exit code out.

use std::process::ExitCode;

use agent::cli::Arguments;
use clap::Parser as _;

/// musl's own allocator makes threads wait for each other (ADR 18).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match agent::run(&Arguments::parse(), &mut std::io::stdout().lock()) {
        Ok(exit) => exit.into(),
        Err(error) => agent::report(&error, &mut std::io::stderr().lock()).into(),
    }
}
