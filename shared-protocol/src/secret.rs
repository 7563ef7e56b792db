//! Texts that open something. They are sent where they belong and are never printed.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A token of another site, on its way to the agent. Neither side writes it to a file or a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

/// What every key begins with, so that a person and a scanner for secrets know it.
pub const KEY_PREFIX: &str = "chk_";

/// Bytes of chance in a key.
pub const KEY_BYTES: usize = 32;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is {KEY_PREFIX} followed by 64 lower-case hexadecimal digits: copy the whole of it")]
pub struct KeyError;

/// The key of a session: [`KEY_PREFIX`] and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; KEY_BYTES]);

impl SessionKey {
    /// Takes random bytes.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key as it is pasted and sent, for the places that do so.
    pub fn expose(&self) -> String {
        format!("{KEY_PREFIX}{}", crate::digest::encode_hex(&self.0))
    }
}

impl FromStr for SessionKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.strip_prefix(KEY_PREFIX).and_then(crate::digest::decode_hex).map(Self).ok_or(KeyError)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(hidden)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_is_never_printed() {
        let key = SessionKey::from_bytes([0xab; 32]);
        let text = key.expose();
        assert_eq!(text, format!("chk_{}", "ab".repeat(32)));
        assert_eq!(text.parse::<SessionKey>().unwrap(), key);
        assert_eq!(format!("{key:?} {:?}", Secret::new("abc".to_owned())), "SessionKey(hidden) hidden");
        for wrong in ["", "chk_", &text[1..], &text[..67], &text.to_uppercase(), &format!("{text}0")] {
            assert_eq!(wrong.parse::<SessionKey>(), Err(KeyError), "{wrong}");
        }
    }
}
