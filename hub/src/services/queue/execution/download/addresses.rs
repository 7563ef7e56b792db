//! Where a download comes from and what it is to be, looked at when its turn has come.

use std::time::Duration;

use shared_io::download::Expected;
use shared_protocol::SourceUrl;
use shared_protocol::job::AssetSource;
use tokio::runtime::Handle;

use super::super::failure::AttemptError;
use crate::domain::sources::verdict::{ProbeAnswer, Wanted};
use crate::domain::sources::{CheckStatus, SourceVerdict};
use crate::domain::transfer::Failure;
use crate::services::queue::Queue;
use crate::storage::queue::outcome::Reason;
use crate::storage::queue::{TransferRow, downloads};

/// Addresses of one download.
const MOST: usize = 16;

/// Before a site is asked again that does not answer, or says that it was asked too often.
const PAUSE: Duration = Duration::from_mins(1);

/// Longest such time that a site may ask for.
const LONGEST: Duration = Duration::from_hours(1);

/// What is to be fetched.
pub(super) struct FoundAddresses {
    /// Best first.
    pub(super) sources: Vec<AssetSource>,
    pub(super) expected: Expected,
    pub(super) size_bytes: u64,
    /// Who has it.
    pub(super) host: String,
}

impl FoundAddresses {
    /// Whether a digest is known beforehand.
    pub(super) const fn is_verified(&self) -> bool {
        !matches!(self.expected, Expected::Tag(_))
    }
}

/// An address that nothing comes from.
struct Refused {
    host: String,
    verdict: SourceVerdict,
    /// How long the site wants to be left alone.
    pause: Option<Duration>,
}

pub(super) fn find(queue: &Queue, transfer: &TransferRow) -> Result<FoundAddresses, AttemptError> {
    let row = queue.database.read_blocking(|connection| downloads::of(connection, transfer.id))?;
    let flag = queue.live.flag(transfer.id);
    let look = async {
        let known = Wanted {
            size_bytes: Some(transfer.size_bytes).filter(|size| *size > 0),
            sha256: row.sha256,
            is_text: is_text(transfer.path.name()),
        };
        let (mut left, mut refused) = (addresses(queue, transfer, row.url.as_deref()).await?.into_iter(), Vec::new());
        while let Some(url) = left.next() {
            let (verdict, answer) = queue.downloads.sources.look(&url, &known).await;
            let host = url.web().host().to_owned();
            let size_bytes = answer.linked_size.or(answer.total_bytes).or(known.size_bytes);
            match (verdict.status, size_bytes) {
                (CheckStatus::Ok, Some(size_bytes)) => {
                    let sources = std::iter::once(url).chain(left).map(|url| queue.downloads.sources.source(&url));
                    let sources = sources.collect();
                    return Ok(FoundAddresses {
                        sources,
                        expected: expected(transfer, &known, answer),
                        size_bytes,
                        host,
                    });
                }
                (CheckStatus::Ok, None) => {
                    let verdict = SourceVerdict::new(CheckStatus::NotAFile, "The site does not tell how large it is");
                    refused.push(Refused { host, verdict, pause: None });
                }
                _ => refused.push(Refused { host, verdict, pause: answer.retry_after.map(Duration::from_secs) }),
            }
        }
        Err(trouble(&refused))
    };
    Handle::current().block_on(async {
        tokio::select! {
            found = look => found,
            () = until(|| flag.is_cancelled()) => Err(AttemptError::Stopped),
        }
    })
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The address that was named, then those that the library knows.
async fn addresses(queue: &Queue, transfer: &TransferRow, url: Option<&str>) -> Result<Vec<SourceUrl>, AttemptError> {
    let sources = &queue.downloads.sources;
    let mut found = Vec::new();
    if let Some(url) = url {
        let refused = |why| AttemptError::last("address", format!("Its address can't be used: {why}."));
        found.push(SourceUrl::parse(url, sources.allowed()).map_err(refused)?);
    }
    if let Some(hash) = transfer.wanted {
        match sources.addresses_of(&hash).await {
            Ok(known) => found.extend(known.into_iter().map(|address| address.url)),
            // The one that was named does without the others.
            Err(error) if !found.is_empty() => tracing::warn!(%error, "a download goes without known addresses"),
            Err(error) => return Err(error.into()),
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|url| seen.insert(url.as_str().to_owned()));
    found.truncate(MOST);
    Ok(found)
}

/// What it is checked against: what is known here before what its site says.
fn expected(transfer: &TransferRow, known: &Wanted, answer: ProbeAnswer) -> Expected {
    match (transfer.wanted, known.sha256.or(answer.linked_sha256)) {
        (Some(blake3), _) => Expected::Blake3(blake3),
        (None, Some(sha256)) => Expected::Sha256(sha256),
        (None, None) => Expected::Tag(answer.etag),
    }
}

/// What follows where no address has it: some may later, or none will.
fn trouble(refused: &[Refused]) -> AttemptError {
    let told: Vec<String> = refused.iter().map(|one| format!("{}: {}", one.host, words(&one.verdict))).collect();
    let detail = if told.is_empty() {
        "No public address of it is known any more: add one under Sources.".to_owned()
    } else {
        format!("{}.", told.join("; "))
    };
    let passing = |one: &&Refused| matches!(one.verdict.status, CheckStatus::RateLimited | CheckStatus::Unreachable);
    let Some(first) = refused.iter().find(passing).or_else(|| refused.first()) else {
        return AttemptError::last("no_address", detail);
    };
    let code = first.verdict.status.as_str();
    if !passing(&first) {
        return AttemptError::last(code, detail);
    }
    let asked = refused.iter().filter_map(|one| one.pause).min().unwrap_or(PAUSE);
    AttemptError::Failed(Failure::Later(asked.clamp(PAUSE, LONGEST)), Reason { code, detail })
}

fn words(verdict: &SourceVerdict) -> &str {
    verdict.detail.as_deref().unwrap_or(verdict.status.as_str())
}

/// Files that are text themselves come as text.
fn is_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".json", ".html", ".htm", ".info"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests may panic")]
mod tests {
    use super::*;

    fn refused(host: &str, status: CheckStatus, pause: Option<u64>) -> Refused {
        let verdict = SourceVerdict::new(status, "Because of this");
        Refused { host: host.to_owned(), verdict, pause: pause.map(Duration::from_secs) }
    }

    fn of(refused: &[Refused]) -> (Failure, &'static str, String) {
        match trouble(refused) {
            AttemptError::Failed(failure, Reason { code, detail }) => (failure, code, detail),
            AttemptError::Stopped => panic!("nobody stopped it"),
        }
    }

    #[test]
    fn what_no_site_has_is_told_by_its_cause() {
        let (failure, code, detail) = of(&[refused("civitai.com", CheckStatus::NeedsToken, None)]);
        assert_eq!((failure, code), (Failure::Final, "needs_token"));
        assert_eq!(detail, "civitai.com: Because of this.");
        let (failure, code, detail) =
            of(&[refused("a.org", CheckStatus::NotFound, None), refused("b.org", CheckStatus::Forbidden, None)]);
        assert_eq!((failure, code), (Failure::Final, "not_found"));
        assert_eq!(detail, "a.org: Because of this; b.org: Because of this.");
        assert_eq!(of(&[]).0, Failure::Final);
    }

    #[test]
    fn who_may_have_it_later_is_waited_for_as_long_as_it_asks() {
        let gone = || refused("a.org", CheckStatus::NotFound, None);
        for (pause, waits) in [(None, PAUSE), (Some(7), PAUSE), (Some(90), Duration::from_secs(90))] {
            let (failure, code, _) = of(&[gone(), refused("b.org", CheckStatus::RateLimited, pause)]);
            assert_eq!((failure, code), (Failure::Later(waits), "rate_limited"));
        }
        let (failure, ..) = of(&[refused("b.org", CheckStatus::Unreachable, Some(1 << 40))]);
        assert_eq!(failure, Failure::Later(LONGEST));
    }
}
