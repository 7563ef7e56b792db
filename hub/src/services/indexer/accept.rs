//! A person says that a folder is right as it is, though its disk is gone or another one, or an included link leads
//! elsewhere.

use shared_protocol::RelPath;

use super::Indexer;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::history::{Level, NewLine};
use crate::storage::included_links;
use crate::storage::skipped::{self, Accepted};

impl Indexer {
    /// Takes what was found in the place of a disk for what belongs there, and scans: what is missing there
    /// is gone then. Refuses a place that nobody has to say yes to.
    pub async fn accept(&self, root: Root, path: String) -> Result<BackgroundJobId, ServiceError> {
        let row = self.context.roots.live(root)?.row;
        if let Ok(link) = RelPath::parse(&path) {
            let wanted = link.clone();
            if self.context.database.read(move |connection| included_links::has(connection, row, &wanted)).await? {
                return self.include_link(root, link).await;
            }
        }
        let wanted = path.clone();
        let accepted = self.context.database.write(move |tx| skipped::accept(tx, row, &wanted)).await?;
        match accepted {
            Accepted::Yes => {}
            Accepted::NotThere => {
                let text = format!("Nothing is skipped at \"{path}\" in {}.", root.label());
                return Err(ServiceError::said(ErrorKind::NotFound, text));
            }
            Accepted::NotOffered(reason) => {
                let text = format!("\"{path}\" is {}. {}", reason.why(None), reason.way_out());
                return Err(ServiceError::said(ErrorKind::Impossible, text));
            }
        }
        let line = format!("{path} on {} was taken as it is, without the disk of before", root.label());
        self.context.history.add(NewLine::new("scan", Level::Warning, line).root(root)).await;
        self.begin(vec![root]).await
    }
}
