//! Git's requests by the agent's own HTTP client, so that every address is judged after its name is
//! resolved, redirects too, and no second TLS is needed. It takes the place of libgit2's own transports.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use reqwest::{RequestBuilder, Response, StatusCode};
use shared_io::http::{Http, HttpFailure, header_text};
use shared_protocol::{Allowed, WebUrl};
use tokio::runtime::Runtime;

/// Redirects followed, one after the other.
const MAX_REDIRECTS: usize = 5;

/// What the list of references is asked for at.
const REFERENCES: &str = "/info/refs?service=git-upload-pack";

/// Servers answer others than git with pages.
const GIT: &str = "git/2.40 (ComfyUI-Model-Library)";

/// What all requests of one process have in common.
struct Shared {
    runtime: Runtime,
    http: Http,
    allowed: Allowed,
    /// Where a redirect of the first request led: the others go there, too.
    moved_to: Mutex<Option<String>>,
}

/// Takes the place of libgit2's transports.
///
/// To be called once, before anything else of git: the child process has one thread then.
#[allow(unsafe_code, reason = "registering is safe as long as no other thread makes a transport meanwhile")]
pub(super) fn register(runtime: Runtime, http: Http, allowed: Allowed) -> Result<Asker, git2::Error> {
    let shared = Arc::new(Shared { runtime, http, allowed, moved_to: Mutex::new(None) });
    for prefix in ["https", "http"] {
        let shared = Arc::clone(&shared);
        // SAFETY: no other thread of this process uses git.
        unsafe {
            git2::transport::register(prefix, move |remote| Transport::smart(remote, true, Way(Arc::clone(&shared))))?;
        }
    }
    Ok(Asker(shared))
}

/// Asks servers about repositories, apart from what git does.
pub(super) struct Asker(Arc<Shared>);

impl Asker {
    /// The address that a repository's address leads to now.
    pub(super) fn find(&self, address: &str) -> io::Result<String> {
        let shared = &self.0;
        let (response, found) = shared.runtime.block_on(find(shared, address.trim_end_matches('/')))?;
        if content_type(&response) == advertisement().as_bytes() { Ok(found) } else { Err(no_git()) }
    }
}

struct Way(Arc<Shared>);

impl SmartSubtransport for Way {
    fn action(&self, url: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let is_list = match action {
            Service::UploadPackLs => true,
            Service::UploadPack => false,
            Service::ReceivePackLs | Service::ReceivePack => return Err(git2::Error::from_str("nothing is pushed")),
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Box::new(Stream { shared: Arc::clone(&self.0), url, is_list, request: Vec::new(), answer: None }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request: written first, then read.
struct Stream {
    shared: Arc<Shared>,
    url: String,
    is_list: bool,
    request: Vec<u8>,
    answer: Option<Answer>,
}

struct Answer {
    response: Response,
    chunk: Vec<u8>,
    n_read: usize,
}

impl Stream {
    fn send(&mut self) -> io::Result<Answer> {
        let request = std::mem::take(&mut self.request);
        let shared = &self.shared;
        let response = shared.runtime.block_on(async {
            if self.is_list { list(shared, &self.url).await } else { fetch(shared, &self.url, request).await }
        })?;
        let expected = if self.is_list { advertisement() } else { format!("{ANSWER}result") };
        if content_type(&response) != expected.as_bytes() {
            return Err(no_git());
        }
        Ok(Answer { response, chunk: Vec::new(), n_read: 0 })
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.send()?,
        };
        while answer.n_read >= answer.chunk.len() {
            let Some(chunk) = self.shared.runtime.block_on(answer.response.chunk()).map_err(failure)? else {
                self.answer = Some(answer);
                return Ok(0);
            };
            (answer.chunk, answer.n_read) = (chunk.to_vec(), 0);
        }
        let n = answer.chunk.get(answer.n_read..).unwrap_or_default().read(into)?;
        answer.n_read += n;
        self.answer = Some(answer);
        Ok(n)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answer = None;
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the types of a git server's answers begin.
const ANSWER: &str = "application/x-git-upload-pack-";

fn advertisement() -> String {
    format!("{ANSWER}advertisement")
}

fn content_type(response: &Response) -> &[u8] {
    response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes())
}

fn no_git() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "who answers there is no git server")
}

fn refusal(status: StatusCode) -> io::Error {
    // Asking again brings the same answer only if the server says that the fault is ours.
    let kind = if status.is_client_error() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
    io::Error::new(kind, format!("the server answered {status}"))
}

fn failure(error: reqwest::Error) -> io::Error {
    io::Error::other(HttpFailure::of(error).to_string())
}

fn not_allowed(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{NOT_ALLOWED}{error}"))
}

/// Begins the text of an error that is no accident.
pub(super) const NOT_ALLOWED: &str = "the address is not allowed: ";

async fn ask(request: RequestBuilder) -> io::Result<Response> {
    request.header(USER_AGENT, GIT).send().await.map_err(|error| match HttpFailure::of(error) {
        HttpFailure::Address(why) => not_allowed(why),
        other => io::Error::other(other.to_string()),
    })
}

/// Asks for the list of references, wherever that has moved.
async fn list(shared: &Shared, base: &str) -> io::Result<Response> {
    let (response, found) = find(shared, base).await?;
    *shared.moved_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    Ok(response)
}

/// Finds the list of references by following redirects; tells the repository's address there, too.
async fn find(shared: &Shared, base: &str) -> io::Result<(Response, String)> {
    let mut url = WebUrl::parse(&format!("{base}{REFERENCES}"), shared.allowed).map_err(not_allowed)?;
    for _ in 0..=MAX_REDIRECTS {
        shared.http.judge(&url, shared.allowed).await.map_err(not_allowed)?;
        let request = shared.http.get(&url, shared.allowed).map_err(io::Error::other)?;
        let response = ask(request).await?;
        if !response.status().is_redirection() {
            if !response.status().is_success() {
                return Err(refusal(response.status()));
            }
            let found = url.as_str().strip_suffix(REFERENCES).unwrap_or(base).to_owned();
            return Ok((response, found));
        }
        let to = header_text(&response, LOCATION).ok_or_else(|| io::Error::other("a redirect leads nowhere"))?;
        url = url.join(to, shared.allowed).map_err(not_allowed)?;
    }
    Err(io::Error::other("there are too many redirects"))
}

/// Asks for a pack.
async fn fetch(shared: &Shared, base: &str, request: Vec<u8>) -> io::Result<Response> {
    let moved_to = shared.moved_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let url = format!("{}/git-upload-pack", moved_to.as_deref().unwrap_or(base));
    let url = WebUrl::parse(&url, shared.allowed).map_err(not_allowed)?;
    shared.http.judge(&url, shared.allowed).await.map_err(not_allowed)?;
    let post = shared.http.post(&url, shared.allowed).map_err(io::Error::other)?;
    let post = post.header(CONTENT_TYPE, "application/x-git-upload-pack-request").body(request);
    let response = ask(post).await?;
    if response.status().is_success() { Ok(response) } else { Err(refusal(response.status())) }
}
