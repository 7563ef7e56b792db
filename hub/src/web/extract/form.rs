//! Forms of our pages.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use serde::de::DeserializeOwned;

use super::query::decoded;
use crate::web::error::Problem;

/// The fields of a form of our pages.
#[derive(Debug)]
pub struct FormBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("The form is not UTF-8."))?;
        decoded(text)?;
        let Form(value) = Form::from_request(Request::from_parts(parts, Body::from(bytes)), state).await?;
        Ok(Self(value))
    }
}
