//! The log: `agent.log` in the folder of state, and one older file beside it, so that it never fills a
//! small disk. Keys and tokens are taken out of every line, wherever they came from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use shared_io::FileError;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, filter, fmt};

/// Name of the newest file.
pub const FILE: &str = "agent.log";

/// Size at which a file is put aside.
const MAX_BYTES: u64 = 2 << 20;

/// What a secret begins with, and which characters it goes on with.
const SECRETS: &[&str] = &["chk_", "hf_", "Bearer ", "token=", "key="];

/// Starts logging; to the terminal too, if there is one.
pub fn start(folder: &Path) -> Result<(), FileError> {
    let rolling = Rolling::open(folder.join(FILE), MAX_BYTES)?;
    let ours = || {
        let targets = ["agent", "shared_io"].map(|target| (target, Level::DEBUG));
        filter::Targets::new().with_targets(targets).with_default(LevelFilter::WARN)
    };
    let file = fmt::layer().with_ansi(false).with_target(false).with_writer(rolling).with_filter(ours());
    let terminal = io::stderr().is_terminal().then(|| {
        let make = || Redacting(io::stderr());
        fmt::layer().with_ansi(false).with_target(false).with_writer(make).with_filter(LevelFilter::INFO)
    });
    // A second start in one process, in tests, keeps the first log.
    tracing_subscriber::registry().with(file).with(terminal).try_init().ok();
    Ok(())
}

/// A file that is put aside when it is long.
#[derive(Debug, Clone)]
struct Rolling(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl Rolling {
    fn open(path: PathBuf, max_bytes: u64) -> Result<Self, FileError> {
        let wrong = FileError::of("open the log", &path);
        let file = append(&path).map_err(&wrong)?;
        let bytes = file.metadata().map_err(&wrong)?.len();
        drop(wrong);
        Ok(Self(Arc::new(Mutex::new(Open { path, file, bytes, max_bytes }))))
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Open {
    fn roll(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for &Rolling {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes >= open.max_bytes {
            open.roll()?;
        }
        let clean = redact(&String::from_utf8_lossy(line));
        open.file.write_all(clean.as_bytes())?;
        open.bytes += u64::try_from(clean.len()).unwrap_or(0);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Rolling {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Takes secrets out of what is written. The subscriber writes whole lines.
struct Redacting<W>(W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redact(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text without what looks like a secret.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, begin)) =
        SECRETS.iter().filter_map(|begin| rest.find(begin).map(|at| (at, *begin))).min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at(at + begin.len());
        clean.push_str(before);
        let length =
            after.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.~+/=%".contains(c))).unwrap_or(after.len());
        if length > 0 {
            clean.push('…');
        }
        rest = after.get(length..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let key = format!("chk_{}", "ab".repeat(32));
        for (text, clean) in [
            (format!("started with {key}, hub x"), "started with chk_…, hub x".to_owned()),
            (format!("{key}{key}"), "chk_…".to_owned()),
            ("Authorization: Bearer abc.def-1 and more".to_owned(), "Authorization: Bearer … and more".to_owned()),
            ("https://x/y?token=abc&key=d".to_owned(), "https://x/y?token=…&key=…".to_owned()),
            ("nothing to hide: ü".to_owned(), "nothing to hide: ü".to_owned()),
        ] {
            assert_eq!(redact(&text), clean);
        }
    }

    #[test]
    fn the_log_takes_bounded_room() {
        let folder = tempfile::tempdir().unwrap();
        let rolling = Rolling::open(folder.path().join(FILE), 1_000).unwrap();
        for i in 0..500 {
            (&rolling).write_all(format!("line {i} chk_{}\n", "0".repeat(64)).as_bytes()).unwrap();
        }
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        let texts: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert!(texts.len() < 2_200 && texts.contains("line 499 chk_…\n") && !texts.contains("000"), "{texts}");
    }
}
