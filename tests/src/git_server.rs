//! A real git server: `git http-backend` as a web server runs it, behind TLS, with a repository laid
//! out as `ComfyUI` is.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::ca::TestCa;
use crate::chaos::Chaos;

/// Folders below `models` that `ComfyUI` brings with it; each holds a file that says so.
pub const MODEL_FOLDERS: [&str; 8] =
    ["checkpoints", "clip", "controlnet", "embeddings", "loras", "text_encoders", "upscale_models", "vae"];

/// What lies below here has moved.
const MOVED: &str = "/old-owner";

/// The repository's name on the server.
const REPOSITORY: &str = "ComfyUI.git";

/// What a server does before it sends a pack.
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    /// How long.
    pub seconds: u32,
    /// Whether it says once a second how far it is; else nothing comes at all.
    pub says_so: bool,
}

/// A running server with one repository.
#[derive(Debug)]
pub struct GitServer {
    folder: tempfile::TempDir,
    front: Chaos,
    served: Arc<Served>,
    // Dropped with the server: that ends it.
    _runtime: tokio::runtime::Runtime,
}

impl GitServer {
    /// Makes the repository with one commit on `master` and serves it by TLS.
    pub fn start(ca: &TestCa) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let served = Arc::new(Served { root: folder.path().join("served"), packer: folder.path().join("packer") });
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&served));
        runtime.spawn(async move { axum::serve(listener, app).await });
        let server = Self { folder, front: Chaos::ending_tls(address, ca)?, served, _runtime: runtime };
        server.make_repository()?;
        Ok(server)
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        format!("{}/{REPOSITORY}", self.front.url())
    }

    /// The address that the repository had once; whoever asks there is sent on.
    pub fn old_url(&self) -> String {
        format!("{}{MOVED}/{REPOSITORY}", self.front.url())
    }

    /// From now on it counts for so long before it sends a pack, as one with a large repository does.
    pub fn count(&self, Counting { seconds, says_so }: Counting) -> Result<()> {
        let says = if says_so { "printf 'Counting objects: %d\\r' $n >&2;" } else { "" };
        let script =
            format!("#!/bin/sh\nn=0\nwhile [ $n -lt {seconds} ]; do n=$((n + 1)); {says} sleep 1; done\nexec \"$@\"\n");
        let packer = &self.served.packer;
        // Whoever starts it finds it whole.
        let written = packer.with_extension("new");
        std::fs::write(&written, script)?;
        #[cfg(unix)]
        std::fs::set_permissions(&written, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(std::fs::rename(written, packer)?)
    }

    /// What carries its connections, to fail them.
    pub fn front(&self) -> &Chaos {
        &self.front
    }

    /// Writes files, commits them with all else that changed, and tells the commit.
    pub fn commit(&self, files: &[(&str, &[u8])]) -> Result<String> {
        let work = self.work();
        for (path, content) in files {
            let path = work.join(path);
            std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        git(&work, &["add", "-A"])?;
        git(&work, &["commit", "-q", "-m", "A change"])?;
        git(&work, &["push", "-q", "origin", "HEAD"])?;
        git(&work, &["rev-parse", "HEAD"])
    }

    /// Makes a branch or tag of the newest commit known.
    pub fn name_commit(&self, reference: &str) -> Result<()> {
        git(&self.work(), &["push", "-q", "origin", &format!("HEAD:{reference}")]).map(drop)
    }

    /// Makes an annotated tag of the newest commit known.
    pub fn annotate(&self, tag: &str) -> Result<()> {
        git(&self.work(), &["tag", "-a", tag, "-m", "A tag with a text of its own"])?;
        git(&self.work(), &["push", "-q", "origin", tag]).map(drop)
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn make_repository(&self) -> Result<()> {
        let served = self.folder.path().join("served").join(REPOSITORY);
        std::fs::create_dir_all(&served)?;
        git(&served, &["init", "-q", "--bare", "-b", "master"])?;
        git(&served, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        git(self.folder.path(), &["init", "-q", "-b", "master", "work"])?;
        git(&self.work(), &["remote", "add", "origin", &served.to_string_lossy()])?;
        let mut files: Vec<(String, Vec<u8>)> = vec![
            ("main.py".to_owned(), b"print('ComfyUI')\n".to_vec()),
            ("comfyui_version.py".to_owned(), b"__version__ = \"0.3.77\"\n".to_vec()),
            ("pyproject.toml".to_owned(), b"[project]\nname = \"ComfyUI\"\nversion = \"0.3.77\"\n".to_vec()),
            (".gitignore".to_owned(), b"/models/*/*\n!/models/*/put_*_here\n/output/\n/custom_nodes/\n".to_vec()),
            ("comfy/__init__.py".to_owned(), Vec::new()),
        ];
        for folder in MODEL_FOLDERS {
            files.push((format!("models/{folder}/put_{folder}_here"), Vec::new()));
        }
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        self.commit(&files).map(drop)
    }
}

/// Runs git with nobody's configuration and tells what it said.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = plain_git(folder).args(arguments).output().context("cannot run git")?;
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn plain_git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    // What a machine believes in and goes through is not the test's.
    for variable in ["GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
    }
    command
}

/// What is served, and the program that packs it in git's place, if there is one.
#[derive(Debug)]
struct Served {
    root: PathBuf,
    packer: PathBuf,
}

async fn answer(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(now) = uri.path_and_query().and_then(|path| path.as_str().strip_prefix(MOVED)) {
        return axum::response::Redirect::permanent(now).into_response();
    }
    let answered = tokio::task::spawn_blocking(move || backend(&served, &method, &uri, &headers, &body)).await;
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// One request by the rules of CGI (RFC 3875). What git says is passed on as it comes.
fn backend(served: &Served, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut command = plain_git(&served.root);
    if served.packer.exists() {
        // Only a setting from outside the repository may name a program. Without the other git itself says every five
        // seconds that it lives.
        let settings = [("uploadpack.packObjectsHook", &*served.packer), ("uploadpack.keepAlive", Path::new("0"))];
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (i, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{i}"), key).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
    }
    let mut child = command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &served.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run git http-backend")?;
    let mut input = child.stdin.take().context("git http-backend has no standard input")?;
    let body = body.to_vec();
    // It may answer before it has read all: then nobody wants the rest.
    let writer = std::thread::spawn(move || drop(input.write_all(&body)));
    let mut output = BufReader::new(child.stdout.take().context("git http-backend has no standard output")?);
    let mut response = head(&mut output)?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    std::thread::spawn(move || {
        loop {
            let piece = output.fill_buf().map(Bytes::copy_from_slice);
            let n = piece.as_ref().map_or(0, Bytes::len);
            output.consume(n);
            // Without more to say, or without anyone who listens.
            if n == 0 || sender.blocking_send(piece).is_err() {
                break;
            }
        }
        drop(output);
        drop((child.wait(), writer.join()));
    });
    *response.body_mut() = Body::from_stream(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
    Ok(response)
}

/// Reads the head of an answer.
fn head(output: &mut impl BufRead) -> Result<Response> {
    let mut response = Response::default();
    for line in output.lines() {
        let line = line.context("cannot read what git http-backend says")?;
        if line.is_empty() {
            return Ok(response);
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        if name.eq_ignore_ascii_case("status") {
            let code = value.split_whitespace().next().unwrap_or_default();
            *response.status_mut() = StatusCode::from_bytes(code.as_bytes())?;
        } else {
            response.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value.trim())?);
        }
    }
    anyhow::bail!("an answer without a head")
}
