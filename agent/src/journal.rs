//! The jobs on disk: one small file each, so that a job that was accepted is done and a result is told,
//! whatever happens to the agent between.
//!
//! A file is replaced whole and synced ([`durable`]). Tokens never come into it: an order that had
//! some is marked, and waits for the hub to assign it again.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared_io::FileError;
use shared_io::durable::{self, TEMPORARY};
use shared_protocol::JobId;
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::job::{AssetSource, JobSpec};
use shared_protocol::outcome::Outcome;

/// What a file that can't be read is renamed to: someone may want to look at it.
const UNREADABLE: &str = "unreadable";

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

/// The folder of jobs.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Takes an existing folder.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes a job; it is on the disk when this returns.
    pub fn keep(&self, record: &Record) -> Result<(), FileError> {
        let text = serde_json::to_vec(record).unwrap_or_default();
        durable::replace(&self.path(record.job.job), &text)
    }

    /// Forgets a job.
    pub fn forget(&self, job: JobId) -> Result<(), FileError> {
        durable::remove(&self.path(job))
    }

    /// Reads all jobs, oldest first. What can't be read is put aside: the hub assigns it again.
    pub fn read(&self) -> Result<Vec<Record>, FileError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(FileError::of("list", &self.folder))? {
            let path = entry.map_err(FileError::of("list", &self.folder))?.path();
            match path.extension().and_then(OsStr::to_str) {
                Some("json") => {}
                Some(TEMPORARY) => {
                    durable::remove(&path)?;
                    continue;
                }
                _ => continue,
            }
            let text = fs::read(&path).map_err(FileError::of("read", &path))?;
            match serde_json::from_slice::<Record>(&text) {
                Ok(record) if record.spec != JobSpec::Unknown && self.path(record.job.job) == path => {
                    records.push(record);
                }
                _ => {
                    tracing::warn!("the job in {} can't be read and is put aside", path.display());
                    let aside = path.with_extension(UNREADABLE);
                    fs::rename(&path, &aside).map_err(FileError::of("put aside", &path))?;
                }
            }
        }
        records.sort_by_key(|record| record.order);
        Ok(records)
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.folder.join(format!("{job}.json"))
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
        let (_folder, journal) = journal();
        let whole = record(1);
        journal.keep(&whole).unwrap();
        let torn = record(2);
        let text = serde_json::to_vec(&torn).unwrap();
        for n in 0..text.len() {
            fs::write(journal.path(torn.job.job), &text[..n]).unwrap();
            let read = journal.read().unwrap();
            assert!(read.len() == 1 && read.first() == Some(&whole), "torn at {n}");
        }
        fs::write(journal.path(torn.job.job).with_extension("json.tmp"), &text[..9]).unwrap();
        assert_eq!(journal.read().unwrap(), [whole]);
    }
}
