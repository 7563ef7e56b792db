//! Looking at the file behind an address that nothing proves: what the site names, its size, and a range of its data
//! beside ours.

use std::ops::Range;

use lookups::{Probe, admit, probed_range};
use shared_protocol::{Blake3, RelPath};

use super::round::{Round, Unproved};
use super::{Discovering, Sources};
use crate::domain::root::Root;
use crate::fs::FileStamp;
use crate::fs::head::LENGTH_BYTES;
use crate::fs::served::ServedFile;
use crate::services::ServiceError;
use crate::services::background::Job;
use crate::services::sources::probe::fetch_range;
use crate::storage::index;

/// Addresses that are looked at in one run.
const MOST: usize = 1_000;

/// Our own bytes of a range, and where the data of the file begin.
struct OwnRange {
    range: Range<u64>,
    data_from: u64,
    bytes: Vec<u8>,
}

impl Discovering {
    pub(super) async fn probe_all(&self, round: &mut Round, job: &Job<Self>) -> Result<(), ServiceError> {
        for Unproved { at, mut claim } in round.take_unproved().into_iter().take(MOST) {
            if job.progress.cancel.is_cancelled() {
                break;
            }
            let Some(one) = round.sought.get(at) else { continue };
            let content = one.content();
            let Some(own) = self.sources.own_range(one.of.hash).await? else { continue };
            let config = self.sources.settings.current();
            let range = own.range.start..=own.range.end - 1;
            round.count_probe(&claim);
            let Ok((answer, bytes)) = fetch_range(&self.sources.outbound, &config, &claim.url, range).await else {
                continue;
            };
            claim.sha256 = claim.sha256.or(answer.linked_sha256);
            let probe = answer.total_bytes.filter(|_| !bytes.is_empty()).map(|total_bytes| Probe {
                total_bytes,
                offset: own.range.start,
                n_bytes: bytes.len() as u64,
                data_from: own.data_from,
                is_equal: own.bytes.starts_with(&bytes),
            });
            if let Ok(entry) = admit(&content, &claim, probe.as_ref()) {
                round.admitted(at, entry);
                self.write(round, job).await?;
            }
        }
        Ok(())
    }
}

impl Sources {
    /// Reads a range of the data of a content from one of its files, if one can be reached and is as it is known.
    async fn own_range(&self, hash: Blake3) -> Result<Option<OwnRange>, ServiceError> {
        let Some(content) = self.content(hash).await? else { return Ok(None) };
        for (root, path) in content.files {
            if let Some(own) = self.range_of(root, path, hash).await? {
                return Ok(Some(own));
            }
        }
        Ok(None)
    }

    async fn range_of(&self, root: Root, path: RelPath, hash: Blake3) -> Result<Option<OwnRange>, ServiceError> {
        let Ok(live) = self.roots.live(root) else { return Ok(None) };
        let (row, asked) = (live.row, path.clone());
        let known = self.database.read(move |connection| index::file_at(connection, row, &asked)).await?;
        let Some(known) = known.filter(|file| file.hash == Some(hash)) else { return Ok(None) };
        let stamp = FileStamp::known(known.size_bytes, known.modified, known.identity);
        // Not awaited by the end of the program: it may hang in the system for minutes.
        let reading = tokio::task::spawn_blocking(move || {
            let mut file = ServedFile::open(&live.dir, &path, stamp).ok()?;
            let data_from = data_from(&mut file, &path, stamp.size_bytes);
            let range = probed_range(stamp.size_bytes, data_from)?;
            let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
            file.read_at(range.start, &mut bytes).ok()?;
            Some(OwnRange { range, data_from, bytes })
        });
        Ok(reading.await.ok().flatten())
    }
}

/// Where the data of a file begin: behind the header of safetensors, by its length; of other formats, whose headers
/// have no such mark, the first half counts as header.
fn data_from(file: &mut ServedFile, path: &RelPath, size_bytes: u64) -> u64 {
    let mut length = [0; 8];
    let is_safetensors = path.name().to_ascii_lowercase().ends_with(".safetensors");
    if is_safetensors && size_bytes >= LENGTH_BYTES && file.read_at(0, &mut length).is_ok() {
        let end = u64::from_le_bytes(length).saturating_add(LENGTH_BYTES);
        if end < size_bytes {
            return end;
        }
    }
    size_bytes / 2
}
