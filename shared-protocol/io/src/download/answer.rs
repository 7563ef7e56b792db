//! Whether an answer is the part of the file that was asked for. Pure.
//!
//! Servers say they serve ranges and don't, begin elsewhere, answer with a page, or have another file by
//! now. Everything that can be seen from the head of an answer is seen here; what can't is found by
//! the digest.

use std::time::Duration;

use super::attempt_error::{AttemptError, Consequence};
use super::page::PageKind;

/// Names of encodings that leave the bytes as they are. Stores that took an upload in signed chunks go on calling
/// what they hand out `aws-chunked`, though it is not.
const PLAIN: [&str; 4] = ["", "identity", "none", "aws-chunked"];

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedRange<'a> {
    pub(super) from: u64,
    /// Size of the whole content.
    pub(super) size_bytes: u64,
    /// Name of the file, which tells whether a page would be the right thing.
    pub(super) name: &'a str,
}

/// What stands in the head of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    pub(super) content_range: Option<String>,
    pub(super) content_length: Option<u64>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) etag: Option<String>,
    /// How long the source asks to be left alone, whichever way it says so.
    pub(super) wait: Option<Duration>,
    /// Whether it says that a budget of requests is used up.
    pub(super) is_used_up: bool,
}

/// A body that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerBody {
    /// Where in the content its first byte lies; not behind what was asked for.
    pub(super) start: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// Whether the source sends the whole whatever is asked.
    pub(super) is_whole: bool,
    /// What it may be in place of the file: its first bytes tell.
    pub(super) page: Option<PageKind>,
}

/// Says which part of the content an answer brings, from its head.
pub(super) fn judge_answer(asked: AskedRange<'_>, head: &AnswerHead) -> Result<AnswerBody, AttemptError> {
    match head.status {
        200 | 206 => {}
        416 => {
            let detail = "it does not have the part that was asked for (416)";
            let consequence = Consequence::Address;
            return Err(AttemptError { consequence, ..AttemptError::last("wrong_range", detail) });
        }
        status => return Err(error_of_status(status, head)),
    }
    let encoding = head.content_encoding.as_deref().unwrap_or_default();
    if !encoding.split(',').all(|one| PLAIN.iter().any(|plain| is_same(one, plain))) {
        return Err(AttemptError::last(
            "encoded",
            format!("it sends the file encoded ({encoding}), which was not asked for"),
        ));
    }
    let content_type = head.content_type.as_deref().unwrap_or_default();
    let page = PageKind::of(asked.name, content_type);
    let body = if head.status == 200 { whole(asked, head, page) } else { part(asked, head) };
    match (body, page) {
        // Another length says the same as the type: no file of that name.
        (Err(_), Some(_)) | (_, Some(PageKind::Parts)) => Err(not_a_file(content_type)),
        (body, _) => body,
    }
}

/// The answer is a page.
pub(super) fn not_a_file(what: &str) -> AttemptError {
    AttemptError::retry("not_a_file", format!("it answers with a page ({what}), not with the file"))
}

fn whole(asked: AskedRange<'_>, head: &AnswerHead, page: Option<PageKind>) -> Result<AnswerBody, AttemptError> {
    if let Some(length) = head.content_length.filter(|length| *length != asked.size_bytes) {
        return Err(wrong_size(length, asked.size_bytes));
    }
    // A page as long as the file is none, as far as its digest goes.
    let page = page.filter(|_| head.content_length.is_none());
    Ok(AnswerBody { start: 0, end: asked.size_bytes, is_whole: true, page })
}

fn part(asked: AskedRange<'_>, head: &AnswerHead) -> Result<AnswerBody, AttemptError> {
    let text = head.content_range.as_deref().unwrap_or_default();
    let Some((start, end, total)) = read_content_range(text) else {
        return Err(AttemptError::retry("wrong_range", format!("it sends a part and does not say which ({text:?})")));
    };
    if let Some(total) = total.filter(|total| *total != asked.size_bytes) {
        return Err(wrong_size(total, asked.size_bytes));
    }
    if start > asked.from || end <= asked.from || end > asked.size_bytes {
        let detail = format!("it sends {start}–{end} where {} was asked for", asked.from);
        return Err(AttemptError::retry("wrong_range", detail));
    }
    if head.content_length.is_some_and(|length| length != end - start) {
        return Err(AttemptError::retry("wrong_range", "the part is not as long as it says"));
    }
    Ok(AnswerBody { start, end, is_whole: false, page: None })
}

/// Reads `bytes first-last/total`: the start, what is behind the end, and the total if it is told.
fn read_content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first <= last).then_some((first, last.checked_add(1)?, total))
}

fn wrong_size(found: u64, expected: u64) -> AttemptError {
    AttemptError::last("wrong_size", format!("its file has {found} bytes, not {expected}: it is another one"))
}

fn error_of_status(status: u16, head: &AnswerHead) -> AttemptError {
    let (code, consequence, detail) = match status {
        429 => ("rate_limited", Consequence::Retry, "it asks to be left alone for a while (429)".to_owned()),
        // Some sites refuse so who asks too often.
        403 if head.is_used_up => {
            ("rate_limited", Consequence::Retry, "it asks to be left alone for a while (403)".to_owned())
        }
        400 | 401 | 403 => ("status", Consequence::Address, format!("it refuses ({status})")),
        404 | 410 => ("status", Consequence::Address, format!("it does not have the file ({status})")),
        408 | 425 | 500..=599 => ("status", Consequence::Retry, format!("it fails ({status})")),
        _ => ("status", Consequence::Final, format!("it answers {status}")),
    };
    let retry_after = head.wait.filter(|_| consequence == Consequence::Retry);
    AttemptError { code, detail, consequence, retry_after }
}

fn is_same(text: &str, other: &str) -> bool {
    text.trim().eq_ignore_ascii_case(other)
}

/// A tag that names exact bytes; a weak one does not.
pub(super) fn strong(etag: Option<&str>) -> Option<&str> {
    etag.map(str::trim).filter(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ASKED: AskedRange<'_> = AskedRange { from: 100, size_bytes: 1_000, name: "x.safetensors" };

    fn part(range: &str) -> AnswerHead {
        AnswerHead { status: 206, content_range: Some(range.to_owned()), ..AnswerHead::default() }
    }

    fn code(head: &AnswerHead) -> &'static str {
        judge_answer(ASKED, head).unwrap_err().code
    }

    #[test]
    fn a_part_has_to_be_the_one_that_was_asked_for() {
        let fine = AnswerBody { start: 100, end: 1_000, is_whole: false, page: None };
        assert_eq!(judge_answer(ASKED, &part("bytes 100-999/1000")), Ok(fine));
        assert_eq!(judge_answer(ASKED, &part("bytes 100-999/*")), Ok(fine));
        assert_eq!(
            judge_answer(ASKED, &part("bytes 96-999/1000")),
            Ok(AnswerBody { start: 96, ..fine }),
            "overlap is dropped"
        );
        assert_eq!(
            judge_answer(ASKED, &part("bytes 100-199/1000")),
            Ok(AnswerBody { end: 200, ..fine }),
            "less is fine"
        );
        for wrong in [
            "",
            "bytes",
            "bytes 101-999/1000",
            "bytes 0-99/1000",
            "bytes 100-1000/*",
            "bytes 9-1/1000",
            "items 100-999/1000",
            "bytes */1000",
            "bytes 100-18446744073709551615/*",
        ] {
            assert_eq!(code(&part(wrong)), "wrong_range", "{wrong}");
        }
        assert_eq!(code(&part("bytes 100-999/1001")), "wrong_size");
        assert_eq!(code(&AnswerHead { content_length: Some(5), ..part("bytes 100-999/1000") }), "wrong_range");
    }

    #[test]
    fn the_whole_is_taken_from_its_start() {
        let whole = AnswerHead { status: 200, content_length: Some(1_000), ..AnswerHead::default() };
        assert_eq!(judge_answer(ASKED, &whole), Ok(AnswerBody { start: 0, end: 1_000, is_whole: true, page: None }));
        assert_eq!(judge_answer(ASKED, &AnswerHead { content_length: None, ..whole.clone() }).unwrap().start, 0);
        assert_eq!(code(&AnswerHead { content_length: Some(999), ..whole }), "wrong_size");
    }

    #[test]
    fn a_page_is_told_by_its_length_or_its_first_bytes() {
        let page = |kind: &str, length| AnswerHead {
            status: 200,
            content_type: Some(kind.to_owned()),
            content_length: length,
            ..AnswerHead::default()
        };
        for kind in ["text/html; charset=utf-8", "TEXT/HTML", "application/json"] {
            assert_eq!(code(&page(kind, Some(26))), "not_a_file", "{kind}");
            assert!(judge_answer(ASKED, &page(kind, None)).unwrap().page.is_some(), "{kind}");
            assert_eq!(judge_answer(ASKED, &page(kind, Some(1_000))).unwrap().page, None, "{kind}");
        }
        let html = Some("text/html".to_owned());
        assert!(judge_answer(ASKED, &AnswerHead { content_type: html.clone(), ..part("bytes 100-999/1000") }).is_ok());
        assert_eq!(code(&AnswerHead { content_type: html, ..part("bytes 0-25/26") }), "not_a_file");
        assert_eq!(code(&page("multipart/byteranges", None)), "not_a_file");
        let named = AskedRange { name: "config.json", ..ASKED };
        assert_eq!(judge_answer(named, &page("application/json", None)).unwrap().page, None);
    }

    #[test]
    fn what_follows_from_a_status() {
        let consequence =
            |status| judge_answer(ASKED, &AnswerHead { status, ..AnswerHead::default() }).unwrap_err().consequence;
        for status in [400, 401, 403, 404, 410, 416] {
            assert_eq!(consequence(status), Consequence::Address, "{status}");
        }
        for status in [408, 429, 500, 502, 503, 524] {
            assert_eq!(consequence(status), Consequence::Retry, "{status}");
        }
        for status in [204, 405, 451] {
            assert_eq!(consequence(status), Consequence::Final, "{status}");
        }
        let slow = AnswerHead { status: 429, wait: Some(Duration::from_secs(7)), ..AnswerHead::default() };
        assert_eq!(judge_answer(ASKED, &slow).unwrap_err().retry_after, slow.wait);
        let often = AnswerHead { status: 403, is_used_up: true, ..slow };
        assert_eq!(judge_answer(ASKED, &often).unwrap_err().retry_after, often.wait);
    }

    #[test]
    fn what_is_encoded_is_refused() {
        let encoded = |encoding: &str| AnswerHead {
            status: 200,
            content_length: Some(1_000),
            content_encoding: Some(encoding.to_owned()),
            ..AnswerHead::default()
        };
        for wrong in ["gzip", "br", "aws-chunked, gzip", "deflate"] {
            assert_eq!(code(&encoded(wrong)), "encoded", "{wrong}");
        }
        for plain in ["", " ", "identity", "Identity", "none", "aws-chunked", "aws-chunked,identity"] {
            assert!(judge_answer(ASKED, &encoded(plain)).is_ok(), "{plain:?}");
        }
        assert_eq!(code(&AnswerHead { content_length: Some(1_080), ..encoded("aws-chunked") }), "wrong_size");
    }

    #[test]
    fn only_a_strong_tag_names_bytes() {
        assert_eq!(strong(Some("\"a\"")), Some("\"a\""));
        assert_eq!(strong(Some("W/\"a\"")), None);
        assert_eq!(strong(Some("a")), None);
    }

    proptest! {
        /// Whatever a server says: what is accepted begins no later than asked and ends inside the content.
        #[test]
        fn no_answer_leads_outside(status in prop::sample::select(vec![200_u16, 206]), range in "(bytes )?[0-9*]{0,5}-?[0-9]{0,5}/?[0-9*]{0,5}",
                                   length in prop::option::of(0_u64..2_000)) {
            let head = AnswerHead { status, content_range: Some(range), content_length: length, ..AnswerHead::default() };
            if let Ok(body) = judge_answer(ASKED, &head) {
                prop_assert!(body.start <= ASKED.from && body.start < body.end && body.end <= ASKED.size_bytes);
            }
        }
    }
}
