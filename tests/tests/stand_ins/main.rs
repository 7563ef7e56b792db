//! The stand-ins for public sites answer as those do, each quirk of them, and the crate lookups reads what they say.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

mod asking;
mod civitai;
mod hugging_face;
mod others;
mod whole_run;
