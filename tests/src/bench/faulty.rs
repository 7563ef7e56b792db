//! A server of one file that fails in one way, and the stand-in for the hub that serves a group list.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use shared_protocol::GroupList;

const MIB: u64 = 1 << 20;

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first answer stops after 8 MiB, and the connection stays open.
    Stall,
    /// Every answer stops after 8 MiB, and the connection stays open.
    StallForEver,
    /// The first answer is cut after 8 MiB.
    Truncate,
    /// Behind the 16th MiB bytes are wrong.
    Lie,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stall, Self::StallForEver, Self::Truncate, Self::Lie];

    /// As in a sentence that begins with the source.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stall => "stalls at first",
            Self::StallForEver => "stalls always",
            Self::Truncate => "breaks off at first",
            Self::Lie => "lies",
        }
    }

    /// After how many bytes an answer ends or stops, and whether it stops.
    const fn cut(self, n_before: u64) -> Option<(u64, bool)> {
        match (self, n_before) {
            (Self::Stall, 0) | (Self::StallForEver, _) => Some((8 * MIB, true)),
            (Self::Truncate, 0) => Some((8 * MIB, false)),
            _ => None,
        }
    }
}

enum What {
    File(File, u64),
    Bytes(Vec<u8>),
}

/// The server; its thread ends when it goes out of scope.
pub struct Faulty {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl Faulty {
    /// Serves a file.
    pub fn start(file: &Path, kind: Option<Kind>) -> Result<Self> {
        let file = File::open(file)?;
        let size = file.metadata()?.len();
        Self::serve(What::File(file, size), kind)
    }

    /// Serves a group list, whatever is asked for.
    pub fn hub(list: &GroupList) -> Result<Self> {
        Self::serve(What::Bytes(list.to_bytes()), None)
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn serve(what: What, kind: Option<Kind>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { port: listener.local_addr()?.port(), is_over: Arc::default() };
        let (is_over, what, n_answers) = (Arc::clone(&server.is_over), Arc::new(what), Arc::new(AtomicU64::new(0)));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (what, n_answers, is_over) = (Arc::clone(&what), Arc::clone(&n_answers), Arc::clone(&is_over));
                // A client that went away is no error here.
                std::thread::spawn(move || answer(socket, &what, kind, &n_answers, &is_over).ok());
            }
        });
        Ok(server)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread, so that it sees that.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn answer(
    socket: TcpStream,
    what: &What,
    kind: Option<Kind>,
    n_answers: &AtomicU64,
    is_over: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket);
    let mut range = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (first, last) = text.trim().split_once('-').unwrap_or_default();
            range = first.parse::<u64>().ok().map(|first| (first, last.parse::<u64>().ok()));
        }
    }
    let mut socket = reader.into_inner();
    let (file, size) = match what {
        What::File(file, size) => (file, *size),
        What::Bytes(bytes) => {
            write!(socket, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
            return socket.write_all(bytes);
        }
    };
    let (from, to) = range.map_or((0, size), |(from, last)| (from, last.map_or(size, |last| (last + 1).min(size))));
    let status = if range.is_some() {
        format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{size}", to.saturating_sub(1))
    } else {
        "200 OK".to_owned()
    };
    write!(
        socket,
        "HTTP/1.1 {status}\r\nConnection: close\r\nETag: \"one\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
        to.saturating_sub(from)
    )?;
    let cut = kind.and_then(|kind| kind.cut(n_answers.fetch_add(1, Ordering::Relaxed)));
    send(&mut socket, file, from, to.min(cut.map_or(to, |(n_bytes, _)| from + n_bytes)), kind == Some(Kind::Lie))?;
    while cut.is_some_and(|(_, stalls)| stalls) && !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}

fn send(socket: &mut impl Write, file: &File, from: u64, to: u64, lies: bool) -> std::io::Result<()> {
    let mut block = vec![0; 1 << 18];
    let mut at = from;
    while at < to {
        let n = block.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
        let bytes = &mut block[..n];
        file.read_exact_at(bytes, at)?;
        if lies && at >= 16 * MIB {
            bytes[0] ^= 1;
        }
        socket.write_all(bytes)?;
        at += n as u64;
    }
    Ok(())
}
