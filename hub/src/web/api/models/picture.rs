//! The picture that a person sets for a model: a file beside each of its copies, so that other tools show it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use shared_protocol::RelPath;
use thumbnail::make;
use utoipa::ToSchema;

use crate::domain::described::RelPathText;
use crate::domain::ids::ModelId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::fs::previews::SIDES;
use crate::services::ServiceError;
use crate::services::queue::TransferRequest;
use crate::storage::views::FileView;
use crate::storage::views::models::{CopyView, ModelDetail};
use crate::storage::views::picked;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::InPath;
use crate::web::fragments::preview::kind_of;

/// How long the old picture may take to its trash.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Pictures that a new one would stand beside under the same name but for the ending.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];

/// A picture beside a copy.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureView {
    pub root: Root,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
}

/// Where the picture is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureSetView {
    pub pictures: Vec<PictureView>,
}

/// Sets the picture of a model: the body is a PNG, JPEG, WebP or GIF. It becomes `<stem>.preview.<ending>` beside each
/// copy; a picture of that name goes to the trash first.
#[utoipa::path(
    put, path = "/api/models/{id}/preview", tag = "models",
    request_body(content = Vec<u8>, content_type = "image/*"),
    params(("id" = i64, Path, description = "The model")),
    responses((status = 200, body = PictureSetView), (status = 403), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn set_picture(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<Json<PictureSetView>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("image/") {
        let text = "A picture is sent as what it is: Content-Type: image/png, image/jpeg, image/webp or image/gif.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let bytes = bytes.to_vec();
    let (bytes, ending) =
        state.tasks.blocking(move || judge_picture(bytes)).await.ok_or(ServiceError::ShuttingDown)??;
    let ModelDetail { model, sidecars, .. } = state.services.models.show(id).await?;
    let copies = writable(&state, model.copies)?;
    clear(&state, &copies, &sidecars).await?;
    let places: Vec<_> = copies.iter().filter_map(|copy| Some((copy.0, beside(&copy.1, ending)?))).collect();
    let mut pictures = Vec::new();
    for (root, path) in places {
        state.services.models.put_picture(root, path.clone(), bytes.clone()).await?;
        pictures.push(PictureView { root, path });
    }
    Ok(Json(PictureSetView { pictures }))
}

/// The ending of what is a picture in truth.
fn judge_picture(bytes: Vec<u8>) -> Answer<(Vec<u8>, &'static str)> {
    let impossible = |text: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
    let ending = match kind_of(&bytes) {
        Some("image/png") => "png",
        Some("image/jpeg") => "jpg",
        Some("image/webp") => "webp",
        Some("image/gif") => "gif",
        _ => return Err(impossible("This is no picture: take a PNG, JPEG, WebP or GIF.".to_owned())),
    };
    let [side, _] = SIDES;
    make(&bytes, side).map_err(|error| impossible(format!("This picture can't be used: {error}.")))?;
    Ok((bytes, ending))
}

/// The copies whose folders can be written to, one for each stem.
fn writable(state: &WebState, copies: Vec<CopyView>) -> Answer<Vec<(Root, RelPath)>> {
    let (mut seen, mut found, mut refused) = (BTreeSet::new(), Vec::new(), None);
    for copy in copies {
        match state.services.roots.live_writable(copy.root) {
            Ok(_) if seen.insert((copy.root, beside(&copy.path, "").map(|path| path.match_key()))) => {
                found.push((copy.root, copy.path));
            }
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        _ if !found.is_empty() => Ok(found),
        Some(error) => Err(error.into()),
        None => {
            Err(Problem::new(StatusCode::CONFLICT, "No copy of it is in either folder, where a picture could lie."))
        }
    }
}

/// Has what these copies have for a picture brought to the trash.
async fn clear(state: &WebState, copies: &[(Root, RelPath)], sidecars: &[FileView]) -> Answer<()> {
    let names = |(root, copy): &(Root, RelPath)| ENDINGS.map(|ending| Some((*root, beside(copy, ending)?.match_key())));
    let names: BTreeSet<(Root, String)> = copies.iter().flat_map(names).flatten().collect();
    let mut in_the_way: BTreeMap<Root, Vec<RelPath>> = BTreeMap::new();
    for file in sidecars.iter().filter(|file| names.contains(&(file.root, file.path.match_key()))) {
        in_the_way.entry(file.root).or_default().push(file.path.clone());
    }
    // Nothing goes unless all may.
    in_the_way.keys().try_for_each(|root| state.services.roots.check_delete(*root))?;
    for (root, old) in in_the_way {
        let request = TransferRequest {
            operation: Operation::Delete,
            from: root,
            to: None,
            paths: old.clone(),
            on_conflict: OnConflict::Skip,
            include_damaged: true,
        };
        state.services.queue.enqueue(request).await?;
        let began = Instant::now();
        loop {
            let old = old.clone();
            let look = move |connection: &_| picked::files_at(connection, root, old.iter());
            if state.services.database.read(look).await?.is_empty() {
                break;
            }
            if began.elapsed() > PATIENCE {
                let text = "The old picture is on its way to the trash, and the queue has not come to it yet. Set the \
                            picture again when it has.";
                return Err(Problem::new(StatusCode::CONFLICT, text));
            }
            if !state.tasks.pause(LOOK_EVERY).await {
                return Err(ServiceError::ShuttingDown.into());
            }
        }
    }
    Ok(())
}

/// The name of a picture beside a copy; none if it would be too long.
fn beside(copy: &RelPath, ending: &str) -> Option<RelPath> {
    let name = copy.name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    RelPath::in_folder(copy.parent().as_ref(), &format!("{stem}.preview.{ending}")).ok()
}
