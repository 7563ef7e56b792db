//! What a site answered when it was asked for a content by its digest.

use lookups::planner::Remembered;
use lookups::{Claim, Offer};
use serde::{Deserialize, Serialize};

/// What a site said of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It offers it.
    Found,
    /// It knows it, and offers it to some only.
    Withheld,
    /// It knows it, and has it no more.
    Deleted,
    /// It does not know it.
    NotFound,
}

impl Said {
    /// What a site's claims about a content that it knows come to.
    pub fn of(claims: &[&Claim]) -> Self {
        let has = |offer: Offer| claims.iter().any(|claim| claim.offer == offer);
        if has(Offer::Open) {
            Self::Found
        } else if has(Offer::Deleted) && !has(Offer::Withheld) {
            Self::Deleted
        } else {
            Self::Withheld
        }
    }

    /// How long it counts: what is held back now may be open soon.
    pub const fn remembered(self) -> Remembered {
        match self {
            Self::Found | Self::Deleted => Remembered::Found,
            Self::Withheld | Self::NotFound => Remembered::NotFound,
        }
    }

    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Which contents are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupScope {
    /// These; they are asked for whatever was answered lately.
    pub hashes: Option<Vec<shared_protocol::Blake3>>,
    /// Those with a file on this root.
    pub root: Option<crate::domain::root::Root>,
    /// Those with a file in this folder of the root, or below it.
    pub folder: Option<shared_protocol::RelPath>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use lookups::Origin;
    use shared_protocol::{Allowed, SourceUrl};

    use super::*;

    fn claim(offer: Offer) -> Claim {
        Claim {
            origin: Origin::Civitai,
            url: SourceUrl::parse("https://civitai.com/api/download/models/1", Allowed::PublicOnly).unwrap(),
            file_name: None,
            sha256: None,
            blake3: None,
            size_bytes: None,
            about_bytes: None,
            offer,
        }
    }

    #[test]
    fn the_best_offer_counts_and_what_is_held_back_is_not_gone() {
        let of = |offers: &[Offer]| {
            let claims: Vec<Claim> = offers.iter().map(|offer| claim(*offer)).collect();
            Said::of(&claims.iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&[Offer::Deleted, Offer::Open]), Said::Found);
        assert_eq!(of(&[Offer::Deleted]), Said::Deleted);
        assert_eq!(of(&[Offer::Deleted, Offer::Withheld]), Said::Withheld);
        assert_eq!(of(&[]), Said::Withheld, "known, without a file to be had");
    }
}
