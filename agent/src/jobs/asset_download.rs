//! `ASSET_DOWNLOAD`: one content at one place. What is there already is not fetched.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_io::PlaceError;
use shared_io::download::{Download, DownloadError, DownloadTools, PartFile, blocking, outcome_of};
use shared_protocol::job::{AssetDownload, JobPhase};
use shared_protocol::outcome::{How, Outcome, SourceReport};
use shared_protocol::{Blake3, RelPath};

use crate::dispatcher::work::JobContext;
use crate::library::Library;

/// How often a place is looked at that someone else works on.
const OCCUPIED: Duration = Duration::from_millis(200);

/// Contents from this size on are linked rather than copied.
const LEAST_LINKED: u64 = 1 << 20;

/// One job: a download, and what is known of the files that are there.
struct Asset {
    download: Arc<Download>,
    library: Library,
    blake3: Blake3,
}

/// Does the job.
pub async fn asset_download(
    order: AssetDownload,
    context: JobContext,
    tools: DownloadTools,
    library: Library,
) -> Outcome {
    let began = Instant::now();
    let blake3 = order.blake3;
    let asset = Asset { download: Download::new(order, tools, context.cancel, context.report), library, blake3 };
    let mut sources = Vec::new();
    let result = asset.bring(&mut sources).await;
    outcome_of(result, sources, began)
}

impl Asset {
    async fn bring(&self, sources: &mut Vec<SourceReport>) -> Result<How, DownloadError> {
        let download = &self.download;
        download.report.update(|state| {
            state.phase = JobPhase::Verifying;
            state.bytes_total = Some(download.order.size_bytes);
        });
        // Whoever works on the same place may be about to finish it, so what is there is looked at every time.
        let part = loop {
            if let Some(how) = self.already_there().await? {
                return Ok(how);
            }
            let opening = Arc::clone(download);
            if let Some(part) = blocking(move || opening.open_part()).await? {
                break Arc::new(part);
            }
            tokio::select! {
                () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
                () = tokio::time::sleep(OCCUPIED) => {}
            }
        };
        let how = match self.get(part, sources).await {
            // Someone was faster, another machine on the same disk for one: what it has brought there may be right.
            Err(error @ DownloadError::Disk(_)) => match self.already_there().await {
                Ok(Some(how)) => how,
                _ => return Err(error),
            },
            other => other?,
        };
        let (library, dest, blake3) = self.known();
        blocking(move || library.learn(&dest, blake3)).await?;
        Ok(how)
    }

    async fn get(&self, part: Arc<PartFile>, sources: &mut Vec<SourceReport>) -> Result<How, DownloadError> {
        if let Some(how) = self.elsewhere(&part).await? {
            return Ok(how);
        }
        self.download.fetch(part, sources).await?;
        Ok(How::Downloaded)
    }

    fn known(&self) -> (Library, RelPath, Blake3) {
        (self.library.clone(), self.download.order.dest.clone(), self.blake3)
    }

    /// Whether the content is at its place; another one there is an error.
    async fn already_there(&self) -> Result<Option<How>, DownloadError> {
        let (library, dest, blake3) = self.known();
        let (size, cancel) = (self.download.order.size_bytes, self.download.cancel.clone());
        blocking(move || {
            let Some(found) = library.size_of(&dest)? else { return Ok(None) };
            if found == size && library.content_of(&dest, &|| cancel.is_cancelled())? == blake3 {
                return Ok(Some(How::AlreadyThere));
            }
            Err(DownloadError::from(PlaceError::Occupied(dest.as_str().into())))
        })
        .await
    }

    /// Looks for the same content elsewhere below the folder, and links it. On another disk, or one without links,
    /// it is copied and verified on the way.
    async fn elsewhere(&self, part: &Arc<PartFile>) -> Result<Option<How>, DownloadError> {
        let (library, dest, blake3) = self.known();
        let Download { tools, order, cancel, report, .. } = &*self.download;
        let (models, size, stop) = (tools.models.clone(), order.size_bytes, cancel.clone());
        if size == 0 && blake3.as_bytes() == ::blake3::hash(b"").as_bytes() {
            let part = Arc::clone(part);
            blocking(move || part.empty().map_err(PlaceError::from).and_then(|()| part.finish())).await?;
            return Ok(Some(How::Copied));
        }
        let twin = blocking(move || {
            let twin = library.find(&blake3, size, &dest, &|| stop.is_cancelled());
            twin.map(|twin| Ok::<_, PlaceError>((models.resolve(&twin)?, twin))).transpose()
        })
        .await?;
        if cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        let Some((from, twin)) = twin else { return Ok(None) };
        report.info(format!("The same content is at {:?} already.", twin.as_str()));
        let (part, stop) = (Arc::clone(part), cancel.clone());
        let how = blocking(move || {
            if is_worth_a_link(size) && fs::hard_link(&from, part.dest()).is_ok() {
                part.discard()?;
                return Ok(Some(How::Linked));
            }
            Ok::<_, PlaceError>(part.fill_from(&from, &|| stop.is_cancelled())?.then_some(How::Copied))
        })
        .await;
        match how {
            // Fetching knows how to wait for room.
            Err(DownloadError::Disk(error)) if error.is_full() => Ok(None),
            other => other,
        }
    }
}

/// Whether a content is worth a second name of a file. What is smaller takes no room to speak of, and files
/// that hold the same by chance, as empty ones do, would change together from then on.
const fn is_worth_a_link(size_bytes: u64) -> bool {
    size_bytes >= LEAST_LINKED
}
