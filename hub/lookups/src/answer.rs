//! What a site answered, before anybody reads its body.

/// What came back, after redirects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if there was one.
    pub content_type: Option<String>,
    /// `X-Error-Code`, by which Hugging Face tells apart what shares a status (`huggingface_hub`,
    /// `utils/_http.py`: `RepoNotFound`, `GatedRepo`, `RevisionNotFound`, `EntryNotFound`).
    pub error_code: Option<String>,
    /// The body, at most as long as the request allows.
    pub body: Vec<u8>,
}

/// Why an answer says nothing about what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The site has nothing of that name. For a hash that is an answer, and finders take it as one.
    #[error("it has nothing there ({0})")]
    NotFound(u16),
    /// Only for who is logged in, or has accepted terms there.
    #[error("it asks for a token, or for its terms to be accepted there ({0})")]
    NeedsToken(u16),
    /// Not for us.
    #[error("it refuses ({0})")]
    Refused(u16),
    /// Asked too often.
    #[error("it is limiting requests ({0})")]
    RateLimited(u16),
    /// The site's own trouble.
    #[error("it is in trouble ({0})")]
    Trouble(u16),
    /// The question was wrong, in the site's opinion.
    #[error("it does not understand the question ({0})")]
    Misunderstood(u16),
    /// A page in place of data.
    #[error("it answers with a page, not with data: it may ask for a login or for proof that a person asks")]
    Page,
    /// More than was allowed.
    #[error("its answer is longer than {0} bytes")]
    TooLarge(usize),
    /// Not of the form.
    #[error("its answer can't be read: {0}")]
    Unreadable(String),
    /// More entries than were asked for.
    #[error("its answer has more than {0} entries")]
    TooMany(usize),
}

impl AnswerError {
    /// Whether the same question may be answered later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited(_) | Self::Trouble(_) | Self::Page)
    }
}

impl Answer {
    /// Judges all but the body; what is left is data to be read, of at most so many bytes.
    ///
    /// # Errors
    ///
    /// For every status but 200, for pages, and for more bytes than that.
    pub fn data(&self, max_bytes: usize) -> Result<&[u8], AnswerError> {
        let status = self.status;
        match (status, self.error_code.as_deref()) {
            (200, _) => {}
            // Hugging Face answers so for what is private, deleted, and never was, and it can't be told which.
            (401 | 403 | 404, Some("RepoNotFound" | "RevisionNotFound" | "EntryNotFound")) => {
                return Err(AnswerError::NotFound(status));
            }
            (401 | 403, Some("GatedRepo")) | (401, _) => return Err(AnswerError::NeedsToken(status)),
            (403 | 451, _) => return Err(AnswerError::Refused(status)),
            (404 | 410, _) => return Err(AnswerError::NotFound(status)),
            (429, _) => return Err(AnswerError::RateLimited(status)),
            (400..=499, _) => return Err(AnswerError::Misunderstood(status)),
            _ => return Err(AnswerError::Trouble(status)),
        }
        if self.body.len() > max_bytes {
            return Err(AnswerError::TooLarge(max_bytes));
        }
        if self.is_page() { Err(AnswerError::Page) } else { Ok(&self.body) }
    }

    fn is_page(&self) -> bool {
        let kind = self.content_type.as_deref().unwrap_or_default().trim_start();
        let is_html = kind.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("text/html"));
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body).trim_ascii_start();
        is_html || body.first() == Some(&b'<')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: Option<&str>) -> Result<Vec<u8>, AnswerError> {
        let error_code = code.map(str::to_owned);
        let answer = Answer { status, error_code, body: b"[]".to_vec(), ..Answer::default() };
        answer.data(100).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_status_is_told_apart_by_what_follows_from_it() {
        assert_eq!(of(200, None), Ok(b"[]".to_vec()));
        assert_eq!(of(404, None), Err(AnswerError::NotFound(404)));
        assert_eq!(of(410, None), Err(AnswerError::NotFound(410)));
        assert_eq!(of(401, Some("RepoNotFound")), Err(AnswerError::NotFound(401)));
        assert_eq!(of(401, Some("GatedRepo")), Err(AnswerError::NeedsToken(401)));
        assert_eq!(of(403, Some("GatedRepo")), Err(AnswerError::NeedsToken(403)));
        assert_eq!(of(401, None), Err(AnswerError::NeedsToken(401)));
        assert_eq!(of(403, None), Err(AnswerError::Refused(403)));
        assert_eq!(of(429, None), Err(AnswerError::RateLimited(429)));
        assert_eq!(of(400, None), Err(AnswerError::Misunderstood(400)));
        for trouble in [0, 100, 204, 302, 500, 503, 999] {
            assert_eq!(of(trouble, None), Err(AnswerError::Trouble(trouble)));
        }
    }

    #[test]
    fn a_page_is_no_data() {
        let page = |kind: &str, body: &[u8]| {
            let answer =
                Answer { status: 200, content_type: Some(kind.to_owned()), body: body.to_vec(), ..Answer::default() };
            answer.data(20).map(drop)
        };
        assert_eq!(page("text/HTML; charset=utf-8", b"[]"), Err(AnswerError::Page));
        assert_eq!(page("application/json", b"\xef\xbb\xbf <!doctype html>"), Err(AnswerError::Page));
        assert_eq!(page("application/json", b"[]"), Ok(()));
        assert_eq!(page("application/json", &[b' '; 21]), Err(AnswerError::TooLarge(20)));
    }
}
