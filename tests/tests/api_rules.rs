//! Rules that hold for the whole API: who may ask, what is refused, and how that is said.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::wait::SOON;
use end_to_end::{Api, HubSetup, Roots};
use reqwest::Method;
use serde_json::{Value, json};

/// What this version has, by the contract.
const ROUTES: [&str; 31] = [
    "GET /api/health",
    "GET /api/settings",
    "PUT /api/settings",
    "POST /api/scans",
    "GET /api/scans/{id}",
    "GET /api/folders",
    "GET /api/files",
    "GET /api/files/detail",
    "POST /api/hashes",
    "GET /api/hashes/{id}",
    "POST /api/hashes/{id}/cancel",
    "GET /api/diff",
    "POST /api/transfers",
    "GET /api/transfers",
    "POST /api/transfers/{id}/cancel",
    "POST /api/transfers/{id}/retry",
    "POST /api/transfers/{id}/pause",
    "POST /api/transfers/{id}/resume",
    "POST /api/transfers/{id}/first",
    "POST /api/transfers/{id}/up",
    "POST /api/transfers/{id}/down",
    "POST /api/transfers/{id}/last",
    "POST /api/batches/{id}/cancel",
    "POST /api/batches/{id}/undo",
    "GET /api/batches",
    "GET /api/batches/{id}",
    "GET /api/queue",
    "POST /api/queue/pause",
    "POST /api/queue/resume",
    "DELETE /api/queue/finished",
    "GET /api/history",
];

#[test]
fn every_route_is_described_and_every_described_route_is_there() -> Result<()> {
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let description = api.get("/api/openapi.json")?;
    ensure!(description["openapi"].as_str().unwrap().starts_with("3."));
    let mut described = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if ["get", "put", "post", "delete"].contains(&method.as_str()) {
                described.push(format!("{} {path}", method.to_uppercase()));
                ensure!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            }
        }
    }
    for route in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        let is_described = described.iter().any(|known| {
            let (known_method, known_path) = known.split_once(' ').unwrap();
            let fits = |(a, b): (&str, &str)| a == b || b.starts_with('{');
            // One route with the action as a parameter describes all of its actions.
            known_method == method
                && known_path.split('/').count() == path.split('/').count()
                && path.split('/').zip(known_path.split('/')).all(fits)
        });
        ensure!(is_described, "{route} is not described");
    }
    for route in described {
        let (method, path) = route.split_once(' ').unwrap();
        let address = path.replace("{id}", "999999").replace("{action}", "cancel");
        let answer = Api::send(api.request(method.parse()?, &address).json(&json!({})))?;
        ensure!(answer.status != 405, "{route} is described but not served");
        // A route may well miss what it is asked about.
        let is_unknown_route = answer.status == 404 && answer.text.contains("There is nothing at");
        ensure!(!is_unknown_route, "{route} is described but not there: {}", answer.text);
        ensure!(answer.status < 500 || answer.status == 503, "{route}: {}", answer.text);
    }
    Ok(())
}

#[test]
fn another_site_may_not_ask() -> Result<()> {
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let scan = || api.request(Method::POST, "/api/scans").json(&json!({}));
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let answer = Api::send(scan().header(header, value))?;
        ensure!(answer.status == 403, "{header}: {value} was answered {}: {}", answer.status, answer.text);
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1", "localhost"] {
        let answer = Api::send(api.request(Method::GET, "/api/health").header("host", host))?;
        ensure!(answer.status == 421, "Host: {host} was answered {}: {}", answer.status, answer.text);
    }
    let port = hub.host().rsplit(':').next().unwrap();
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), hub.host().to_owned()] {
        let answer = Api::send(api.request(Method::GET, "/api/health").header("host", &host))?;
        ensure!(answer.status == 200, "Host: {host} was answered {}", answer.status);
    }
    let page = api.request(Method::GET, "/").send()?;
    let policy = page.headers().get("content-security-policy").unwrap().to_str()?.to_owned();
    ensure!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    ensure!(page.headers().get("access-control-allow-origin").is_none());
    Ok(())
}

/// The status with which a WebSocket upgrade is answered.
fn upgrade(api: &Api, path: &str, origin: Option<&str>) -> Result<u16> {
    let request = api.request(Method::GET, path).header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
    Ok(request.timeout(SOON).send()?.status().as_u16())
}

#[test]
fn sockets_are_for_our_own_pages() -> Result<()> {
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let own = hub.address();
    ensure!(upgrade(&api, "/ws/events", None)? == 101, "a tool has no origin");
    ensure!(upgrade(&api, "/ws/events", Some(own))? == 101);
    ensure!(upgrade(&api, "/ws/events", Some("https://evil.example"))? == 403);
    ensure!(upgrade(&api, "/ws/ui?topics=queue", Some(own))? == 101);
    ensure!(upgrade(&api, "/ws/ui?topics=queue", None)? == 403);
    ensure!(upgrade(&api, "/ws/ui?topics=queue", Some("https://evil.example"))? == 403);
    Ok(())
}

#[test]
fn what_is_malformed_unknown_or_impossible_is_said_as_a_problem() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/a.safetensors", b"a")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    for path in [
        "/api/folders?root=nas",
        "/api/folders?root=local&path=..",
        "/api/files?root=local&limit=0",
        "/api/files?root=local&limit=1001",
        "/api/files?root=local&cursor=nonsense",
        "/api/files?root=local&sort=smell",
        "/api/diff?status=odd",
        "/api/files/detail?root=lake&path=vae%2F..%2F..%2Fetc%2Fpasswd",
        "/api/files/detail?root=lake&path=C%3A%5CWindows",
        "/api/transfers?state=odd",
        "/api/scans/one",
    ] {
        api.try_get(path)?.expect_problem(400).map_err(|error| error.context(path))?;
    }
    for path in [
        "/api/nothing",
        "/api/scans/999999",
        "/api/hashes/999999",
        "/api/batches/999999",
        "/api/files/detail?root=lake&path=vae/none.safetensors",
        // It begins with a slash, as people type it, and is looked for below the root.
        "/api/files/detail?root=lake&path=%2Fetc%2Fpasswd",
    ] {
        api.try_get(path)?.expect_problem(404).map_err(|error| error.context(path))?;
    }
    Api::send(api.request(Method::DELETE, "/api/health"))?.expect_problem(405)?;
    let malformed = ["../x", "C:/x", "vae/CON", "", "/", "a\u{0}b", "vae/a."].map(|path| (path, 400));
    // What is typed in another way is understood, and is not there.
    let missing = ["/etc/passwd", "a\\b", "vae//a", "vae/./a"].map(|path| (path, 422));
    for (wrong, status) in malformed.into_iter().chain(missing) {
        let body = json!({ "operation": "copy", "from": "lake", "to": "local", "paths": [wrong] });
        let context = |error: anyhow::Error| error.context(wrong.to_owned());
        api.try_post("/api/transfers", &body)?.expect_problem(status).map_err(context)?;
        let body = json!({ "root": "lake", "paths": [wrong] });
        api.try_post("/api/hashes", &body)?.expect_problem(status).map_err(context)?;
    }
    for body in [
        json!({ "operation": "burn", "from": "lake", "paths": ["vae"] }),
        json!({ "operation": "copy", "from": "lake", "to": "local" }),
        json!({ "operation": "copy", "from": "lake", "to": "local", "paths": "vae" }),
        json!([]),
    ] {
        api.try_post("/api/transfers", &body)?.expect_problem(400).map_err(|error| error.context(body.to_string()))?;
    }
    let copy_onto_itself = json!({ "operation": "copy", "from": "lake", "to": "lake", "paths": ["vae"] });
    let answer = api.try_post("/api/transfers", &copy_onto_itself)?;
    ensure!([400, 422].contains(&answer.status), "{answer:?}");
    let text = api.request(Method::POST, "/api/scans").header("content-type", "application/json").body("{");
    Api::send(text)?.expect_problem(400)?;
    Ok(())
}

#[test]
fn settings_are_validated_before_any_is_saved() -> Result<()> {
    let roots = Roots::new()?;
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let file = setup.data().join("config.toml");

    for wrong in [
        json!({ "QUEUE_CONCURRENCY": "many" }),
        json!({ "NO_SUCH_KEY": "1" }),
        json!({ "LOCAL_MODELS_ROOT": roots.local(), "LAKE_MODELS_ROOT": roots.local().join("inside") }),
        json!({ "QUEUE_RETRY_COUNT": "5", "HUB_PORT": "no" }),
    ] {
        let answer = api.try_put("/api/settings", &wrong)?;
        ensure!([400, 422].contains(&answer.status), "{wrong}: {answer:?}");
        ensure!(!file.exists(), "nothing of it is saved: {wrong}");
    }
    let right =
        json!({ "LOCAL_MODELS_ROOT": roots.local(), "LAKE_MODELS_ROOT": roots.lake(), "QUEUE_RETRY_COUNT": "5" });
    api.try_put("/api/settings", &right).and_then(|answer| {
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })?;
    ensure!(std::fs::read_to_string(&file)?.contains("queue_retry_count"));
    let health = api.get("/api/health")?;
    ensure!(health["roots"]["lake"]["path"] == json!(roots.lake()), "the roots are there at once: {health}");
    roots.lake_file("vae/a.safetensors", b"a")?;
    api.scan_both()?;
    ensure!(api.paths("lake")? == ["vae/a.safetensors"]);

    hub.kill()?;
    let hub = setup.start()?;
    ensure!(hub.api()?.get("/api/health")?["roots"]["local"]["path"] == json!(roots.local()));
    let _: Value = hub.api()?.get("/api/settings")?;
    Ok(())
}
