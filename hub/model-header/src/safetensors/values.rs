//! Texts and numbers of a header as serde hands them over, odd ones too.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// Numbers of a list that are kept: a header may hold one list of fifty million.
const MAX_KEPT: usize = 64;

/// Numbers of which some may be none.
#[derive(Default)]
pub(super) struct Numbers {
    /// The first of them.
    pub(super) values: Vec<u64>,
    /// All of them multiplied, if that fits.
    pub(super) product: Option<u64>,
    pub(super) is_given: bool,
    /// Negative, or with a fraction.
    pub(super) has_odd: bool,
    /// Greater than fits.
    pub(super) has_huge: bool,
    /// How far below zero.
    pub(super) below: u64,
}

impl Numbers {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.product = Some(1);
        (self.is_given, self.has_odd, self.has_huge, self.below) = (false, false, false, 0);
    }

    pub(super) fn push(&mut self, number: u64) {
        self.product = self.product.and_then(|product| product.checked_mul(number));
        if self.values.len() < MAX_KEPT {
            self.values.push(number);
        }
    }
}

/// A text as bytes: half characters, which JSON can say and text cannot, come through.
pub(super) struct Bytes;

impl<'de> DeserializeSeed<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

/// The text of a JSON string, whatever stands in it; `None` if it is none.
pub(crate) fn text_of(raw: &str) -> Option<Cow<'_, [u8]>> {
    Bytes.deserialize(&mut serde_json::Deserializer::from_str(raw)).ok()
}

pub(super) struct NumbersSeed<'n>(pub(super) &'n mut Numbers);

impl<'de> DeserializeSeed<'de> for NumbersSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for NumbersSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.is_given = true;
        while let Some(()) = seq.next_element_seed(NumberSeed(self.0))? {}
        Ok(())
    }
}

struct NumberSeed<'n>(&'n mut Numbers);

impl<'de> DeserializeSeed<'de> for NumberSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for NumberSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.push(number);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.has_odd = true;
        self.0.below = self.0.below.max(number.unsigned_abs());
        self.0.push(0);
        Ok(())
    }

    /// A fraction, or a whole number that is too great for its type.
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if number.abs() >= 1.8e19 {
            self.0.has_huge = true;
        } else {
            self.0.has_odd = true;
        }
        self.0.push(0);
        Ok(())
    }
}
