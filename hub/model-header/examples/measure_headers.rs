//! Measures describing against a bare loop that opens each file, reads the length and the header, and against
//! combuddy, which reads headers in Python, on sparse files with the headers of real models:
//! `cargo run --release -p model-header --example measure_headers -- FOLDER [FILES]`, 20,000 of them by default,
//! which take 2 GB. Each way runs as a process of its own, so that its most memory is its own.
//!
//! Warm: the headers are in the system's memory. Cold: it was told to forget them, as after a start. combuddy
//! runs once, if `python3` finds it (`pip install --target DIR combuddy`, then `PYTHONPATH=DIR`); the others
//! five times in turn, and the median counts.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "an example that prints a table")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

/// What combuddy does with a file that it finds (`enrich_models` in its `headers.py`), and what it took.
const PEER: &str = r#"
import os, sys, time
from combuddy.headers import infer_base, extract_facts
paths = sorted(os.path.join(sys.argv[1], name) for name in os.listdir(sys.argv[1]))
began = time.perf_counter()
known = 0
for path in paths:
    base, _ = infer_base(path, "safetensors")
    extract_facts(path, "safetensors")
    known += base != "unknown"
took = time.perf_counter() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(took, known, peak.split()[1])
"#;

/// What one way took: seconds, files whose family it knew, and its most memory in kB.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Taken {
    seconds: f64,
    known: usize,
    peak: u64,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", way, folder] => run(way, Path::new(folder)),
        [folder] => compare(Path::new(folder), 20_000),
        [folder, files] => compare(Path::new(folder), files.parse()?),
        _ => Err("measure_headers FOLDER [FILES]".into()),
    }
}

fn compare(folder: &Path, n_files: usize) -> Outcome<()> {
    let headers = make(folder, n_files)?;
    println!("{n_files} files, {} kB of headers a file", headers / 1_000 / n_files as u64);
    let (mut bare, mut told, mut bare_cold, mut told_cold) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(child("bare", folder)?);
        told.push(child("describe", folder)?);
    }
    for _ in 0..ROUNDS {
        forget(folder)?;
        bare_cold.push(child("bare", folder)?);
        forget(folder)?;
        told_cold.push(child("describe", folder)?);
    }
    let peer = peer(folder)?;
    let (bare, told, bare_cold, told_cold) = (median(bare), median(told), median(bare_cold), median(told_cold));
    println!("{:<24}{:>9}{:>12}{:>8}{:>12}{:>10}", "", "s", "µs a file", "known", "peak MiB", "× bare");
    let row = |name: &str, taken: Taken, bare: Taken| {
        let each = taken.seconds * 1e6 / n_files as f64;
        let peak = taken.peak as f64 / 1_024.0;
        let ratio = taken.seconds / bare.seconds;
        println!("{name:<24}{:>9.2}{each:>12.1}{:>8}{peak:>12.1}{ratio:>10.2}", taken.seconds, taken.known);
    };
    row("bare loop, warm", bare, bare);
    row("describe, warm", told, bare);
    row("bare loop, cold", bare_cold, bare_cold);
    row("describe, cold", told_cold, bare_cold);
    match peer {
        Some(peer) => {
            row("combuddy, warm", peer, bare);
            println!("describe to combuddy, warm: {:.3}", told.seconds / peer.seconds);
        }
        None => println!("combuddy is not there: pip install combuddy"),
    }
    Ok(())
}

fn median(mut taken: Vec<Taken>) -> Taken {
    taken.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    taken.get(taken.len() / 2).copied().unwrap_or(Taken { seconds: 0.0, known: 0, peak: 0 })
}

/// Runs one way as a process of its own.
fn child(way: &str, folder: &Path) -> Outcome<Taken> {
    let output = Command::new(std::env::current_exe()?).arg("run").arg(way).arg(folder).output()?;
    parsed(&output.stdout).ok_or_else(|| format!("{way}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn peer(folder: &Path) -> Outcome<Option<Taken>> {
    let output = Command::new("python3").arg("-c").arg(PEER).arg(folder).output()?;
    Ok(parsed(&output.stdout))
}

fn parsed(output: &[u8]) -> Option<Taken> {
    let text = String::from_utf8_lossy(output).into_owned();
    let mut words = text.split_whitespace();
    let mut next = || words.next();
    Some(Taken { seconds: next()?.parse().ok()?, known: next()?.parse().ok()?, peak: next()?.parse().ok()? })
}

fn run(way: &str, folder: &Path) -> Outcome<()> {
    let paths = paths(folder)?;
    let began = Instant::now();
    let mut known = 0;
    for path in &paths {
        known += usize::from(if way == "bare" { bare(path)? } else { describe(path)? });
    }
    let seconds = began.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    println!("{seconds} {known} {}", peak.unwrap_or("0"));
    Ok(())
}

fn describe(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok(model_header::describe(&mut file, size, "x.safetensors")?.base.is_some())
}

/// Opens the file and reads its header; `false`, because it knows nothing.
fn bare(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = vec![0; usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?];
    file.read_exact(&mut header)?;
    Ok(std::hint::black_box(header).is_empty())
}

fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Writes the files, unless they are there; the bytes of all headers.
fn make(folder: &Path, n_files: usize) -> Outcome<u64> {
    let real = real_headers()?;
    let chosen = || real.iter().cycle().take(n_files);
    fs::create_dir_all(folder)?;
    if paths(folder)?.len() != n_files {
        for (at, (header, size)) in chosen().enumerate() {
            let mut file = File::create(folder.join(format!("{at:06}.safetensors")))?;
            file.write_all(header)?;
            file.set_len(*size)?;
            // What is not yet on the disk can't be forgotten.
            file.sync_all()?;
        }
    }
    Ok(chosen().map(|(header, _)| header.len() as u64).sum())
}

/// Longer headers are in the data to hurt.
const MAX_HEADER: u64 = 1 << 20;

/// Headers of sound files, with their length in front, and the sizes of the files.
fn real_headers() -> Outcome<Vec<(Vec<u8>, u64)>> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/headers.tar.xz");
    let folder = tempfile::tempdir()?;
    if !Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(folder.path()).status()?.success() {
        return Err("tar could not unpack the headers; xz may be missing".into());
    }
    let mut headers = Vec::new();
    for path in paths(folder.path())?.iter().filter(|path| path.extension().is_some_and(|is| is == "safetensors")) {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        if model_header::describe(&mut file, size, "x.safetensors")?.damage.is_some() {
            continue;
        }
        let mut file = File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length <= MAX_HEADER {
            let mut header = length.to_le_bytes().to_vec();
            file.take(length).read_to_end(&mut header)?;
            headers.push((header, size));
        }
    }
    Ok(headers)
}

/// Asks the system to forget what it knows of these files.
#[cfg(target_os = "linux")]
fn forget(folder: &Path) -> io::Result<()> {
    for path in paths(folder)? {
        let file = File::open(path)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Only Linux is asked.
#[cfg(not(target_os = "linux"))]
fn forget(_: &Path) -> io::Result<()> {
    Ok(())
}
