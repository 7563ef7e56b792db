//! Opening: what is taken, what is set aside, what is refused, and what comes back from a copy.

use super::*;
use crate::domain::background::WorkState;
use crate::domain::duplicates::{SearchReport, SearchScope};
use crate::domain::hash_scope::{HashKind, HashRequest, HashScope};
use crate::domain::root::Root;
use crate::domain::scan::{ScanReport, ScanRequest};
use crate::storage::background;

/// Nobody knows how much room there is.
const NO_ROOM: Room<'static> = &|| None;

#[test]
fn migrations_are_sound() {
    Migrations::from_slice(MIGRATIONS).validate().unwrap();
}

#[test]
fn removed_duplicates_and_what_makes_way_are_told_apart_in_a_database_of_before() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&connection).unwrap();
    Migrations::from_slice(MIGRATIONS.get(..19).unwrap()).to_latest(&mut connection).unwrap();
    connection
        .execute_batch(
            "INSERT INTO batches (id, operation, from_root, created_at)
             VALUES (1, 'delete', 'local', 1), (2, 'delete', 'local', 1), (3, 'mirror', 'local', 1);
             INSERT INTO transfers (batch_id, operation, from_root, from_root_id, to_root_id, path, state, position,
                                    size_bytes, modified, result_size, result_modified, created_at)
             VALUES (1, 'delete', 'local', 1, 2, 'twin', 'completed', 1, 1, 1, 1, 1, 1),
                    (1, 'delete', 'local', 1, NULL, 'twin.json', 'queued', 2, 1, 1, NULL, NULL, 1),
                    (2, 'delete', 'local', 1, NULL, 'x', 'completed', 3, 1, 1, NULL, NULL, 1),
                    (3, 'copy', 'local', 1, 2, 'y', 'queued', 4, 1, 1, 70, 80, 1);",
        )
        .unwrap();
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(texts("SELECT operation FROM batches ORDER BY id"), ["remove_duplicate", "delete", "mirror"]);
    assert_eq!(texts("SELECT operation FROM transfers ORDER BY id"), ["remove_duplicate", "delete", "delete", "copy"]);
    let sizes = "SELECT concat_ws(' ', path, result_size, occupant_size) FROM transfers ORDER BY id";
    assert_eq!(texts(sizes), ["twin 1", "twin.json", "x", "y 70"]);
    let made = "SELECT path FROM transfers WHERE result_size IS NOT NULL OR result_modified IS NOT NULL";
    assert_eq!(texts(made), ["twin"]);
}

#[test]
fn models_of_before_keep_what_is_known_of_them() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&connection).unwrap();
    Migrations::from_slice(MIGRATIONS.get(..22).unwrap()).to_latest(&mut connection).unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO models (id, blake3, size_bytes, state, tried, format, name)
               VALUES (1, x'01', 2000000, 'ok', 1, 'safetensors', 'hashed'), (2, NULL, 5, 'unread', 0, NULL, 'new'),
                      (3, x'03', 5, 'ok', 1, 'safetensors', 'small');
               INSERT INTO model_descriptions VALUES
                   (1, '{"declared_sha256": "ab", "thumbnail": {"is_showable": true}}'),
                   (3, '{"declared_sha256": "ab", "thumbnail": null}');"#,
        )
        .unwrap();
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).unwrap();
    let sql = "SELECT concat_ws(' ', name, is_hashed, has_thumbnail, digest_waits, n_agents) FROM models ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, ["hashed 1 1 1 0", "new 0 0 0 0", "small 1 0 0 0"]);
}

#[test]
fn scans_hash_jobs_and_searches_of_before_are_background_jobs() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&connection).unwrap();
    Migrations::from_slice(MIGRATIONS.get(..20).unwrap()).to_latest(&mut connection).unwrap();
    connection
        .execute_batch(
            r#"PRAGMA foreign_keys = OFF;
               INSERT INTO scans (id, state, started_at, finished_at, report)
               VALUES (7, 'partial', 1, 2, '{"roots": {"lake": {"state": "partial", "n_files": 5, "n_folders": 2,
                       "size_bytes": 50, "n_errors": 1, "n_added": 5, "n_changed": 0, "n_removed": 0, "n_skipped": 0,
                       "detail": null}}, "errors": [{"root": "lake", "path": "a", "detail": "no"}]}');
               INSERT INTO hash_jobs (id, root, scope, state, n_total, n_done, bytes_total, bytes_done, detail, created_at,
                                      finished_at, kind)
               VALUES (3, 'lake', '{"folder":null}', 'complete', 9, 8, 90, 80, 'why', 3, 4, 'missing'),
                      (4, 'local', '{"paths":["a/b"]}', 'running', 1, 0, 1, 0, NULL, 5, NULL, 'verify');
               INSERT INTO duplicate_scans (id, local, lake, min_size, state, n_candidates, n_failed, n_groups,
                                            reclaimable_bytes, created_at, finished_at)
               VALUES (2, 1, 1, 4096, 'complete', 6, 1, 2, 30, 6, 7), (3, 0, 1, 1, 'queued', 0, 0, 0, 0, 8, NULL);
               INSERT INTO duplicate_groups (scan_id, kind, digest, size_bytes, n_files, n_local, n_lake)
               VALUES (2, 0, x'00', 1, 2, 1, 1);
               INSERT INTO remote_jobs (id, agent_id, kind, hash_job, spec, state, created_at)
               VALUES ('x', 'y', 'asset_download', 3, '', 'queued', 1);"#,
        )
        .unwrap();
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).unwrap();
    let scan = background::latest::<Old<ScanRequest, ScanReport, 0>>(&connection).unwrap().unwrap();
    assert_eq!((scan.id.0, scan.payload.roots, scan.counts.n_done), (7, vec![Root::Lake], 5));
    assert_eq!(scan.report.roots.get(&Root::Lake).map(|part| part.n_added), Some(5));
    assert_eq!(scan.report.errors.first().map(|error| error.path.as_str()), Some("a"));
    let hashed = background::latest::<Old<HashRequest, (), 1>>(&connection).unwrap().unwrap();
    assert_eq!(
        (hashed.id.0, hashed.payload.scope, hashed.detail.as_deref()),
        (10, HashScope::Folder(None), Some("why"))
    );
    assert_eq!((hashed.counts.n_total, hashed.counts.bytes_done), (9, 80));
    let hashing = background::next::<Old<HashRequest, (), 1>>(&connection, "local").unwrap().unwrap();
    assert_eq!((hashing.id.0, hashing.payload.kind, hashing.state), (11, HashKind::Verify, WorkState::Running));
    let search = background::latest::<Old<SearchScope, SearchReport, 2>>(&connection).unwrap().unwrap();
    assert_eq!((search.id.0, search.payload.roots, search.payload.min_size), (13, Root::ALL.to_vec(), 4096));
    assert_eq!((search.report.n_groups, search.report.n_candidates, search.report.reclaimable_bytes), (2, 6, 30));
    let waiting = background::next::<Old<SearchScope, SearchReport, 2>>(&connection, "").unwrap().unwrap();
    assert_eq!((waiting.id.0, waiting.payload.roots), (14, vec![Root::Lake]));
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT scan_id FROM duplicate_groups"), search.id.0);
    assert_eq!(number("SELECT hash_job FROM remote_jobs"), hashed.id.0);
}

/// A kind of job of which only the row matters.
struct Old<P, R, const KIND: usize>(std::marker::PhantomData<(P, R)>);

impl<P, R, const KIND: usize> background::BackgroundKind for Old<P, R, KIND>
where
    P: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
    R: serde::Serialize + serde::de::DeserializeOwned + Clone + Default + Send + Sync + 'static,
{
    const KIND: &'static str = match KIND {
        0 => "scan",
        1 => "hash",
        _ => "duplicates",
    };
    type Payload = P;
    type Report = R;

    fn queue(_: &P) -> &'static str {
        ""
    }
}

#[test]
fn a_broken_file_is_set_aside_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    fs::write(&path, b"this has never been a database, only a text of some length".repeat(200)).unwrap();
    let (_, opened) = writer(&path, NO_ROOM).unwrap();
    let aside = match opened {
        Opened::Replaced(aside) => Some(aside),
        _ => None,
    };
    assert!(fs::read(aside.unwrap()).unwrap().starts_with(b"this has never"));
    assert_eq!(writer(&path, NO_ROOM).unwrap().1, Opened::Sound);
}

#[test]
fn a_torn_page_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    drop(writer(&path, NO_ROOM).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes.get_mut(middle - 3000..middle + 3000).unwrap().fill(0xa5);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(writer(&path, NO_ROOM).unwrap().1, Opened::Replaced(_)));
}

#[test]
fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let (_writer, _) = writer(&path, NO_ROOM).unwrap();
    let reader = reader(&path).unwrap();
    assert!(reader.execute("INSERT INTO facts VALUES ('a', 'b')", []).is_err());
}

fn backup_of(path: &Path) -> PathBuf {
    backups::daily(path, MIGRATIONS.len(), jiff::SignedDuration::ZERO, NO_ROOM).unwrap().unwrap()
}

fn put(path: &Path, name: &str) {
    let (connection, _) = writer(path, NO_ROOM).unwrap();
    connection.execute("INSERT INTO facts VALUES (?1, '')", [name]).unwrap();
}

fn has(connection: &Connection, name: &str) -> bool {
    connection.query_row("SELECT count(*) FROM facts WHERE name = ?1", [name], |row| row.get::<_, i64>(0)).unwrap() == 1
}

/// A database with something in it, a copy of it, and more in it since.
fn with_backup() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    put(&path, "early");
    let backup = backup_of(&path);
    put(&path, "late");
    (folder, path, backup)
}

#[test]
fn a_broken_or_lost_database_comes_back_from_its_newest_copy() {
    for breaks in ["garbage", "lost", "short", "lost with its log there"] {
        let (folder, path, _) = with_backup();
        match breaks {
            "garbage" => fs::write(&path, vec![0x5a; 50_000]).unwrap(),
            "lost" => fs::remove_file(&path).unwrap(),
            "short" => {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_len(file.metadata().unwrap().len() - 100).unwrap();
            }
            _ => {
                fs::remove_file(&path).unwrap();
                fs::write(folder.path().join("hub.db-wal"), b"of another file").unwrap();
            }
        }
        let (connection, opened) = writer(&path, NO_ROOM).unwrap();
        assert!(matches!(opened, Opened::Restored { .. }), "{breaks}: {opened:?}");
        assert!(has(&connection, "early") && !has(&connection, "late"), "{breaks}");
        let aside = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".broken-"));
        assert_eq!(aside.count(), usize::from(breaks != "lost"), "{breaks}");
    }
}

#[test]
fn a_broken_copy_is_passed_over() {
    let (_folder, path, backup) = with_backup();
    let older = backup.with_file_name("hub-20200101T000000Z-schema-1.db");
    fs::rename(&backup, &older).unwrap();
    let newest = backup_of(&path);
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes.get_mut(middle - 3000..middle + 3000).unwrap().fill(0xa5);
    fs::write(&newest, bytes).unwrap();
    fs::remove_file(&path).unwrap();
    let (connection, _) = writer(&path, NO_ROOM).unwrap();
    assert!(has(&connection, "early") && !has(&connection, "late"));
}

#[test]
fn copies_are_kept_few_and_never_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    put(&path, "a");
    assert_eq!(
        backups::daily(&path, MIGRATIONS.len(), jiff::SignedDuration::ZERO, &|| Some(1 << 20)).unwrap(),
        None,
        "no room"
    );
    for year in 2001..2010 {
        let backup = backup_of(&path);
        fs::rename(&backup, backup.with_file_name(format!("hub-{year}0101T000000Z-schema-1.db"))).unwrap();
    }
    drop(backup_of(&path));
    let years: Vec<_> = backups::list(&path).iter().map(|backup| backup.made_at.to_string()).collect();
    assert_eq!(years.len(), 3, "{years:?}");
    assert!(years.iter().any(|year| year.starts_with("2009")), "the oldest go first: {years:?}");
    assert_eq!(
        backups::daily(&path, MIGRATIONS.len(), jiff::SignedDuration::from_hours(20), NO_ROOM).unwrap(),
        None,
        "one a day"
    );
}

/// What is said of a file that can't be the database, and that it was left as it was.
#[test]
fn what_is_no_database_of_ours_is_refused_in_words_and_not_touched() {
    type Make = fn(&Path);
    let table: [(&str, Make, &str, &str); 4] = [
        (
            "later",
            |path| {
                drop(writer(path, NO_ROOM).unwrap());
                Connection::open(path).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
            },
            "later version of the hub (schema 9999",
            "Install that version",
        ),
        (
            "foreign",
            |path| Connection::open(path).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap(),
            "database of another program",
            "Move it away",
        ),
        (
            "foreign with an id",
            |path| {
                drop(writer(path, NO_ROOM).unwrap());
                Connection::open(path).unwrap().pragma_update(None, "application_id", 7).unwrap();
            },
            "database of another program",
            "Move it away",
        ),
        ("folder", |path| fs::create_dir(path).unwrap(), "is a folder", "Move it away"),
    ];
    for (name, make, why, todo) in table {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        make(&path);
        let before = fs::read(&path).ok();
        let said = writer(&path, NO_ROOM).unwrap_err().to_string();
        assert!(said.contains(why) && said.contains(todo) && said.contains("hub.db"), "{name}: {said}");
        assert_eq!(fs::read(&path).ok(), before, "{name} was changed");
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with("hub.db")).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_file_that_is_short_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    drop(writer(&path, NO_ROOM).unwrap());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    assert!(matches!(writer(&path, NO_ROOM).unwrap().1, Opened::Replaced(_)));
}

#[test]
fn a_copy_is_made_before_the_schema_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let mut connection = Connection::open(&path).unwrap();
    let old = MIGRATIONS.len() - 1;
    Migrations::from_slice(MIGRATIONS).to_version(&mut connection, old).unwrap();
    drop(connection);
    assert_eq!(writer(&path, NO_ROOM).unwrap().1, Opened::Sound);
    let copies = backups::list(&path);
    assert!(matches!(copies.as_slice(), [copy] if copy.before_change && copy.schema == old), "{copies:?}");
    drop(writer(&path, NO_ROOM).unwrap());
    assert_eq!(backups::list(&path).len(), 1);
}
