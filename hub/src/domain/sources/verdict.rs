//! What the answer of an address says about it, as a pure judgement.

use serde::{Deserialize, Serialize};
use shared_protocol::Sha256;

use crate::domain::size::count;

/// What was found at an address: words that stay, in the file and in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// The file is there, of the right size, as far as the site tells.
    Ok,
    /// The file there has our size, and a range of its data is ours.
    Likely,
    /// A file of another size.
    SizeDiffers,
    /// A file of another content, by the SHA-256 that the site tells.
    ContentDiffers,
    /// Only for who is logged in.
    NeedsToken,
    /// Not for us.
    Forbidden,
    /// Nothing there, or nothing any more.
    NotFound,
    /// A page, not a file.
    NotAFile,
    /// Asked too often.
    RateLimited,
    /// No answer, or one that tells of the site's own trouble.
    Unreachable,
    /// It leads to an address that may not be fetched from.
    PrivateAddress,
    /// Redirects that lead nowhere.
    BadRedirect,
}

impl CheckStatus {
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Of an address that nobody has looked at.
    pub(super) const RANK_UNKNOWN: u8 = 2;

    /// The status of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }

    /// The order in which addresses are tried: right ones, then what may be right, then the rest.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Likely => 1,
            Self::RateLimited => 3,
            Self::Unreachable => 4,
            Self::NeedsToken | Self::Forbidden => 5,
            Self::NotFound | Self::BadRedirect | Self::PrivateAddress => 6,
            Self::SizeDiffers | Self::ContentDiffers | Self::NotAFile => 7,
        }
    }
}

/// How the addresses of a content stand together, for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// At least one is right.
    Ok,
    /// At least one was found not to be.
    Trouble,
    /// At least one was never looked at.
    Unchecked,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Ok, Self::Trouble, Self::Unchecked];

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "With a right address",
            Self::Trouble => "With trouble",
            Self::Unchecked => "Not checked yet",
        }
    }

    /// Whether an address that was found to be so makes it so.
    pub fn is_made_by(self, status: Option<&str>) -> bool {
        match self {
            Self::Ok => status == Some(CheckStatus::Ok.as_str()),
            Self::Trouble => status
                .is_some_and(|word| !matches!(CheckStatus::of_word(word), Some(CheckStatus::Ok | CheckStatus::Likely))),
            Self::Unchecked => status.is_none(),
        }
    }
}

/// What was found, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVerdict {
    pub status: CheckStatus,
    /// Whether the site named our digest.
    pub is_proved: bool,
    /// For people, if the word does not say it all.
    pub detail: Option<String>,
}

impl SourceVerdict {
    /// With something to say.
    pub fn new(status: CheckStatus, detail: impl Into<String>) -> Self {
        Self { status, is_proved: false, detail: Some(detail.into()) }
    }
}

/// What a site answered in the end, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The size of the whole file: of `Content-Range`, or `Content-Length` where all was sent.
    pub total_bytes: Option<u64>,
    /// The type of what was sent.
    pub content_type: Option<String>,
    /// Where large files lie apart, their size: `X-Linked-Size`.
    pub linked_size: Option<u64>,
    /// The same for their SHA-256: `X-Linked-Etag`.
    pub linked_sha256: Option<Sha256>,
    /// What the site calls this very content.
    pub etag: Option<String>,
    /// It ended at a page to log in.
    pub is_login: bool,
    /// A token was sent along the way.
    pub sent_token: bool,
    /// Seconds after which to ask again.
    pub retry_after: Option<u64>,
    /// Who answered in the end, after all redirects.
    pub host: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The size, if it is known.
    pub size_bytes: Option<u64>,
    /// The SHA-256, if it is known.
    pub sha256: Option<Sha256>,
    /// One of the names says that it is a page or JSON itself.
    pub is_text: bool,
}

/// What an answer says.
pub fn judge_answer(answer: &ProbeAnswer, wanted: &Wanted) -> SourceVerdict {
    if answer.is_login {
        return needs_token(answer);
    }
    match answer.status {
        // 416 comes with the size of a file that has no first byte.
        200 | 206 | 416 => judge_file(answer, wanted),
        401 => needs_token(answer),
        403 => SourceVerdict::new(
            CheckStatus::Forbidden,
            "The site refuses it (403): it may ask for its terms to be accepted there first, or be open to some only",
        ),
        404 => SourceVerdict::new(CheckStatus::NotFound, "There is nothing at this address (404)"),
        410 => SourceVerdict::new(CheckStatus::NotFound, "It was taken down (410)"),
        429 => {
            let again =
                answer.retry_after.map(|seconds| format!("; it wants {seconds} s of peace")).unwrap_or_default();
            SourceVerdict::new(CheckStatus::RateLimited, format!("The site was asked too often (429){again}"))
        }
        500..=599 => {
            SourceVerdict::new(CheckStatus::Unreachable, format!("The site is in trouble ({})", answer.status))
        }
        other => SourceVerdict::new(CheckStatus::Unreachable, format!("The site answered {other}")),
    }
}

fn needs_token(answer: &ProbeAnswer) -> SourceVerdict {
    let detail = if answer.sent_token {
        "The site did not take the token that is set"
    } else {
        "Only for who is logged in there: set HF_TOKEN or CIVITAI_TOKEN if it is one of theirs"
    };
    SourceVerdict::new(CheckStatus::NeedsToken, detail)
}

fn judge_file(answer: &ProbeAnswer, wanted: &Wanted) -> SourceVerdict {
    let kind = answer.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let is_page = ["text/html", "application/xhtml", "application/json", "application/problem+json"]
        .iter()
        .any(|page| kind.starts_with(page));
    if is_page && !wanted.is_text {
        return SourceVerdict::new(CheckStatus::NotAFile, "A page comes instead of a file: it may be one to log in");
    }
    if let (Some(theirs), Some(ours)) = (answer.linked_sha256, wanted.sha256)
        && theirs != ours
    {
        return SourceVerdict::new(CheckStatus::ContentDiffers, "The site names another SHA-256: it is another file");
    }
    let theirs = answer.linked_size.or(answer.total_bytes);
    match (theirs, wanted.size_bytes) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            let detail = format!("It has {} bytes there, and {} here", spelled(theirs), spelled(ours));
            SourceVerdict::new(CheckStatus::SizeDiffers, detail)
        }
        (None, _) if answer.status == 416 => SourceVerdict::new(CheckStatus::Unreachable, "The site answered 416"),
        (None, _) => SourceVerdict::new(CheckStatus::Ok, "The site does not tell the size"),
        _ if answer.linked_sha256.is_some() && answer.linked_sha256 == wanted.sha256 => {
            SourceVerdict { is_proved: true, ..SourceVerdict::new(CheckStatus::Ok, "Size and SHA-256 are the same") }
        }
        _ => SourceVerdict { status: CheckStatus::Ok, is_proved: false, detail: None },
    }
}

fn spelled(bytes: u64) -> String {
    count(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The size of the whole in `bytes 0-0/1234`, or `bytes */1234`.
pub fn total_of_range(value: &str) -> Option<u64> {
    value.trim().strip_prefix("bytes")?.trim_start().rsplit_once('/')?.1.trim().parse().ok()
}

/// The SHA-256 in an entity tag of 64 digits.
pub fn sha256_of_tag(tag: &str) -> Option<Sha256> {
    let digits = tag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    format!("sha256:{digits}").parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use rstest::rstest;

    use super::*;

    const SHA: [u8; 32] = [7; 32];

    fn file(total: u64) -> ProbeAnswer {
        ProbeAnswer { status: 206, total_bytes: Some(total), ..ProbeAnswer::default() }
    }

    fn wanted() -> Wanted {
        Wanted { size_bytes: Some(10), sha256: Some(Sha256::from_bytes(SHA)), is_text: false }
    }

    #[rstest]
    #[case(file(10), CheckStatus::Ok)]
    #[case(file(11), CheckStatus::SizeDiffers)]
    #[case(ProbeAnswer { status: 200, ..file(10) }, CheckStatus::Ok)]
    #[case(ProbeAnswer { status: 200, total_bytes: None, ..file(10) }, CheckStatus::Ok)]
    #[case(ProbeAnswer { status: 416, total_bytes: Some(0), ..file(0) }, CheckStatus::SizeDiffers)]
    #[case(ProbeAnswer { status: 416, total_bytes: None, ..file(0) }, CheckStatus::Unreachable)]
    #[case(ProbeAnswer { content_type: Some("text/HTML; charset=utf-8".into()), ..file(10) }, CheckStatus::NotAFile)]
    #[case(ProbeAnswer { content_type: Some("application/json".into()), ..file(10) }, CheckStatus::NotAFile)]
    #[case(ProbeAnswer { content_type: Some("application/octet-stream".into()), ..file(10) }, CheckStatus::Ok)]
    #[case(ProbeAnswer { linked_sha256: Some(Sha256::from_bytes([8; 32])), ..file(10) }, CheckStatus::ContentDiffers)]
    #[case(ProbeAnswer { linked_sha256: Some(Sha256::from_bytes(SHA)), ..file(10) }, CheckStatus::Ok)]
    #[case(ProbeAnswer { linked_size: Some(9), ..file(10) }, CheckStatus::SizeDiffers)]
    #[case(ProbeAnswer { is_login: true, ..file(10) }, CheckStatus::NeedsToken)]
    #[case(ProbeAnswer { status: 401, ..ProbeAnswer::default() }, CheckStatus::NeedsToken)]
    #[case(ProbeAnswer { status: 403, ..ProbeAnswer::default() }, CheckStatus::Forbidden)]
    #[case(ProbeAnswer { status: 404, ..ProbeAnswer::default() }, CheckStatus::NotFound)]
    #[case(ProbeAnswer { status: 410, ..ProbeAnswer::default() }, CheckStatus::NotFound)]
    #[case(ProbeAnswer { status: 429, ..ProbeAnswer::default() }, CheckStatus::RateLimited)]
    #[case(ProbeAnswer { status: 503, ..ProbeAnswer::default() }, CheckStatus::Unreachable)]
    #[case(ProbeAnswer { status: 302, ..ProbeAnswer::default() }, CheckStatus::Unreachable)]
    fn an_answer_is_judged(#[case] answer: ProbeAnswer, #[case] status: CheckStatus) {
        assert_eq!(judge_answer(&answer, &wanted()).status, status);
    }

    #[test]
    fn what_is_not_known_is_not_held_against_a_file() {
        let differs = ProbeAnswer { linked_sha256: Some(Sha256::from_bytes([8; 32])), ..file(11) };
        assert_eq!(judge_answer(&differs, &Wanted::default()).status, CheckStatus::Ok);
        let json = ProbeAnswer { content_type: Some("application/json".into()), ..file(10) };
        assert_eq!(judge_answer(&json, &Wanted { is_text: true, ..wanted() }).status, CheckStatus::Ok);
    }

    #[test]
    fn words_stay_and_lead_back() {
        for status in CheckStatus::ALL.iter().copied() {
            assert_eq!(CheckStatus::of_word(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(CheckStatus::of_word("fine"), None);
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(total_of_range("bytes 0-0/1234"), Some(1234));
        assert_eq!(total_of_range("bytes */0"), Some(0));
        assert_eq!(total_of_range("bytes 0-0/*"), None);
        assert_eq!(total_of_range("items 0-0/7"), None);
        let tag = format!("W/\"{}\"", "0A".repeat(32));
        assert_eq!(sha256_of_tag(&tag), Some(Sha256::from_bytes([10; 32])));
        assert_eq!(sha256_of_tag("\"0123456789abcdef0123456789abcdef01234567\""), None);
    }
}
