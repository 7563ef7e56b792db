//! What a plan comes to, and what it needs before it is carried out.

use serde::{Deserialize, Serialize};

use super::PlanAction;
use crate::domain::confirmation::{self, is_over_a_fifth};

/// So many files, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Count {
    pub n: u64,
    pub bytes: u64,
}

impl Count {
    /// One more file.
    pub const fn add(&mut self, bytes: u64) {
        self.n += 1;
        self.bytes += bytes;
    }

    /// One file less.
    pub const fn take_file(&mut self, bytes: u64) {
        self.n = self.n.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The rows of a plan by action, and what they are measured against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanTotals {
    /// Renames on the destination.
    pub moves: Count,
    /// Copies to free names.
    pub copies: Count,
    /// Copies in place of other files.
    pub overwrites: Count,
    pub deletes: Count,
    /// Deletes of content of which no other copy is known.
    pub last_copies: Count,
    /// Files that only hashes could tell apart.
    pub unverified: Count,
    /// Names in each other's way.
    pub conflicts: Count,
    /// Files left for another reason.
    pub left_out: Count,
    /// What the destination holds, within the folder that the plan is about.
    pub dest: Count,
}

impl PlanTotals {
    /// The rows of one action.
    pub const fn of(&mut self, action: PlanAction) -> &mut Count {
        match action {
            PlanAction::Move => &mut self.moves,
            PlanAction::Copy => &mut self.copies,
            PlanAction::Overwrite => &mut self.overwrites,
            PlanAction::Delete => &mut self.deletes,
            PlanAction::Unverified => &mut self.unverified,
            PlanAction::Conflict => &mut self.conflicts,
            PlanAction::LeftOut => &mut self.left_out,
        }
    }

    /// Transfers that carry it out.
    pub const fn n_transfers(&self) -> u64 {
        self.moves.n + self.copies.n + self.overwrites.n + self.deletes.n
    }

    /// Bytes that have to be read and written.
    pub const fn bytes_to_copy(&self) -> u64 {
        self.copies.bytes + self.overwrites.bytes
    }

    /// Whether something goes away from the destination, to its trash or to another name.
    pub const fn takes_away(&self) -> bool {
        self.moves.n + self.overwrites.n + self.deletes.n > 0
    }

    /// The part of the destination that is deleted, by files or by bytes, whichever is more.
    #[allow(clippy::cast_precision_loss, reason = "a share is shown with two digits")]
    pub fn delete_share(&self) -> f64 {
        let share = |part: u64, whole: u64| if part == 0 { 0.0 } else { part as f64 / whole.max(part) as f64 };
        share(self.deletes.n, self.dest.n).max(share(self.deletes.bytes, self.dest.bytes))
    }

    /// Whether so much is deleted that it has to be confirmed in words.
    pub fn needs_confirmation(&self) -> bool {
        let (deletes, dest) = (self.deletes, self.dest);
        deletes.n > 0 && (is_over_a_fifth(deletes.n, dest.n) || is_over_a_fifth(deletes.bytes, dest.bytes))
    }

    /// What a page asks to be typed: also before many files are deleted, and before any is that the
    /// Lake holds.
    pub fn words(&self, is_lake: bool) -> Option<String> {
        let n = self.deletes.n;
        confirmation::words("DELETE", n, self.needs_confirmation() || (is_lake && n > 0))
    }

    /// The destination's free bytes afterwards. What goes to the trash frees nothing.
    pub fn free_after(&self, free_bytes: u64, queued_bytes: u64) -> i64 {
        let needed = self.bytes_to_copy().saturating_add(queued_bytes);
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        signed(free_bytes).saturating_sub(signed(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(deletes: Count, dest: Count) -> PlanTotals {
        PlanTotals { deletes, dest, ..PlanTotals::default() }
    }

    #[test]
    fn over_a_fifth_of_files_or_bytes_has_to_be_confirmed() {
        let dest = Count { n: 100, bytes: 1_000 };
        assert!(!totals(Count { n: 20, bytes: 200 }, dest).needs_confirmation());
        assert!(totals(Count { n: 21, bytes: 0 }, dest).needs_confirmation());
        assert!(totals(Count { n: 1, bytes: 201 }, dest).needs_confirmation());
        assert!(totals(Count { n: 1, bytes: 1 }, Count { n: 1, bytes: 1 }).needs_confirmation());
        assert!(!totals(Count::default(), Count::default()).needs_confirmation());
        assert!((totals(Count { n: 5, bytes: 900 }, dest).delete_share() - 0.9).abs() < 1e-9);
    }

    #[test]
    fn a_page_asks_for_words_before_many_deletes_and_any_on_the_lake() {
        let dest = Count { n: 1_000, bytes: 1_000_000 };
        assert_eq!(totals(Count { n: 10, bytes: 10 }, dest).words(false), None);
        assert_eq!(totals(Count { n: 11, bytes: 11 }, dest).words(false).as_deref(), Some("DELETE 11"));
        assert_eq!(totals(Count { n: 1, bytes: 1 }, dest).words(true).as_deref(), Some("DELETE 1"));
        assert_eq!(totals(Count::default(), dest).words(true), None);
    }

    #[test]
    fn the_trash_frees_nothing() {
        let mut plan = totals(Count { n: 9, bytes: 900 }, Count { n: 10, bytes: 1_000 });
        plan.copies = Count { n: 1, bytes: 300 };
        plan.overwrites = Count { n: 1, bytes: 200 };
        assert_eq!(plan.free_after(1_000, 100), 400);
        assert_eq!(plan.free_after(100, 0), -400);
    }
}
