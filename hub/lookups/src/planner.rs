//! Which question is asked next, and when.
//!
//! A [`Run`] is a state machine: it is made of what is wanted, hands out questions, takes what came of them, and asks
//! further. Batches come first: 10,000 contents are one question to Civitai for which it knows, and at most 100 for
//! details. A site is asked one thing at a time ([`Pace`]); what was asked lately is not asked again ([`Remembered`]).
//! Time is handed in, as it has passed since any fixed moment.

mod memory;
mod pace;
mod run;
mod wishes;

pub use memory::{FOUND_KEPT, NOT_FOUND_KEPT, Remembered};
pub use pace::{MAX_BACK_OFF, MIN_BACK_OFF, MOST_FAILURES, PATIENCE, Pace};
pub use run::{Outcome, Resting, Run, Step, Ticket};
pub use wishes::Wish;
