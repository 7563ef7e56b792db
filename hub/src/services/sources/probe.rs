//! One look at one address: some bytes are asked for, redirects are followed by hand, and each place
//! they lead to is judged before it is asked.

use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER};
use shared_io::http::{HttpFailure, header_number, header_text, is_redirect};
use shared_protocol::source_url::UrlError;
use shared_protocol::{SourceUrl, WebUrl};

use crate::config::Config;
use crate::domain::sources::verdict::{ProbeAnswer, Wanted, judge_answer, sha256_of_tag, total_of_range};
use crate::domain::sources::{CheckStatus, SourceVerdict};
use crate::services::outbound::{Outbound, allowed, token_for};

/// Redirects that are followed; a download takes two or three.
const MOST_HOPS: usize = 10;

/// How long the whole look may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks at an address; what it answered comes along, as far as it did.
pub(super) async fn probe(
    outbound: &Outbound,
    config: &Config,
    url: &SourceUrl,
    wanted: &Wanted,
) -> (SourceVerdict, ProbeAnswer) {
    let verdict = match tokio::time::timeout(PATIENCE, follow(outbound, config, url.web().clone(), &(0..=0))).await {
        Ok(Ok((answer, _))) => return (judge_answer(&answer, wanted), answer),
        Ok(Err(verdict)) => verdict,
        Err(_) => SourceVerdict::new(CheckStatus::Unreachable, "The site does not answer in time"),
    };
    (verdict, ProbeAnswer::default())
}

/// Fetches some bytes of the file at an address, and what is told of it. Fewer bytes come where the file is shorter;
/// none where the site does not hand out a part of it.
pub(super) async fn fetch_range(
    outbound: &Outbound,
    config: &Config,
    url: &SourceUrl,
    range: RangeInclusive<u64>,
) -> Result<(ProbeAnswer, Vec<u8>), SourceVerdict> {
    let fetching = async {
        let (answer, response) = follow(outbound, config, url.web().clone(), &range).await?;
        let n_bytes = usize::try_from(range.end() - range.start() + 1).unwrap_or(usize::MAX);
        let Some(mut response) = response.filter(|_| answer.status == 206) else { return Ok((answer, Vec::new())) };
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| failed(&HttpFailure::of(error), url.web()))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() >= n_bytes {
                bytes.truncate(n_bytes);
                break;
            }
        }
        Ok((answer, bytes))
    };
    let in_time = tokio::time::timeout(PATIENCE, fetching).await;
    in_time.unwrap_or_else(|_| Err(SourceVerdict::new(CheckStatus::Unreachable, "The site does not answer in time")))
}

async fn follow(
    outbound: &Outbound,
    config: &Config,
    mut url: WebUrl,
    range: &RangeInclusive<u64>,
) -> Result<(ProbeAnswer, Option<Response>), SourceVerdict> {
    let mut answer = ProbeAnswer::default();
    for hop in 0..MOST_HOPS {
        answer.sent_token |= token_for(config, &url).is_some();
        let response = outbound.bytes(&url, range, config).await.map_err(|error| failed(&error, &url))?;
        // The site itself tells of the file; the store behind it may not.
        answer.linked_size = answer.linked_size.or_else(|| header_number(&response, "x-linked-size"));
        answer.linked_sha256 = answer.linked_sha256.or_else(|| sha256_of_tag(header_text(&response, "x-linked-etag")?));
        answer.status = response.status().as_u16();
        let Some(location) = header_text(&response, LOCATION).filter(|_| is_redirect(&response)) else {
            answer.is_login = hop > 0 && is_login(&url);
            read(&mut answer, &response);
            answer.host = Some(url.host().to_owned());
            return Ok((answer, Some(response)));
        };
        let next = url.join(location, allowed(config)).map_err(|why| refused(why, &url))?;
        if is_login(&next) {
            answer.is_login = true;
            return Ok((answer, None));
        }
        url = next;
    }
    Err(SourceVerdict::new(CheckStatus::BadRedirect, format!("More than {MOST_HOPS} redirects, one after the other")))
}

fn read(answer: &mut ProbeAnswer, response: &Response) {
    answer.content_type = header_text(response, CONTENT_TYPE).map(str::to_owned);
    answer.etag = header_text(response, ETAG).map(str::to_owned);
    answer.retry_after = header_number(response, RETRY_AFTER);
    answer.total_bytes = match answer.status {
        200 => header_number(response, CONTENT_LENGTH),
        _ => header_text(response, CONTENT_RANGE).and_then(total_of_range),
    };
}

fn is_login(url: &WebUrl) -> bool {
    let path = url.as_str().split(['?', '#']).next().unwrap_or_default();
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .is_some_and(|last| ["login", "signin", "sign-in", "log-in"].iter().any(|name| last.eq_ignore_ascii_case(name)))
}

fn failed(error: &HttpFailure, url: &WebUrl) -> SourceVerdict {
    let why = match error {
        HttpFailure::Address(why) => return refused(*why, url),
        HttpFailure::TimedOut => "does not answer in time".to_owned(),
        _ => format!("can't be reached: {}", error.cause()),
    };
    SourceVerdict::new(CheckStatus::Unreachable, format!("{} {why}", url.host()))
}

/// The place that a redirect or a name leads to may not be asked.
fn refused(why: UrlError, url: &WebUrl) -> SourceVerdict {
    let status = match why {
        UrlError::Private | UrlError::Never | UrlError::PlainToPublic => CheckStatus::PrivateAddress,
        _ => CheckStatus::BadRedirect,
    };
    SourceVerdict::new(status, format!("{} leads to where nothing is fetched from: {why}", url.host()))
}
