//! What the last scan of a root did not see.

use super::super::DATABASE;
use super::Check;
use crate::config::Config;
use crate::domain::root::Root;
use crate::storage::look_into;
use crate::storage::views::page::PageRequest;
use crate::storage::views::skipped::{self, SkippedView};

/// Places that are named.
const NAMED: usize = 5;

/// What is skipped, by the index; nothing where there is none. Links and names are as people want them;
/// what could not be read, or whose disk is away, asks for help.
pub(super) fn check(config: &Config, root: Root) -> Option<Check> {
    let path = config.app_data_dir.join(DATABASE);
    if !path.exists() {
        return None;
    }
    let read = |connection: &_| {
        let totals = skipped::totals(connection, root)?;
        Ok((totals, skipped::list(connection, root, &PageRequest::first())?.items))
    };
    let (totals, mut entries) = look_into(&path, read).ok().filter(|(totals, _)| totals.n > 0)?;
    entries.sort_by_key(|entry| !entry.reason.needs_help());
    let mut text = entries.iter().take(NAMED).map(words_of).collect::<Vec<_>>().join("; ");
    if totals.n > NAMED as u64 {
        text = format!("{text}; and {} more, see the page \"Skipped\"", totals.n - NAMED as u64);
    }
    let what = format!("{}, skipped", root.label());
    Some(Check { what, verdict: if totals.n_to_see_to > 0 { Err(text) } else { Ok(text) } })
}

fn words_of(entry: &SkippedView) -> String {
    let why = &entry.why;
    if entry.reason.needs_help() {
        format!("{}: {why}. {}", entry.path, entry.reason.way_out().trim_end_matches('.'))
    } else {
        format!("{}: {why}", entry.path)
    }
}
