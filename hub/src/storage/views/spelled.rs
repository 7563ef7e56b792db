//! How what a person named is spelled on the disk: the one rule for names that come from people.
//!
//! Whether something is there is asked without regard to case and to how accents are written. Of several
//! that differ only in that, the one that is spelled as typed is meant; else none is, and all are told.

use std::collections::BTreeSet;

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::folders;
use crate::domain::exclusion::{self, NameKind};
use crate::domain::root::Root;
use crate::domain::typed_path::{TypedFolder, TypedPath};
use crate::storage::evictions;
use crate::storage::index;
use crate::storage::roots::{self, RootRow};
use crate::storage::{StorageError, skipped};

/// What a name means in one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spelled {
    /// The root's own folder.
    Root,
    /// This, as the disk has it.
    Is(RelPath),
    /// A place that was not seen or is left alone: nobody knows how it is spelled there.
    Unseen(RelPath),
    /// Nothing of this name is there.
    Missing(RelPath),
    /// All of these, which differ only in case.
    Several(Vec<RelPath>),
    /// It begins at the top of a disk and lies in another place than the root, which is here.
    Elsewhere(String),
}

/// What a folder means that a person typed.
pub fn folder(connection: &Connection, root: Root, typed: &TypedFolder) -> Result<Spelled, StorageError> {
    find(connection, root, typed, |row, path| folders::spellings(connection, row, path))
}

/// What a file or folder means that a person typed.
pub fn path(connection: &Connection, root: Root, typed: &TypedPath) -> Result<Spelled, StorageError> {
    find(connection, root, typed.as_folder(), |row, path| {
        if index::file_at(connection, row.id, path)?.is_some() {
            return Ok(vec![path.clone()]);
        }
        let files = index::files_at_key(connection, row.id, &path.match_key())?;
        let folders = folders::spellings(connection, row, path)?;
        Ok(files.into_iter().map(|file| file.path).chain(folders).collect())
    })
}

/// What a file means that was evicted, or a folder in which some were, that a person typed.
pub fn evicted(connection: &Connection, root: Root, typed: &TypedFolder) -> Result<Spelled, StorageError> {
    find(connection, root, typed, |row, path| {
        let n_parts = path.parts().count();
        let spelling = |gone: &RelPath| gone.parts().take(n_parts).collect::<Vec<_>>().join("/");
        let found: BTreeSet<String> = evictions::at_key(connection, row.id, path)?.iter().map(spelling).collect();
        Ok(found.iter().filter_map(|path| RelPath::parse(path).ok()).collect())
    })
}

fn find(
    connection: &Connection,
    root: Root,
    typed: &TypedFolder,
    spellings: impl Fn(&RootRow, &RelPath) -> Result<Vec<RelPath>, StorageError>,
) -> Result<Spelled, StorageError> {
    let row = roots::active(connection, root)?;
    let at = row.as_ref().map(|row| row.path.as_str());
    let readings = typed.readings(at);
    for reading in &readings {
        let (Some(reading), Some(row)) = (reading, &row) else { continue };
        let found = spellings(row, reading)?;
        if !found.is_empty() {
            return Ok(choose(found, reading));
        }
    }
    // What is the root itself needs no index.
    let Some(Some(first)) = readings.first().filter(|_| !readings.contains(&None)) else {
        return Ok(if readings.is_empty() {
            Spelled::Elsewhere(at.unwrap_or_default().to_owned())
        } else {
            Spelled::Root
        });
    };
    let is_covered = match &row {
        Some(row) => skipped::cover(connection, row.id, &first.match_key())?.is_some(),
        None => false,
    };
    let is_unseen = is_covered || exclusion::of_path(first, NameKind::Either).is_some();
    Ok(if is_unseen { Spelled::Unseen(first.clone()) } else { Spelled::Missing(first.clone()) })
}

/// The spelling that is nearest to what was typed: from the top down, parts that are as typed come first.
fn choose(found: Vec<RelPath>, typed: &RelPath) -> Spelled {
    let differs = |path: &RelPath| path.parts().zip(typed.parts()).map(|(one, other)| one != other).collect::<Vec<_>>();
    let mut ranked: Vec<(Vec<bool>, RelPath)> = found.into_iter().map(|path| (differs(&path), path)).collect();
    ranked.sort();
    let best = ranked.first().map(|(rank, _)| rank.clone());
    let mut nearest: Vec<RelPath> =
        ranked.into_iter().filter(|(rank, _)| Some(rank) == best.as_ref()).map(|(_, path)| path).collect();
    match nearest.pop() {
        Some(one) if nearest.is_empty() => Spelled::Is(one),
        last => Spelled::Several(nearest.into_iter().chain(last).collect()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::storage::views::test_library::TestLibrary;

    fn library() -> TestLibrary {
        let library = TestLibrary::new();
        for path in
            ["loras/sdxl/a", "Vae/x", "vae/x", "vae/y", "VAE/z", "caf\u{e9}/b", "Only/Sub/c", "only/other/d", " odd/e"]
        {
            library.put(Root::Lake, path, 1, 0, None);
        }
        library
    }

    fn at(path: &str) -> RelPath {
        RelPath::parse(path).unwrap()
    }

    fn several(paths: &[&str]) -> Spelled {
        Spelled::Several(paths.iter().map(|path| at(path)).collect())
    }

    #[rstest]
    #[case("loras/sdxl", Spelled::Is(at("loras/sdxl")))]
    #[case("\\LORAS\\SDXL\\", Spelled::Is(at("loras/sdxl")))]
    #[case("./Loras", Spelled::Is(at("loras")))]
    #[case("CAFE\u{301}", Spelled::Is(at("caf\u{e9}")))]
    #[case("vae", Spelled::Is(at("vae")))]
    #[case("Vae", Spelled::Is(at("Vae")))]
    #[case("vAE", several(&["VAE", "Vae", "vae"]))]
    #[case("only/sub", Spelled::Is(at("Only/Sub")))]
    #[case("ONLY/OTHER", Spelled::Is(at("only/other")))]
    #[case(" odd", Spelled::Is(at(" odd")))]
    #[case("  loras", Spelled::Is(at("loras")))]
    #[case("/", Spelled::Root)]
    #[case("", Spelled::Root)]
    #[case("lora", Spelled::Missing(at("lora")))]
    #[case("loras/sdxl/a", Spelled::Missing(at("loras/sdxl/a")))]
    #[case(".Trash-1000", Spelled::Unseen(at(".Trash-1000")))]
    #[case("Q:\\loras", Spelled::Elsewhere("/lake".to_owned()))]
    #[case("/LAKE/loras/sdxl/", Spelled::Is(at("loras/sdxl")))]
    #[case("/lake", Spelled::Root)]
    fn a_folder_is_found_in_any_case_and_spelled_as_it_is(#[case] typed: &str, #[case] expected: Spelled) {
        let library = library();
        library.write(|tx| Ok(tx.execute("UPDATE roots SET path = '/lake' WHERE root = 'lake'", [])?));
        let typed = TypedFolder::parse(typed).unwrap();
        assert_eq!(library.read(|c| folder(c, Root::Lake, &typed)), expected);
    }

    #[rstest]
    #[case("LORAS/sdxl/A", Spelled::Is(at("loras/sdxl/a")))]
    #[case("loras\\SDXL", Spelled::Is(at("loras/sdxl")))]
    #[case("vae/x", Spelled::Is(at("vae/x")))]
    #[case("VAE/x", several(&["Vae/x", "vae/x"]))]
    #[case("vae/X", Spelled::Is(at("vae/x")))]
    #[case("VAE/y", Spelled::Is(at("vae/y")))]
    #[case("loras/b", Spelled::Missing(at("loras/b")))]
    fn a_file_is_found_in_any_case(#[case] typed: &str, #[case] expected: Spelled) {
        let typed = TypedPath::parse(typed).unwrap();
        assert_eq!(library().read(|c| path(c, Root::Lake, &typed)), expected);
    }

    #[test]
    fn without_an_index_only_the_root_itself_is_there() {
        let library = TestLibrary::new();
        library.write(|tx| roots::show(tx, Root::Local, None));
        let read = |text: &str| library.read(|c| folder(c, Root::Local, &TypedFolder::parse(text).unwrap()));
        assert_eq!(read("/"), Spelled::Root);
        assert_eq!(read("loras"), Spelled::Missing(at("loras")));
    }
}
