//! What makes a folder of one root like the same folder of the other: the rules, one file at a time.
//!
//! [`judge_sides`] says what has to happen with one name. [`moves`] then finds contents that are already
//! on the destination under another name, so that a rename takes the place of a copy and a delete.
//! Whoever builds a plan feeds both and stores the rows; nothing here knows where they come from.

pub mod moves;
pub mod totals;
mod why;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests;

pub use why::Why;

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::diff::{Content, DiffStatus, compare};
use super::ids::FileId;
use super::ticks::Ticks;

/// When two files of one name count as the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// By size and time, and by hash where both are known.
    #[default]
    SizeMtime,
    /// By hash only: a pair of equal size with a hash missing is left as it is.
    Hash,
}

/// What a plan may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// When two files of one name are the same.
    pub compare: Compare,
    /// Whether files go that the source does not have, and may be renamed.
    pub deletes: bool,
    /// Whether files that differ are replaced.
    pub overwrites: bool,
    /// Whether a damaged file may replace another one.
    pub damaged: bool,
}

/// What happens with one file, in the order in which plans are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::FromRepr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[schema(as = PlanAction)]
#[repr(i64)]
pub enum PlanAction {
    /// It gets another name on the destination, which needs no copy.
    Move = 0,
    /// It is copied to a free name.
    Copy = 1,
    /// It is copied, and the file that is there goes to the trash.
    Overwrite = 2,
    /// It goes to the destination's trash.
    Delete = 3,
    /// Nothing: only hashes would tell whether it differs.
    Unverified = 4,
    /// Nothing: names are in each other's way.
    Conflict = 5,
    /// Nothing, for another reason.
    LeftOut = 6,
}

impl PlanAction {
    /// Every action.
    pub const ALL: [Self; 7] =
        [Self::Move, Self::Copy, Self::Overwrite, Self::Delete, Self::Unverified, Self::Conflict, Self::LeftOut];

    /// Whether a file is touched at all.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Move | Self::Copy | Self::Overwrite | Self::Delete)
    }
}

/// A file as a plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// Its row in the index.
    pub id: FileId,
    pub path: RelPath,
    /// What is known of its content.
    pub content: Content,
    /// Its content is not here but in a cloud.
    pub placeholder: bool,
    /// It is known not to be whole.
    pub damaged: bool,
    /// Its bytes changed on disk without being written: no copy is made of it.
    pub rotted: bool,
}

/// What has to happen with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairVerdict {
    /// The sides agree, or it is none of the plan's business.
    Nothing,
    Do(PlanAction),
    /// The file stays as it is.
    Leave(Why),
}

/// Says what has to happen with the file that both sides have under one name, or one of them only.
pub fn judge_sides(source: Option<&PlanFile>, dest: Option<&PlanFile>, rules: Rules) -> PairVerdict {
    match (source, dest) {
        (Some(source), None) if source.placeholder => PairVerdict::Leave(Why::InCloud),
        (Some(source), None) if source.rotted => PairVerdict::Leave(Why::Rotted),
        (Some(_), None) => PairVerdict::Do(PlanAction::Copy),
        (None, Some(_)) if rules.deletes => PairVerdict::Do(PlanAction::Delete),
        (None, _) => PairVerdict::Nothing,
        (Some(source), Some(dest)) => judge_pair(source, dest, rules),
    }
}

fn judge_pair(source: &PlanFile, dest: &PlanFile, rules: Rules) -> PairVerdict {
    let differs = match (compare(&source.content, &dest.content), rules.compare) {
        (DiffStatus::Different, _) => true,
        (DiffStatus::Same, Compare::SizeMtime) => false,
        // A clock change shifts all times by an hour: that asks for a hash, not for a copy.
        (_, Compare::SizeMtime) => {
            if source.content.modified.hour_apart(dest.content.modified) {
                return PairVerdict::Leave(unhashed(source, dest));
            }
            true
        }
        (status, Compare::Hash) => match (source.content.hash, dest.content.hash) {
            (Some(_), Some(_)) => status != DiffStatus::Same,
            _ => return PairVerdict::Leave(unhashed(source, dest)),
        },
    };
    match differs {
        false => PairVerdict::Nothing,
        true if source.placeholder => PairVerdict::Leave(Why::InCloud),
        true if rules.overwrites && source.rotted => PairVerdict::Leave(Why::Rotted),
        true if rules.overwrites && source.damaged && !rules.damaged => PairVerdict::Leave(Why::Damaged),
        true if rules.overwrites => PairVerdict::Do(PlanAction::Overwrite),
        true => PairVerdict::Leave(Why::Differs),
    }
}

const fn unhashed(source: &PlanFile, dest: &PlanFile) -> Why {
    match (source.content.hash, dest.content.hash) {
        (Some(_), _) => Why::DestUnhashed,
        (None, Some(_)) => Why::SourceUnhashed,
        (None, None) => Why::BothUnhashed,
    }
}

/// A file's size and time: what a plan relies on until it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
}

impl Stamp {
    const fn of(file: &PlanFile) -> Self {
        Self { size_bytes: file.content.size_bytes, modified: file.content.modified }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    pub action: PlanAction,
    /// Renames come first, by their own phases, then copies, then deletes. 0 where nothing happens.
    pub phase: u32,
    /// The file that is read, moved or deleted.
    pub path: RelPath,
    /// That file as it was seen.
    pub stamp: Stamp,
    /// Where it goes, if that is another path.
    pub to_path: Option<RelPath>,
    /// What lies there and makes way.
    pub there: Option<Stamp>,
    pub source: Option<FileId>,
    /// The destination's file.
    pub dest: Option<FileId>,
    /// The destination's file whose content goes away.
    pub gone: Option<FileId>,
    /// Why nothing happens.
    pub why: Option<Why>,
    /// What belongs to the reason: the place that was not seen, the name that is in the way.
    pub place: Option<String>,
}

/// The phase of what is copied, behind every rename.
pub const COPY_PHASE: u32 = 1 << 20;

/// The phase of what is deleted, behind every copy.
pub const DELETE_PHASE: u32 = COPY_PHASE + 1;

impl PlanRow {
    /// The row for what was judged; none where there is nothing to show.
    pub fn of(source: Option<&PlanFile>, dest: Option<&PlanFile>, verdict: PairVerdict) -> Option<Self> {
        let (action, why) = match verdict {
            PairVerdict::Nothing => return None,
            PairVerdict::Do(action) => (action, None),
            PairVerdict::Leave(why) => (why.action(), Some(why)),
        };
        let shown = source.or(dest)?;
        let goes = matches!(action, PlanAction::Delete | PlanAction::Overwrite);
        let elsewhere = source.and(dest).filter(|dest| dest.path != shown.path);
        Some(Self {
            action,
            phase: match action {
                PlanAction::Copy | PlanAction::Overwrite => COPY_PHASE,
                PlanAction::Delete => DELETE_PHASE,
                _ => 0,
            },
            path: shown.path.clone(),
            stamp: Stamp::of(shown),
            to_path: elsewhere.map(|dest| dest.path.clone()),
            there: source.and(dest).map(Stamp::of),
            source: source.map(|file| file.id),
            dest: dest.map(|file| file.id),
            gone: dest.filter(|_| goes).map(|file| file.id),
            why,
            place: None,
        })
    }

    /// Where the destination's own file of this row lies.
    fn dest_path(&self) -> &RelPath {
        self.to_path.as_ref().unwrap_or(&self.path)
    }

    /// The destination's own file of this row, as it was seen.
    fn dest_stamp(&self) -> Stamp {
        self.there.unwrap_or(self.stamp)
    }

    /// The rename that gives `self`, a copy or an overwrite, the content that `offer` holds. What
    /// lies there makes way unless it was renamed itself before.
    #[must_use]
    pub fn moved_from(&self, offer: &Self, phase: u32) -> Self {
        Self {
            action: PlanAction::Move,
            phase,
            path: offer.dest_path().clone(),
            stamp: offer.dest_stamp(),
            to_path: Some(self.dest_path().clone()),
            there: self.there.filter(|_| self.gone.is_some()),
            source: self.source,
            dest: offer.dest,
            gone: self.gone,
            why: None,
            place: None,
        }
    }

    /// What is left of a row whose destination's file was renamed: the delete is done with, a file
    /// to be replaced has nothing left that would make way.
    #[must_use]
    pub fn vacated(self) -> Option<Self> {
        match self.action {
            PlanAction::Delete => None,
            _ => Some(Self { gone: None, ..self }),
        }
    }
}
