//! Fetches one content and does nothing else, for the bench and for trying sources by hand:
//! `download [--like-a-job] FOLDER HUB BLAKE3 SIZE NAME URL…`. The hub is asked for the group list with a key of
//! zeros; like a job, it is the last source, too, and patience is what it is by default.
//! Ends well if the content lies under its name; tells what each source did either way.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use shared_io::ConfinedFolder;
use shared_io::download::{Download, DownloadTools, Lines, Pace, Patience, Room};
use shared_io::http::{Http, Proxies};
use shared_io::hub_api::{HubAddress, HubApi};
use shared_io::report::channel;
use shared_io::tls::client_config;
use shared_protocol::job::{AssetDownload, AssetSource, SourcePolicy};
use shared_protocol::outcome::Outcome;
use shared_protocol::{RelPath, SessionKey};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_like_a_job = arguments.first().is_some_and(|first| first == "--like-a-job");
    arguments.drain(..usize::from(is_like_a_job));
    let [folder, hub, blake3, size, name, urls @ ..] = arguments.as_slice() else {
        bail!("usage: download [--like-a-job] FOLDER HUB BLAKE3 SIZE NAME URL…");
    };
    let models = Path::new(folder).join("models");
    std::fs::create_dir_all(&models).with_context(|| format!("cannot make {}", models.display()))?;
    let models = ConfinedFolder::open(&models)?;
    let tls = client_config(None)?;
    let tools = DownloadTools {
        models,
        http: Http::new(Arc::clone(&tls)),
        hub: Some(HubApi::new(HubAddress::parse(hub)?, &SessionKey::from_bytes([0; 32]), &tls, &Proxies::default())?),
        allow_private: true,
        connections: 4,
        room: Room::default(),
        lines: Lines::default(),
        pace: Pace::default(),
        patience: Patience::default(),
    };
    let mut sources: Vec<_> = urls.iter().map(|url| AssetSource::Public { url: url.clone(), bearer: None }).collect();
    let mut policy = SourcePolicy {
        stall_timeout_s: 5,
        min_speed: 1024,
        retry_per_source: 5,
        source_patience_s: 60,
        allow_private: true,
    };
    if is_like_a_job {
        sources.push(AssetSource::Hub);
        policy = SourcePolicy { stall_timeout_s: 30, min_speed: 10 << 10, retry_per_source: 3, ..policy };
    }
    let order = AssetDownload {
        blake3: blake3.parse()?,
        size_bytes: size.parse()?,
        dest: RelPath::parse(name)?,
        sources,
        policy,
    };
    let (report, _reports) = channel(Arc::new(Notify::new()));
    let outcome = Download::new(order, tools, CancellationToken::new(), report).run().await;
    serde_json::to_writer_pretty(std::io::stdout().lock(), &outcome)?;
    Ok(if matches!(outcome, Outcome::Succeeded { .. }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
