//! What people call kinds and bases of models.

use crate::storage::views::models::kind_in_words;

/// A word that has no label of its own.
pub(super) fn plain(value: &str) -> String {
    if value == "none" { "Cannot be told".to_owned() } else { value.to_owned() }
}

/// What people call a kind.
pub(super) fn kind_label(value: &str) -> String {
    match value.parse() {
        Ok(kind) => kind_in_words(kind),
        Err(_) => plain(value),
    }
}

/// What people call a base.
pub(super) fn base_label(value: &str) -> String {
    value.parse().map_or_else(|_| plain(value), |base: model_header::Base| base.label().to_owned())
}
