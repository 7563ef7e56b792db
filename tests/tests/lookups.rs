//! Where contents can be had, asked of sites that answer as the real ones do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::api::{Api, WORK};
use end_to_end::roots::noise;
use end_to_end::stand_ins::{
    CivArchiveSite, CivitaiAccess, CivitaiSite, CivitaiVersion, HuggingFaceSite, Limit, Mirror, ModelScopeSite,
    Offered, Repo, RepoAccess, ScopeRepo, StandIn,
};
use end_to_end::wait::{wait_for, wait_until};
use end_to_end::{HubSetup, Roots};
use serde_json::{Value, json};

const ALL: &str = "civitai,civarchive,huggingface,modelscope,manager_list";

struct Sites {
    civitai: CivitaiSite,
    archive: CivArchiveSite,
    hugging_face: HuggingFaceSite,
    model_scope: ModelScopeSite,
}

impl Sites {
    fn start() -> Result<Self> {
        Ok(Self {
            civitai: CivitaiSite::start()?,
            archive: CivArchiveSite::start()?,
            hugging_face: HuggingFaceSite::start()?,
            model_scope: ModelScopeSite::start()?,
        })
    }

    fn servers(&self) -> [&StandIn; 4] {
        [self.civitai.server(), self.archive.server(), self.hugging_face.server(), self.model_scope.server()]
    }

    fn n_requests(&self) -> usize {
        self.servers().iter().map(|server| server.n_requests()).sum()
    }

    /// A hub that would ask them, if it may.
    fn hub(&self, roots: &Roots) -> Result<HubSetup> {
        let [civitai, archive, hugging_face, model_scope] = self.servers().map(StandIn::base);
        Ok(roots
            .hub()?
            .set("REMOTE_ALLOW_PRIVATE_SOURCES", "true")
            .set("CIVITAI_URL", civitai)
            .set("CIVARCHIVE_URL", archive)
            .set("HUGGINGFACE_URL", hugging_face)
            .set("MODELSCOPE_URL", model_scope)
            .set("MANAGER_LIST", roots.folder().join("model-list.json")))
    }
}

/// A model whose header says this, with data of its own.
fn model(seed: u64, metadata: &Value) -> Vec<u8> {
    let data = noise(seed, 400_000);
    let header = json!({ "__metadata__": metadata, "w": { "dtype": "U8", "shape": [data.len()], "data_offsets": [0, data.len()] } });
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Everything scanned, hashed and described.
fn ready(api: &Api) -> Result<()> {
    api.scan_both()?;
    api.hash("lake")?;
    wait_until("described models", WORK, || {
        let models = api.items("/api/models")?;
        Ok(models.iter().all(|model| model["state"] != "unread" && model["hash"].is_string()))
    })
}

fn discover(api: &Api, body: &Value) -> Result<Value> {
    let id = api.post("/api/sources/discover", body)?["id"].clone();
    let address = format!("/api/sources/discover/{id}");
    wait_for("the run's end", WORK, || {
        let run = api.get(&address)?;
        Ok(run["finished_at"].is_string().then_some(run))
    })
}

fn coverage(api: &Api) -> Result<Value> {
    Ok(api.get("/api/sources/coverage")?["by_coverage"].clone())
}

/// The addresses of the file of this name, with their status and proof as they are written.
fn written(roots: &Roots, name: &str) -> Result<Vec<Value>> {
    let file: Value = serde_json::from_slice(&fs::read(roots.lake().join(".model_sources.json"))?)?;
    let models = file["models"].as_object().unwrap();
    let is_it = |model: &&Value| model["names"].as_array().is_some_and(|names| names.contains(&json!(name)));
    Ok(models.values().find(is_it).and_then(|model| model["urls"].as_array()).cloned().unwrap_or_default())
}

#[test]
fn nobody_is_asked_until_a_person_says_so() -> Result<()> {
    let (sites, roots) = (Sites::start()?, Roots::new()?);
    roots.lake_file("loras/a.safetensors", &model(1, &json!({})))?;
    let hub = sites.hub(&roots)?.start()?;
    let api = hub.api()?;
    ready(&api)?;
    let finders = api.get("/api/lookups")?["finders"].clone();
    let names: Vec<&str> = finders.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    ensure!(names.join(",") == ALL && finders.as_array().unwrap().iter().all(|one| one["is_on"] == false), "{finders}");
    ensure!(finders[0]["what_is_sent"].as_str().is_some_and(|text| text.contains("never names or paths")), "{finders}");
    ensure!(finders[0]["address"] == format!("{}/", sites.civitai.server().base()), "{finders}");
    let refused = api.try_post("/api/sources/discover", &json!({}))?;
    ensure!(refused.expect_problem(409)?.contains("LOOKUPS"), "{refused:?}");
    api.post("/api/sources/check", &json!({}))?;
    ensure!(sites.n_requests() == 0, "somebody was asked");
    let put = api.try_put("/api/settings", &json!({ "LOOKUPS": "civitai" }))?;
    ensure!(put.status == 200, "{put:?}");
    let run = discover(&api, &json!({}))?;
    ensure!(run["requests"] == 1 && run["n_not_found"] == 1, "{run}");
    ensure!(sites.civitai.server().n_requests() == 1 && sites.n_requests() == 1, "only the one that was allowed");
    Ok(())
}

#[test]
fn a_library_is_looked_up_and_only_what_is_proved_is_written() -> Result<()> {
    let (sites, roots) = (Sites::start()?, Roots::new()?);
    let named = |name: &str, bytes: &[u8]| -> Result<Offered> {
        roots.lake_file(&format!("loras/{name}"), bytes)?;
        Ok(Offered::new(name, bytes))
    };
    let known = named("known.safetensors", &model(1, &json!({})))?;
    sites.civitai.offer(CivitaiVersion::new(1, known));
    let silent = named("silent.safetensors", &model(2, &json!({})))?;
    sites.civitai.offer(CivitaiVersion { tells_hashes: false, ..CivitaiVersion::new(2, silent) });
    let early = named("early.safetensors", &model(3, &json!({})))?;
    sites.civitai.offer(CivitaiVersion { access: CivitaiAccess::EarlyAccess, ..CivitaiVersion::new(3, early) });
    let deleted = named("deleted.safetensors", &model(4, &json!({})))?;
    let gone = sites.hugging_face.server().url("/gone/x/resolve/main/deleted.safetensors");
    sites.archive.know(&deleted, &[Mirror { url: gone, is_deleted: true }]);
    let mirrored = named("mirrored.safetensors", &model(5, &json!({})))?;
    let there = sites.hugging_face.server().url("/kept/x/resolve/main/mirrored.safetensors");
    sites.archive.know(&mirrored, &[Mirror { url: there, is_deleted: false }]);
    named("private.safetensors", &model(6, &json!({})))?;
    let hinted = named("hinted.safetensors", &model(7, &json!({ "repo_id": "someone/hinted" })))?;
    sites.hugging_face.offer(Repo::new("someone/hinted", vec![hinted]));
    // Says that it has ours by name, and tells another digest.
    let lie = named("lie.safetensors", &model(8, &json!({ "repo_id": "someone/lie" })))?;
    let other = Offered { sha256: "ab".repeat(32), ..lie };
    sites.hugging_face.offer(Repo::new("someone/lie", vec![other]));
    let scope = named("scope.safetensors", &model(9, &json!({})))?;
    sites.model_scope.offer(ScopeRepo::new("someone/scope", vec![scope]));
    let address = sites.model_scope.server().url("/models/someone/scope/resolve/master/scope.safetensors");
    let list = json!({ "models": [{ "name": "x", "filename": "scope.safetensors", "url": address, "size": "0.4MB" }] });
    fs::write(roots.folder().join("model-list.json"), list.to_string())?;

    let hub = sites.hub(&roots)?.set("LOOKUPS", ALL).start()?;
    let api = hub.api()?;
    ready(&api)?;
    let run = discover(&api, &json!({}))?;
    let told = |name: &str| -> Result<Vec<(String, Value, Value)>> {
        let urls = written(&roots, name)?;
        Ok(urls
            .iter()
            .map(|url| (url["origin"].as_str().unwrap().to_owned(), url["status"].clone(), url["proof"].clone()))
            .collect())
    };
    let proved = |origin: &str| vec![(origin.to_owned(), json!("ok"), json!("digest"))];
    ensure!(told("known.safetensors")? == proved("civitai"), "{run}");
    ensure!(told("mirrored.safetensors")? == proved("civarchive"), "{run}");
    ensure!(told("hinted.safetensors")? == proved("huggingface"), "{run}");
    ensure!(told("scope.safetensors")? == proved("modelscope"), "{run}");
    ensure!(told("silent.safetensors")? == [("civitai".to_owned(), json!("likely"), json!("range"))], "{run}");
    for name in ["early.safetensors", "deleted.safetensors", "private.safetensors", "lie.safetensors"] {
        ensure!(told(name)?.is_empty(), "{name}: {:?}", told(name)?);
    }
    let covered = coverage(&api)?;
    for (name, n) in [("public", 4), ("likely", 1), ("private_only", 2), ("gone", 1), ("unknown", 1), ("at_risk", 1)] {
        ensure!(covered[name]["n"] == n, "{name}: {covered}");
    }
    ensure!((&run["n_asked"], &run["n_found"], &run["n_likely"]) == (&json!(9), &json!(4), &json!(1)), "{run}");
    let at_risk = api.items("/api/sources?coverage=at_risk")?;
    ensure!(at_risk.len() == 1 && at_risk[0]["names"] == json!(["deleted.safetensors"]), "{at_risk:?}");
    let models = api.items("/api/models?q=private")?;
    ensure!(api.get(&format!("/api/models/{}", models[0]["id"]))?["coverage"] == "private_only");

    // What was answered lately is not asked again, but of what is named.
    let before = sites.n_requests();
    let again = discover(&api, &json!({}))?;
    ensure!(again["n_new"] == 0 && again["n_found"] == 4, "{again}");
    ensure!(again["requests"] == 0 && sites.n_requests() == before, "{again}");
    ensure!(sites.archive.server().n_requests() == 7, "only what Civitai does not know or does not tell of");
    let hash = at_risk[0]["hash"].clone();
    let named = discover(&api, &json!({ "hashes": [hash] }))?;
    ensure!(
        named["by_finder"]["civitai"]["requests"] == 1 && named["by_finder"]["civarchive"]["requests"] == 1,
        "{named}"
    );
    for server in sites.servers() {
        ensure!(
            !server.has_heard("private.safetensors") && server.most_at_once() <= 1,
            "names stay here, one at a time"
        );
    }
    Ok(())
}

#[test]
fn many_are_asked_for_at_once_and_a_limit_is_kept() -> Result<()> {
    let (sites, roots) = (Sites::start()?, Roots::new()?);
    for i in 0..230 {
        let bytes = noise(i, 5_000);
        roots.lake_file(&format!("loras/{i}.safetensors"), &bytes)?;
        sites.civitai.offer(CivitaiVersion::new(i + 1, Offered::new(&format!("{i}.safetensors"), &bytes)));
    }
    let hub = sites.hub(&roots)?.set("LOOKUPS", "civitai,civarchive").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;
    sites.civitai.server().limit(1, Limit::RetryAfter(1));
    let run = discover(&api, &json!({}))?;
    // One for the ids, which is refused once, and three for details.
    ensure!(run["n_found"] == 230 && run["n_new"] == 230 && run["requests"] == 5, "{run}");
    ensure!(sites.archive.server().n_requests() == 0);
    let history = api.items("/api/history?kind=sources")?;
    ensure!(history[0]["summary"].as_str().is_some_and(|text| text.contains("230 are public")), "{history:?}");
    Ok(())
}

#[test]
fn a_run_that_is_stopped_or_killed_keeps_what_it_found() -> Result<()> {
    let (sites, roots) = (Sites::start()?, Roots::new()?);
    for i in 0..12 {
        let bytes = noise(i, 5_000);
        roots.lake_file(&format!("loras/{i}.safetensors"), &bytes)?;
        sites
            .archive
            .know(&Offered::new("x", &bytes), &[Mirror { url: format!("https://h.example/{i}"), is_deleted: false }]);
    }
    let setup = sites.hub(&roots)?.set("LOOKUPS", "civarchive");
    let mut hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;
    sites.archive.server().pause(Duration::from_secs(1));
    let id = api.post("/api/sources/discover", &json!({}))?["id"].clone();
    let address = format!("/api/sources/discover/{id}");
    wait_until("a first address in the file", WORK, || Ok(api.get(&address)?["n_new"].as_u64() > Some(0)))?;
    hub.kill()?;
    hub = setup.start()?;
    sites.archive.server().pause(Duration::ZERO);
    let api = hub.api()?;
    let run = wait_for("the run's end", WORK, || {
        let run = api.get(&address)?;
        Ok(run["finished_at"].is_string().then_some(run))
    })?;
    ensure!(run["state"] == "complete" && run["n_found"] == 12, "{run}");
    // What was answered and kept before the kill was not asked again.
    ensure!(sites.archive.server().n_requests() < 12 + 8, "{}", sites.archive.server().n_requests());
    sites.archive.server().pause(Duration::from_secs(1));
    let hashes: Vec<Value> = api.items("/api/sources")?.iter().map(|one| one["hash"].clone()).collect();
    let id = api.post("/api/sources/discover", &json!({ "hashes": hashes }))?["id"].clone();
    let stopped = api.post(&format!("/api/sources/discover/{id}/cancel"), &json!({}))?;
    ensure!(stopped["id"] == id);
    wait_until("a stopped run", WORK, || Ok(api.get(&format!("/api/sources/discover/{id}"))?["state"] == "cancelled"))?;
    ensure!(api.items("/api/sources")?.len() == 12);
    Ok(())
}

#[test]
fn what_is_pasted_is_looked_at_before_anything_is_loaded() -> Result<()> {
    let (sites, roots) = (Sites::start()?, Roots::new()?);
    // A header that is longer than what is read at first.
    let long = model(
        1,
        &json!({ "ss_tag_frequency": "x".repeat(700_000), "modelspec.architecture": "stable-diffusion-xl-v1-base/lora" }),
    );
    roots.lake_file("loras/here.safetensors", &long)?;
    let open = sites.hugging_face.server().url("/someone/open/blob/main/there.safetensors");
    sites.hugging_face.offer(Repo::new("someone/open", vec![Offered::new("there.safetensors", &long)]));
    let other = model(2, &json!({}));
    let gated = Repo::new("someone/gated", vec![Offered::new("gated.safetensors", &other)]);
    sites.hugging_face.offer(Repo { access: RepoAccess::Gated("hf_canary".into()), ..gated });
    sites.civitai.offer(CivitaiVersion::new(7, Offered::new("seven.safetensors", &other)));
    let login = CivitaiVersion {
        access: CivitaiAccess::Login,
        ..CivitaiVersion::new(8, Offered::new("eight.safetensors", &other))
    };
    sites.civitai.offer(login);
    let hub = sites.hub(&roots)?.start()?;
    let api = hub.api()?;
    ready(&api)?;
    let look = |url: &str| api.try_post("/api/downloads/look", &json!({ "url": url }));
    let found = look(&open)?;
    ensure!(found.status == 200, "{found:?}");
    let found = found.json;
    ensure!(found["file_name"] == "there.safetensors" && found["size_bytes"] == long.len() as u64, "{found}");
    ensure!(found["have"] == json!([{ "root": "lake", "path": "loras/here.safetensors" }]), "{found}");
    ensure!(found["needs_token"] == false && found["resolved_url_host"] == "127.0.0.1", "{found}");
    let kind = api.items("/api/models")?[0].clone();
    ensure!(found["kind"] == kind["kind"] && found["base"] == kind["base"], "{found} {kind}");
    let asked: u64 = sites
        .hugging_face
        .storage()
        .server()
        .heard()
        .iter()
        .filter_map(end_to_end::stand_ins::Heard::range)
        .map(|(from, to)| (to.unwrap_or(long.len()) - from) as u64)
        .sum();
    ensure!(asked <= 1 << 20, "only the header is read: {asked}");
    for page in
        [sites.civitai.server().url("/models/1007?modelVersionId=7"), "urn:air:sdxl:lora:civitai:1007@7".to_owned()]
    {
        let found = look(&page)?.json;
        ensure!(found["file_name"] == "seven.safetensors" && found["have"] == json!([]), "{page}: {found}");
        ensure!(found["sha256"].is_string() && found["needs_token"] == false, "{page}: {found}");
        ensure!(found["url"].as_str().is_some_and(|url| !url.contains("Signature")), "{found}");
    }
    let closed = look(&sites.civitai.server().url("/models/1008?modelVersionId=8"))?.json;
    ensure!(closed["needs_token"] == true && closed["kind"] == Value::Null, "{closed}");
    for (wrong, status) in [
        (sites.hugging_face.server().url("/someone/open/blob/main/none.safetensors"), 422),
        (sites.hugging_face.server().url("/nobody/none/blob/main/none.safetensors"), 422),
        (sites.civitai.server().url("/models/5?modelVersionId=6"), 422),
        ("no address".to_owned(), 422),
        ("https://user:pass@example.org/x".to_owned(), 422),
        ("file:///etc/passwd".to_owned(), 422),
    ] {
        let refused = look(&wrong)?;
        ensure!(refused.status == status, "{wrong}: {refused:?}");
    }
    ensure!(!sites.hugging_face.storage().server().has_heard("hf_canary"), "a token left its host");
    Ok(())
}
