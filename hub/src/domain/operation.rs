//! What a transfer does.

use serde::{Deserialize, Serialize};

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It is on the other root too, afterwards.
    Copy,
    /// It is on the other root instead.
    Move,
    /// It is in its root's trash.
    Delete,
    /// It is gone for good, after its duplicate that stays was read and verified.
    RemoveDuplicate,
    /// It is back from the trash.
    Restore,
    /// It is on the Lake only: it left Local for good, after the Lake's copy was read and verified.
    Evict,
    /// Its name leads to the same file as its duplicate's.
    Hardlink,
    /// It shares its bytes on the disk with its duplicate.
    Reflink,
    /// It has its bytes for itself again.
    Separate,
    /// It is on a root that it came to from a public address.
    Download,
}

impl Operation {
    /// Every operation.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether it writes to the other root.
    pub const fn has_destination(self) -> bool {
        match self {
            Self::Copy | Self::Move | Self::Evict | Self::Download => true,
            Self::Delete | Self::RemoveDuplicate | Self::Restore | Self::Hardlink | Self::Reflink | Self::Separate => {
                false
            }
        }
    }

    /// Whether a name or a content goes away where the file is taken from.
    pub const fn takes_away(self) -> bool {
        match self {
            Self::Move | Self::Delete | Self::RemoveDuplicate | Self::Evict | Self::Hardlink | Self::Reflink => true,
            Self::Copy | Self::Restore | Self::Separate | Self::Download => false,
        }
    }

    /// Whether another file takes the place of the one that it is about.
    pub const fn replaces_in_place(self) -> bool {
        match self {
            Self::Hardlink | Self::Reflink | Self::Separate => true,
            Self::Copy
            | Self::Move
            | Self::Delete
            | Self::RemoveDuplicate
            | Self::Restore
            | Self::Evict
            | Self::Download => false,
        }
    }

    /// Whether it concerns a file of which a duplicate stays, which is its destination.
    pub const fn is_of_duplicate(self) -> bool {
        match self {
            Self::RemoveDuplicate | Self::Hardlink | Self::Reflink => true,
            Self::Copy | Self::Move | Self::Delete | Self::Restore | Self::Evict | Self::Separate | Self::Download => {
                false
            }
        }
    }
}

/// What to do where the destination has the name already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Leave both as they are.
    #[default]
    Skip,
    /// Put the old one into the trash first.
    Replace,
    /// Give the new one a free name.
    KeepBoth,
}

impl OnConflict {
    /// Every choice.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for operation in Operation::ALL.iter().copied() {
            assert_eq!(operation.as_str().parse(), Ok(operation));
        }
        for choice in OnConflict::ALL.iter().copied() {
            assert_eq!(choice.as_str().parse(), Ok(choice));
        }
    }
}
