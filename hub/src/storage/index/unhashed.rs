//! What has no hash yet, page by page.

use rusqlite::{Connection, Params};
use shared_protocol::RelPath;

use super::single::{COLUMNS, FileRow, at, file_at, row};
use crate::domain::background::Counts;
use crate::domain::ids::RootRowId;
use crate::storage::{StorageError, folder_range, from_db, one, to_db};

/// Files of at least so many bytes come first where several are read at once: one that begins last is read
/// alone, while the other readers have nothing left to do.
const LARGE_BYTES: u64 = 16 << 20;

impl FileRow {
    /// Whether it comes before the small ones where several are read at once.
    pub const fn is_large(&self) -> bool {
        self.size_bytes >= LARGE_BYTES
    }
}

/// What is left to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Unhashed,
    /// What was not read whole since this time, in milliseconds, whatever is known of it.
    VerifiedBefore(i64),
}

impl Left {
    /// The condition of a file's row.
    pub(in crate::storage) fn condition(self) -> String {
        match self {
            Self::Unhashed => "blake3 IS NULL".to_owned(),
            // The plus keeps SQLite from an index whatever its statistics say.
            Self::VerifiedBefore(at) => format!(
                "NOT EXISTS (SELECT 1 FROM hashes h WHERE h.root_id = files.root_id AND h.path = files.path
                                                          AND +h.hashed_at > {at})"
            ),
        }
    }

    fn holds(self, connection: &Connection, root: RootRowId, file: &FileRow) -> Result<bool, StorageError> {
        match self {
            Self::Unhashed => Ok(file.hash.is_none()),
            Self::VerifiedBefore(_) => {
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM files WHERE id = ?1 AND root_id = ?2 AND {})",
                    self.condition()
                );
                Ok(connection.query_row(&sql, (file.id.0, root.0), |row| row.get(0))?)
            }
        }
    }
}

/// Which files, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// All, in the order of their paths.
    Everything,
    /// The large ones, the largest first.
    Large,
    /// All others, in the order of their paths.
    Small,
}

impl Portion {
    /// What together makes everything, for one reader or for several: one head goes through the folders once.
    pub const fn of_readers(n_readers: usize) -> &'static [Self] {
        if n_readers > 1 { &[Self::Large, Self::Small] } else { &[Self::Everything] }
    }

    const fn holds(self, size_bytes: u64) -> bool {
        match self {
            Self::Everything => true,
            Self::Large => size_bytes >= LARGE_BYTES,
            Self::Small => size_bytes < LARGE_BYTES,
        }
    }
}

/// Behind which file the next page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct After(Option<Last>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    size_bytes: u64,
    key: String,
    id: i64,
}

/// The next files of a place that are left to be read and are really here; `None` is the whole root.
pub fn unhashed(
    connection: &Connection,
    root: RootRowId,
    place: Option<&RelPath>,
    (left, portion): (Left, Portion),
    after: &After,
    limit: u32,
) -> Result<(Vec<FileRow>, Option<After>), StorageError> {
    if let Some(path) = place
        && let Some(file) = file_at(connection, root, path)?
    {
        let wanted = !file.placeholder && portion.holds(file.size_bytes) && left.holds(connection, root, &file)?;
        return Ok((if wanted { vec![file] } else { Vec::new() }, None));
    }
    let (from, to) = folder_range(&place.map(RelPath::match_key).unwrap_or_default());
    let last = after.0.as_ref();
    let (files, after) = if portion == Portion::Large {
        let (size, id) = last.map_or((i64::MAX, i64::MAX), |last| (to_db(last.size_bytes), last.id));
        page(connection, &files(LARGEST_FIRST, left), (root.0, size, id, from, to, to_db(LARGE_BYTES), limit), limit)?
    } else {
        let (key, id) = last.map_or((from.as_str(), 0), |last| (last.key.as_str(), last.id));
        let below = if portion == Portion::Small { to_db(LARGE_BYTES) } else { i64::MAX };
        page(connection, &files(BY_PATH, left), (root.0, key, id, to, below, limit), limit)?
    };
    Ok((files.into_iter().filter(|file| place.is_none_or(|place| file.path.is_within(place))).collect(), after))
}

/// How much a place of a root holds, and how much of it is not left.
pub fn extent(
    connection: &Connection,
    root: RootRowId,
    place: Option<&RelPath>,
    left: Left,
) -> Result<Counts, StorageError> {
    let file = match place {
        Some(path) => file_at(connection, root, path)?,
        None => None,
    };
    let (from, to) = match &file {
        Some(file) => (file.path.match_key(), format!("{}\u{0}", file.path.match_key())),
        None => folder_range(&place.map(RelPath::match_key).unwrap_or_default()),
    };
    let sql = format!(
        "SELECT count(*) AS n_total, coalesce(sum(done), 0) AS n_done, coalesce(sum(size_bytes), 0) AS bytes_total,
                coalesce(sum(done * size_bytes), 0) AS bytes_done
         FROM (SELECT size_bytes, NOT ({}) AS done FROM files
               WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 AND placeholder = 0 AND id = coalesce(?4, id))",
        left.condition()
    );
    one(connection, &sql, (root, from, to, file.map(|file| file.id)), |row| {
        let count = |name| Ok::<_, rusqlite::Error>(from_db(row.get(name)?));
        Ok(Counts {
            n_total: count("n_total")?,
            n_done: count("n_done")?,
            n_failed: 0,
            bytes_total: count("bytes_total")?,
            bytes_done: count("bytes_done")?,
        })
    })
}

// A plus keeps SQLite from an index whatever its statistics say. None is named, because while an empty index of files
// is being filled the one of sizes is left out.

/// Along the sizes: a root has few large files.
const LARGEST_FIRST: &str = "
    FROM files
    WHERE root_id = ?1 AND (size_bytes, id) < (?2, ?3) AND +match_key >= ?4 AND +match_key < ?5 AND size_bytes >= ?6
          AND LEFT_TO_READ AND placeholder = 0
    ORDER BY size_bytes DESC, id DESC LIMIT ?7";

const BY_PATH: &str = "
    FROM files
    WHERE root_id = ?1 AND (match_key, id) > (?2, ?3) AND match_key < ?4 AND +size_bytes < ?5
          AND LEFT_TO_READ AND placeholder = 0
    ORDER BY match_key, id LIMIT ?6";

fn files(which: &str, left: Left) -> String {
    which.replace("LEFT_TO_READ", &left.condition())
}

fn page(
    connection: &Connection,
    files: &str,
    params: impl Params,
    limit: u32,
) -> Result<(Vec<FileRow>, Option<After>), StorageError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS}, match_key {files}"))?;
    let mut rows = statement.query(params)?;
    let (mut files, mut last) = (Vec::new(), None);
    while let Some(next) = rows.next()? {
        let file = row(next)?;
        last = Some(Last { size_bytes: file.size_bytes, key: next.get(at::N)?, id: file.id.0 });
        files.push(file);
    }
    let is_full = files.len() == limit as usize;
    Ok((files, last.filter(|_| is_full).map(|last| After(Some(last)))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use shared_protocol::Blake3;

    use super::*;
    use crate::domain::root::Root;
    use crate::domain::ticks::Ticks;
    use crate::storage::{Database, index, roots};

    const SIZES: [u64; 5] = [0, 7, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 9];

    /// All pages one after the other, in files' paths and sizes.
    fn walk(connection: &Connection, root: RootRowId, place: Option<&RelPath>, portion: Portion) -> Vec<(String, u64)> {
        let (mut all, mut after) = (Vec::new(), Some(After::default()));
        while let Some(begin) = after {
            let (files, next) = unhashed(connection, root, place, (Left::Unhashed, portion), &begin, 3).unwrap();
            all.extend(files.into_iter().map(|file| (file.path.to_string(), file.size_bytes)));
            after = next;
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the number of readers: each file of the place once, those without a hash only, the large ones
        /// before all others and the largest of them first, the others by their paths.
        #[test]
        fn each_file_comes_once(
            files in prop::collection::btree_map("([ab]{1,2}/){0,2}[cd]{1,2}", (0..SIZES.len(), any::<bool>()), 0..24),
            place in prop::option::of("[ab]{1,2}(/[ab])?(/[cd])?"),
            is_first_scan in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
            let place = place.map(|place| RelPath::parse(&place).unwrap());
            let mut expected = BTreeSet::new();
            let root = database.write_blocking(|tx| {
                let root = roots::activate(tx, Root::Local, "marker:x", "/x", true)?.id;
                if is_first_scan {
                    index::bulk::begin(tx)?;
                }
                for (path, (size, is_hashed)) in &files {
                    let (Ok(path), Some(size)) = (RelPath::parse(path), SIZES.get(*size)) else { continue };
                    let hash = is_hashed.then(|| Blake3::from_bytes([1; 32]));
                    index::put_file(tx, root, &path, *size, Ticks(1), hash)?;
                    if hash.is_none() && place.as_ref().is_none_or(|place| path.is_within(place)) {
                        expected.insert((path.to_string(), *size));
                    }
                }
                Ok(root)
            }).unwrap();
            database.read_blocking(|connection| {
                for n_readers in [1, 2] {
                    let portions = Portion::of_readers(n_readers).iter();
                    let all: Vec<_> = portions.flat_map(|portion| walk(connection, root, place.as_ref(), *portion)).collect();
                    assert_eq!(all.len(), expected.len(), "none comes twice");
                    assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), expected);
                    let n_large = if n_readers == 1 { 0 } else { all.iter().filter(|file| file.1 >= LARGE_BYTES).count() };
                    let (large, others) = all.split_at(n_large);
                    assert!(large.is_sorted_by_key(|(_, size)| std::cmp::Reverse(*size)));
                    assert!(others.is_sorted_by_key(|(path, _)| path.clone()));
                }
                Ok(())
            }).unwrap();
        }
    }

    #[test]
    fn each_order_goes_along_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let plan = |connection: &Connection, files: &str| -> Vec<String> {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN SELECT path {files}")).unwrap();
            let rows = statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>();
            rows.unwrap()
        };
        // Once without statistics, and once with those of a root that has only large files of one size.
        for is_filled in [false, true] {
            if is_filled {
                database
                    .write_blocking(|tx| {
                        let root = roots::activate(tx, Root::Local, "marker:x", "/x", true)?.id;
                        for n in 0..500 {
                            let path = RelPath::parse(&format!("vae/{n}")).unwrap();
                            index::put_file(tx, root, &path, LARGE_BYTES, Ticks(1), None)?;
                        }
                        Ok(tx.execute_batch("ANALYZE")?)
                    })
                    .unwrap();
            }
            database
                .read_blocking(|connection| {
                    for (files, index) in [(LARGEST_FIRST, "files_by_size"), (BY_PATH, "files_by_key")] {
                        let plan = plan(connection, &super::files(files, Left::Unhashed));
                        assert!(plan.len() == 1 && plan.concat().contains(index), "{plan:?}");
                    }
                    Ok(())
                })
                .unwrap();
        }
    }
}
