//! Describes the given files, one JSON line each. How long it takes is told by `measure_headers`.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::fs::File;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    for path in std::env::args().skip(1) {
        let description = describe(&path)?;
        println!("{}", serde_json::to_string(&description)?);
    }
    Ok(())
}

fn describe(path: &str) -> io::Result<model_header::Description> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    model_header::describe(&mut file, size, &name)
}
