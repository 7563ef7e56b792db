//! The jobs on disk, so that a job that was accepted is done and a result is told, whatever happens to the agent
//! between.
//!
//! One file that only grows: each line says that a job was taken, how it ended, or that it is forgotten. What several
//! jobs have to say goes out with one write and one sync, so that ten thousand small jobs cost no more each than ten.
//! When most of it is of the past it is written anew, as a whole ([`durable`]). A line that was cut off in the end is
//! none: what it would have said was never answered for. Tokens never come into it: an order that had some is marked,
//! and waits for the hub to assign it again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use shared_io::FileError;
use shared_io::durable;
use shared_protocol::JobId;
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::job::{AssetSource, JobSpec};
use shared_protocol::outcome::Outcome;

/// Name of the file in the folder of jobs.
const FILE: &str = "journal.jsonl";

/// Below this length the file is never written anew.
const LEAST_REWRITTEN: u64 = 1 << 20;

/// It is written anew when it is so many times as long as what still counts.
const REWRITTEN_AT: u64 = 4;

/// One job as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which try of which job.
    #[serde(flatten)]
    pub job: JobRef,
    /// When it was taken, as a number that only grows: jobs are done in this order.
    pub order: u64,
    /// What to do, without tokens.
    pub spec: JobSpec,
    /// Whether there were tokens.
    #[serde(default)]
    pub had_tokens: bool,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Record {
    /// Takes an order, and leaves its tokens out.
    pub fn new(job: JobRef, order: u64, mut spec: JobSpec) -> Self {
        let had_tokens = strip_tokens(&mut spec);
        Self { job, order, spec, had_tokens, outcome: None }
    }
}

/// Takes the tokens out of an order; tells whether there were any.
fn strip_tokens(spec: &mut JobSpec) -> bool {
    let order = match spec {
        JobSpec::AssetDownload(order) => order,
        JobSpec::ComfyGitClone(_) | JobSpec::Unknown => return false,
    };
    let mut had_tokens = false;
    for source in &mut order.sources {
        match source {
            AssetSource::Public { bearer, .. } => had_tokens |= bearer.take().is_some(),
            AssetSource::Hub | AssetSource::Unknown => {}
        }
    }
    had_tokens
}

/// One thing to be noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A job was taken, or replaced by a later try.
    Taken(Box<Record>),
    /// It ended.
    Ended {
        /// Which try.
        job: JobRef,
        /// How.
        outcome: Box<Outcome>,
    },
    /// The hub has its result.
    Forgotten(JobId),
}

/// The folder of jobs; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Open once something was read or written.
    file: Option<File>,
    length: u64,
    live: BTreeMap<JobId, Record>,
}

impl Journal {
    /// Takes an existing folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, state: Arc::default() }
    }

    /// Notes all of it; it is on the disk when this returns. What only forgets need not be.
    pub fn note(&self, notes: &[Note]) -> Result<(), FileError> {
        let mut state = self.state();
        if state.file.is_none() {
            self.load(&mut state)?;
        }
        let path = self.path();
        if !path.exists() {
            // Someone removed it: what is written to it would be lost.
            self.rewrite(&mut state)?;
        }
        let mut text = Vec::new();
        for note in notes {
            serde_json::to_writer(&mut text, note).map_err(|error| FileError::of("write", &path)(error.into()))?;
            text.push(b'\n');
        }
        let is_synced = notes.iter().any(|note| !matches!(note, Note::Forgotten(_)));
        let Some(file) = &mut state.file else { return Ok(()) };
        let written = file.write_all(&text).and_then(|()| if is_synced { durable::sync_bytes(file) } else { Ok(()) });
        if let Err(error) = written {
            // Half a line must not run into the next one.
            let length = state.length;
            drop(state.file.as_ref().map(|file| file.set_len(length)));
            return Err(FileError::of("write", &path)(error));
        }
        state.length += text.len() as u64;
        for note in notes {
            apply(&mut state.live, note.clone());
        }
        self.rewrite_if_long(&mut state)
    }

    /// Writes a job down; it is on the disk when this returns.
    pub fn keep(&self, record: &Record) -> Result<(), FileError> {
        self.note(&[Note::Taken(Box::new(record.clone()))])
    }

    /// Forgets a job.
    pub fn forget(&self, job: JobId) -> Result<(), FileError> {
        self.note(&[Note::Forgotten(job)])
    }

    /// Reads all jobs, oldest first. What can't be read is passed over: the hub assigns it again.
    pub fn read(&self) -> Result<Vec<Record>, FileError> {
        let mut state = self.state();
        self.load(&mut state)?;
        let mut records: Vec<Record> = state.live.values().cloned().collect();
        records.sort_by_key(|record| record.order);
        Ok(records)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, state: &mut State) -> Result<(), FileError> {
        let path = self.path();
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(FileError::of("open", &path))?;
        let text = fs::read(&path).map_err(FileError::of("read", &path))?;
        let mut live = BTreeMap::new();
        let mut length = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            length += line.len() as u64;
            match serde_json::from_slice::<Note>(line) {
                Ok(note) => apply(&mut live, note),
                Err(error) => tracing::warn!("a line of {} can't be read and is passed over: {error}", path.display()),
            }
        }
        // Cut off by a kill or a power cut, before anyone was answered.
        file.set_len(length).map_err(FileError::of("cut", &path))?;
        let old = self.old_records(&live);
        live.extend(old.iter().map(|(_, record)| (record.job.job, record.clone())));
        *state = State { file: Some(file), length, live };
        if !old.is_empty() {
            self.rewrite(state)?;
            for (path, _) in old {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Jobs as earlier versions kept them, a file each. Whatever else lies there is someone's.
    fn old_records(&self, live: &BTreeMap<JobId, Record>) -> Vec<(PathBuf, Record)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let read = |path: PathBuf| {
            let id: JobId = path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok()?;
            let record: Record = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            let is_job = record.job.job == id && record.spec != JobSpec::Unknown && !live.contains_key(&id);
            is_job.then_some((path, record))
        };
        entries.filter_map(|entry| read(entry.path())).collect()
    }

    fn rewrite_if_long(&self, state: &mut State) -> Result<(), FileError> {
        if state.length < LEAST_REWRITTEN {
            return Ok(());
        }
        let live: usize = state.live.values().map(|record| line_of(record).len()).sum();
        if state.length < REWRITTEN_AT * live as u64 { Ok(()) } else { self.rewrite(state) }
    }

    /// Writes what counts, and nothing else.
    fn rewrite(&self, state: &mut State) -> Result<(), FileError> {
        let path = self.path();
        let text: Vec<u8> = state.live.values().flat_map(line_of).collect();
        durable::replace(&path, &text)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(FileError::of("open", &path))?;
        (state.file, state.length) = (Some(file), text.len() as u64);
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

fn line_of(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Note::Taken(Box::new(record.clone()))).unwrap_or_default();
    line.push(b'\n');
    line
}

fn apply(live: &mut BTreeMap<JobId, Record>, note: Note) {
    match note {
        Note::Taken(record) if record.spec == JobSpec::Unknown => {}
        Note::Taken(record) => {
            live.insert(record.job.job, *record);
        }
        Note::Ended { job, outcome } => {
            if let Some(record) = live.get_mut(&job.job).filter(|record| record.job == job) {
                record.outcome = Some(*outcome);
            }
        }
        Note::Forgotten(job) => {
            live.remove(&job);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::job::{AssetDownload, Bearer, SourcePolicy};
    use shared_protocol::{Blake3, RelPath, Secret};

    use super::*;

    fn record(order: u64) -> Record {
        let bearer = Bearer { host: "huggingface.co".to_owned(), token: Secret::new("hf_verysecret".to_owned()) };
        let spec = JobSpec::AssetDownload(AssetDownload {
            blake3: Blake3::from_bytes([7; 32]),
            size_bytes: 5,
            dest: RelPath::parse("loras/x.safetensors").unwrap(),
            sources: vec![
                AssetSource::Public { url: "https://huggingface.co/x".to_owned(), bearer: Some(bearer) },
                AssetSource::Hub,
            ],
            policy: SourcePolicy {
                stall_timeout_s: 30,
                min_speed: 1,
                retry_per_source: 3,
                source_patience_s: 0,
                allow_private: false,
            },
        });
        Record::new(JobRef { job: JobId::new(), attempt: 2 }, order, spec)
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        (folder, journal)
    }

    #[test]
    fn jobs_come_back_in_their_order_until_they_are_forgotten() {
        let (_folder, journal) = journal();
        let (later, mut earlier) = (record(2), record(1));
        journal.keep(&later).unwrap();
        journal.keep(&earlier).unwrap();
        earlier.outcome = Some(Outcome::Cancelled {});
        journal.keep(&earlier).unwrap();
        assert_eq!(journal.read().unwrap(), [earlier.clone(), later.clone()]);
        journal.forget(earlier.job.job).unwrap();
        journal.forget(earlier.job.job).unwrap();
        assert_eq!(journal.read().unwrap(), [later]);
    }

    #[test]
    fn no_token_reaches_the_disk() {
        let (folder, journal) = journal();
        let record = record(1);
        assert!(record.had_tokens);
        journal.keep(&record).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(text.contains("huggingface.co/x") && !text.contains("hf_"), "{text}");
        }
    }

    #[test]
    fn a_file_torn_at_any_byte_harms_no_other_job() {
        let (folder, first) = journal();
        let whole = record(1);
        first.keep(&whole).unwrap();
        let before = fs::read(first.path()).unwrap();
        first.keep(&record(2)).unwrap();
        let text = fs::read(first.path()).unwrap();
        for n in before.len()..text.len() {
            fs::write(first.path(), &text[..n]).unwrap();
            let again = Journal::new(folder.path().to_owned());
            assert_eq!(again.read().unwrap(), std::slice::from_ref(&whole), "torn at {n}");
            let later = record(3);
            again.keep(&later).unwrap();
            let read = Journal::new(folder.path().to_owned()).read().unwrap();
            assert_eq!(read, [whole.clone(), later], "torn at {n}");
        }
    }

    #[test]
    fn what_is_written_does_not_grow_with_what_was_done() {
        let (folder, journal) = journal();
        let n_bytes = || fs::metadata(journal.path()).unwrap().len();
        for order in 0..5_000 {
            let mut record = record(order);
            journal.keep(&record).unwrap();
            record.outcome = Some(Outcome::Cancelled {});
            let (job, outcome) = (record.job, Box::new(Outcome::Cancelled {}));
            journal.note(&[Note::Ended { job, outcome }, Note::Forgotten(job.job)]).unwrap();
            assert!(n_bytes() < LEAST_REWRITTEN + 4_000, "{}", n_bytes());
        }
        assert_eq!(Journal::new(folder.path().to_owned()).read().unwrap(), []);
    }

    #[test]
    fn the_files_of_an_earlier_version_are_taken_over_and_others_left_alone() {
        let (folder, journal) = journal();
        let old = record(4);
        let path = folder.path().join(format!("{}.json", old.job.job));
        fs::write(&path, serde_json::to_vec(&old).unwrap()).unwrap();
        let theirs = [folder.path().join("notes.json"), folder.path().join(format!("{}.json", JobId::new()))];
        for file in &theirs {
            fs::write(file, "{}").unwrap();
        }
        assert_eq!(journal.read().unwrap(), std::slice::from_ref(&old));
        assert!(!path.exists() && theirs.iter().all(|file| file.exists()));
        assert_eq!(Journal::new(folder.path().to_owned()).read().unwrap(), [old]);
    }
}
