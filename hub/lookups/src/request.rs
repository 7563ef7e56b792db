//! A question to a site, as data. Whoever sends it judges its address first, follows no redirect without judging
//! where it leads, and hands the answer to the finder that asked.

use shared_protocol::Gate;
use url::Url;

use crate::sites::Site;

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST` with a body of JSON.
    Post,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who is asked. Requests to one site are sent one at a time.
    pub site: Site,
    /// How.
    pub method: Method,
    /// The whole address. It holds no secret.
    pub url: Url,
    /// The body, `application/json`.
    pub body: Option<Vec<u8>>,
    /// Whose token may be sent along, to exactly the host of `url`; never with a redirect.
    pub token: Option<Gate>,
    /// Bytes of the answer's body that are read. A longer one is none.
    pub max_answer_bytes: usize,
}

impl Request {
    pub(crate) fn get(site: Site, url: Url, max_answer_bytes: usize) -> Self {
        Self { site, method: Method::Get, url, body: None, token: site.gate(), max_answer_bytes }
    }

    pub(crate) fn post(site: Site, url: Url, body: &serde_json::Value, max_answer_bytes: usize) -> Self {
        let body = Some(body.to_string().into_bytes());
        Self { site, method: Method::Post, url, body, token: site.gate(), max_answer_bytes }
    }

    /// Without a token: the answer is the same for everybody, and nobody needs to know who asks.
    pub(crate) fn anonymous(self) -> Self {
        Self { token: None, ..self }
    }
}
