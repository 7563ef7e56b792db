//! The list of a content's groups: asked for beside everything else, until it is there or the hub says that it has
//! none. That the hub can't be reached, or that the list breaks off on a slow line, decides nothing: what came of it is
//! gone on from.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use shared_protocol::groups::GROUP_BYTES;
use shared_protocol::{Blake3, GroupList};
use tokio::task::JoinSet;

use super::attempt_error::{AttemptError, Consequence};
use super::part::PartFile;
use super::{Download, DownloadError};
use crate::hub_api::{HubApi, HubError};

/// Lists in a row that are of another content, after which the hub has none.
const MOST_WRONG: u32 = 5;

/// A list that is on its way, or known not to come.
pub(super) struct ListRequest {
    asking: JoinSet<Result<Option<GroupList>, DownloadError>>,
    known: Option<GroupList>,
}

impl ListRequest {
    /// Begins to ask, if there is one to ask for.
    pub(super) fn start(download: &Arc<Download>, part: &Arc<PartFile>) -> Self {
        let mut asking = JoinSet::new();
        let is_of_one_group = download.order.size_bytes <= GROUP_BYTES;
        let known = if is_of_one_group { None } else { part.stored_groups() };
        if let Some(hub) = &download.tools.hub
            && let Some(blake3) = download.order.expected.blake3()
            && known.is_none()
            && !is_of_one_group
        {
            asking.spawn(ask(Arc::clone(download), Arc::clone(part), hub.clone(), blake3));
        }
        Self { asking, known }
    }

    /// Whether it may still come.
    pub(super) fn is_pending(&self) -> bool {
        !self.asking.is_empty()
    }

    /// Waits for it; none if there is none.
    pub(super) async fn wait(&mut self) -> Result<Option<GroupList>, DownloadError> {
        match self.asking.join_next().await {
            Some(Ok(asked)) => self.known = asked?,
            Some(Err(_)) => return Err(DownloadError::GivenUp),
            None => {}
        }
        Ok(self.known.take())
    }

    /// [`Self::wait`] for so long; the outer none if it has not come by then.
    pub(super) async fn within(&mut self, time: Duration) -> Result<Option<Option<GroupList>>, DownloadError> {
        tokio::time::timeout(time, self.wait()).await.ok().transpose()
    }
}

/// Asks until there is an answer.
async fn ask(
    download: Arc<Download>,
    part: Arc<PartFile>,
    hub: HubApi,
    content: Blake3,
) -> Result<Option<GroupList>, DownloadError> {
    let patience = download.tools.patience;
    let delays =
        ExponentialBuilder::default().with_min_delay(patience.first_delay).with_max_delay(patience.longest_delay);
    let mut delays = delays.with_jitter().without_max_times().build();
    let (mut came, mut n_wrong) = (Vec::new(), 0);
    loop {
        let before = came.len();
        let size_bytes = download.order.size_bytes;
        let error = match hub.groups(&content, size_bytes, &mut came, download.stall()).await {
            Ok(list) => {
                if let Some(list) = &list {
                    part.store_groups(list).or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })?;
                } else {
                    download.report.warn("The hub has no list of its parts: it is verified as a whole at the end.");
                }
                return Ok(list);
            }
            Err(HubError::Refused(refusal)) => match AttemptError::of_refusal(refusal) {
                AttemptError { consequence: Consequence::SessionOver(refusal), .. } => {
                    return Err(DownloadError::SessionOver(refusal));
                }
                error if matches!(error.consequence, Consequence::OutOfReach | Consequence::Retry) => error.detail,
                _ => return Ok(None),
            },
            Err(HubError::Unusable(why)) => {
                n_wrong += 1;
                came.clear();
                if n_wrong >= MOST_WRONG {
                    download.report.warn(format!("The hub's list of its parts is of no use: {why}."));
                    return Ok(None);
                }
                why
            }
            Err(error) => error.to_string(),
        };
        if came.len() > before {
            continue;
        }
        let delay = delays.next().unwrap_or(patience.longest_delay);
        download
            .report
            .info(format!("No list of its parts yet: {error}; asked again in {} s.", delay.as_secs_f64().ceil()));
        tokio::time::sleep(delay).await;
    }
}
