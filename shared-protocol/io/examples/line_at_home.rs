//! What faults that pass cost on the line at home: `line_at_home PROGRAM [CASE…]`. The program is the example
//! `download`, of this version or another one; a source that fails in time and a hub that counts its bytes are in
//! here. Prints a row per case: the bytes that the hub has sent of contents, and what came of it after how long.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "an example may panic")]

use std::io::{BufRead as _, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use shared_protocol::groups::{GROUP_BYTES, GroupList, group_value};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How a source fails at first.
#[derive(Clone, Copy)]
enum Fault {
    /// For so long after the first request, with this head and a header that is made when it is sent.
    Status(u64, &'static str, fn() -> String),
    /// Closes connections for so long without a word.
    Hangup(u64),
    /// After 24 MiB nobody answers, the hub neither, for so many milliseconds.
    Outage(u64),
    /// Every connection is cut after so many bytes.
    Cut(u64),
    /// There is none.
    NoSource,
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    fault: Fault,
    size: u64,
    n_jobs: usize,
    /// What the hub sends per second, all connections together.
    hub_speed: u64,
    /// Until when the hub is off.
    hub_off_s: u64,
    /// After so long the program is given up.
    within_s: u64,
}

const USUAL: Case = Case {
    name: "",
    fault: Fault::NoSource,
    size: 80 * MIB,
    n_jobs: 1,
    hub_speed: u64::MAX,
    hub_off_s: 0,
    within_s: 200,
};

fn nothing() -> String {
    String::new()
}

fn date() -> String {
    let at = SystemTime::now() + Duration::from_secs(7);
    format!("Retry-After: {}\r\n", httpdate::fmt_http_date(at))
}

fn cases() -> Vec<Case> {
    let budget = || "RateLimit: \"resolvers\";r=0;t=7\r\n".to_owned();
    let fraction = || "Retry-After: 7.0\r\n".to_owned();
    let case = |name, fault| Case { name, fault, ..USUAL };
    vec![
        case("all of the machine's network away for 2.5 s", Fault::Outage(2_500)),
        case("429 for 7 s, RateLimit: …;t=7", Fault::Status(7, "429", budget)),
        case("429 for 7 s, Retry-After: 7.0", Fault::Status(7, "429", fraction)),
        case("429 for 7 s, Retry-After as a date", Fault::Status(7, "429", date)),
        case("429 for 7 s, no word of when", Fault::Status(7, "429", nothing)),
        case("503 for 6 s", Fault::Status(6, "503", nothing)),
        case("502 for 6 s", Fault::Status(6, "502", nothing)),
        case("source away for 10 s", Fault::Hangup(10)),
        case("a box cuts every connection at 700 KiB", Fault::Cut(700 * KIB)),
        Case { name: "hub alone, 8 KiB/s, 2 MiB", size: 2 * MIB, hub_speed: 8 * KIB, within_s: 400, ..USUAL },
        Case {
            name: "hub alone, 64 KiB/s, 8 jobs of 2 MiB",
            size: 2 * MIB,
            n_jobs: 8,
            hub_speed: 64 * KIB,
            within_s: 400,
            ..USUAL
        },
        Case { name: "hub alone, off for 11 min", size: 8 * MIB, hub_off_s: 660, within_s: 800, ..USUAL },
    ]
}

/// What both servers know.
struct World {
    case: Case,
    content: Vec<u8>,
    list: Vec<u8>,
    began: Instant,
    away_until: Mutex<Option<Instant>>,
    next_turn: Mutex<Instant>,
    source_sent: AtomicU64,
    hub_sent: AtomicU64,
}

impl World {
    fn is_away(&self) -> bool {
        self.away_until.lock().unwrap().is_some_and(|until| Instant::now() < until)
    }

    /// Notes that the source sent something, and pulls the plug where it is time.
    fn note_sent(&self, n_bytes: u64) {
        let sent = self.source_sent.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes;
        if let Fault::Outage(millis) = self.case.fault
            && sent >= 24 * MIB
        {
            let until = Instant::now() + Duration::from_millis(millis);
            self.away_until.lock().unwrap().get_or_insert(until);
        }
    }

    fn wait_for_turn(&self, n_bytes: u64) {
        if self.case.hub_speed < u64::MAX {
            let mut next = self.next_turn.lock().unwrap();
            let at = (*next).max(Instant::now());
            *next = at + Duration::from_secs(n_bytes) / u32::try_from(self.case.hub_speed).unwrap();
            drop(next);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().unwrap();
    let only: Vec<String> = arguments.collect();
    println!("| case | MiB of contents sent by the hub | result |\n|---|---|---|");
    for case in cases() {
        if only.is_empty() || only.iter().any(|only| case.name.contains(only.as_str())) {
            measure(&program, case);
        }
    }
}

fn measure(program: &str, case: Case) {
    let mut content = vec![0; usize::try_from(case.size).unwrap()];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    let values = content.chunks(1 << 20).zip((0..).step_by(1 << 20)).map(|(bytes, at)| group_value(at, bytes));
    let list = GroupList::new(case.size, values.collect()).unwrap();
    let digest = list.root().to_string();
    let world = Arc::new(World {
        case,
        content,
        list: if case.size > GROUP_BYTES { list.to_bytes() } else { Vec::new() },
        began: Instant::now(),
        away_until: Mutex::default(),
        next_turn: Mutex::new(Instant::now()),
        source_sent: AtomicU64::new(0),
        hub_sent: AtomicU64::new(0),
    });
    let (hub, source) = (serve(&world, true), serve(&world, false));
    let folder = tempfile::tempdir().unwrap();
    let mut running: Vec<_> = (0..case.n_jobs)
        .map(|i| {
            let mut command = Command::new(program);
            command.arg("--like-a-job").arg(folder.path()).arg(format!("http://127.0.0.1:{hub}"));
            command.arg(&digest).arg(case.size.to_string()).arg(format!("{i}"));
            if !matches!(case.fault, Fault::NoSource) {
                command.arg(format!("http://127.0.0.1:{source}/x"));
            }
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let until = world.began + Duration::from_secs(case.within_s);
    while Instant::now() < until && running.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = world.began.elapsed().as_secs_f64();
    let mut n_whole = 0;
    for (i, child) in running.iter_mut().enumerate() {
        child.kill().ok();
        child.wait().unwrap();
        let file = std::fs::read(folder.path().join(format!("models/{i}")));
        n_whole += usize::from(file.is_ok_and(|bytes| bytes == world.content));
    }
    let sent = as_mib(world.hub_sent.load(Ordering::Relaxed));
    let from_source = as_mib(world.source_sent.load(Ordering::Relaxed));
    let n = case.n_jobs;
    println!("| {} | {sent:.1} | {n_whole} of {n} there after {took:.0} s; source sent {from_source:.1} |", case.name);
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn as_mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

/// Listens, and tells where.
fn serve(world: &Arc<World>, is_hub: bool) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = Arc::clone(world);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let world = Arc::clone(&world);
            // Whoever asked has gone away, or is cut off on purpose.
            std::thread::spawn(move || answer(&stream, &world, is_hub).ok());
        }
    });
    port
}

fn answer(stream: &TcpStream, world: &World, is_hub: bool) -> std::io::Result<()> {
    let (mut reader, mut range, mut target) = (BufReader::new(stream), None, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if target.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut target);
        }
        if let Some(text) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (first, last) = text.trim().split_once('-').unwrap_or_default();
            range = first.parse::<usize>().ok().map(|first| (first, last.parse::<usize>().ok()));
        }
    }
    let (elapsed, mut writer) = (world.began.elapsed().as_secs(), stream);
    let is_silent = match world.case.fault {
        Fault::Hangup(seconds) => !is_hub && elapsed < seconds,
        _ => is_hub && elapsed < world.case.hub_off_s,
    };
    if is_silent || world.is_away() {
        return stream.shutdown(Shutdown::Both);
    }
    if let Fault::Status(seconds, status, header) = world.case.fault
        && !is_hub
        && elapsed < seconds
    {
        return write!(writer, "HTTP/1.1 {status} X\r\nConnection: close\r\n{}Content-Length: 0\r\n\r\n", header());
    }
    if target.ends_with("/health") {
        let body = r#"{"app":"comfy-hub","version":"0"}"#;
        return write!(writer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
    let is_list = target.ends_with("/groups");
    let bytes = if is_list { &world.list } else { &world.content };
    let (from, to) = range.map_or((0, bytes.len()), |(from, last)| (from, last.map_or(bytes.len(), |last| last + 1)));
    let head = match range {
        Some(_) => format!("206 X\r\nContent-Range: bytes {from}-{}/{}", to - 1, bytes.len()),
        None => "200 OK".to_owned(),
    };
    write!(writer, "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", to - from)?;
    let mut sent = 0;
    for piece in bytes[from..to].chunks(if world.case.hub_speed < u64::MAX { 1 << 10 } else { 64 << 10 }) {
        let n_bytes = piece.len() as u64;
        if world.is_away() || matches!(world.case.fault, Fault::Cut(most) if !is_hub && sent + n_bytes > most) {
            return stream.shutdown(Shutdown::Both);
        }
        if is_hub {
            world.wait_for_turn(n_bytes);
        }
        writer.write_all(piece)?;
        sent += n_bytes;
        match is_hub {
            true if !is_list => drop(world.hub_sent.fetch_add(n_bytes, Ordering::Relaxed)),
            true => {}
            false => {
                world.note_sent(n_bytes);
                // No faster than a real line, so that it is still at work when the plug is pulled.
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    Ok(())
}
