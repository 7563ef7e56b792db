//! What takes space on a disk, and how the room went.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::root::Root;
use crate::domain::space::{Age, Base};
use crate::domain::ticks::Ticks;
use crate::storage::timestamp;
use crate::storage::views::entry::Totals;
use crate::storage::views::space;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Params;

/// Whose space.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SpaceQuery {
    #[param(inline)]
    root: Root,
}

/// A type of models: a folder directly in the root.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpaceType {
    pub name: String,
    #[serde(flatten)]
    pub totals: Totals,
}

/// Files that were changed so long ago.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpaceAge {
    /// How long ago.
    pub age: Age,
    /// These files.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The room at one time.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpaceSample {
    pub at: Timestamp,
    /// Bytes that could still be written.
    pub free_bytes: u64,
    /// Bytes of the whole disk.
    pub total_bytes: u64,
    /// Bytes of the models.
    pub size_bytes: u64,
    pub trash_bytes: u64,
}

/// What takes space on a root's disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpaceView {
    pub root: Root,
    /// All files of the index.
    #[serde(flatten)]
    pub totals: Totals,
    /// By the folders directly in the root, the largest first.
    pub types: Vec<SpaceType>,
    /// Files that lie in none of these folders.
    pub loose: Totals,
    /// By the folders inside the types, those of one name together, the largest first.
    pub bases: Vec<Base>,
    /// By the time of the last change, the youngest first.
    pub ages: Vec<SpaceAge>,
    /// In the trash: on the same disk, and not free.
    pub trash: Totals,
    /// What was evicted and is not back; of Local only.
    pub evicted: Totals,
    /// Whether the root can be reached.
    pub online: bool,
    /// Bytes that can still be written; unknown while the root can't be reached, and where its disk does not
    /// tell.
    pub free_bytes: Option<u64>,
    /// Bytes of the whole disk.
    pub total_bytes: Option<u64>,
    /// How the room went, the oldest first: everything of the last two days, and one a day before.
    pub over_time: Vec<SpaceSample>,
}

/// Shows what takes space on a root's disk.
#[utoipa::path(
    get, path = "/api/space", tag = "library", params(SpaceQuery), responses((status = 200, body = SpaceView))
)]
pub(super) async fn show_space(
    State(state): State<WebState>,
    Params(query): Params<SpaceQuery>,
) -> Answer<Json<SpaceView>> {
    show(&state, query.root).await.map(Json)
}

/// What takes space on a root's disk.
pub(in crate::web) async fn show(state: &WebState, root: Root) -> Answer<SpaceView> {
    let counts = state.counts.clone();
    let now = Ticks::from_system_time(std::time::SystemTime::now());
    let read = move |connection: &_| Ok((space::show(connection, root)?, counts.ages(connection, root, now)?));
    let (space, ages) = state.services.database.read(read).await?;
    let status = state.services.roots.status(root);
    Ok(SpaceView {
        root,
        totals: space.totals,
        types: space
            .types
            .into_iter()
            .map(|folder| SpaceType {
                name: folder.name,
                totals: Totals { n_files: folder.n_files, size_bytes: folder.size_bytes },
            })
            .collect(),
        loose: space.loose,
        bases: space.bases,
        ages: ages.into_iter().map(|(age, totals)| SpaceAge { age, totals }).collect(),
        trash: space.trash,
        evicted: space.evicted,
        online: status.online,
        free_bytes: status.free_bytes,
        total_bytes: status.total_bytes,
        over_time: space
            .over_time
            .into_iter()
            .map(|sample| SpaceSample {
                at: timestamp(sample.at),
                free_bytes: sample.free_bytes,
                total_bytes: sample.total_bytes,
                size_bytes: sample.size_bytes,
                trash_bytes: sample.trash_bytes,
            })
            .collect(),
    })
}
