//! Asks as the hub's services do: one request to one address, redirects by hand, a token to its own host only.

use std::time::Duration;

use anyhow::Result;
use end_to_end::client;
use end_to_end::stand_ins::StandIn;
use lookups::{Answer, AnswerError, Finder, Found, Method, Request, Site, Sites};
use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use shared_protocol::Allowed;

/// The honest name that the product asks under.
pub(crate) const AGENT: &str = "ComfyUI-Model-Library/0.1.0";

/// Follows nothing by itself.
pub(crate) fn client() -> Result<Client> {
    Ok(client::builder().user_agent(AGENT).redirect(Policy::none()).timeout(Duration::from_secs(20)).build()?)
}

/// Sites of which one is this stand-in.
pub(crate) fn sites(stand_ins: &[(Site, &StandIn)]) -> Result<Sites> {
    let mut sites = Sites::new(Allowed::PrivateToo);
    for (site, stand_in) in stand_ins {
        sites = sites.with_base(*site, &stand_in.base())?;
    }
    Ok(sites)
}

/// Sends a question, follows redirects with the same method, as 307 asks for, and reads what comes.
pub(crate) fn ask(finder: &dyn Finder, sites: &Sites, token: Option<&str>) -> Result<Result<Found, AnswerError>> {
    let request = finder.request(sites).unwrap();
    let mut response = send(&request, request.url.as_str(), token)?;
    while let Some(location) = response.headers().get("location").and_then(|value| value.to_str().ok()) {
        let next = response.url().join(location)?;
        let token = token.filter(|_| next.host_str() == request.url.host_str() && next.port() == request.url.port());
        response = send(&request, next.as_str(), token)?;
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, content_type, error_code) =
        (response.status().as_u16(), header("content-type"), header("x-error-code"));
    let answer = Answer { status, content_type, error_code, body: response.bytes()?.to_vec() };
    Ok(finder.read(&answer, sites))
}

fn send(request: &Request, url: &str, token: Option<&str>) -> Result<Response> {
    let client = client()?;
    let mut builder = match request.method {
        Method::Get => client.get(url),
        Method::Post => client.post(url).header("content-type", "application/json"),
    };
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    if let Some(token) = token.filter(|_| request.token.is_some()) {
        builder = builder.bearer_auth(token);
    }
    Ok(builder.send()?)
}

/// A plain look at an address.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let client = client()?;
    Ok(headers.iter().fold(client.get(url), |builder, (name, value)| builder.header(*name, *value)).send()?)
}

/// A header of an answer.
pub(crate) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
