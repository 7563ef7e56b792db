//! Sending a question of a finder, and reading its answer within bounds.

use std::time::{Duration, SystemTime};

use lookups::{Answer, Method, Request, Sites};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use shared_io::download::retry_after::wait_asked_for;
use shared_io::http::{HttpFailure, header_text, is_redirect};
use shared_protocol::WebUrl;
use url::Url;

use super::{Outbound, token_for, with_token};
use crate::config::Config;

/// Redirects that are followed.
const MOST_HOPS: usize = 5;

/// How long an answer may take, whole.
const PATIENCE: Duration = Duration::from_mins(2);

/// An answer, and how long the site asks to be left alone.
pub(in crate::services) struct Asked {
    pub(in crate::services) answer: Answer,
    pub(in crate::services) wait: Option<Duration>,
}

impl Outbound {
    /// Asks a site, and follows where it leads, as long as it stays the same site: what is sent was allowed for that one
    /// only.
    ///
    /// # Errors
    /// It does not answer, or leads elsewhere.
    pub(in crate::services) async fn ask(
        &self,
        request: &Request,
        sites: &Sites,
        config: &Config,
    ) -> Result<Asked, HttpFailure> {
        let in_time = tokio::time::timeout(PATIENCE, self.follow(request, sites, config)).await;
        in_time.unwrap_or(Err(HttpFailure::TimedOut))
    }

    async fn follow(&self, request: &Request, sites: &Sites, config: &Config) -> Result<Asked, HttpFailure> {
        let allowed = super::allowed(config);
        let mut url = WebUrl::parse(request.url.as_str(), allowed).map_err(HttpFailure::Address)?;
        let mut method = request.method;
        for _ in 0..MOST_HOPS {
            let mut asking = match method {
                Method::Get => self.0.get(&url, allowed)?,
                Method::Post => self.0.post(&url, allowed)?,
            };
            if let Some(body) = request.body.as_ref().filter(|_| method == Method::Post) {
                asking = asking.header(CONTENT_TYPE, "application/json").body(body.clone());
            }
            let token = request.token.filter(|gate| url.gate() == Some(*gate)).and_then(|_| token_for(config, &url));
            let response = with_token(asking, token).send().await.map_err(HttpFailure::of)?;
            let Some(location) = header_text(&response, LOCATION).filter(|_| is_redirect(&response)) else {
                return read(response, request.max_answer_bytes).await;
            };
            let next = url.join(location, allowed).map_err(HttpFailure::Address)?;
            if !is_same_site(&next, &url, request, sites) {
                return Err(HttpFailure::Broken(format!("it leads to {}, which was not asked", next.host())));
            }
            if !matches!(response.status().as_u16(), 307 | 308) {
                method = Method::Get;
            }
            url = next;
        }
        Err(HttpFailure::Broken(format!("more than {MOST_HOPS} redirects, one after the other")))
    }
}

fn is_same_site(next: &WebUrl, url: &WebUrl, request: &Request, sites: &Sites) -> bool {
    let is_its = |next: Url| sites.site_of(&next) == Some(request.site);
    next.host() == url.host() && next.port() == url.port() || Url::parse(next.as_str()).is_ok_and(is_its)
}

/// Reads an answer; of a body that is too long one byte more than is allowed.
async fn read(mut response: Response, max_bytes: usize) -> Result<Asked, HttpFailure> {
    let header = |name: &str| header_text(&response, name).map(str::to_owned);
    let wait = wait_asked_for(header, SystemTime::now());
    let mut answer = Answer {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        error_code: header("x-error-code"),
        body: Vec::new(),
    };
    while answer.body.len() <= max_bytes
        && let Some(piece) = response.chunk().await.map_err(HttpFailure::of)?
    {
        answer.body.extend_from_slice(&piece);
    }
    answer.body.truncate(max_bytes.saturating_add(1));
    Ok(Asked { answer, wait })
}
