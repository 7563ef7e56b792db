//! Why a plan leaves a file as it is.

use serde::{Deserialize, Serialize};

use super::PlanAction;

/// Why a file stays as it is though the sides don't agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::VariantArray, strum::FromRepr)]
#[serde(rename_all = "snake_case")]
#[repr(i64)]
pub enum Why {
    /// Of equal size, and the source's file has no hash.
    SourceUnhashed = 0,
    /// Of equal size, and the destination's file has no hash.
    DestUnhashed = 1,
    /// Of equal size, and neither has a hash.
    BothUnhashed = 2,
    /// A root has several names here that differ only in case.
    CaseConflict = 3,
    /// A folder has the file's name, or a file the name of its folder.
    InTheWay = 4,
    /// The source's content lies in a cloud and not on the disk.
    InCloud = 5,
    /// It differs, and the plan is to replace nothing.
    Differs = 6,
    /// The source was not seen there.
    SourceUnknown = 7,
    /// The destination was not seen there.
    DestUnknown = 8,
    /// It differs, and the source's file is damaged.
    Damaged = 9,
    /// The other side has a name that differs only in case, or a folder above that does.
    CaseTwin = 10,
    /// The source's file has changed on disk without being written.
    Rotted = 11,
}

impl Why {
    /// Every reason.
    #[cfg(test)]
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether another name for the file would end it.
    pub const fn ends_by_rename(self) -> bool {
        matches!(self, Self::CaseConflict | Self::CaseTwin)
    }

    /// How a plan lists a file that is left for this reason.
    pub const fn action(self) -> PlanAction {
        match self {
            Self::SourceUnhashed | Self::DestUnhashed | Self::BothUnhashed => PlanAction::Unverified,
            Self::CaseConflict | Self::InTheWay | Self::CaseTwin => PlanAction::Conflict,
            Self::InCloud | Self::Differs | Self::SourceUnknown | Self::DestUnknown | Self::Damaged | Self::Rotted => {
                PlanAction::LeftOut
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
