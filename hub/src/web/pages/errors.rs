//! Problems as pages: a person who follows a dead link gets a page with a way on, tools get JSON.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use minijinja::context;

use super::frame::{Frame, page};
use crate::web::error::Problem;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "", title: "Not possible", topics: "strip" };

/// Shows the problem in an answer as a page, if a browser asked for a page.
pub(in crate::web) async fn show(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let wants_page = *request.method() == Method::GET && is_page(request.uri().path(), request.headers());
    let response = next.run(request).await;
    if !wants_page {
        return response;
    }
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let status = problem.status;
    let content = context! {
        page => context! { title => problem.title, detail => problem.detail, status => status.as_u16() },
    };
    match page(&state, FRAME, "pages/error.html", content).await {
        Ok(mut shown) => {
            *shown.status_mut() = status;
            shown
        }
        Err(_) => response,
    }
}

fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let elsewhere = ["/api/", "/ui/", "/ws/", "/static/"].iter().any(|prefix| path.starts_with(prefix));
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !elsewhere && accepts.contains("text/html") && !headers.contains_key("hx-request")
}
