//! Writing what a changed folder holds now.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, Statement};
use shared_protocol::rel_path::match_key;

use super::folders;
use crate::domain::identity::Identity;
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::skipped::Skip;
use crate::domain::ticks::Ticks;
use crate::storage::{
    StorageError, columns, execute, facts, from_db, identities, identity_column, one, pairs, skipped, to_db,
};

/// Keys marked one by one before everything is marked at once.
const MANY_KEYS: u64 = 5_000;

const NEXT_FILE_ID: &str = "next_file_id";

/// A file as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    pub name: String,
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
    /// Its content is not here but in a cloud.
    pub placeholder: bool,
    /// What stands beside size and time, where the file system keeps it.
    pub identity: Option<Identity>,
}

/// A folder as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The folder's path, `""` for the root's own.
    pub folder: String,
    pub files: Vec<ListedFile>,
    /// What is not in the index.
    pub skipped: Vec<Skip>,
    /// The digest of all this; none if the listing was cut short.
    pub digest: Option<[u8; 32]>,
    /// Names may be missing.
    pub is_cut: bool,
}

/// What a scan has written so far, and what it still has to prove.
#[derive(Debug, Default)]
pub struct Changes {
    /// New files.
    pub n_added: u64,
    /// Files of another size, time or identity.
    pub n_changed: u64,
    /// Files gone, with the folders they were in; removed only at the end of a scan that saw
    /// its root before and after.
    pub missing: Vec<(FileId, FolderId)>,
    /// Folders whose digest may be stored only together with the removal of their missing files.
    pub unsettled: Vec<(FolderId, [u8; 32])>,
    /// Entries of the register that their folders have no more.
    pub unskipped: Vec<(i64, FolderId)>,
    /// Folders of which files stay that were not listed.
    pub recount: BTreeSet<FolderId>,
    /// Everything was marked as stale while this listing was written.
    all_stale: bool,
}

/// Writes the listings of several folders, and brings the unknown places in line.
pub fn apply_all(
    connection: &Connection,
    root: RootRowId,
    listings: &[Listing],
    changes: &mut Changes,
) -> Result<(), StorageError> {
    let mut skips = false;
    for listing in listings {
        skips |= apply(connection, root, listing, changes)?.1;
    }
    if skips { skipped::reconcile(connection, root) } else { Ok(()) }
}

/// Writes a folder's listing. Files that are gone are noted, not removed. Tells the folder, and whether the
/// register has new entries.
pub fn apply(
    connection: &Connection,
    root: RootRowId,
    listing: &Listing,
    changes: &mut Changes,
) -> Result<(FolderId, bool), StorageError> {
    // Since the listing before, a reader may have had the rows written anew and the mark taken away.
    changes.all_stale = false;
    let folder = folders::ensure(connection, root, &listing.folder)?;
    let mut writer = Writer::new(connection, root, folder, listing)?;
    let mut known = known_files(connection, folder)?;
    for file in &listing.files {
        match known.remove(file.name.as_str()) {
            Some(old) if old.is(file) => {
                if old.identity != file.identity {
                    writer.bind(&old, file, changes)?;
                }
            }
            Some(old) => writer.update(&old, file, changes)?,
            None => writer.insert(file, changes)?,
        }
    }
    writer.finish()?;
    // A listing that was cut short says nothing of what it lacks.
    let written = if listing.is_cut {
        skipped::WrittenSkips::default()
    } else {
        skipped::write_listing(connection, root, (folder, &listing.folder), &listing.skipped)?
    };
    let complete = listing.digest.is_some();
    if complete {
        changes.missing.extend(known.values().map(|old| (old.id, folder)));
    } else if !known.is_empty() {
        changes.recount.insert(folder);
    }
    let settled = known.is_empty() && written.gone.is_empty() && complete;
    changes.unskipped.extend(written.gone.into_iter().map(|entry| (entry, folder)));
    if let (false, Some(digest)) = (settled, listing.digest) {
        changes.unsettled.push((folder, digest));
    }
    let sql = "UPDATE folders SET listing = ?2, n_files = ?3, size_bytes = ?4 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        folder.0,
        listing.digest.filter(|_| settled),
        to_db(listing.files.len() as u64),
        to_db(listing.files.iter().map(|f| f.size_bytes).sum()),
    ))?;
    Ok((folder, written.added))
}

struct KnownFile {
    id: FileId,
    size_bytes: u64,
    modified: Ticks,
    placeholder: bool,
    identity: Option<Identity>,
}

impl KnownFile {
    fn is(&self, file: &ListedFile) -> bool {
        self.size_bytes == file.size_bytes
            && self.modified == file.modified
            && self.placeholder == file.placeholder
            && Identity::agree(self.identity, file.identity)
    }
}

columns!(mod at { path, id, size_bytes, modified, placeholder, identity });

fn known_files(connection: &Connection, folder: FolderId) -> Result<HashMap<String, KnownFile>, StorageError> {
    let sql = format!("SELECT {} FROM files WHERE folder_id = ?1", at::ALL);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([folder.0])?;
    let mut known = HashMap::new();
    while let Some(row) = rows.next()? {
        let path = row.get_ref(at::path)?.as_str().unwrap_or_default();
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name).to_owned();
        let file = KnownFile {
            id: FileId(row.get(at::id)?),
            size_bytes: from_db(row.get(at::size_bytes)?),
            modified: Ticks(row.get(at::modified)?),
            placeholder: row.get(at::placeholder)?,
            identity: identity_column(row, at::identity)?,
        };
        known.insert(name, file);
    }
    Ok(known)
}

/// Writes the files of one folder.
struct Writer<'a> {
    connection: &'a Connection,
    root: RootRowId,
    folder: FolderId,
    /// The folder's path with `/`, or nothing for the root's own.
    prefix: String,
    key_prefix: String,
    insert: rusqlite::CachedStatement<'a>,
    next_id: i64,
    first_id: i64,
    has_hashes: bool,
}

impl<'a> Writer<'a> {
    fn new(
        connection: &'a Connection,
        root: RootRowId,
        folder: FolderId,
        listing: &Listing,
    ) -> Result<Self, StorageError> {
        let prefix = if listing.folder.is_empty() { String::new() } else { format!("{}/", listing.folder) };
        let next_id = facts::get(connection, NEXT_FILE_ID)?.and_then(|text| text.parse().ok()).unwrap_or(1);
        let has_hashes =
            one(connection, "SELECT EXISTS (SELECT 1 FROM hashes WHERE root_id = ?1)", [root.0], |row| row.get(0))?;
        Ok(Self {
            connection,
            root,
            folder,
            key_prefix: match_key(&prefix),
            prefix,
            insert: connection.prepare_cached(
                "INSERT INTO files
                     (id, root_id, folder_id, path, match_key, size_bytes, modified, kind, placeholder, blake3, identity)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            next_id,
            first_id: next_id,
            has_hashes,
        })
    }

    fn insert(&mut self, file: &ListedFile, changes: &mut Changes) -> Result<(), StorageError> {
        let path = format!("{}{}", self.prefix, file.name);
        let key = format!("{}{}", self.key_prefix, match_key(&file.name));
        let hash = self.cached_hash(&path, file)?;
        mark(self.connection, &key, changes)?;
        insert_row(&mut self.insert, self.next_id, self.root, self.folder, &path, &key, file, hash)?;
        self.next_id += 1;
        changes.n_added += 1;
        Ok(())
    }

    fn update(&mut self, old: &KnownFile, file: &ListedFile, changes: &mut Changes) -> Result<(), StorageError> {
        let path = format!("{}{}", self.prefix, file.name);
        let hash = self.cached_hash(&path, file)?;
        mark(self.connection, &format!("{}{}", self.key_prefix, match_key(&file.name)), changes)?;
        let sql = "UPDATE files SET size_bytes = ?2, modified = ?3, placeholder = ?4, blake3 = ?5, identity = ?6,
                                  rotted = NULL
                 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((
            old.id.0,
            to_db(file.size_bytes),
            file.modified.0,
            file.placeholder,
            hash,
            file.identity.map(|identity| identity.0),
        ))?;
        changes.n_changed += 1;
        Ok(())
    }

    /// A file that was found before, or where no identities are kept, has one now, or has none any more. What is known
    /// of it stays, unless it was learned of a file with another identity.
    fn bind(&mut self, old: &KnownFile, file: &ListedFile, changes: &mut Changes) -> Result<(), StorageError> {
        let path = format!("{}{}", self.prefix, file.name);
        if let Some(identity) = file.identity {
            identities::bind(self.connection, self.root, &path, file.size_bytes, file.modified, identity)?;
            if self.has_hashes && self.is_of_another(&path, file, identity)? {
                return self.update(old, file, changes);
            }
        }
        let sql = "UPDATE files SET identity = ?2 WHERE id = ?1";
        execute(self.connection, sql, (old.id.0, file.identity.map(|identity| identity.0)))?;
        Ok(())
    }

    fn is_of_another(&self, path: &str, file: &ListedFile, identity: Identity) -> Result<bool, StorageError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM hashes WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3
                                                           AND modified = ?4 AND identity <> ?5)",
            )?
            .query_row((self.root.0, path, to_db(file.size_bytes), file.modified.0, identity.0), |row| row.get(0))?)
    }

    /// The hash of this very size, time and identity, if it was taken before.
    fn cached_hash(&self, path: &str, file: &ListedFile) -> Result<Option<Vec<u8>>, StorageError> {
        if !self.has_hashes {
            return Ok(None);
        }
        if let Some(identity) = file.identity {
            identities::bind(self.connection, self.root, path, file.size_bytes, file.modified, identity)?;
        }
        let sql = "SELECT blake3 FROM hashes WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified = ?4
                                                   AND coalesce(identity = ?5, 1)";
        let identity = file.identity.map(|identity| identity.0);
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row((self.root.0, path, to_db(file.size_bytes), file.modified.0, identity), |row| row.get(0))
            .optional()?)
    }

    fn finish(self) -> Result<(), StorageError> {
        if self.next_id == self.first_id {
            return Ok(());
        }
        facts::set(self.connection, NEXT_FILE_ID, &self.next_id.to_string())
    }
}

#[allow(clippy::too_many_arguments, reason = "one value per column of the row")]
fn insert_row(
    statement: &mut Statement<'_>,
    id: i64,
    root: RootRowId,
    folder: FolderId,
    path: &str,
    key: &str,
    file: &ListedFile,
    hash: Option<Vec<u8>>,
) -> Result<(), StorageError> {
    statement.execute((
        id,
        root.0,
        folder.0,
        path,
        key,
        to_db(file.size_bytes),
        file.modified.0,
        FileKind::of(&file.name).code(),
        file.placeholder,
        hash,
        file.identity.map(|identity| identity.0),
    ))?;
    Ok(())
}

/// Takes the next file id for a single file.
pub(super) fn take_file_id(connection: &Connection) -> Result<i64, StorageError> {
    let id: i64 = facts::get(connection, NEXT_FILE_ID)?.and_then(|text| text.parse().ok()).unwrap_or(1);
    facts::set(connection, NEXT_FILE_ID, &(id + 1).to_string())?;
    Ok(id)
}

fn mark(connection: &Connection, key: &str, changes: &mut Changes) -> Result<(), StorageError> {
    if changes.all_stale {
        return Ok(());
    }
    if changes.n_added + changes.n_changed >= MANY_KEYS {
        changes.all_stale = true;
        return pairs::mark_all_stale(connection);
    }
    pairs::mark_stale(connection, key)
}
