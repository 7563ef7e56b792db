//! Links whose folders are a part of a root, see [`crate::domain::included_link`].

use rusqlite::{Connection, Row};
use shared_protocol::RelPath;

use super::{StorageError, execute, now_ms, one, roots, rows};
use crate::domain::ids::RootRowId;
use crate::domain::included_link::{FolderIdentity, IncludedLink};
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;

const COLUMNS: &str = "path, target, disk, file";

fn link(row: &Row<'_>) -> rusqlite::Result<Option<IncludedLink>> {
    let path: String = row.get("path")?;
    let file: Option<i64> = row.get("file")?;
    let identity = FolderIdentity { disk: row.get("disk")?, file: file.map(i64::cast_unsigned) };
    let target = row.get("target")?;
    Ok(RelPath::parse(&path).ok().map(|path| IncludedLink { path, target, identity }))
}

/// The included links of a root, by path.
pub fn of_root(connection: &Connection, root: RootRowId) -> Result<Vec<IncludedLink>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM included_links WHERE root_id = ?1 ORDER BY match_key, path");
    let rows = rows::<_, Vec<_>>(connection, &sql, [root.0], link)?;
    Ok(rows.into_iter().flatten().collect())
}

/// An included link as the last scan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLink {
    pub link: IncludedLink,
    /// Why what lies behind it was not seen; none if it was.
    pub changed: Option<String>,
}

/// The included links of a root, as the last scan found them, by path.
pub fn shown(connection: &Connection, root: Root) -> Result<Vec<ShownLink>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT coalesce(e.detail, '') FROM skipped_entries e
                            WHERE e.root_id = l.root_id AND e.match_key = l.match_key AND e.path = l.path
                                  AND e.reason = ?2) AS changed
         FROM included_links l WHERE root_id = ?1 ORDER BY match_key, path"
    );
    let shown = |row: &Row<'_>| Ok((link(row)?, row.get::<_, Option<String>>("changed")?));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map((row.id.0, SkipReason::LinkChanged.code()), shown)?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(|(link, changed)| Some(ShownLink { link: link?, changed })).collect())
}

/// Whether a link is included.
pub fn has(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM included_links WHERE root_id = ?1 AND match_key = ?2 AND path = ?3)";
    one(connection, sql, (root.0, path.match_key(), path.as_str()), |row| row.get(0))
}

/// Includes a link, or takes it as it is now.
pub fn include(connection: &Connection, root: RootRowId, link: &IncludedLink) -> Result<(), StorageError> {
    let FolderIdentity { disk, file } = &link.identity;
    let sql = "INSERT OR REPLACE INTO included_links (root_id, path, match_key, target, disk, file, included_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    execute(
        connection,
        sql,
        (root.0, link.path.as_str(), link.path.match_key(), &link.target, disk, file.map(u64::cast_signed), now_ms()),
    )?;
    Ok(())
}

/// Leaves a link out again. Tells whether it was included.
pub fn leave_out(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<bool, StorageError> {
    let sql = "DELETE FROM included_links WHERE root_id = ?1 AND match_key = ?2 AND path = ?3";
    Ok(execute(connection, sql, (root.0, path.match_key(), path.as_str()))? > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::Database;
    use crate::storage::skipped::{UnseenFolder, write_unseen};

    fn included(path: &str, file: Option<u64>) -> IncludedLink {
        let identity = FolderIdentity { disk: "fsid:1".to_owned(), file };
        IncludedLink { path: RelPath::parse(path).unwrap(), target: "/mnt/models".to_owned(), identity }
    }

    #[test]
    fn links_are_kept_per_root_and_stay_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let run =
            |work: &dyn Fn(&Connection) -> Result<(), StorageError>| database.write_blocking(|tx| work(tx)).unwrap();
        run(&|c| {
            let local = roots::activate(c, Root::Local, "marker:a", "/a", true)?.id;
            let lake = roots::activate(c, Root::Lake, "marker:b", "/b", true)?.id;
            let (one, two) = (included("b", Some(u64::MAX)), included("A/x", None));
            include(c, local, &one)?;
            include(c, local, &two)?;
            assert_eq!(of_root(c, local)?, [two.clone(), one.clone()]);
            assert!(of_root(c, lake)?.is_empty());
            assert!(has(c, local, &one.path)? && !has(c, lake, &one.path)?);

            // As it is now.
            let again = IncludedLink { target: "/mnt/other".to_owned(), ..one.clone() };
            include(c, local, &again)?;
            assert_eq!(of_root(c, local)?, [two.clone(), again]);

            // Another folder is Local for a while.
            roots::activate(c, Root::Local, "marker:c", "/c", true)?;
            let back = roots::activate(c, Root::Local, "marker:a", "/a", true)?.id;
            assert_eq!((back, of_root(c, back)?.len()), (local, 2));

            // What the last scan said of it.
            let (path, detail) = (one.path.to_string(), Some("it leads elsewhere".to_owned()));
            let unseen = UnseenFolder { path, reason: SkipReason::LinkChanged, detail, mount: None };
            write_unseen(c, local, &[unseen], true)?;
            let changed: Vec<_> = shown(c, Root::Local)?.into_iter().map(|shown| shown.changed).collect();
            assert_eq!(changed, [None, Some("it leads elsewhere".to_owned())]);
            assert!(shown(c, Root::Lake)?.is_empty());

            assert!(leave_out(c, local, &one.path)? && !leave_out(c, local, &one.path)?);
            assert_eq!(of_root(c, local)?, [two]);
            Ok(())
        });
    }
}
