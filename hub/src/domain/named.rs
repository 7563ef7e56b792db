//! What enums are called outside of the program, and which numbers stand for them in the database: told once for all.

use super::background::WorkState;
use super::diff::DiffStatus;
use super::duplicates::{DuplicateAction, GroupKind, KeepRule};
use super::eviction::EvictBy;
use super::kind::FileKind;
use super::mirror::{Compare, PlanAction, Why};
use super::operation::{OnConflict, Operation};
use super::remote_job::{JobKind, JobState};
use super::root::Root;
use super::skipped::SkipReason;
use super::sources::{CheckStatus, Standing};
use super::transfer::TransferState;

macro_rules! names {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name in the API, in addresses and in the database.
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

macro_rules! codes {
    ($($name:ident),*) => {$(
        impl $name {
            /// The number that stands for it in the database.
            pub const fn code(self) -> i64 {
                self as i64
            }
        }
    )*};
}

names!(CheckStatus, Compare, DiffStatus, DuplicateAction, EvictBy, FileKind, GroupKind, JobKind, JobState, KeepRule);
names!(OnConflict, Operation, PlanAction, Root, SkipReason, Standing, TransferState, WorkState);
codes!(DiffStatus, FileKind, GroupKind, PlanAction, SkipReason, Why);
