//! Reading and changing the Lake's file of addresses.

use std::sync::Arc;
use std::time::Duration;

use super::Sources;
use crate::domain::exclusion::SOURCES_FILE;
use crate::domain::failure::FailureClass;
use crate::domain::root::Root;
use crate::domain::sources::{SourcesError, SourcesFile};
use crate::fs::entry::{Entry, Folder, OpenRoot};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, FsError, RootDir, replace};
use crate::services::{ErrorKind, ServiceError};

/// A share that takes longer to answer keeps the reader waiting no further.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for one who changes something: the file is written twice and synced.
const PATIENCE_TO_WRITE: Duration = Duration::from_secs(30);

/// Tens of thousands of models have less.
const MAX_BYTES: u64 = 64 << 20;

/// Times that a change is made anew because others changed the file meanwhile.
const TRIES: u32 = 8;

/// The file as it was last read.
pub(super) struct Cached {
    dir: RootDir,
    stamp: FileStamp,
    file: Arc<SourcesFile>,
}

impl Sources {
    /// The file as it is now; an empty one if there is none.
    pub(super) async fn read(&self) -> Result<Arc<SourcesFile>, ServiceError> {
        let live = self.roots.live(Root::Lake)?;
        let this = self.clone();
        patiently(PATIENCE, move || this.read_blocking(&live.dir)).await
    }

    fn read_blocking(&self, dir: &RootDir) -> Result<Arc<SourcesFile>, ServiceError> {
        let there = OpenRoot::open(dir).and_then(|root| file_in(&root)).map_err(|error| trouble(&error))?;
        let stamp = there.stamp_if_there().map_err(|error| trouble(&error))?;
        let is_cached = |cached: &&Cached| Some(cached.stamp) == stamp && cached.dir == *dir;
        if let Some(cached) = self.cached.lock().as_ref().filter(is_cached) {
            return Ok(Arc::clone(&cached.file));
        }
        let Some(seen) = replace::read(&there, MAX_BYTES).map_err(|error| trouble(&error))? else {
            return Ok(Arc::default());
        };
        let file = Arc::new(SourcesFile::parse(&seen.bytes).map_err(|error| unusable(&error))?);
        let cached = Cached { dir: dir.clone(), stamp: seen.stamp, file: Arc::clone(&file) };
        *self.cached.lock() = Some(cached);
        Ok(file)
    }

    /// Changes the file: `change` is made to what is there now, and made again to what others wrote
    /// meanwhile. A file that can't be used is left as it is.
    pub(super) async fn edit<T: Send + 'static>(
        &self,
        change: impl Fn(&mut SourcesFile) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let live = self.roots.live(Root::Lake)?;
        if !live.writable {
            return Err(read_only());
        }
        let this = self.clone();
        patiently(PATIENCE_TO_WRITE, move || {
            let _alone = this.writing.lock();
            // The folder of a mount that is gone would take the file, and hide it.
            let root = this.roots.open_blocking(&live)?;
            let done = file_in(&root).map_err(|error| trouble(&error)).and_then(|file| edit_blocking(&file, &change));
            // Two changes within one tick of the disk's clock would look like one.
            *this.cached.lock() = None;
            done
        })
        .await
    }
}

fn file_in(root: &Arc<OpenRoot>) -> Result<Entry, FsError> {
    Ok(Folder::open(root, None)?.entry(SOURCES_FILE))
}

fn edit_blocking<T>(
    there: &Entry,
    change: &impl Fn(&mut SourcesFile) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    for _ in 0..TRIES {
        let seen = replace::read(there, MAX_BYTES).map_err(|error| trouble(&error))?;
        let mut file = match &seen {
            Some(seen) => SourcesFile::parse(&seen.bytes).map_err(|error| unusable(&error))?,
            None => SourcesFile::default(),
        };
        let before = file.to_bytes().map_err(|error| unusable(&error))?;
        let result = change(&mut file)?;
        let bytes = file.to_bytes().map_err(|error| unusable(&error))?;
        if bytes == before {
            return Ok(result);
        }
        match replace::replace(there, &bytes, seen.as_ref()) {
            Ok(()) => return Ok(result),
            Err(TouchError::Changed) => tracing::info!("the file of addresses was changed by others meanwhile"),
            Err(TouchError::Fs(error)) => return Err(trouble(&error)),
        }
    }
    let text = format!("{SOURCES_FILE} is being changed by another program all the time. Try again.");
    Err(ServiceError::said(ErrorKind::Conflict, text))
}

/// Not awaited by the end of the program: a dead share may hold it in the system for minutes.
async fn patiently<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let offline = |why: &str| ServiceError::Offline { root: Root::Lake, why: why.to_owned() };
    match tokio::time::timeout(patience, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(offline("the work on its file of addresses broke off")),
        Err(_) => Err(offline("it does not answer")),
    }
}

/// The file is there and not as it should be.
pub(super) fn unusable(error: &SourcesError) -> ServiceError {
    ServiceError::said(ErrorKind::Conflict, format!("{SOURCES_FILE} on the Lake can't be used: {error}."))
}

fn trouble(error: &FsError) -> ServiceError {
    match error.class() {
        FailureClass::PermissionDenied | FailureClass::ReadOnly => read_only(),
        FailureClass::DiskFull => ServiceError::said(
            ErrorKind::Impossible,
            format!("{SOURCES_FILE} can't be written: the Lake's disk is full. The file is as it was."),
        ),
        _ => ServiceError::Offline { root: Root::Lake, why: error.to_string() },
    }
}

fn read_only() -> ServiceError {
    let text = format!("{SOURCES_FILE} can't be written: the hub may not write to the Lake. Give it leave to, there.");
    ServiceError::said(ErrorKind::Impossible, text)
}
