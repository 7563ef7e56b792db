//! Whether agents can reach this hub: it asks itself, through its public address, as an agent would.
//!
//! Asked before the one line to paste is shown, so that what is wrong is told here, in plain words, and
//! not by a failing script on a rented machine.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Serialize;
use shared_io::http::HttpFailure;
use shared_protocol::refusal::Health;
use shared_protocol::{routes, version};

use super::{Listening, Remote};
use crate::services::ServiceError;
use crate::services::outbound::client_builder;

/// How long the whole way there and back may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer that is looked at; the right one is tiny.
const LONGEST: usize = 64 << 10;

/// What the hub found when it asked itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SelfTestView {
    /// Whether agents can reach this hub.
    pub ok: bool,
    /// A stable word: `ok`, `no_session`, `listener`, `dns`, `tls`, `connect`, `timeout`, `status`, `redirect`,
    /// `page`, `other_hub`.
    pub code: &'static str,
    /// What was found, and what to do.
    pub detail: String,
    /// What was asked.
    pub url: String,
    /// How long the answer took.
    pub duration_ms: u64,
}

impl Remote {
    /// Asks this hub through its public address.
    pub async fn self_test(&self) -> Result<SelfTestView, ServiceError> {
        let url = format!("{}{}", self.sessions.base_url()?, routes::HEALTH);
        let started = std::time::Instant::now();
        let listening = self.sessions.listening().borrow().clone();
        let found = match (self.sessions.current(), listening) {
            (None, _) => {
                Err(("no_session", "There is no session: the remote listener is closed until one begins.".into()))
            }
            (_, Listening::Failed(why)) => Err(("listener", format!("The remote listener can't be bound: {why}"))),
            _ => ask(&url).await,
        };
        let (ok, code, detail) = match found {
            Ok(()) => (true, "ok", "Agents can reach this hub.".to_owned()),
            Err((code, detail)) => (false, code, detail),
        };
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(SelfTestView { ok, code, detail, url, duration_ms })
    }
}

async fn ask(url: &str) -> Result<(), (&'static str, String)> {
    // A new client each time: a connection that is kept would prove nothing about the way.
    let client = client_builder()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| ("connect", format!("The request can't be made: {error}")))?;
    let mut answer = client.get(url).send().await.map_err(failure)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            break;
        }
    }
    judge_answer(status, &body)
}

/// What an answer means.
fn judge_answer(status: StatusCode, body: &[u8]) -> Result<(), (&'static str, String)> {
    let health = serde_json::from_slice::<Health>(body).ok().filter(|health| health.app == version::APP);
    match health {
        Some(health) if status.is_success() && health.version == env!("CARGO_PKG_VERSION") => return Ok(()),
        Some(health) if status.is_success() => {
            let text = format!(
                "Another hub (version {}) answers at this address: REMOTE_BASE_URL or the tunnel leads to another \
                 computer, or an older hub still runs.",
                health.version
            );
            return Err(("other_hub", text));
        }
        _ => {}
    }
    if status.is_redirection() {
        let text = "The address answers with a redirect, such as to a login page: let the tunnel or proxy pass \
                    /remote/ through without a login of its own.";
        return Err(("redirect", text.to_owned()));
    }
    Err(match status.as_u16() {
        502..=504 | 520..=530 => (
            "status",
            format!(
                "The tunnel or proxy is up, but does not reach this hub (status {status}): let it lead to the address \
                 in REMOTE_BIND, by plain http unless REMOTE_TLS_CERT is set."
            ),
        ),
        401 | 403 => (
            "status",
            format!(
                "Something in front of this hub refuses requests (status {status}): switch its login, bot check or \
                 firewall rule off for /remote/."
            ),
        ),
        404 => (
            "status",
            "Something else answers at this address (status 404): let the tunnel or proxy lead /remote/ to the address \
             in REMOTE_BIND."
                .to_owned(),
        ),
        200..=299 => (
            "page",
            "Another page answers at this address, not this hub: let the tunnel or proxy lead /remote/ to the address \
             in REMOTE_BIND, without a warning page in between."
                .to_owned(),
        ),
        _ => ("status", format!("The address answers with status {status}, and not as this hub would.")),
    })
}

/// What a request without an answer means.
fn failure(error: reqwest::Error) -> (&'static str, String) {
    let failure = HttpFailure::of(error);
    let why = failure.cause();
    match failure {
        HttpFailure::TimedOut => (
            "timeout",
            "The address does not answer in time: is the tunnel running, and the port forwarded?".to_owned(),
        ),
        HttpFailure::Name(_) => {
            ("dns", format!("The name in REMOTE_BASE_URL can't be resolved ({why}): check its spelling and its DNS."))
        }
        HttpFailure::Tls(_) => (
            "tls",
            format!(
                "No trusted encryption at this address ({why}): it needs a certificate of a known authority, and the \
                 clock of this computer has to be right."
            ),
        ),
        _ => (
            "connect",
            format!("The address can't be connected to ({why}): is the tunnel running, and the port right?"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn code(status: u16, body: &str) -> &'static str {
        judge_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).map_or_else(|(code, _)| code, |()| "ok")
    }

    #[test]
    fn only_this_hubs_own_answer_is_right() {
        let own = format!(r#"{{"app":"comfy-hub","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
        assert_eq!(code(200, &own), "ok");
        assert_eq!(code(200, r#"{"app":"comfy-hub","version":"0.0.0"}"#), "other_hub");
        assert_eq!(code(200, "<html>warning</html>"), "page");
        assert_eq!(code(200, r#"{"app":"other","version":"1"}"#), "page");
        for (status, wanted) in [(302, "redirect"), (403, "status"), (404, "status"), (502, "status"), (524, "status")]
        {
            assert_eq!(code(status, "<html></html>"), wanted, "{status}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told_as_such() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(&format!("http://{free}/")).await.unwrap_err().0, "connect");
        assert_eq!(ask("http://no-such-name.invalid/").await.unwrap_err().0, "dns");
    }
}
