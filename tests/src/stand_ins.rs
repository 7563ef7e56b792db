//! Servers that answer as the sites do that models come from, with their quirks: Civitai, CivArchive, Hugging Face,
//! ModelScope. They answer on this computer, so whoever asks them needs `REMOTE_ALLOW_PRIVATE_SOURCES`.
//!
//! Each counts what it is asked and keeps every header, so that a test can tell how often a site was asked, and that
//! no token went where it does not belong. What a site answers is in its own file, with where that is known from.

mod civarchive;
mod civitai;
mod hugging_face;
mod model_scope;
mod offered;
mod server;
mod storage;

pub use civarchive::{CivArchiveSite, Mirror};
pub use civitai::{CivitaiAccess, CivitaiSite, CivitaiVersion};
pub use hugging_face::{HuggingFaceSite, Repo, RepoAccess};
pub use model_scope::{ModelScopeSite, ScopeRepo};
pub use offered::Offered;
pub use server::{Heard, Limit, Reply, StandIn};
pub use storage::Storage;
