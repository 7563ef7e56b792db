//! What is the same about the answers of every operation, written into the description once.

use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::web::error::Problem;

const CONTENT_TYPE: &str = "application/problem+json";

/// Gives every answer its meaning, and every problem its content type.
pub(super) fn complete(description: &mut OpenApi) {
    for path in description.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if status.starts_with(['4', '5']) {
                    *response = RefOr::T(problem(meaning(status)));
                } else if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    meaning(status).clone_into(&mut response.description);
                }
            }
        }
    }
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(<Problem as utoipa::ToSchema>::name());
    ResponseBuilder::new().description(description).content(CONTENT_TYPE, Content::new(Some(schema))).build()
}

/// The description of a problem of this status.
pub(super) fn problem_of(status: &str) -> serde_json::Value {
    serde_json::to_value(problem(meaning(status))).unwrap_or_default()
}

fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for",
        "201" => "Made",
        "202" => "Accepted; it happens in the background",
        "400" => "The request can't be understood",
        "403" => "Not allowed by the configuration, or asked for by another site",
        "404" => "There is no such thing",
        "408" => "The body did not come in time",
        "409" => "Something else is in the way, or it changed meanwhile",
        "413" => "The body is too large",
        "415" => "The body is not JSON, or does not say so",
        "421" => "Asked of another host",
        "422" => "Understood, and impossible",
        "426" => "This is a WebSocket",
        "500" => "The hub failed; its log says why",
        "503" => "A root that this would touch can't be reached, or the hub has no room for the body",
        _ => "Another answer",
    }
}
