//! Whether it is this machine that is cut off: nobody answers, whoever is asked.
//!
//! A source that can't be reached is held to blame only if somebody else can: the hub by its health, which costs
//! nothing on its line, or another site of the order. Any answer will do, a refusal too.

use shared_protocol::job::AssetSource;
use shared_protocol::{WebUrl, routes};
use tokio::task::JoinSet;

use super::Download;
use super::source_client::{SourceClient, site_of};

/// Whether none of those answers that could tell: the hub first, and only where it does not, other sites, which are not
/// bothered each time that one of them fails. With nobody to ask the source is to blame.
pub(super) async fn is_cut_off(download: &Download, failed: &SourceClient) -> bool {
    let tools = &download.tools;
    let hub = tools.hub.as_ref().map(|hub| hub.client().get(hub.address().route(routes::HEALTH)));
    let has_hub = hub.is_some();
    if anyone_answers(download, hub.into_iter().collect()).await {
        return false;
    }
    let mut requests = Vec::new();
    for source in &download.order.sources {
        let AssetSource::Public { url, .. } = source else { continue };
        let Ok(url) = WebUrl::parse(url, download.allowed) else { continue };
        if site_of(&url) != failed.site() && tools.http.judge(&url, download.allowed).await.is_ok() {
            requests.extend(tools.http.head(&url, download.allowed).ok());
        }
    }
    (has_hub || !requests.is_empty()) && !anyone_answers(download, requests).await
}

async fn anyone_answers(download: &Download, requests: Vec<reqwest::RequestBuilder>) -> bool {
    let mut answers = JoinSet::new();
    for request in requests {
        answers.spawn(async move { request.send().await.is_ok() });
    }
    let anyone = async {
        while let Some(answered) = answers.join_next().await {
            if matches!(answered, Ok(true)) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(download.tools.patience.witness, anyone).await.unwrap_or(false)
}
