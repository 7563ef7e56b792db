//! The dialog before files are copied, moved or deleted: it names the side, the count, the bytes and
//! the first paths, and carries a fingerprint of them.
//!
//! What is deleted in bulk, in the Lake, or over a fifth of a side has to be typed.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::bulk::refusal;
use super::confirmation::Confirmation;
use super::room::room;
use crate::domain::confirmation::{is_over_a_fifth, words};
use crate::domain::diff::DiffStatus;
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::services::selection::{Filter, Selection};
use crate::storage::views::diff::PairFilter;
use crate::storage::views::files::{self, Chosen, FileFilter, Totals};
use crate::storage::views::picked;
use crate::storage::{Connection, StorageError, roots};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional, search};
use crate::web::state::WebState;
use crate::web::templates::format;

/// Which files are meant, as buttons say it. The answer to the dialog says the same again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct ConfirmTarget {
    /// `selection`, `folder`, `file` or `diff` (everything of one status).
    pub scope: String,
    #[serde(deserialize_with = "optional")]
    pub root: Option<Root>,
    #[serde(deserialize_with = "optional")]
    pub s: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub folder: Option<RelPath>,
    #[serde(deserialize_with = "optional")]
    pub path: Option<RelPath>,
    #[serde(deserialize_with = "optional")]
    pub status: Option<DiffStatus>,
    #[serde(deserialize_with = "search")]
    pub q: Option<String>,
}

/// What a dialog asks for, and what its answer says again.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct Confirmed {
    pub operation: Operation,
    /// Stands for the files that the dialog showed.
    #[serde(default)]
    pub fingerprint: String,
    #[serde(flatten)]
    pub target: ConfirmTarget,
}

/// The files that an operation is about to touch.
#[derive(Debug)]
pub(in crate::web) struct Targeted {
    /// Which side they are taken from.
    pub from: Root,
    pub files: Vec<Chosen>,
    /// Everything of that side, to tell how large a part this is.
    pub whole: Totals,
}

impl Targeted {
    /// How many bytes.
    pub(in crate::web) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// Stands for exactly these files: a confirmation of others is refused.
    pub(in crate::web) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(file.path.as_str().as_bytes()).update(&[0]).update(&file.size_bytes.to_le_bytes());
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }

    /// What has to be typed before they are deleted.
    pub(in crate::web) fn typed(&self, operation: Operation) -> Option<String> {
        let n = self.files.len() as u64;
        let is_grave = self.from == Root::Lake
            || is_over_a_fifth(n, self.whole.n_files)
            || is_over_a_fifth(self.size_bytes(), self.whole.size_bytes);
        if operation == Operation::Delete { words("DELETE", n, is_grave) } else { None }
    }
}

/// Finds the files that are meant, from the index as it is now.
pub(in crate::web) async fn find(state: &WebState, target: &ConfirmTarget) -> Answer<Targeted> {
    let from = target.root.ok_or_else(|| Problem::malformed("root: expected \"local\" or \"lake\""))?;
    let missing = |what: &str| Problem::malformed(format!("{what} is missing"));
    let selection = match target.scope.as_str() {
        "selection" => {
            let id = target.s.as_deref().ok_or_else(|| missing("s"))?;
            state.services.selections.find(id).ok_or_else(|| {
                Problem::new(
                    axum::http::StatusCode::CONFLICT,
                    "This selection is no longer kept. Select the files again.",
                )
            })?
        }
        "folder" => {
            let folder = target.folder.clone().ok_or_else(|| missing("folder"))?;
            Selection::all(Filter::Files(FileFilter { folder: Some(folder), ..FileFilter::whole(from) }))
        }
        "diff" => {
            state.services.comparer.refresh().await?;
            let status = Some(target.status.ok_or_else(|| missing("status"))?);
            let filter = PairFilter { folder: target.folder.clone(), status, search: target.q.clone() };
            Selection::all(Filter::Pairs(filter))
        }
        "file" => {
            let mut one = Selection::none(Filter::Files(FileFilter::whole(from)));
            one.set(vec![target.path.clone().ok_or_else(|| missing("path"))?], true);
            one
        }
        _ => return Err(Problem::malformed("scope: expected selection, folder, diff or file")),
    };
    let found = state.services.database.read(move |connection| collect(connection, &selection, from)).await?;
    if found.files.is_empty() {
        return Err(Problem::impossible("None of these files is in the index any more."));
    }
    Ok(found)
}

/// The same for an operation: models that are deleted take their sidecars along, which are shown, too.
pub(in crate::web) async fn find_for(
    state: &WebState,
    target: &ConfirmTarget,
    operation: Operation,
) -> Answer<Targeted> {
    let found = find(state, target).await?;
    if operation != Operation::Delete {
        return Ok(found);
    }
    let Targeted { from, files, whole } = found;
    let files = state.services.database.read(move |connection| picked::with_sidecars(connection, from, files)).await?;
    Ok(Targeted { from, files, whole })
}

fn collect(connection: &Connection, selection: &Selection, from: Root) -> Result<Targeted, StorageError> {
    let files = selection.files(connection, from)?;
    let whole = match roots::active(connection, from)? {
        Some(_) => files::totals(connection, &FileFilter::whole(from))?,
        None => Totals::default(),
    };
    Ok(Targeted { from, files, whole })
}

/// Shows the dialog.
pub(super) async fn show_confirm(
    State(state): State<WebState>,
    Params(Confirmed { operation, target, .. }): Params<Confirmed>,
) -> Answer<Response> {
    let found = find_for(&state, &target, operation).await?;
    let from = found.from;
    let to = operation.has_destination().then(|| from.other());
    let size_bytes = found.size_bytes();
    let n = found.files.len();
    let files = format::n_files(n);
    let (verb, place) = match operation {
        Operation::Copy => ("Copy", format!(" to {}", from.other().label())),
        Operation::Move => ("Move", format!(" to {}", from.other().label())),
        _ => ("Delete", format!(" from {}", from.label())),
    };
    let taken = match to {
        Some(to) => Some(taken(&state, to, &found.files).await?),
        None => None,
    };
    let own = context! {
        operation => Serde(operation),
        from => Serde(from),
        to => to.map(Serde),
        note => note(&found, operation, taken),
        is_taken => taken.unwrap_or(0) > 0,
        may_replace => state.services.roots.allow_delete(from.other()),
        room => to.map(|to| room(&state, to, size_bytes)),
    };
    let fingerprint = found.fingerprint();
    let confirm = Confirmation {
        title: format!("{verb} {files}{place}?"),
        is_danger: operation == Operation::Delete,
        n: n as u64,
        size_bytes,
        typed: found.typed(operation),
        reason: refusal(&state, operation, from),
        ..Confirmation::new("/ui/transfers", format!("{verb} {files}"), &Confirmed { operation, fingerprint, target })
    };
    confirm.naming(found.files.iter().map(|file| &file.path)).show("fragments/_confirm.html", own)
}

/// How many of these names the other side has already.
async fn taken(state: &WebState, to: Root, files: &[Chosen]) -> Answer<usize> {
    let paths: Vec<RelPath> = files.iter().map(|file| file.path.clone()).collect();
    let found = state.services.database.read(move |connection| picked::n_taken(connection, to, &paths)).await?;
    Ok(found)
}

fn note(found: &Targeted, operation: Operation, taken: Option<usize>) -> Option<String> {
    let size_bytes = found.size_bytes();
    match operation {
        Operation::Delete => {
            let share = format::percent(size_bytes, found.whole.size_bytes);
            let part =
                if share >= 1 { format!("That is {share} % of {}. ", found.from.label()) } else { String::new() };
            Some(format!(
                "{part}Deleted files go to the trash of this folder, which frees no space, and can be put back."
            ))
        }
        Operation::Move => Some(format!("Each file leaves {} only after its copy was verified.", found.from.label())),
        _ => taken.filter(|n| *n > 0).map(|n| {
            let n = format::count(i64::try_from(n).unwrap_or(0));
            format!("{} has {n} of these names already.", found.from.other().label())
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn targeted(from: Root, n: usize, whole: u64) -> Targeted {
        let files = (0..n).map(|i| Chosen { path: RelPath::parse(&i.to_string()).unwrap(), size_bytes: 1 }).collect();
        Targeted { from, files, whole: Totals { n_files: whole, size_bytes: whole } }
    }

    #[test]
    fn large_deletes_have_to_be_typed() {
        let typed = |from, n, whole| targeted(from, n, whole).typed(Operation::Delete);
        assert_eq!(typed(Root::Local, 10, 1_000), None);
        assert_eq!(typed(Root::Local, 11, 1_000).as_deref(), Some("DELETE 11"));
        assert_eq!(typed(Root::Local, 3, 14).as_deref(), Some("DELETE 3"), "over a fifth");
        assert_eq!(typed(Root::Lake, 1, 1_000).as_deref(), Some("DELETE 1"));
        assert_eq!(targeted(Root::Lake, 100, 100).typed(Operation::Copy), None);
    }

    #[test]
    fn another_file_or_another_size_is_another_fingerprint() {
        let one = targeted(Root::Local, 3, 9);
        let mut other = targeted(Root::Local, 3, 9);
        assert_eq!(one.fingerprint(), other.fingerprint());
        other.files.last_mut().unwrap().size_bytes = 2;
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(one.fingerprint(), targeted(Root::Local, 2, 9).fingerprint());
    }
}
