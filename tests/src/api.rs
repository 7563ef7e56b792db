//! A client of the hub's API, and the few sequences that most tests begin with.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::wait::wait_for;

/// How long scans, hashes and transfers of a test may take.
pub const WORK: Duration = Duration::from_mins(4);

/// A client bound to one hub.
#[derive(Debug, Clone)]
pub struct Api {
    address: String,
    client: Client,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: String,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null if it isn't.
    pub json: Value,
}

impl Answer {
    fn ok(self, what: &str) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{what} answered {}: {}", self.status, self.text);
        Ok(self.json)
    }

    /// Checks that this is a problem of a status, described as RFC 9457 says.
    pub fn expect_problem(&self, status: u16) -> Result<&str> {
        ensure!(self.status == status, "expected {status}, not {}: {}", self.status, self.text);
        let is_problem = self.content_type.starts_with("application/problem+json");
        ensure!(is_problem, "expected application/problem+json, not {}: {}", self.content_type, self.text);
        for field in ["type", "title", "detail"] {
            ensure!(self.json.get(field).is_some_and(Value::is_string), "no `{field}` in {}", self.text);
        }
        ensure!(self.json.get("status") == Some(&json!(status)), "`status` differs in {}", self.text);
        self.json.get("detail").and_then(Value::as_str).context("no detail")
    }
}

impl Api {
    /// A client of the hub at an address without the `/` at the end.
    pub fn new(address: &str) -> Result<Self> {
        let client = crate::client::builder().timeout(Duration::from_mins(1)).build()?;
        Ok(Self { address: address.to_owned(), client })
    }

    /// A request that a test completes itself, with headers for example.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    /// Sends a request and takes any answer.
    pub fn send(request: RequestBuilder) -> Result<Answer> {
        let response = request.send().context("the hub does not answer")?;
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let (status, content_type) = (response.status().as_u16(), content_type.unwrap_or_default().to_owned());
        let text = response.text().context("the answer broke off")?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, content_type, text, json })
    }

    /// GET, with any answer.
    pub fn try_get(&self, path: &str) -> Result<Answer> {
        Self::send(self.request(Method::GET, path))
    }

    /// POST, with any answer.
    pub fn try_post(&self, path: &str, body: &Value) -> Result<Answer> {
        Self::send(self.request(Method::POST, path).json(body))
    }

    /// PUT, with any answer.
    pub fn try_put(&self, path: &str, body: &Value) -> Result<Answer> {
        Self::send(self.request(Method::PUT, path).json(body))
    }

    /// GET that has to succeed.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.try_get(path)?.ok(&format!("GET {path}"))
    }

    /// POST that has to succeed.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.try_post(path, body)?.ok(&format!("POST {path} {body}"))
    }

    /// Every item of a list, page by page.
    pub fn items(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut address = path.to_owned();
        loop {
            let page = self.get(&address)?;
            items.extend(page.get("items").and_then(Value::as_array).context("a list without items")?.iter().cloned());
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(cursor) => address = format!("{path}{joint}cursor={cursor}"),
                None => return Ok(items),
            }
        }
    }

    /// Scans roots and waits for the end, whatever it is.
    pub fn scan(&self, roots: &[&str]) -> Result<Value> {
        // A hub may be scanning by itself, at its start for example.
        let started = wait_for("a scan of others to end", WORK, || {
            let answer = self.try_post("/api/scans", &json!({ "roots": roots }))?;
            if answer.status == 409 { Ok(None) } else { answer.ok("POST /api/scans").map(Some) }
        })?;
        self.wait_while_running("/api/scans", &started)
    }

    /// Scans both roots, which has to be complete.
    pub fn scan_both(&self) -> Result<Value> {
        let scan = self.scan(&["local", "lake"])?;
        ensure!(text(&scan, "state") == "complete", "the scan is not complete: {scan}");
        Ok(scan)
    }

    /// Hashes a whole root, which has to be complete.
    pub fn hash(&self, root: &str) -> Result<Value> {
        let started = self.post("/api/hashes", &json!({ "root": root }))?;
        let hashes = self.wait_while_running("/api/hashes", &started)?;
        ensure!(text(&hashes, "state") == "complete", "hashing is not complete: {hashes}");
        Ok(hashes)
    }

    /// Waits for the end of a scan, or of hashing, that was started.
    pub fn wait_while_running(&self, path: &str, started: &Value) -> Result<Value> {
        let id = started.get("id").context("no id in the answer")?;
        let address = format!("{path}/{}", id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        wait_for(&address, WORK, || {
            let work = self.get(&address)?;
            Ok((!["queued", "running"].contains(&text(&work, "state"))).then_some(work))
        })
    }

    /// Puts transfers into the queue and tells the batch's id.
    pub fn enqueue(&self, request: &Value) -> Result<String> {
        let answer = self.post("/api/transfers", request)?;
        let id = answer.get("batch_id").context("no batch_id")?;
        Ok(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    }

    /// Copies paths from one root to the other, without waiting.
    pub fn copy(&self, from: &str, to: &str, paths: &[&str]) -> Result<String> {
        self.enqueue(&json!({ "operation": "copy", "from": from, "to": to, "paths": paths }))
    }

    /// The transfers of a batch.
    pub fn transfers(&self, batch: &str) -> Result<Vec<Value>> {
        self.items(&format!("/api/transfers?batch={batch}"))
    }

    /// Waits until every transfer of a batch has ended, and gives them back.
    pub fn wait_for_batch(&self, batch: &str) -> Result<Vec<Value>> {
        wait_for("the end of the batch", WORK, || {
            let transfers = self.transfers(batch)?;
            let ended = |t: &Value| ["completed", "failed", "cancelled"].contains(&text(t, "state"));
            Ok(transfers.iter().all(ended).then_some(transfers))
        })
    }

    /// [`Self::wait_for_batch`], and every transfer has to be completed.
    pub fn complete(&self, batch: &str) -> Result<Vec<Value>> {
        let transfers = self.wait_for_batch(batch)?;
        if let Some(other) = transfers.iter().find(|t| text(t, "state") != "completed") {
            bail!("not completed: {other}");
        }
        Ok(transfers)
    }

    /// Paths of the diff with a status, sorted.
    pub fn diff(&self, status: &str) -> Result<Vec<String>> {
        let items = self.items(&format!("/api/diff?status={status}"))?;
        let mut paths: Vec<_> = items.iter().map(|item| text(item, "path").to_owned()).collect();
        paths.sort();
        Ok(paths)
    }

    /// Paths indexed on a root, sorted.
    pub fn paths(&self, root: &str) -> Result<Vec<String>> {
        let items = self.items(&format!("/api/files?root={root}"))?;
        let mut paths: Vec<_> = items.iter().map(|item| text(item, "path").to_owned()).collect();
        paths.sort();
        Ok(paths)
    }
}

/// A field that is a text; empty if there is none.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A field that is a number; 0 if there is none.
pub fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}
