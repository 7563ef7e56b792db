//! Pictures of the library: previews that lie beside models, and those in their headers.
//!
//! Only names that end like a picture, a film or a model are read, never more than a cap, and the answer says what the
//! first bytes prove, so nothing from a model folder is ever run as something else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared_protocol::RelPath;

use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::fs::FileStamp;
use crate::fs::previews::{SIDES, read_picture};
use crate::services::ServiceError;
use crate::storage::views::{FileView, picked};
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional_parsed};
use crate::web::state::WebState;

/// The largest picture that is shown.
const MAX_BYTES: u64 = 24 << 20;

const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "avif"];
const FILMS: [&str; 2] = ["mp4", "webm"];

/// How long browsers keep an address that says which picture it means, and one that does not.
const FOR_GOOD: &str = "private, max-age=31536000, immutable";
const A_MINUTE: &str = "private, max-age=60";

#[derive(Debug, Deserialize)]
pub(in crate::web) struct PreviewQuery {
    root: Root,
    path: RelPath,
    /// Its longest side, for a small one.
    #[serde(default, deserialize_with = "optional_parsed")]
    side: Option<u32>,
    /// Which state of the file is meant.
    #[serde(default, deserialize_with = "optional_parsed")]
    of: Option<String>,
}

fn ends_with_one_of(name: &str, endings: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Whether a file of this name is shown as a film.
pub(in crate::web) fn is_film(name: &str) -> bool {
    ends_with_one_of(name, &FILMS)
}

fn is_shown(name: &str) -> bool {
    ends_with_one_of(name, &PICTURES) || is_film(name) || FileKind::of(name) == FileKind::Model
}

/// Where a picture is shown, or the one in a model's header; none if it is of no kind that is.
pub(in crate::web) fn picture_address(file: &FileView) -> Option<String> {
    let query = QueryString::new()
        .with("root", file.root.as_str())
        .with("path", file.path.as_str())
        .with("of", &state_of(file))
        .into_text();
    is_shown(file.path.name()).then(|| format!("/ui/preview{query}"))
}

/// What changes with the file.
fn state_of(file: &FileView) -> String {
    format!("{:x}-{:x}", file.size_bytes, file.modified.0)
}

/// Shows a picture that is in the index.
pub(super) async fn show_preview(
    State(state): State<WebState>,
    Params(PreviewQuery { root, path, side, of }): Params<PreviewQuery>,
) -> Answer<Response> {
    if !is_shown(path.name()) {
        return Err(Problem::not_found("This is not a picture."));
    }
    if side.is_some_and(|side| !SIDES.contains(&side)) {
        return Err(Problem::malformed("side: it is 320 or 768."));
    }
    let services = &state.services;
    let wanted = path.clone();
    let found =
        services.database.read(move |connection| picked::files_at(connection, root, std::iter::once(&wanted))).await?;
    let file = found.into_iter().next().filter(|file| !file.placeholder);
    let file = file.ok_or_else(|| Problem::not_found("There is no such picture."))?;
    let place = services.roots.live(root)?.dir.resolve(&path);
    let (previews, stamp) = (Arc::clone(&services.previews), FileStamp::known(file.size_bytes, file.modified, None));
    // Browsers show films and AVIF, for which there is no decoder here.
    let is_whole = is_film(path.name()) || ends_with_one_of(path.name(), &["avif"]);
    let read = move || match side.filter(|_| !is_whole) {
        Some(side) => previews.show(&place, stamp, side),
        None => read_picture(&place, stamp, MAX_BYTES),
    };
    let bytes = state.tasks.blocking(read).await.ok_or(ServiceError::ShuttingDown)?;
    let bytes = bytes.map_err(|error| Problem::not_found(error.to_string()))?;
    let kind = kind_of(&bytes).ok_or_else(|| Problem::not_found("This is not a picture."))?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let kept = if of.is_some_and(|of| of == state_of(&file)) { FOR_GOOD } else { A_MINUTE };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    Ok(response)
}

/// The kind of picture, by its first bytes.
pub(in crate::web) fn kind_of(bytes: &[u8]) -> Option<&'static str> {
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
    } else if at(4, b"ftyp") {
        Some("video/mp4")
    } else if starts(b"\x1a\x45\xdf\xa3") {
        Some("video/webm")
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
        assert_eq!(kind_of(b"\0\0\0\x20ftypisom"), Some("video/mp4"));
        assert_eq!(kind_of(b"<svg onload=alert(1)>"), None);
        assert_eq!(kind_of(b"<html>"), None);
        assert_eq!(kind_of(b""), None);
    }

    #[test]
    fn only_pictures_are_pictures() {
        assert!(["x.preview.PNG", "x.mp4", "x.safetensors"].into_iter().all(is_shown));
        assert!(!["x.svg", "x.json", "x.html", "png"].into_iter().any(is_shown));
    }
}
