//! What a root holds that the index does not see, and why: *absent* is only what was looked for and
//! not found. At and below an unknown place nothing is known to be there or not to be there.

use serde::{Deserialize, Serialize};

/// Why something is not in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::VariantArray, strum::FromRepr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[repr(i64)]
pub enum SkipReason {
    /// A symbolic link or junction that is not included.
    Link = 0,
    /// A name that not every system can store.
    BadName = 1,
    /// A name that is not text.
    NotUnicode = 2,
    /// A device, pipe or socket.
    Special = 3,
    /// A folder that could not be listed.
    Unlisted = 4,
    /// A file whose size and time could not be read.
    Unreadable = 5,
    /// A disk was mounted on this folder at the last scan, and none is now.
    DiskMissing = 6,
    /// Another disk is mounted on this folder than at the last scan.
    DiskChanged = 7,
    /// It is no part of a library: left alone by rule.
    Excluded = 8,
    /// A file or folder of a right name that is still being downloaded.
    Unfinished = 9,
    /// The hub's own data folder.
    HubData = 10,
    /// A link that was included leads to another folder than then, or nowhere.
    LinkChanged = 11,
}

impl SkipReason {
    /// Every reason, in the order of their codes.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether it is unknown what is there and below. What is left alone by rule is known well enough:
    /// the other root leaves it alone, too.
    pub const fn is_unknown(self) -> bool {
        !matches!(self, Self::Excluded)
    }

    /// Whether a person has to do something before the root is seen as a whole. Such a scan is partial.
    pub const fn needs_help(self) -> bool {
        matches!(self, Self::Unlisted | Self::Unreadable | Self::DiskMissing | Self::DiskChanged | Self::LinkChanged)
    }

    /// Whether a person may say that the place is right as it is now.
    pub const fn can_accept(self) -> bool {
        matches!(self, Self::DiskMissing | Self::DiskChanged | Self::LinkChanged)
    }

    /// The reason for people, said of the place: as the end of "… is". `detail` is what belongs to it: where a link leads,
    /// what the system said.
    pub fn why(self, detail: Option<&str>) -> String {
        let with = |text: &str| detail.map_or_else(|| text.to_owned(), |detail| format!("{text}: {detail}"));
        match self {
            Self::Link => match detail {
                Some(target) => format!("a link to {target}, and links are not followed"),
                None => "a link, and links are not followed".to_owned(),
            },
            Self::BadName => with("a name that not every system can store"),
            Self::NotUnicode => "a name that is not valid Unicode".to_owned(),
            Self::Special => "neither a file nor a folder".to_owned(),
            Self::Unlisted => with("a folder that could not be listed"),
            Self::Unreadable => with("a file that could not be looked at"),
            Self::DiskMissing => "a folder whose disk was mounted at the last scan and is not mounted now".to_owned(),
            Self::DiskChanged => {
                "a folder with another disk mounted on it than at the last scan, and files are missing".to_owned()
            }
            Self::Excluded => with("no part of a library and left alone"),
            Self::Unfinished => with("not downloaded whole"),
            Self::HubData => "the data folder of a hub".to_owned(),
            Self::LinkChanged => with("an included link that is not what it was when it was included"),
        }
    }

    /// What a person can do about it.
    pub const fn way_out(self) -> &'static str {
        match self {
            Self::Link => {
                "Include the folder that it leads to if the hub is to manage it, or put the files themselves here."
            }
            Self::BadName | Self::NotUnicode => "Rename it, then scan again.",
            Self::Special => "Move it out of the models folder, then scan again.",
            Self::Unlisted | Self::Unreadable => {
                "Let the hub's user read it, or repair the disk, then scan again. Until then nothing at or below it is \
                 touched."
            }
            Self::DiskMissing => {
                "Mount the disk and scan again: it comes back by itself. If it is meant to be gone, say that this is \
                 right as it is."
            }
            Self::DiskChanged => {
                "Mount the disk of before and scan again. If the new disk is meant to be here, say that this is right \
                 as it is."
            }
            Self::LinkChanged => {
                "Bring back the folder that it led to (mount its disk, undo the change), then scan again. If it is meant \
                 to lead where it does now, say that this is right as it is; else leave it out."
            }
            Self::Excluded | Self::HubData => "Nothing has to be done.",
            Self::Unfinished => {
                "Let the download end, or remove it with its control file, then scan again. Until then the other root's \
                 file of this name stays as it is."
            }
        }
    }
}

/// An entry of a folder that is not in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Its name, as well as it can be shown.
    pub name: String,
    /// Other names under which another system may hold the same, see [`super::skipped_names`].
    pub also: Vec<String>,
    /// Why it is not in the index.
    pub reason: SkipReason,
    /// What belongs to the reason.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_names_lead_back() {
        for reason in SkipReason::ALL.iter().copied() {
            assert_eq!(SkipReason::from_repr(reason.code()), Some(reason));
        }
        let names: BTreeSet<_> = SkipReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), SkipReason::ALL.len());
    }

    #[test]
    fn with_the_place_in_front_each_reason_is_a_sentence() {
        let detail = |reason: SkipReason| match reason {
            SkipReason::Link => "/nas/vae",
            SkipReason::Excluded => "it is a trash",
            SkipReason::Unfinished => "vae.aria2 lies beside it",
            _ => "Permission denied",
        };
        let told = |reason: SkipReason, detail: Option<&str>| format!("vae on Lake is {}", reason.why(detail));
        for (reason, bare, full) in [
            (
                SkipReason::Link,
                "vae on Lake is a link, and links are not followed",
                "vae on Lake is a link to /nas/vae, and links are not followed",
            ),
            (
                SkipReason::BadName,
                "vae on Lake is a name that not every system can store",
                "vae on Lake is a name that not every system can store: Permission denied",
            ),
            (SkipReason::NotUnicode, "vae on Lake is a name that is not valid Unicode", ""),
            (SkipReason::Special, "vae on Lake is neither a file nor a folder", ""),
            (
                SkipReason::Unlisted,
                "vae on Lake is a folder that could not be listed",
                "vae on Lake is a folder that could not be listed: Permission denied",
            ),
            (
                SkipReason::Unreadable,
                "vae on Lake is a file that could not be looked at",
                "vae on Lake is a file that could not be looked at: Permission denied",
            ),
            (
                SkipReason::DiskMissing,
                "vae on Lake is a folder whose disk was mounted at the last scan and is not mounted now",
                "",
            ),
            (
                SkipReason::DiskChanged,
                "vae on Lake is a folder with another disk mounted on it than at the last scan, and files are missing",
                "",
            ),
            (
                SkipReason::Excluded,
                "vae on Lake is no part of a library and left alone",
                "vae on Lake is no part of a library and left alone: it is a trash",
            ),
            (
                SkipReason::Unfinished,
                "vae on Lake is not downloaded whole",
                "vae on Lake is not downloaded whole: vae.aria2 lies beside it",
            ),
            (SkipReason::HubData, "vae on Lake is the data folder of a hub", ""),
        ] {
            let full = if full.is_empty() { bare } else { full };
            assert_eq!((told(reason, None).as_str(), told(reason, Some(detail(reason))).as_str()), (bare, full));
        }
    }

    #[test]
    fn only_what_a_person_can_say_yes_to_is_offered() {
        for reason in SkipReason::ALL.iter().copied() {
            assert!(!reason.can_accept() || reason.is_unknown() && reason.needs_help(), "{reason:?}");
            assert!(!reason.why(None).is_empty() && reason.way_out().ends_with('.'));
        }
        assert!(SkipReason::Link.why(Some("/nas/loras")).starts_with("a link to /nas/loras"));
    }
}
