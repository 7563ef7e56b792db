//! Whether it is this machine that is cut off: nobody answers, whoever is asked.
//!
//! A source that can't be reached is held to blame only if somebody else can: the hub by its health, which costs
//! nothing on its line, or another site of the order. Any answer will do, a refusal too.

use shared_protocol::job::AssetSource;
use shared_protocol::{WebUrl, routes};
use tokio::task::JoinSet;

use super::Download;
use super::source_client::{SourceClient, site_of};

/// Whether none of those answers that could tell. With nobody to ask the source is to blame.
pub(super) async fn is_cut_off(download: &Download, failed: &SourceClient) -> bool {
    let tools = &download.tools;
    let mut requests = Vec::new();
    if let Some(hub) = &tools.hub {
        requests.push(hub.client().get(hub.address().route(routes::HEALTH)));
    }
    for source in &download.order.sources {
        let AssetSource::Public { url, .. } = source else { continue };
        let Ok(url) = WebUrl::parse(url, download.allowed) else { continue };
        if site_of(&url) != failed.site() && tools.http.judge(&url, download.allowed).await.is_ok() {
            requests.extend(tools.http.head(&url, download.allowed).ok());
        }
    }
    let mut answers = JoinSet::new();
    for request in requests {
        answers.spawn(async move { request.send().await.is_ok() });
    }
    if answers.is_empty() {
        return false;
    }
    let anyone = async {
        while let Some(answered) = answers.join_next().await {
            if matches!(answered, Ok(true)) {
                return true;
            }
        }
        false
    };
    !tokio::time::timeout(tools.patience.witness, anyone).await.unwrap_or(false)
}
