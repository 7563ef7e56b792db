//! Content digests, always written with the algorithm in front (`blake3:<64 lower-case hex>`), the
//! form that `ComfyUI` itself writes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Length of every digest here, in bytes.
pub const DIGEST_BYTES: usize = 32;

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected \"{prefix}\" followed by 64 lower-case hexadecimal digits")]
pub struct DigestError {
    prefix: &'static str,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; DIGEST_BYTES]);

        impl $name {
            /// Takes the raw digest.
            pub const fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
                Self(bytes)
            }

            /// The raw digest.
            pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
                &self.0
            }

            /// The 64 lower-case hexadecimal digits without the algorithm's name.
            pub fn to_hex(&self) -> String {
                encode_hex(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.strip_prefix($prefix)
                    .and_then(decode_hex)
                    .map(Self)
                    .ok_or(DigestError { prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = DigestError;

            fn try_from(text: String) -> Result<Self, DigestError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }
    };
}

digest!(
    /// A BLAKE3 digest: the name of a content everywhere in this project.
    Blake3,
    "blake3:"
);
digest!(
    /// A SHA-256 digest, kept beside BLAKE3 because public model sites look contents up by it.
    Sha256,
    "sha256:"
);

pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

pub(crate) fn decode_hex(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != DIGEST_BYTES * 2 {
        return None;
    }
    let mut bytes = [0; DIGEST_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = (*byte << 4) | nibble;
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_value(bytes in any::<[u8; 32]>()) {
            let digest = Blake3::from_bytes(bytes);
            prop_assert_eq!(digest.to_string().parse::<Blake3>().unwrap(), digest);
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Blake3>(&json).unwrap(), digest);
        }
    }

    #[test]
    fn only_the_one_written_form_is_read() {
        let hex = "0f".repeat(32);
        assert!(format!("blake3:{hex}").parse::<Blake3>().is_ok());
        for wrong in [
            hex.clone(),
            format!("blake3:{}", hex.to_uppercase()),
            format!("sha256:{hex}"),
            format!("blake3:{hex}0"),
            format!("blake3:{}", &hex[1..]),
            format!("blake3: {}", &hex[1..]),
            String::new(),
        ] {
            assert!(wrong.parse::<Blake3>().is_err(), "{wrong}");
        }
    }
}
