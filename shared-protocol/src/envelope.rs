//! A frame: one message in JSON, `{"t": type, "seq": n?, "ack": m, "d": {…}}`.
//!
//! `seq` numbers the frames of one direction within one connection ("generation"), from 1; a frame
//! without it may be lost. `ack` is the highest `seq` that the sender has received. What comes a
//! second time is dropped by its number, so that a long poll may simply send again what was not
//! acknowledged. A frame of an unknown type is skipped, its numbers still count.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::version::MAX_FRAME_BYTES;

/// One direction's messages. Serialized adjacently: `t` and `d`.
pub trait Message: Serialize + DeserializeOwned {
    /// Every `t` that this version knows.
    const TYPES: &'static [&'static str];

    /// Whether it has a number and is sent again until acknowledged.
    fn is_sequenced(&self) -> bool;
}

/// A message with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<M> {
    /// Its number; none for what may be lost.
    pub seq: Option<u64>,
    /// Highest number received from the other side, 0 for none.
    pub ack: u64,
    /// What it says.
    pub message: M,
}

/// What a text turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded<M> {
    /// A message that this version knows.
    Known(Frame<M>),
    /// A type from a later version: skipped, but its numbers count.
    Unknown {
        /// Its type.
        t: String,
        /// Its number.
        seq: Option<u64>,
        /// What it acknowledges.
        ack: u64,
    },
}

/// Why a text is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than both sides agreed on.
    #[error("a frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Not the JSON of a frame.
    #[error("this is no frame: {0}")]
    Malformed(#[source] serde_json::Error),
    /// A known type whose content is wrong.
    #[error("a frame \"{t}\" has a content that does not fit: {source}")]
    Content {
        /// Its type.
        t: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Raw {
    t: String,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    ack: u64,
    #[serde(default)]
    d: Map<String, Value>,
}

#[derive(Serialize)]
struct Written<'a, M> {
    #[serde(flatten)]
    message: &'a M,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    ack: u64,
}

impl<M: Message> Frame<M> {
    /// Its text.
    pub fn encode(&self) -> Result<String, FrameError> {
        let written = Written { message: &self.message, seq: self.seq, ack: self.ack };
        let text = serde_json::to_string(&written).map_err(FrameError::Malformed)?;
        if text.len() > MAX_FRAME_BYTES { Err(FrameError::TooLong(text.len())) } else { Ok(text) }
    }
}

impl<M: Message> Decoded<M> {
    /// Reads a text.
    pub fn decode(text: &str) -> Result<Self, FrameError> {
        if text.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(text.len()));
        }
        Self::read(serde_json::from_str(text).map_err(FrameError::Malformed)?)
    }

    /// Reads a frame that came inside other JSON.
    pub fn from_value(value: Value) -> Result<Self, FrameError> {
        Self::read(serde_json::from_value(value).map_err(FrameError::Malformed)?)
    }

    fn read(Raw { t, seq, ack, d }: Raw) -> Result<Self, FrameError> {
        if !M::TYPES.contains(&t.as_str()) {
            return Ok(Self::Unknown { t, seq, ack });
        }
        let mut tagged = Map::new();
        tagged.insert("t".to_owned(), Value::String(t.clone()));
        tagged.insert("d".to_owned(), Value::Object(d));
        match serde_json::from_value(Value::Object(tagged)) {
            Ok(message) => Ok(Self::Known(Frame { seq, ack, message })),
            Err(source) => Err(FrameError::Content { t, source }),
        }
    }
}

/// One turn of the long poll, either way.
///
/// The first one of a connection names no generation and holds the `hello`; its answer holds the
/// `welcome` and the generation that all others name. An unknown generation is answered with 409:
/// the agent says `hello` again. A newer poll of the same generation ends the one that is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// The connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Frames as [`Frame::encode`] writes them, oldest first.
    pub frames: Vec<Value>,
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
