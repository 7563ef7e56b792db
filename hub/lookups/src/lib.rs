//! Where models can be had: what people paste, what public sites are asked, what they answer, and what counts as
//! proof. Nothing here asks anybody: a [`Request`] is data, an answer is bytes, and time is handed in. The hub's
//! services send requests by its one guarded way out, keep answers, and write what may be written.
//!
//! - [`Address`]: addresses as people have them, told apart by site.
//! - [`Finder`]: one question to one site ([`finders`]); [`Ask`] is any of them.
//! - [`Hint`]: what something on this disk says about where a file is from ([`hints`]).
//! - [`admit`]: the one door to `.model_sources.json`; nothing passes without proof or the mark "likely".
//! - [`coverage()`]: what all of it means for a content.
//! - [`Run`]: which question is asked next, and when.
//!
//! What sites answer comes from the internet: it is bounded before it is read, an entry that is not of the form takes
//! nothing from its neighbours, and a field of another type than expected is as if it were not there.

mod address;
mod answer;
mod ask;
mod claim;
mod coverage;
mod finder;
pub mod finders;
pub mod hints;
mod json;
pub mod planner;
mod proof;
mod request;
mod sites;

pub use address::{
    Address, AddressError, CivitaiFile, HuggingFaceFile, ModelScopeFile, RepoKind, TokenNeed, file_name_from,
};
pub use answer::{Answer, AnswerError};
pub use ask::Ask;
pub use claim::{Claim, Content, Offer, Origin};
pub use coverage::{AddressState, Coverage, Evidence, Kept, coverage, is_at_risk, may_leave};
pub use finder::{Finder, Found};
pub use hints::Hint;
pub use planner::{Run, Step};
pub use proof::{Admission, Entry, MIN_PROBED_BYTES, Probe, Proof, Withheld, admit, judge, probed_range};
pub use request::{Method, Request};
pub use sites::{Site, Sites};
