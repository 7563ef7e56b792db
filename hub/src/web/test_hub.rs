//! A hub in this process for the tests of its routes: real services, real folders, no listener.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::{LaunchToken, WebState, router};
use crate::domain::root::{PerRoot, Root};
use crate::storage::invariants;

pub(super) const PORT: u16 = 8420;

/// A hub with two empty folders.
pub(super) struct TestHub {
    pub(super) state: WebState,
    pub(super) folders: PerRoot<TempDir>,
    router: Router,
}

/// What holds whatever a test did: the comparison is what a full one would be, and of completed transfers no part file
/// lies about.
impl Drop for TestHub {
    fn drop(&mut self) {
        let database = &self.state.services.database;
        // A database that the test closed or broke tells nothing.
        let (Ok(differing), Ok(token)) =
            (invariants::differing_pairs(database), invariants::token_of_no_part(database))
        else {
            return;
        };
        if std::thread::panicking() {
            return;
        }
        assert!(
            differing.is_empty(),
            "rows of the comparison that a full one has not, or has otherwise: {differing:?}"
        );
        if let Some(token) = token {
            for root in Root::ALL {
                let parts = names_with(self.folders.get(root).path(), &token);
                assert!(parts.is_empty(), "part files of completed transfers: {parts:?}");
            }
        }
    }
}

fn names_with(folder: &Path, token: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let is_one = entry.file_name().to_string_lossy().contains(token);
        let inside =
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) { names_with(&path, token) } else { Vec::new() };
        inside.into_iter().chain(is_one.then_some(path))
    };
    entries.flatten().flat_map(below).collect()
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl TestHub {
    /// Not set up yet.
    pub(super) async fn bare() -> Self {
        let state = WebState::for_tests(LaunchToken::new().unwrap(), PORT).await;
        let folders = PerRoot::from_fn(|_| tempfile::tempdir().unwrap());
        Self { router: router(state.clone()), state, folders }
    }

    /// Set up with its two folders, and more settings.
    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        let hub = Self::bare().await;
        let mut changes: BTreeMap<String, Option<String>> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        for root in Root::ALL {
            let path = hub.folders.get(root).path().display().to_string();
            changes.insert(format!("{}_MODELS_ROOT", root.as_str().to_uppercase()), Some(path));
        }
        hub.state.services.save_settings(changes, &hub.state.tasks).await.unwrap();
        hub
    }

    /// Writes a file.
    pub(super) fn put(&self, root: Root, path: &str, content: &[u8]) {
        let path = self.folders.get(root).path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header("host", format!("127.0.0.1:{PORT}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|json| Body::from(json.to_string())).unwrap_or_default();
        self.send(request.body(body).unwrap()).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answered {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answered { status: parts.status, headers: parts.headers, body }
    }

    /// The body of a GET that has to succeed.
    pub(super) async fn get(&self, path: &str) -> Value {
        let answered = self.ask("GET", path, None).await;
        assert_eq!(answered.status, StatusCode::OK, "{path}: {}", answered.body);
        answered.body
    }

    /// Asks again until the body is as wanted.
    pub(super) async fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..1_000 {
            last = self.get(path).await;
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never was as wanted: {last}");
    }

    /// Scans both roots and waits for the end.
    pub(super) async fn scan(&self) -> Value {
        // The hub scans a new root by itself; that scan may have seen only some of the files.
        for _ in 0..2 {
            let mut started = self.ask("POST", "/api/scans", None).await;
            while started.status == StatusCode::CONFLICT {
                tokio::time::sleep(Duration::from_millis(10)).await;
                started = self.ask("POST", "/api/scans", None).await;
            }
            assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.body);
            let path = format!("/api/scans/{}", started.body.get("id").unwrap());
            self.wait_for(&path, |scan| scan.get("state").unwrap() != "running").await;
        }
        self.get("/api/scans?limit=1").await.pointer("/items/0").unwrap().clone()
    }
}
