//! What people name, as the disk spells it, or what is wrong with it in plain words. Every route that takes
//! a folder or a path asks here before it does anything.

use shared_protocol::RelPath;

use super::error::{Answer, Problem};
use super::state::WebState;
use crate::domain::root::Root;
use crate::domain::typed_path::{TypedFolder, TypedPath};
use crate::storage::views::named::NOT_INDEXED;
use crate::storage::views::spelled::{self, Spelled};

/// A folder or path that was named; `None` is the root's own folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum NamedPath {
    /// It is there, or nobody knows whether it is.
    There(Option<RelPath>),
    /// It is in no index; as it was typed.
    Missing(RelPath),
}

impl NamedPath {
    /// The folder, where one that is missing is no answer.
    pub(in crate::web) fn or_not_found(self, place: &str) -> Answer<Option<RelPath>> {
        match self {
            Self::There(path) => Ok(path),
            Self::Missing(path) => {
                Err(Problem::not_found(format!("Nothing called \"{path}\" in {place} {NOT_INDEXED}.")))
            }
        }
    }

    /// The folder, where whoever is asked for it tells that it is missing.
    pub(in crate::web) fn any(self) -> Option<RelPath> {
        match self {
            Self::There(path) => path,
            Self::Missing(path) => Some(path),
        }
    }
}

pub(in crate::web) async fn folder(state: &WebState, root: Root, typed: Option<TypedFolder>) -> Answer<NamedPath> {
    let Some(typed) = typed else { return Ok(NamedPath::There(None)) };
    let wanted = typed.clone();
    let found = state.services.database.read(move |connection| spelled::folder(connection, root, &wanted)).await?;
    named(root, found, typed.typed())
}

/// A folder of a root that stands in the address of a page. One that is missing is shown as empty.
pub(in crate::web) async fn in_address(
    state: &WebState,
    root: Root,
    folder: Option<RelPath>,
) -> Answer<Option<RelPath>> {
    Ok(self::folder(state, root, folder.map(TypedFolder::from)).await?.any())
}

/// A folder of both roots: as one of them spells it, `first` before the other.
pub(in crate::web) async fn folder_of_both(
    state: &WebState,
    first: Root,
    typed: Option<TypedFolder>,
) -> Answer<NamedPath> {
    let Some(typed) = typed else { return Ok(NamedPath::There(None)) };
    let wanted = typed.clone();
    let read = move |connection: &_| {
        let at = |root| spelled::folder(connection, root, &wanted);
        Ok((at(first)?, at(first.other())?))
    };
    let (here, there) = state.services.database.read(read).await?;
    let readings = typed.readings(None);
    // What is spelled as typed is meant, then what is there at all, on whichever side it is.
    let rank = |found: &Spelled| match found {
        Spelled::Is(path) if readings.iter().flatten().any(|reading| reading == path) => 0,
        Spelled::Is(_) | Spelled::Several(_) | Spelled::Root => 1,
        Spelled::Unseen(_) => 2,
        Spelled::Missing(_) | Spelled::Elsewhere(_) => 3,
    };
    let (root, found) = if rank(&there) < rank(&here) { (first.other(), there) } else { (first, here) };
    named(root, found, typed.typed())
}

/// Files and folders of a root. What is missing is passed on as it was typed, to be told with the rest.
pub(in crate::web) async fn paths(state: &WebState, root: Root, typed: Vec<TypedPath>) -> Answer<Vec<RelPath>> {
    let read = move |connection: &_| {
        let each = |typed: TypedPath| Ok((spelled::path(connection, root, &typed)?, typed));
        typed.into_iter().map(each).collect::<Result<Vec<_>, _>>()
    };
    let found = state.services.database.read(read).await?;
    found.into_iter().map(|(found, typed)| below(root, found, typed.as_folder().typed())).collect()
}

/// A file or folder of a root.
pub(in crate::web) async fn path(state: &WebState, root: Root, typed: TypedPath) -> Answer<RelPath> {
    let paths = paths(state, root, vec![typed]).await?;
    paths.into_iter().next().ok_or_else(|| Problem::malformed("Name a file or folder."))
}

/// Files that were evicted, or folders in which some were. What is missing is passed on.
pub(in crate::web) async fn evicted(state: &WebState, typed: Vec<TypedPath>) -> Answer<Vec<RelPath>> {
    let read = move |connection: &_| {
        let each = |typed: TypedPath| Ok((spelled::evicted(connection, Root::Local, typed.as_folder())?, typed));
        typed.into_iter().map(each).collect::<Result<Vec<_>, _>>()
    };
    let found = state.services.database.read(read).await?;
    found.into_iter().map(|(found, typed)| below(Root::Local, found, typed.as_folder().typed())).collect()
}

/// A folder in which files may have been evicted, or that is there.
pub(in crate::web) async fn evicted_folder(state: &WebState, typed: Option<TypedFolder>) -> Answer<NamedPath> {
    let Some(typed) = typed else { return Ok(NamedPath::There(None)) };
    let wanted = typed.clone();
    let read = move |connection: &_| spelled::evicted(connection, Root::Local, &wanted);
    match state.services.database.read(read).await? {
        Spelled::Missing(_) => folder(state, Root::Local, Some(typed)).await,
        found => named(Root::Local, found, typed.typed()),
    }
}

/// A path that is to be made: exactly as it was typed, with the root's own path in front left out.
pub(in crate::web) fn new_path(state: &WebState, root: Root, typed: &TypedPath) -> Answer<RelPath> {
    let at = state.services.roots.status(root).path;
    let readings = typed.as_folder().readings(at.as_deref());
    let found = match readings.into_iter().next_back() {
        Some(Some(path)) => Spelled::Is(path),
        Some(None) => Spelled::Root,
        None => Spelled::Elsewhere(at.unwrap_or_default()),
    };
    below(root, found, typed.as_folder().typed())
}

/// A folder on another machine, of which no index tells.
pub(in crate::web) fn on_machine(typed: Option<TypedFolder>) -> Answer<Option<RelPath>> {
    let drive = |typed: &TypedFolder| typed.readings(None).is_empty();
    match typed {
        Some(typed) if drive(&typed) => {
            let text =
                format!("\"{}\" is not below the folder of ComfyUI: write the path from there down.", typed.typed());
            Err(Problem::impossible(text))
        }
        typed => Ok(typed.and_then(|typed| typed.plain())),
    }
}

fn below(root: Root, found: Spelled, typed: &str) -> Answer<RelPath> {
    let root_itself = || {
        let text = format!("\"{typed}\" is the folder of {} itself: name files and folders below it.", root.label());
        Problem::impossible(text)
    };
    named(root, found, typed)?.any().ok_or_else(root_itself)
}

fn named(root: Root, found: Spelled, typed: &str) -> Answer<NamedPath> {
    match found {
        Spelled::Root => Ok(NamedPath::There(None)),
        Spelled::Is(path) | Spelled::Unseen(path) => Ok(NamedPath::There(Some(path))),
        Spelled::Missing(path) => Ok(NamedPath::Missing(path)),
        Spelled::Several(paths) => {
            let names: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
            let text = format!(
                "{} has {}, which differ only in upper and lower case or in how accents are written: write the one \
                 that is meant exactly as it is.",
                root.label(),
                names.join(" and ")
            );
            Err(Problem::impossible(text))
        }
        Spelled::Elsewhere(at) => {
            let text = format!(
                "\"{typed}\" does not lie in {}, whose folder is {at}: write the path from there down, such as \
                 loras/sdxl.",
                root.label()
            );
            Err(Problem::malformed(text))
        }
    }
}
