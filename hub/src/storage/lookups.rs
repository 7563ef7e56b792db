//! What sites answered about contents, and what there is to ask them.

use std::collections::{HashMap, HashSet};

use ::lookups::Site;
use model_header::SourceHint;
use model_header::sidecar::SidecarFacts;
use rusqlite::{Connection, Row};
use shared_protocol::{Blake3, RelPath, Sha256};

use super::columns::{Json, Parsed};
use super::{StorageError, execute, from_db, path_column, rows};
use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::domain::sources::Said;
use crate::domain::sources::said::LookupScope;

/// What a site answered about one content, and when (milliseconds since 1970).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteAnswer {
    pub sha256: Sha256,
    pub site: Site,
    pub said: Said,
    pub at: i64,
}

/// A model whose content is known, with what tells where it may be had.
#[derive(Debug, Clone)]
pub struct SoughtContent {
    pub hash: Blake3,
    pub size_bytes: u64,
    pub sha256: Option<Sha256>,
    /// What its first copy is called.
    pub name: String,
    /// What its header says.
    pub hints: Vec<SourceHint>,
    /// What the files beside it say.
    pub beside: Vec<SidecarFacts>,
}

/// A model whose content is known, with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContent {
    pub hash: Blake3,
    pub size_bytes: u64,
    pub sha256: Option<Sha256>,
    /// What its first copy is called.
    pub name: String,
    /// Roots that have a copy.
    pub n_roots: u64,
}

/// The SHA-256 of a model `m`, if one of its files was read for it.
const SHA256: &str = "(SELECT h.sha256 FROM files f
                       JOIN hashes h ON h.root_id = f.root_id AND h.path = f.path AND h.blake3 = f.blake3
                       WHERE f.model_id = m.id AND h.sha256 IS NOT NULL LIMIT 1) AS sha256";

/// The contents of a scope that are there, oldest first.
pub fn sought(connection: &Connection, scope: &LookupScope) -> Result<Vec<SoughtContent>, StorageError> {
    let sql = format!(
        "SELECT m.id, m.blake3, m.size_bytes, m.name, {SHA256}, d.description -> '$.source_hints' AS hints
         FROM models m LEFT JOIN model_descriptions d ON d.model_id = m.id
         WHERE m.blake3 IS NOT NULL AND m.n_local + m.n_lake > 0 AND (?1 IS NULL OR EXISTS (
             SELECT 1 FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
             WHERE f.model_id = m.id AND r.root = ?1
                   AND (?2 IS NULL OR f.match_key >= ?2 || '/' AND f.match_key < ?2 || '0')))
         ORDER BY m.id"
    );
    let folder = scope.folder.as_ref().map(shared_protocol::RelPath::match_key);
    let mut beside = said_beside(connection)?;
    let read = |row: &Row<'_>| {
        let hints = row.get::<_, Option<Json<Vec<SourceHint>>>>("hints")?;
        Ok(SoughtContent {
            hash: Blake3::from_bytes(row.get("blake3")?),
            size_bytes: from_db(row.get("size_bytes")?),
            sha256: sha256_column(row)?,
            name: row.get("name")?,
            hints: hints.map(|Json(hints)| hints).unwrap_or_default(),
            beside: beside.remove(&row.get::<_, ModelId>("id")?).unwrap_or_default(),
        })
    };
    let mut found: Vec<SoughtContent> = rows(connection, &sql, (scope.root, folder), read)?;
    if let Some(hashes) = &scope.hashes {
        let hashes: HashSet<&Blake3> = hashes.iter().collect();
        found.retain(|content| hashes.contains(&content.hash));
    }
    Ok(found)
}

fn said_beside(connection: &Connection) -> Result<HashMap<ModelId, Vec<SidecarFacts>>, StorageError> {
    let sql = "SELECT model_id, facts FROM sidecar_facts WHERE facts IS NOT NULL";
    let read = |row: &Row<'_>| Ok((row.get::<_, ModelId>("model_id")?, row.get::<_, Json<SidecarFacts>>("facts")?.0));
    let mut found: HashMap<ModelId, Vec<SidecarFacts>> = HashMap::new();
    for (model, facts) in rows::<_, Vec<_>>(connection, sql, [], read)? {
        found.entry(model).or_default().push(facts);
    }
    Ok(found)
}

/// All contents that are there, by name.
pub fn known(connection: &Connection) -> Result<Vec<KnownContent>, StorageError> {
    let sql = format!(
        "SELECT m.blake3, m.size_bytes, m.name, (m.n_local > 0) + (m.n_lake > 0) AS n_roots, {SHA256}
         FROM models m WHERE m.blake3 IS NOT NULL AND m.n_local + m.n_lake > 0 ORDER BY m.name_key, m.id"
    );
    rows(connection, &sql, [], |row| {
        Ok(KnownContent {
            hash: Blake3::from_bytes(row.get("blake3")?),
            size_bytes: from_db(row.get("size_bytes")?),
            sha256: sha256_column(row)?,
            name: row.get("name")?,
            n_roots: from_db(row.get("n_roots")?),
        })
    })
}

/// Files of both folders that have a content, by its SHA-256.
pub fn files_of(connection: &Connection, sha256: &Sha256) -> Result<Vec<(Root, RelPath)>, StorageError> {
    let sql = "SELECT r.root, f.path FROM hashes h
               JOIN files f ON f.root_id = h.root_id AND f.path = h.path AND f.blake3 = h.blake3
               JOIN roots r ON r.id = f.root_id AND r.active = 1
               WHERE h.sha256 = ?1 ORDER BY r.root DESC, f.path LIMIT 100";
    rows(connection, sql, [sha256.as_bytes()], |row| Ok((row.get("root")?, path_column(row, "path")?)))
}

/// How many models are there whose content is not known yet.
pub fn count_unhashed(connection: &Connection) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM models WHERE blake3 IS NULL AND n_local + n_lake > 0";
    super::one(connection, sql, [], |row| row.get(0).map(from_db))
}

fn sha256_column(row: &Row<'_>) -> rusqlite::Result<Option<Sha256>> {
    Ok(row.get::<_, Option<[u8; 32]>>("sha256")?.map(Sha256::from_bytes))
}

/// Keeps what sites answered; the latest answer of a site counts.
pub fn note(connection: &Connection, answers: &[SiteAnswer]) -> Result<(), StorageError> {
    for answer in answers {
        let sql = "INSERT OR REPLACE INTO lookups VALUES (?1, ?2, ?3, ?4)";
        let of = (answer.sha256.as_bytes(), answer.site.as_str(), answer.said.as_str(), answer.at);
        execute(connection, sql, of)?;
    }
    Ok(())
}

/// Everything that sites answered.
pub fn answers(connection: &Connection) -> Result<HashMap<Sha256, Vec<SiteAnswer>>, StorageError> {
    let mut found: HashMap<Sha256, Vec<SiteAnswer>> = HashMap::new();
    for answer in answers_of(connection, None)? {
        found.entry(answer.sha256).or_default().push(answer);
    }
    Ok(found)
}

/// What sites answered about one content, or about all.
pub fn answers_of(connection: &Connection, sha256: Option<&Sha256>) -> Result<Vec<SiteAnswer>, StorageError> {
    let sql = "SELECT sha256, site, said, answered_at FROM lookups WHERE ?1 IS NULL OR sha256 = ?1";
    rows(connection, sql, [sha256.map(Sha256::as_bytes)], |row| {
        Ok(SiteAnswer {
            sha256: Sha256::from_bytes(row.get("sha256")?),
            site: row.get::<_, Parsed<Site>>("site")?.0,
            said: row.get::<_, Parsed<Said>>("said")?.0,
            at: row.get("answered_at")?,
        })
    })
}
