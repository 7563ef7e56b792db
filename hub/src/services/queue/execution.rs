//! A transfer whose turn has come: its steps on the disk, and what the index learns of them. Everything that was known
//! when it was asked for is looked at again, at the moment of the act.

mod allowed;
mod attempt;
mod copy;
mod damage;
mod delete;
mod download;
mod duplicate;
mod ending;
mod evict;
mod failure;
mod landing;
mod names;
mod place;
mod plan_guard;
mod recovery;
mod restore;
mod result;
mod room;
mod share;
mod small;
mod together;
mod unknown;
mod verified;

use super::{Queue, exclusions, summary};

pub(super) use attempt::{begin, broke_off, run};
pub(super) use copy::discard_left;
pub(super) use failure::AttemptError;
pub(super) use room::full_root;
pub(super) use small::SMALL_BYTES;
pub(super) use together::follow;
