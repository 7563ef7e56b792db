//! The hub's program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hub::allocator::set_up();
    hub::run(std::env::args_os(), std::env::vars_os())
}
