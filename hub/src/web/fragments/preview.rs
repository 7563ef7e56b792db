//! Pictures of the library: previews that lie beside models.
//!
//! Only names that end like a picture are read, never more than a cap, and the answer says what the
//! first bytes prove, so nothing from a model folder is ever run as something else.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared_protocol::RelPath;

use crate::domain::root::Root;
use crate::fs::FileStamp;
use crate::fs::head::read_small;
use crate::fs::previews::SIDES;
use crate::services::ServiceError;
use crate::storage::views::{FileView, picked};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional_parsed};
use crate::web::state::WebState;

/// The largest picture that is shown.
const MAX_BYTES: u64 = 24 << 20;

const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "avif"];

#[derive(Debug, Deserialize)]
pub(in crate::web) struct PreviewQuery {
    root: Root,
    path: RelPath,
    /// Its longest side, for a small one.
    #[serde(default, deserialize_with = "optional_parsed")]
    side: Option<u32>,
}

/// Whether a file of this name is shown as a picture.
pub(in crate::web) fn is_picture(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Shows a picture that is in the index.
pub(super) async fn show_preview(
    State(state): State<WebState>,
    Params(PreviewQuery { root, path, side }): Params<PreviewQuery>,
) -> Answer<Response> {
    if !is_picture(path.name()) {
        return Err(Problem::not_found("This is not a picture."));
    }
    let services = &state.services;
    let wanted = path.clone();
    let found =
        services.database.read(move |connection| picked::files_at(connection, root, std::iter::once(&wanted))).await?;
    let file = found.into_iter().next().filter(|file| !file.placeholder);
    let file = file.ok_or_else(|| Problem::not_found("There is no such picture."))?;
    let place = services.roots.live(root)?.dir.resolve(&path);
    // Browsers show AVIF, for which there is no decoder here.
    let is_avif = path.name().to_ascii_lowercase().ends_with(".avif");
    if let Some(side) = side.filter(|_| !is_avif) {
        return small(&state, place, &file, side).await;
    }
    let bytes = state
        .tasks
        .blocking(move || read_small(&place, MAX_BYTES))
        .await
        .ok_or(ServiceError::ShuttingDown)?
        .map_err(|error| Problem::not_found(error.to_string()))?;
    let kind = kind_of(&bytes).ok_or_else(|| Problem::not_found("This is not a picture."))?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The size and time stand in the address of nothing: asked again after a minute.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}-{}\"", file.size_bytes, file.modified.0)) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// A small picture. Its address may lead to another one when the picture changes, so browsers ask again after a minute.
async fn small(state: &WebState, place: PathBuf, file: &FileView, side: u32) -> Answer<Response> {
    if !SIDES.contains(&side) {
        return Err(Problem::malformed("side: it is 320 or 768."));
    }
    let (previews, stamp) =
        (Arc::clone(&state.services.previews), FileStamp::known(file.size_bytes, file.modified, None));
    let made =
        state.tasks.blocking(move || previews.show(&place, stamp, side)).await.ok_or(ServiceError::ShuttingDown)?;
    let bytes = made.map_err(|error| Problem::not_found(error.to_string()))?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    Ok(response)
}

/// The kind of picture, by its first bytes.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |from: usize, magic: &[u8]| bytes.get(from..from + magic.len()) == Some(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if starts(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some("image/gif")
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        Some("image/webp")
    } else if at(4, b"ftypavif") || at(4, b"ftypavis") {
        Some("image/avif")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_kind_and_not_the_name() {
        assert_eq!(kind_of(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
        assert_eq!(kind_of(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(kind_of(b"\0\0\0\x20ftypavif"), Some("image/avif"));
        assert_eq!(kind_of(b"<svg onload=alert(1)>"), None);
        assert_eq!(kind_of(b"<html>"), None);
        assert_eq!(kind_of(b""), None);
    }

    #[test]
    fn only_pictures_are_pictures() {
        assert!(is_picture("x.preview.PNG"));
        assert!(!is_picture("x.svg"));
        assert!(!is_picture("x.safetensors"));
        assert!(!is_picture("png"));
    }
}
