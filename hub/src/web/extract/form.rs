//! Forms of our pages.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use serde::de::DeserializeOwned;

use super::query::decoded;
use crate::web::error::Problem;

/// The fields of a form of our pages.
#[derive(Debug)]
pub struct FormBody<T>(pub T);

/// The values of a field that a form may have many times, which fits no struct; what can't be read is left out.
pub fn values_of<T>(form: &[u8], name: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let pairs = std::str::from_utf8(form).ok().and_then(|text| decoded(text).ok()).unwrap_or_default();
    pairs.iter().filter(|(of, _)| of == name).filter_map(|(_, value)| read(value)).collect()
}

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

#[cfg(test)]
mod tests {
    use shared_protocol::RelPath;

    use super::values_of;

    #[test]
    fn what_is_ticked_is_read_from_a_form() {
        let ids = |form: &[u8]| values_of(form, "ids", |id| id.parse::<i64>().ok());
        assert_eq!(ids(b"q=x&ids=7&ids=12&root=local&ids=&ids=x"), [7, 12]);
        assert_eq!(ids(b""), [0_i64; 0]);
        let form = b"tab=x&paths=loras%2Fa+b%2B.safetensors&paths=..%2Fx&paths=v%C3%A4e%2Fc&paths=";
        let found = values_of(form, "paths", |path| RelPath::parse(path).ok());
        let texts: Vec<_> = found.iter().map(RelPath::as_str).collect();
        assert_eq!(texts, ["loras/a b+.safetensors", "v\u{e4}e/c"]);
    }
}
