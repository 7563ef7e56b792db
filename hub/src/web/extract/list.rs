//! Lists inside of bodies: each names something, and nothing twice.

use std::collections::HashSet;
use std::hash::Hash;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a list that is not empty and has nothing twice.
pub fn distinct<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Eq + Hash,
{
    let list = Vec::<T>::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom("name at least one"));
    }
    if list.iter().collect::<HashSet<_>>().len() < list.len() {
        return Err(D::Error::custom("something is named twice"));
    }
    Ok(list)
}

/// The same where the list may be left out.
pub fn distinct_if_any<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Eq + Hash,
{
    #[derive(Deserialize)]
    #[serde(transparent, bound = "T: Deserialize<'de> + Eq + Hash")]
    struct Distinct<T>(#[serde(deserialize_with = "distinct")] Vec<T>);

    Ok(Option::<Distinct<T>>::deserialize(deserializer)?.map(|Distinct(list)| list))
}
