//! What is the same about the answers of every operation, written into the description once.

use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::web::error::Problem;

const CONTENT_TYPE: &str = "application/problem+json";

/// Gives every answer its meaning, every problem its content type, and every operation the answer
/// that any of them may give: a refusal by the guards, a failure inside.
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
        "200" => "What was asked for",
        "201" => "Made",
        "202" => "Accepted; it happens in the background",
        "400" => "The request can't be understood",
        "403" => "Not allowed by the configuration",
        "404" => "There is no such thing",
        "409" => "Something else is in the way, or it changed meanwhile",
        "422" => "Understood, and impossible",
        "503" => "A root that this would touch can't be reached",
        _ => "Another answer",
    }
}
