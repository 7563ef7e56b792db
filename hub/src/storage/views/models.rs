//! The models of both roots: one row for each content, or for each file that is not hashed yet.

mod brief;
mod facets;
mod groups;
mod list;
mod show;

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::ToSchema;

pub use brief::{ModelBrief, of_files};
pub use facets::{KindTotals, by_kind, groups};
pub use groups::{Facets, ModelGroups};
pub use list::list;
pub use show::{ModelDetail, metadata_of, show};

use super::entry::FileView;
use super::statement::{Statement, text};
use super::{picked, search};
use crate::domain::described::{Blake3Text, RelPathText};
use crate::domain::ids::{FileId, ModelId};
use crate::domain::kind::FileKind;
use crate::domain::model_place::belongs_at;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::columns::Json;
use crate::storage::{StorageError, digest_column, folder_range, from_db, path_column, rows};

/// Where copies of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ModelWhere {
    /// On Local.
    Local,
    /// On the Lake.
    Lake,
    /// On both.
    Both,
    /// Evicted from Local, and not back.
    Evicted,
    /// Its content is known, and there is one copy only.
    One,
    /// On a machine outside, as far as it was asked or sent it.
    Agent,
}

impl ModelWhere {
    /// Every place.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

/// Whether a model is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ModelState {
    Ok,
    /// It can't be used as it is.
    Damaged,
    /// Something about its file is not as it should be; it may well work.
    Odd,
    /// Its header was not read yet, or could not be.
    Unread,
}

/// Which models are meant. The words of `kind`, `base`, `precision` and `format` are those of the answers; `none` is
/// what has no such word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ModelFilter {
    /// Words that its names, title, author or trigger words have, each somewhere, in any case.
    pub search: Option<String>,
    pub kind: Option<String>,
    pub base: Option<String>,
    pub precision: Option<String>,
    pub format: Option<String>,
    pub place: Option<ModelWhere>,
    pub state: Option<ModelState>,
    /// With a copy in this folder of a root, or below it.
    pub folder: Option<RelPath>,
}

/// One copy of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CopyView {
    #[serde(skip)]
    pub file: FileId,
    pub root: Root,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    pub size_bytes: u64,
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    /// The path that it should have, if it lies in a folder where `ComfyUI` looks for another kind of models.
    #[schema(value_type = Option<RelPathText>)]
    pub belongs_at: Option<RelPath>,
}

/// What is wrong with a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DamageView {
    /// What it is: `truncated_data`, `html`, `wrong_extension` …
    pub code: String,
    /// The same in a sentence.
    pub detail: String,
}

/// A model: a content with its copies.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ModelView {
    pub id: ModelId,
    /// The hash of its content, if it is known.
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// The name of its first copy.
    pub name: String,
    /// What it is for: `checkpoint`, `lora`, `vae` …; none until its header was read.
    pub kind: Option<String>,
    /// The same in words.
    pub kind_label: Option<String>,
    /// The family it belongs to: `sdxl`, `flux1` …; none where that can't be told.
    pub base: Option<String>,
    pub base_label: Option<String>,
    /// What tells the family: `tensors`, `metadata`, `sidecar` or `folder`.
    pub base_how: Option<String>,
    /// Which of the family: `inpaint`, `schnell`, `i2v_14b` …
    pub variant: Option<String>,
    /// What it was made from, by what its maker wrote: `pony`, `illustrious` …
    pub lineage: Option<String>,
    /// The type of number with most bytes: `fp16`, `fp8_e4m3_scaled`, `q4_k_m` …
    pub precision: Option<String>,
    /// How it is built: `safetensors`, `gguf` …
    pub format: Option<String>,
    /// Whether `ComfyUI` opens it; none where that is up to a custom node.
    pub comfyui_opens: Option<bool>,
    pub n_parameters: Option<u64>,
    pub n_tensors: Option<u64>,
    pub size_bytes: u64,
    pub title: Option<String>,
    pub trigger_words: Vec<String>,
    /// The address of its picture.
    pub preview: Option<String>,
    /// Whether that is a film.
    pub preview_is_film: bool,
    /// The picture beside a copy, or the copy itself, whose header holds one.
    #[serde(skip)]
    pub picture: Option<FileView>,
    #[serde(skip)]
    pub has_thumbnail: bool,
    pub state: ModelState,
    pub damage: Option<DamageView>,
    pub copies: Vec<CopyView>,
    /// Files that belong to its copies.
    pub n_sidecars: u64,
    /// Public addresses that are known of it.
    pub n_sources: u64,
}

const COLUMNS: &str = "m.id, m.blake3, m.name, m.kind, m.base, m.base_how, m.variant, m.lineage, m.precision, m.format, \
     m.comfyui_opens, m.n_parameters, m.n_tensors, m.size_bytes, m.title, m.trigger_words, m.state, m.damage_code, \
     m.damage_detail, m.has_thumbnail";

fn read(row: &Row<'_>) -> rusqlite::Result<ModelView> {
    let (kind, base): (Option<String>, Option<String>) = (row.get("kind")?, row.get("base")?);
    let name: String = row.get("name")?;
    let format: Option<String> = row.get("format")?;
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(from_db));
    let code: Option<String> = row.get("damage_code")?;
    let detail: Option<String> = row.get("damage_detail")?;
    Ok(ModelView {
        id: row.get("id")?,
        hash: digest_column(row, "blake3")?,
        kind_label: kind.as_deref().and_then(|kind| kind.parse().ok()).map(kind_in_words),
        base_label: base
            .as_deref()
            .and_then(|base| base.parse().ok())
            .map(|base: model_header::Base| base.label().into()),
        kind,
        base,
        base_how: row.get("base_how")?,
        variant: row.get("variant")?,
        lineage: row.get("lineage")?,
        precision: row.get("precision")?,
        format,
        comfyui_opens: row.get("comfyui_opens")?,
        n_parameters: number("n_parameters")?,
        n_tensors: number("n_tensors")?,
        size_bytes: from_db(row.get("size_bytes")?),
        title: row.get("title")?,
        trigger_words: row.get::<_, Json<Vec<String>>>("trigger_words")?.0,
        preview: None,
        preview_is_film: false,
        picture: None,
        has_thumbnail: row.get("has_thumbnail")?,
        state: row.get_ref("state")?.as_str()?.parse().unwrap_or(ModelState::Unread),
        damage: code.map(|code| DamageView { code, detail: detail.unwrap_or_default() }),
        copies: Vec::new(),
        n_sidecars: 0,
        n_sources: 0,
        name,
    })
}

/// What people call a kind, as the first word.
pub fn kind_in_words(kind: model_header::Kind) -> String {
    let mut letters = kind.label().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl ModelFilter {
    /// Adds the conditions of a row of `models m`.
    fn add_conditions(&self, statement: &mut Statement) {
        self.add_properties(statement);
        self.add_scope(statement);
    }

    /// Those that are told by what a model is.
    fn add_properties(&self, statement: &mut Statement) {
        match self.place {
            None => statement.text("WHERE m.n_local + m.n_lake + m.is_evicted > 0"),
            Some(ModelWhere::Local) => statement.text("WHERE m.n_local > 0"),
            Some(ModelWhere::Lake) => statement.text("WHERE m.n_lake > 0"),
            Some(ModelWhere::Both) => statement.text("WHERE m.n_local > 0 AND m.n_lake > 0"),
            Some(ModelWhere::Evicted) => statement.text("WHERE m.is_evicted = 1 AND m.n_local = 0"),
            Some(ModelWhere::Agent) => statement.text("WHERE m.n_agents > 0"),
            Some(ModelWhere::One) => statement.text("WHERE m.n_local + m.n_lake = 1 AND m.is_hashed"),
        };
        for (column, wanted) in
            [("kind", &self.kind), ("base", &self.base), ("precision", &self.precision), ("format", &self.format)]
        {
            match wanted.as_deref() {
                None => {}
                // What is no model of any kind is of the kind "none"; it is also asked for so.
                Some("none") => _ = statement.text(&format!("AND coalesce(m.{column}, 'none') = 'none'")),
                Some(wanted) => _ = statement.add(&format!("AND m.{column} = ?"), [text(wanted)]),
            }
        }
        if let Some(state) = self.state {
            statement.add("AND m.state = ?", [text(<&str>::from(state))]);
        }
    }

    /// The search, and the folder.
    fn add_scope(&self, statement: &mut Statement) {
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(m.search_key, ?) > 0", [text(word)]);
        }
        if let Some(folder) = &self.folder {
            let (from, to) = folder_range(&folder.match_key());
            let sql = "AND m.id IN (SELECT f.model_id FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
                                    WHERE f.match_key >= ? AND f.match_key < ? AND f.model_id IS NOT NULL)";
            statement.add(sql, [text(from), text(to)]);
        }
    }
}

impl ModelView {
    /// Notes where its copies are.
    fn note_copies(&mut self, copies: Vec<CopyView>) {
        let kind = self.kind.as_deref().and_then(|kind| kind.parse().ok());
        self.copies = copies;
        for copy in &mut self.copies {
            copy.belongs_at = kind.and_then(|kind| belongs_at(kind, &copy.path));
        }
    }

    /// Notes the files of its copies, and what belongs to them.
    fn note_files(&mut self, files: &[FileView], sidecars: &[FileView]) {
        self.n_sidecars = sidecars.len() as u64;
        let beside = sidecars.iter().filter(|file| file.kind == FileKind::Preview && !file.placeholder);
        let beside = beside.min_by_key(|file| picked::rank_of_picture(file.path.name()));
        let inside = files.iter().find(|file| self.has_thumbnail && !file.placeholder);
        self.picture = beside.or(inside).cloned();
    }
}

/// The copies of models on shown roots, Local's first.
fn copies(connection: &Connection, model: ModelId) -> Result<Vec<CopyView>, StorageError> {
    let sql = "SELECT f.id, r.root, f.path, f.size_bytes, f.modified
               FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
               WHERE f.model_id = ?1 ORDER BY r.root = 'lake', f.match_key LIMIT 200";
    rows(connection, sql, [model], |row| {
        Ok(CopyView {
            file: row.get("id")?,
            root: row.get("root")?,
            path: path_column(row, "path")?,
            size_bytes: from_db(row.get("size_bytes")?),
            modified: row.get("modified")?,
            belongs_at: None,
        })
    })
}
