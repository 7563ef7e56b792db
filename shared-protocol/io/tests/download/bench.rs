//! A download in this process: its folder, its hub and its order.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use shared_io::ConfinedFolder;
use shared_io::download::{Download, DownloadTools, Lines, Pace, Patience, Room};
use shared_io::http::{Http, Proxies};
use shared_io::hub_api::{HubAddress, HubApi};
use shared_io::report::{Reports, channel};
use shared_io::tls::client_config;
use shared_protocol::groups::{GROUP_BYTES, GroupList, group_value};
use shared_protocol::job::{AssetDownload, AssetSource, SourcePolicy};
use shared_protocol::outcome::{Outcome, SourceReport};
use shared_protocol::{Blake3, RelPath, SessionKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where the file goes.
pub(crate) const DEST: &str = "loras/model.safetensors";

/// The digest of a content.
pub(crate) fn digest(content: &[u8]) -> Blake3 {
    Blake3::from_bytes(*blake3::hash(content).as_bytes())
}

/// The group list of a content of more than one group.
pub(crate) fn group_list(content: &[u8]) -> Result<GroupList> {
    let step = usize::try_from(GROUP_BYTES)?;
    let values = content.chunks(step).zip((0..).step_by(step)).map(|(bytes, at)| group_value(at, bytes)).collect();
    Ok(GroupList::new(content.len() as u64, values)?)
}

/// A stand-in for the hub: what it answers to whatever is asked, by path.
pub(crate) struct FakeHub {
    port: u16,
    task: JoinHandle<()>,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    groups: Option<Vec<u8>>,
    blob: Option<Vec<u8>>,
    refusal: Option<&'static str>,
    n_down: u32,
    is_off: bool,
    is_without_list: bool,
    list_piece: Option<usize>,
    n_lists: usize,
    bytes_sent: u64,
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeHub {
    /// Starts it, with a group list or none.
    pub(crate) async fn start(groups: Option<&GroupList>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let groups = groups.map(GroupList::to_bytes);
        let answers = Arc::new(Mutex::new(Answers { groups, ..Answers::default() }));
        let serving = Arc::clone(&answers);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answers = Arc::clone(&serving);
                tokio::spawn(async move {
                    let mut request = vec![0; 8192];
                    let n = stream.read(&mut request).await.unwrap_or(0);
                    let head = String::from_utf8_lossy(&request[..n]).to_lowercase();
                    let reply = reply(&head, &mut answers.lock().unwrap_or_else(PoisonError::into_inner));
                    let Some(reply) = reply else { return };
                    drop(stream.write_all(&reply).await);
                    drop(stream.shutdown().await);
                });
            }
        });
        Ok(Self { port, task, answers })
    }

    /// The port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    fn with(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// It serves this content, too.
    pub(crate) fn serve(&self, content: &[u8]) {
        self.with(|answers| answers.blob = Some(content.to_vec()));
    }

    /// It refuses with this code from now on.
    pub(crate) fn refuse(&self, code: &'static str) {
        self.with(|answers| answers.refusal = Some(code));
    }

    /// Whether it is off: connections are closed without a word.
    pub(crate) fn be_off(&self, is_off: bool) {
        self.with(|answers| answers.is_off = is_off);
    }

    /// Whether what is between answers in its place when it is asked for the list.
    pub(crate) fn be_without_list(&self, is_without: bool) {
        self.with(|answers| answers.is_without_list = is_without);
    }

    /// Connections break after so many bytes of the list.
    pub(crate) fn break_list_every(&self, n_bytes: usize) {
        self.with(|answers| answers.list_piece = Some(n_bytes));
    }

    /// How often its list was asked for.
    pub(crate) fn n_lists(&self) -> usize {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).n_lists
    }

    /// Bytes of contents that it has sent: what goes over the line at home.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).bytes_sent
    }

    /// So many requests for contents get a proxy's page.
    pub(crate) fn be_down(&self, n_requests: u32) {
        self.with(|answers| answers.n_down = n_requests);
    }
}

/// The answer to a request; none if the connection is closed without one.
fn reply(head: &str, answers: &mut Answers) -> Option<Vec<u8>> {
    let plain = |status: &str, headers: &str, body: &[u8]| {
        let mut reply =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
                .into_bytes();
        reply.extend_from_slice(body);
        reply
    };
    if answers.is_off {
        return None;
    }
    if let Some(code) = answers.refusal {
        let body = format!(
            r#"{{"app":"comfy-hub","refusal":{{"code":"{code}","detail":"The session ended.","retry":false}}}}"#
        );
        return Some(plain("403 X", "", body.as_bytes()));
    }
    if head.contains("/health ") {
        return Some(plain("200 OK", "", br#"{"app":"comfy-hub","version":"0"}"#));
    }
    let not_found = br#"{"app":"comfy-hub","refusal":{"code":"not_found","detail":"Not here.","retry":false}}"#;
    let is_list = head.contains("/groups ");
    if is_list {
        answers.n_lists += 1;
    }
    if (is_list && answers.is_without_list) || (!is_list && answers.n_down > 0) {
        answers.n_down = answers.n_down.saturating_sub(u32::from(!is_list));
        return Some(plain("524 X", "Content-Type: text/html\r\n", b"<html>a timeout occurred</html>"));
    }
    let content = if is_list { &answers.groups } else { &answers.blob };
    let Some(content) = content else { return Some(plain("404 X", "", not_found)) };
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).and_then(|range| {
        let (first, last) = range.trim().split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().map_or(content.len(), |last| last + 1)))
    });
    let mut reply = match range {
        Some((from, to)) => {
            let header = format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, content.len());
            plain("206 X", &header, &content[from..to])
        }
        None => plain("200 OK", "", content),
    };
    if is_list {
        let (from, to) = range.unwrap_or((0, content.len()));
        reply.truncate(reply.len() - (to - from).saturating_sub(answers.list_piece.unwrap_or(usize::MAX)));
    } else {
        answers.bytes_sent += range.map_or(content.len(), |(from, to)| to - from) as u64;
    }
    Some(reply)
}

/// A folder, a hub, and how patient to be.
pub(crate) struct Bench {
    /// Below it the folder of models.
    pub(crate) folder: tempfile::TempDir,
    /// What downloads share.
    pub(crate) tools: DownloadTools,
    /// What the hub's side says.
    pub(crate) policy: SourcePolicy,
}

impl Bench {
    /// Prepares a folder.
    pub(crate) fn new(hub: &FakeHub) -> Result<Self> {
        Self::below(&std::env::temp_dir(), hub)
    }

    /// Prepares a folder on a certain disk.
    pub(crate) fn below(disk: &Path, hub: &FakeHub) -> Result<Self> {
        let folder = tempfile::tempdir_in(disk)?;
        let tools = tools(folder.path(), hub.port)?;
        let policy = SourcePolicy {
            stall_timeout_s: 1,
            min_speed: 1024,
            retry_per_source: 3,
            source_patience_s: 0,
            allow_private: true,
        };
        Ok(Self { folder, tools, policy })
    }

    /// The folder of models.
    pub(crate) fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    /// An order for a content.
    pub(crate) fn order(&self, content: &[u8], sources: Vec<AssetSource>) -> Result<AssetDownload> {
        Ok(AssetDownload {
            blake3: digest(content),
            size_bytes: content.len() as u64,
            dest: RelPath::parse(DEST)?,
            sources,
            policy: self.policy.clone(),
        })
    }

    /// Carries out an order.
    pub(crate) async fn run(&self, order: AssetDownload) -> Outcome {
        let (download, _reports) = prepare(order, &self.tools);
        download.run().await
    }

    /// What has the final name.
    pub(crate) fn arrived(&self) -> Option<Vec<u8>> {
        std::fs::read(self.models().join(DEST)).ok()
    }

    /// Names in the folder of the destination.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.models().join("loras"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// What downloads into a folder share.
pub(crate) fn tools(folder: &Path, hub_port: u16) -> Result<DownloadTools> {
    let models = folder.join("models");
    std::fs::create_dir_all(&models)?;
    let models = ConfinedFolder::open(&models)?;
    let tls = client_config(None)?;
    let address = HubAddress::parse(&format!("http://127.0.0.1:{hub_port}"))?;
    Ok(DownloadTools {
        models,
        http: Http::new(Arc::clone(&tls)),
        hub: Some(HubApi::new(address, &SessionKey::from_bytes([7; 32]), &tls, &Proxies::default())?),
        allow_private: true,
        connections: 4,
        room: Room::default(),
        lines: Lines::default(),
        pace: Pace::default(),
        patience: Patience {
            first_delay: Duration::from_millis(5),
            longest_delay: Duration::from_millis(50),
            longest_rest: Duration::from_secs(2),
            witness: Duration::from_secs(1),
            list: Duration::from_secs(1),
            give_up: Duration::from_secs(3),
            full_disk: Duration::from_millis(50),
        },
    })
}

/// A download, and what it reports.
pub(crate) fn prepare(order: AssetDownload, tools: &DownloadTools) -> (Arc<Download>, Reports) {
    let (report, reports) = channel(Arc::new(Notify::new()));
    (Download::new(order, tools.clone(), CancellationToken::new(), report), reports)
}

/// Waits for something that has to come; a minute is far more than it takes.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let began = std::time::Instant::now();
    while !is_so() {
        anyhow::ensure!(began.elapsed() < Duration::from_mins(1), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// A public source without a token.
pub(crate) fn public(url: String) -> AssetSource {
    AssetSource::Public { url, bearer: None }
}

/// The report of a source.
pub(crate) fn report<'a>(outcome: &'a Outcome, source: &str) -> Result<&'a SourceReport> {
    let sources = match outcome {
        Outcome::Succeeded { sources, .. } | Outcome::Failed { sources, .. } => sources,
        Outcome::Cancelled {} => anyhow::bail!("it was cancelled"),
    };
    let found = sources.iter().find(|report| report.source == source);
    found.with_context(|| format!("no report of {source} in {outcome:?}"))
}

/// Whether a source told this reason.
pub(crate) fn has_reason(report: &SourceReport, code: &str) -> bool {
    report.reasons.iter().any(|reason| reason.code == code)
}

/// Bytes without a pattern.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
