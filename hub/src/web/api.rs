//! The JSON interface and its description.

use utoipa::OpenApi;

/// The description of the API as it is built.
#[derive(OpenApi)]
#[openapi(info(title = "ComfyUI model library", description = "Two model folders: index, difference, transfers."))]
struct Description;

/// The description as JSON text.
pub fn openapi_json() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default()
}
