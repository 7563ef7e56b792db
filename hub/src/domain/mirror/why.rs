//! Why a plan leaves a file as it is.

use serde::{Deserialize, Serialize};

use super::Action;

/// Why a file stays as it is though the sides don't agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Of equal size, and the source's file has no hash.
    SourceUnhashed,
    /// Of equal size, and the destination's file has no hash.
    DestUnhashed,
    /// Of equal size, and neither has a hash.
    BothUnhashed,
    /// A root has several names here that differ only in case.
    CaseConflict,
    /// A folder has the file's name, or a file the name of its folder.
    InTheWay,
    /// The source's content lies in a cloud and not on the disk.
    InCloud,
    /// It differs, and the plan is to replace nothing.
    Differs,
    /// The source was not seen there.
    SourceUnknown,
    /// The destination was not seen there.
    DestUnknown,
    /// It differs, and the source's file is damaged.
    Damaged,
    /// The other side has a name that differs only in case, or a folder above that does.
    CaseTwin,
    /// The source's file has changed on disk without being written.
    Rotted,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::SourceUnhashed,
        Self::DestUnhashed,
        Self::BothUnhashed,
        Self::CaseConflict,
        Self::InTheWay,
        Self::InCloud,
        Self::Differs,
        Self::SourceUnknown,
        Self::DestUnknown,
        Self::Damaged,
        Self::CaseTwin,
        Self::Rotted,
    ];

    /// The number that stands for it in the database.
    pub const fn code(self) -> i64 {
        match self {
            Self::SourceUnhashed => 0,
            Self::DestUnhashed => 1,
            Self::BothUnhashed => 2,
            Self::CaseConflict => 3,
            Self::InTheWay => 4,
            Self::InCloud => 5,
            Self::Differs => 6,
            Self::SourceUnknown => 7,
            Self::DestUnknown => 8,
            Self::Damaged => 9,
            Self::CaseTwin => 10,
            Self::Rotted => 11,
        }
    }

    /// The reason behind a code of the database.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.code() == code)
    }

    /// Whether another name for the file would end it.
    pub const fn ends_by_rename(self) -> bool {
        matches!(self, Self::CaseConflict | Self::CaseTwin)
    }

    /// How a plan lists a file that is left for this reason.
    pub const fn action(self) -> Action {
        match self {
            Self::SourceUnhashed | Self::DestUnhashed | Self::BothUnhashed => Action::Unverified,
            Self::CaseConflict | Self::InTheWay | Self::CaseTwin => Action::Conflict,
            Self::InCloud | Self::Differs | Self::SourceUnknown | Self::DestUnknown | Self::Damaged | Self::Rotted => {
                Action::LeftOut
            }
        }
    }

    /// The reason for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SourceUnhashed => "equal size; the source's file has no hash yet",
            Self::DestUnhashed => "equal size; the destination's file has no hash yet",
            Self::BothUnhashed => "equal size; neither file has a hash yet",
            Self::CaseConflict => "several names here differ only in case: rename all but one",
            Self::InTheWay => "a file stands where a folder has to be, or the other way round",
            Self::InCloud => "its content lies in a cloud and is not on this disk",
            Self::Differs => "it differs, and this plan replaces nothing",
            Self::SourceUnknown => "the source was not seen here",
            Self::DestUnknown => "the destination was not seen here",
            Self::CaseTwin => {
                "the other side has or gets a name that differs only in upper and lower case or in how accents are written; \
                 rename one of the two first"
            }
            Self::Rotted => {
                "the source's bytes changed on disk though nothing wrote to them: heal it first, or say that it is right"
            }
            Self::Damaged => "it is damaged: its size is not what its header says, and it would replace another file",
        }
    }
}
