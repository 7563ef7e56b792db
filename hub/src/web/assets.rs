//! Scripts, style sheets and icons, served from the binary itself.
//!
//! The address of a file holds its content's hash, so a browser may keep it for ever and still never
//! shows an old one. In a debug build the files are read from the disk, and the hash with them.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Digits of the hash in an address: enough to tell versions of one file apart.
const HASH_DIGITS: usize = 16;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

/// The route of all static files.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/static/{hash}/{*path}", get(show_asset))
}

/// The address of a static file, or `None` if there is none of this name.
pub fn address(path: &str) -> Option<String> {
    Static::get(path).map(|file| format!("/static/{}/{path}", hash(&file)))
}

fn hash(file: &EmbeddedFile) -> String {
    let mut text: String =
        file.metadata.sha256_hash().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    text.truncate(HASH_DIGITS);
    text
}

/// An address with an outdated hash still gets the file, but may not keep it: the page that asked
/// was made by another version of the hub.
async fn show_asset(Path((asked, path)): Path<(String, String)>) -> Response {
    let (Some(file), Some(kind)) = (Static::get(&path), content_type(&path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let cache = if asked == hash(&file) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Body::from(file.data).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn get(address: &str) -> Response {
        let request = Request::get(address).body(Body::empty()).unwrap();
        routes::<()>().with_state(()).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn the_right_hash_may_be_kept_for_ever() {
        let address = address("css/base.css").unwrap();
        let response = get(&address).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    }

    #[tokio::test]
    async fn an_old_hash_may_not_be_kept() {
        let response = get("/static/0000/css/base.css").await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn only_files_of_the_folder_are_served() {
        for path in ["nothing.css", "../Cargo.toml", "%2e%2e/Cargo.toml", "vendor/README.md"] {
            assert_eq!(get(&format!("/static/0000/{path}")).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
