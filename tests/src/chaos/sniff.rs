//! Reads along: splits one direction of a connection into heads, bodies and frames.
//!
//! Only what faults need. Whatever does not look like HTTP/1.1 is passed on as it is, and a body whose
//! length is not said lasts to the end of the connection.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::Side;

/// Longest head that is waited for.
const MAX_HEAD: usize = 64 << 10;

/// A request's first line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) upgrades: bool,
}

impl Request {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Request(Request),
    /// A head of an answer.
    Head,
    /// A part of a body that belongs to a path.
    Body(String),
    /// A message of a WebSocket or a whole turn of a poll: the types of its frames.
    Frames(Vec<String>),
    Unread,
}

/// Some bytes that are passed on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) what: What,
}

/// Requests whose answers are still to come; both directions of a connection share it.
pub(super) type Open = Arc<Mutex<VecDeque<Request>>>;

enum State {
    Head,
    Body {
        left: u64,
        path: String,
    },
    /// A turn of a poll, wanted whole.
    Turn {
        size: usize,
    },
    Frames,
    Unread,
}

pub(super) struct Sniffer {
    side: Side,
    state: State,
    buffer: Vec<u8>,
    open: Open,
}

impl Sniffer {
    pub(super) fn new(side: Side, open: Open) -> Self {
        Self { side, state: State::Head, buffer: Vec::new(), open }
    }

    /// Takes bytes and gives what is complete with them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.buffer.extend_from_slice(bytes);
        std::iter::from_fn(|| self.next()).collect()
    }

    fn next(&mut self) -> Option<Piece> {
        if self.buffer.is_empty() {
            return None;
        }
        match &mut self.state {
            State::Head => self.head(),
            State::Body { left, path } => {
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= size as u64;
                let what = What::Body(path.clone());
                if *left == 0 {
                    self.state = State::Head;
                }
                Some(self.take(size, what))
            }
            State::Turn { size } => {
                let size = *size;
                if self.buffer.len() < size {
                    return None;
                }
                self.state = State::Head;
                let piece = self.take(size, What::Unread);
                Some(Piece { what: What::Frames(types_of_turn(&piece.bytes)), ..piece })
            }
            // A proxy may have refused the upgrade: then the next request follows.
            State::Frames if self.side == Side::Agent && self.buffer.first().is_some_and(u8::is_ascii_uppercase) => {
                self.state = State::Head;
                self.head()
            }
            State::Frames => {
                let (size, kind) = frame(&self.buffer)?;
                Some(self.take(size, What::Frames(kind.into_iter().collect())))
            }
            State::Unread => {
                let size = self.buffer.len();
                Some(self.take(size, What::Unread))
            }
        }
    }

    fn take(&mut self, size: usize, what: What) -> Piece {
        let rest = self.buffer.split_off(size);
        Piece { bytes: std::mem::replace(&mut self.buffer, rest), what }
    }

    fn head(&mut self) -> Option<Piece> {
        let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            if self.buffer.len() < MAX_HEAD && self.buffer.first().is_some_and(u8::is_ascii_uppercase) {
                return None;
            }
            self.state = State::Unread;
            return self.next();
        };
        let read = match self.side {
            Side::Agent => self.request(end + 4),
            Side::Hub => self.answer(end + 4),
        };
        let Some((what, state)) = read else {
            self.state = State::Unread;
            return self.next();
        };
        self.state = state;
        Some(self.take(end + 4, what))
    }

    fn request(&self, end: usize) -> Option<(What, State)> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(self.buffer.get(..end)?).ok()?;
        let upgrades = value(parsed.headers, "upgrade").is_some_and(|what| what.eq_ignore_ascii_case("websocket"));
        let request = Request { method: parsed.method?.to_owned(), path: parsed.path?.to_owned(), upgrades };
        let size = value(parsed.headers, "content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        let state = if upgrades { State::Frames } else { body(size, &request.path) };
        self.open.lock().push_back(request.clone());
        Some((What::Request(request), state))
    }

    fn answer(&self, end: usize) -> Option<(What, State)> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(self.buffer.get(..end)?).ok()?;
        let status = parsed.code?;
        if status == 101 {
            return Some((What::Head, State::Frames));
        }
        if status < 200 {
            return Some((What::Head, State::Head));
        }
        let request = self.open.lock().pop_front()?;
        let said = value(parsed.headers, "content-length").and_then(|size| size.parse().ok());
        let is_empty = request.method == "HEAD" || status == 204 || status == 304;
        let size = if is_empty { 0 } else { said.unwrap_or(u64::MAX) };
        Some((What::Head, body(size, &request.path)))
    }
}

fn body(size: u64, path: &str) -> State {
    match usize::try_from(size) {
        Ok(0) => State::Head,
        Ok(size) if path.ends_with("/poll") && size < usize::MAX => State::Turn { size },
        _ => State::Body { left: size, path: path.to_owned() },
    }
}

fn value<'a>(headers: &'a [httparse::Header<'_>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok().map(str::trim)
}

/// Length of the frame that a buffer begins with, and the type of the message in it.
fn frame(buffer: &[u8]) -> Option<(usize, Option<String>)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    let (size, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        mask = buffer.get(at..at + 4)?.try_into().ok()?;
        at += 4;
    }
    let end = at.checked_add(usize::try_from(size).ok()?)?;
    let payload = buffer.get(at..end)?;
    let is_text = first & 0x0f == 1;
    let kind = is_text.then(|| {
        let plain: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        serde_json::from_slice(&plain).ok().and_then(|frame: Value| type_of(&frame))
    });
    Some((end, kind.flatten()))
}

fn type_of(frame: &Value) -> Option<String> {
    frame.get("t").and_then(Value::as_str).map(str::to_owned)
}

fn types_of_turn(body: &[u8]) -> Vec<String> {
    let turn: Value = serde_json::from_slice(body).unwrap_or_default();
    turn.get("frames").and_then(Value::as_array).into_iter().flatten().filter_map(type_of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn both() -> (Sniffer, Sniffer) {
        let open = Open::default();
        (Sniffer::new(Side::Agent, Arc::clone(&open)), Sniffer::new(Side::Hub, open))
    }

    /// Pushes byte by byte and joins what belongs together.
    fn whats(sniffer: &mut Sniffer, bytes: &[u8]) -> Vec<What> {
        let mut found: Vec<What> = bytes.iter().flat_map(|byte| sniffer.push(&[*byte])).map(|p| p.what).collect();
        found.dedup();
        found
    }

    #[test]
    fn requests_and_answers_are_told_apart_on_a_connection_that_stays() {
        let (mut agent, mut hub) = both();
        let sent = b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nPUT /c HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy";
        let found = whats(&mut agent, sent);
        let request = |method: &str, path: &str| {
            What::Request(Request { method: method.to_owned(), path: path.to_owned(), upgrades: false })
        };
        assert_eq!(
            found,
            [request("GET", "/a"), request("HEAD", "/b"), request("PUT", "/c"), What::Body("/c".to_owned())]
        );
        let answers = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\
                        HTTP/1.1 206 P\r\ncontent-length: 1\r\n\r\nz";
        assert_eq!(
            whats(&mut hub, answers),
            [What::Head, What::Body("/a".to_owned()), What::Head, What::Body("/c".to_owned())]
        );
    }

    #[test]
    fn frames_are_named_masked_or_not_and_in_a_poll() {
        let (mut agent, mut hub) = both();
        whats(&mut agent, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
        let text = br#"{"t":"hello","seq":1,"ack":0,"d":{}}"#;
        let mut masked = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 1, 2, 3, 4];
        masked.extend(text.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        assert_eq!(whats(&mut agent, &masked), [What::Frames(vec!["hello".to_owned()])]);

        let mut plain = b"HTTP/1.1 101 Switching\r\n\r\n".to_vec();
        plain.extend([0x81, u8::try_from(text.len()).unwrap()]);
        plain.extend(text);
        assert_eq!(whats(&mut hub, &plain), [What::Head, What::Frames(vec!["hello".to_owned()])]);

        let (mut agent, _) = both();
        let body = br#"{"frames":[{"t":"a","d":{}},{"t":"b","d":{}}]}"#;
        let mut turn = format!("POST /remote/v1/poll HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        turn.extend(body);
        let found = whats(&mut agent, &turn);
        assert_eq!(found.last(), Some(&What::Frames(vec!["a".to_owned(), "b".to_owned()])));
    }

    #[test]
    fn what_is_no_http_passes_as_it_is() {
        let (mut agent, _) = both();
        let hello = [0x16, 3, 1, 2, 0];
        assert_eq!(agent.push(&hello), [Piece { bytes: hello.to_vec(), what: What::Unread }]);
    }
}
