//! What every operation may answer beside what it says itself.

use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::web::error::Problem;

const CONTENT_TYPE: &str = "application/problem+json";

/// Gives every described problem its content type, and every operation the answer that any of them
/// may give: a refusal by the guards, a failure inside.
pub(super) fn describe(description: &mut OpenApi) {
    for path in description.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if status.starts_with(['4', '5']) {
                    *response = RefOr::T(problem(meaning(status)));
                }
            }
            let other = problem("Refused by a guard (403, 421), or failed inside (500, 503)");
            operation.responses.responses.insert("default".to_owned(), RefOr::T(other));
        }
    }
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(<Problem as utoipa::ToSchema>::name());
    ResponseBuilder::new().description(description).content(CONTENT_TYPE, Content::new(Some(schema))).build()
}

fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "The request can't be understood",
        "403" => "Not allowed by the configuration",
        "404" => "There is no such thing",
        "409" => "Something else is in the way, or it changed meanwhile",
        "422" => "Understood, and impossible",
        "503" => "A root that this would touch can't be reached",
        _ => "A problem",
    }
}
