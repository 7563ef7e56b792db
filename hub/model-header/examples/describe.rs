//! Describes the given files, one JSON line each. With `--time` it tells instead how long describing takes,
//! next to a bare loop that opens each file and reads its header.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    let is_timed = paths.first().is_some_and(|first| first == "--time");
    if is_timed {
        paths.remove(0);
        return time(&paths);
    }
    for path in &paths {
        let description = describe(path)?;
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

/// Opens, asks for the size, and reads length and header.
fn bare(path: &str) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length).min(size);
    let mut header = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut header)
}

fn time(paths: &[String]) -> io::Result<()> {
    let (mut best_bare, mut best_described, mut bytes, mut known) = (Duration::MAX, Duration::MAX, 0, 0);
    for _ in 0..5 {
        let started = Instant::now();
        bytes = 0;
        for path in paths {
            bytes += bare(path)?;
        }
        best_bare = best_bare.min(started.elapsed());
        let started = Instant::now();
        known = 0;
        for path in paths {
            known += usize::from(describe(path)?.base.is_some());
        }
        best_described = best_described.min(started.elapsed());
    }
    let n = paths.len();
    let per_file = |time: Duration| time / u32::try_from(n.max(1)).unwrap_or(1);
    println!("{n} files, {bytes} bytes of headers, {known} with a base; the best of five rounds:");
    println!("bare      {best_bare:?}, {:?} a file", per_file(best_bare));
    println!("described {best_described:?}, {:?} a file", per_file(best_described));
    println!("{:.2} times", best_described.as_secs_f64() / best_bare.as_secs_f64());
    Ok(())
}
