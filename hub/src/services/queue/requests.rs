//! What people ask of the queue: from what they named to rows of transfers. Only the index is asked here; the files
//! themselves are looked at when a transfer's turn comes.

mod bulk;
mod download;
mod enqueue;
mod evictions;
mod heal;
mod put_back;
mod rename;
mod resolve;
mod undo;

use super::{BatchReceipt, Queue, SkippedPath, TransferRequest, conflict, exclusions, summary};

pub use download::{DownloadItem, DownloadReceipt, DownloadRequest, WantedContent};
pub use evictions::EvictionReceipt;
pub use rename::{RenameOffer, offer as rename_offer};
pub use resolve::{Named, Resolution};

pub(super) use enqueue::enqueue;
pub(super) use undo::undo;
