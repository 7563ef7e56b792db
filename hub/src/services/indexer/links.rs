//! Including the folder that a link leads to, and leaving it out again.
//!
//! Both only write down what a person wants and start a scan. Until that has ended the place stays as unknown as it was,
//! or its files stay in the index; when the link is left out they go, and the place is unknown again.

use std::sync::Arc;
use std::time::Duration;

use shared_protocol::RelPath;

use super::Indexer;
use crate::domain::ids::BackgroundJobId;
use crate::domain::included_link::IncludedLink;
use crate::domain::root::Root;
use crate::fs::inclusion::{LinkRefusal, Neighbour, find, leads_to_folder, shown};
use crate::services::{ErrorKind, ServiceError};
use crate::storage::history::{Level, NewLine};
use crate::storage::included_links;

/// How long the disk that a link leads to may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// The same where a page is only to know whether to offer something.
const A_MOMENT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    /// Two links must not be included beside each other that lead into each other.
    including: Arc<tokio::sync::Mutex<()>>,
    /// A disk that hangs takes one thread, however often a page is asked for.
    looking: Arc<tokio::sync::Mutex<()>>,
}

impl Indexer {
    /// Makes the folder that a link leads to a part of the root, as it is now, and scans.
    pub async fn include_link(&self, root: Root, path: RelPath) -> Result<BackgroundJobId, ServiceError> {
        self.context.ends.check_writable()?;
        let live = self.context.roots.live(root)?;
        let row = live.row;
        {
            let _turn = self.links.including.lock().await;
            let mut neighbours = self.context.roots.neighbours();
            neighbours.extend(self.linked_neighbours(root, &path).await?);
            let (this, wanted) = (self.clone(), path.clone());
            let work = move || {
                this.context.roots.check_blocking(&live)?;
                find(&live.dir, &wanted, &neighbours).map_err(|refusal| refused(&refusal))
            };
            let link: IncludedLink = match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
                Ok(Ok(found)) => found?,
                Ok(Err(_)) => return Err(ServiceError::ShuttingDown),
                Err(_) => {
                    let text = format!("The folder that \"{path}\" leads to does not answer.");
                    return Err(ServiceError::said(ErrorKind::Unavailable, text));
                }
            };
            let line = format!("{path} on {} is included: it leads to {}", root.label(), shown(&link));
            self.context.database.write(move |tx| included_links::include(tx, row, &link)).await?;
            self.context.history.add(NewLine::new("scan", Level::Info, line).root(root)).await;
        }
        self.begin(vec![root]).await
    }

    /// Leaves out what a link leads to, and scans: nothing of it is gone, it is unknown again. No file is touched.
    pub async fn leave_link_out(&self, root: Root, path: RelPath) -> Result<BackgroundJobId, ServiceError> {
        self.context.ends.check_writable()?;
        let row = self.context.roots.live(root)?.row;
        let wanted = path.clone();
        if !self.context.database.write(move |tx| included_links::leave_out(tx, row, &wanted)).await? {
            let text = format!("No link is included at \"{path}\" in {}.", root.label());
            return Err(ServiceError::said(ErrorKind::NotFound, text));
        }
        let line = format!("{path} on {} is left out again", root.label());
        self.context.history.add(NewLine::new("scan", Level::Info, line).root(root)).await;
        self.begin(vec![root]).await
    }

    /// Which of these links lead to a folder that might be included. Those whose disks don't answer at once may.
    pub async fn includable(&self, root: Root, links: Vec<String>) -> Vec<bool> {
        let n = links.len();
        let (Ok(live), Ok(turn)) = (self.context.roots.live(root), Arc::clone(&self.links.looking).try_lock_owned())
        else {
            return vec![true; n];
        };
        if links.is_empty() {
            return Vec::new();
        }
        let work = move || {
            let _turn = turn;
            let may = |path: &String| RelPath::parse(path).is_ok_and(|path| leads_to_folder(&live.dir, &path));
            links.iter().map(may).collect()
        };
        match tokio::time::timeout(A_MOMENT, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(found)) => found,
            _ => vec![true; n],
        }
    }

    /// What the other included links of both roots lead to.
    async fn linked_neighbours(&self, root: Root, path: &RelPath) -> Result<Vec<Neighbour>, ServiceError> {
        let own = path.clone();
        let read = move |connection: &_| {
            let mut found = Vec::new();
            for side in Root::ALL {
                let links = included_links::shown(connection, side)?.into_iter().map(|shown| shown.link);
                found.extend(links.filter(|link| side != root || link.path != own).map(|link| Neighbour {
                    name: format!("the folder of {} on {}, which is included already", link.path, side.label()),
                    path: link.target.into(),
                    is_link: true,
                }));
            }
            Ok(found)
        };
        Ok(self.context.database.read(read).await?)
    }
}

fn refused(refusal: &LinkRefusal) -> ServiceError {
    let kind = match refusal {
        LinkRefusal::NotThere(_) => ErrorKind::NotFound,
        LinkRefusal::Overlap { with_link: true, .. } => ErrorKind::Conflict,
        _ => ErrorKind::Impossible,
    };
    ServiceError::said(kind, refusal.to_string())
}
