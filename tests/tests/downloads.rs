//! Downloads by the hub itself, from sites with their quirks: verified, gone on with after a kill, and no secret where it
//! does not belong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, number, text};
use end_to_end::machine::SmallDisk;
use end_to_end::roots::{all_files, digest, noise};
use end_to_end::stand_ins::{
    CivitaiAccess, CivitaiSite, CivitaiVersion, Heard, HuggingFaceSite, Limit, Offered, Reply, Repo, RepoAccess,
    StandIn,
};
use end_to_end::wait::{SOON, wait_for, wait_until};
use end_to_end::{Api, HubSetup, Roots};
use serde_json::{Value, json};

const HF_TOKEN: &str = "hf_canary-of-hugging-face-0123456789";
const CIVITAI_TOKEN: &str = "canary-of-civitai";

fn setup(roots: &Roots) -> Result<HubSetup> {
    Ok(roots
        .hub()?
        .set("REMOTE_ALLOW_PRIVATE_SOURCES", "true")
        .set("HF_TOKEN", HF_TOKEN)
        .set("CIVITAI_TOKEN", CIVITAI_TOKEN))
}

fn ask(api: &Api, items: &Value) -> Result<String> {
    let receipt = api.post("/api/downloads", &json!({ "to": "local", "items": items }))?;
    ensure!(receipt["refused"] == json!([]), "{receipt}");
    Ok(receipt["batch_id"].to_string())
}

/// Waits until the one transfer of a batch is in one of these states.
fn first(api: &Api, batch: &str, states: &[&str]) -> Result<Value> {
    wait_for("the download", WORK, || {
        let transfer = api.transfers(batch)?.remove(0);
        Ok(states.contains(&text(&transfer, "state")).then_some(transfer))
    })
}

/// Whether a text stands anywhere in the hub's own data.
fn is_written(data: &Path, secret: &str) -> Result<bool> {
    for file in all_files(data)? {
        let bytes = fs::read(data.join(&file)).unwrap_or_default();
        if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_look(heard: &Heard) -> bool {
    heard.range() == Some((0, Some(0)))
}

#[test]
fn a_hub_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let (roots, content) = (Roots::new()?, noise(1, 24 << 20));
    let offered = Offered::new("x.safetensors", &content);
    let sent = content.clone();
    let site = StandIn::start(move |heard| Reply::file(&sent, heard))?;
    let slow = setup(&roots)?.set("DOWNLOAD_LIMIT", "2MiB");
    let hub = slow.start()?;
    let api = hub.api()?;
    let hash = format!("blake3:{}", offered.blake3);
    let batch = ask(&api, &json!([{ "url": site.url("/x"), "hash": hash, "path": "loras/x.safetensors" }]))?;
    wait_until("some of it is there", WORK, || Ok(number(&api.transfers(&batch)?[0], "bytes_done") >= 10 << 20))?;
    ensure!(!roots.local().join("loras/x.safetensors").exists(), "it has its name only when it is whole");
    hub.kill()?;
    let before = site.n_requests();
    let hub = slow.unset("DOWNLOAD_LIMIT").start()?;
    let api = hub.api()?;
    let done = first(&api, &batch, &["completed", "failed"])?;
    ensure!(text(&done, "state") == "completed" && done["verified"] == true, "{done}");
    ensure!(digest(&roots.local().join("loras/x.safetensors"))? == hash);
    let again: Vec<_> = site.heard().split_off(before);
    let fetched: Vec<_> = again.iter().filter(|heard| !is_look(heard)).filter_map(Heard::range).collect();
    ensure!(!fetched.is_empty() && fetched.iter().all(|(from, _)| *from >= 4 << 20), "fetched again: {fetched:?}");
    ensure!(all_files(&roots.local().join("loras"))? == ["x.safetensors"], "nothing is left beside it");
    Ok(())
}

#[test]
fn sites_with_signed_addresses_are_fetched_from_and_hear_no_secret() -> Result<()> {
    let roots = Roots::new()?;
    let (civitai, hugging_face) = (CivitaiSite::start()?, HuggingFaceSite::start()?);
    let (lora, vae) = (Offered::new("a.safetensors", &noise(2, 8 << 20)), Offered::new("vae.pt", &noise(3, 3 << 20)));
    civitai.offer(CivitaiVersion::new(7, lora.clone()));
    hugging_face.offer(Repo::new("owner/model", vec![vae.clone()]));
    let setup = setup(&roots)?.set("DOWNLOAD_LIMIT", "4MiB");
    let hub = setup.start()?;
    let api = hub.api()?;
    let from_civitai = ask(
        &api,
        &json!([{ "url": civitai.server().url("/api/download/models/7?fileId=2007"), "path": "loras/a.safetensors",
                  "hash": format!("sha256:{}", lora.sha256) }]),
    )?;
    let from_hugging_face = ask(
        &api,
        &json!([{ "url": hugging_face.server().url("/owner/model/resolve/main/vae.pt"), "path": "vae/vae.pt" }]),
    )?;
    // What was signed before expires on the way.
    wait_until("some of it is there", WORK, || Ok(number(&api.transfers(&from_civitai)?[0], "bytes_done") > 1 << 20))?;
    civitai.storage().expire_all();
    for (batch, path, offered) in
        [(&from_civitai, "loras/a.safetensors", &lora), (&from_hugging_face, "vae/vae.pt", &vae)]
    {
        let done = first(&api, batch, &["completed", "failed"])?;
        ensure!(text(&done, "state") == "completed" && done["verified"] == true, "{done}");
        ensure!(digest(&roots.local().join(path))? == format!("blake3:{}", offered.blake3));
        ensure!(done["hash"] == format!("blake3:{}", offered.blake3), "{done}");
    }
    for server in [civitai.server(), civitai.storage().server(), hugging_face.server(), hugging_face.storage().server()]
    {
        ensure!(server.authorizations().is_empty(), "these are none of the sites that the tokens are of");
        ensure!(!server.has_heard(HF_TOKEN) && !server.has_heard(CIVITAI_TOKEN), "a token went out");
    }
    let pages = ["/queue?tab=done", &format!("/batches/{from_civitai}"), "/history"].map(|path| api.try_get(path));
    for page in pages {
        let page = page?;
        ensure!(page.status == 200 && !page.text.contains("canary"), "a secret is shown");
    }
    let done = api.try_get("/queue?tab=done")?.text;
    ensure!(done.contains("Download from") && done.contains("127.0.0.1"), "{done}");
    ensure!(hub.interrupt()?.success(), "it ends well");
    for secret in [HF_TOKEN, CIVITAI_TOKEN, "canary-signature"] {
        ensure!(!is_written(setup.data(), secret)?, "{secret} is written down");
    }
    ensure!(!is_written(&roots.local(), "canary-signature")?, "a signed address is written beside the models");
    Ok(())
}

#[test]
fn what_a_site_refuses_is_told_by_its_cause() -> Result<()> {
    let roots = Roots::new()?;
    let (civitai, hugging_face) = (CivitaiSite::start()?, HuggingFaceSite::start()?);
    let offered = Offered::new("a.safetensors", &noise(4, 300_000));
    let hub = setup(&roots)?.set("QUEUE_RETRY_COUNT", "0").set("REMOTE_SOURCE_PATIENCE_SECONDS", "0").start()?;
    let api = hub.api()?;
    let at_civitai = |n: u64, access: CivitaiAccess| {
        civitai.offer(CivitaiVersion { access, ..CivitaiVersion::new(n, offered.clone()) });
        civitai.server().url(&format!("/api/download/models/{n}"))
    };
    let gated =
        Repo { access: RepoAccess::Gated("hf_other".to_owned()), ..Repo::new("o/gated", vec![offered.clone()]) };
    hugging_face.offer(gated);
    hugging_face.offer(Repo::new("o/lies", vec![offered.clone().lying()]));
    let astray = StandIn::start(|_| Reply::redirect(302, "http://169.254.169.254/latest/meta-data"))?;
    let cases = [
        (at_civitai(1, CivitaiAccess::Login), "needs_token"),
        (at_civitai(2, CivitaiAccess::LoginPage), "needs_token"),
        (at_civitai(3, CivitaiAccess::EarlyAccess), "forbidden"),
        (at_civitai(4, CivitaiAccess::Archived), "not_found"),
        (at_civitai(5, CivitaiAccess::Deleted), "not_found"),
        (hugging_face.server().url("/o/gated/resolve/main/a.safetensors"), "needs_token"),
        (hugging_face.server().url("/o/lies/resolve/main/a.safetensors"), "wrong_bytes"),
        (astray.url("/x"), "private_address"),
    ];
    for (url, code) in cases {
        let batch = ask(&api, &json!([{ "url": url, "path": "loras/a.safetensors" }]))?;
        let failed = first(&api, &batch, &["completed", "failed"])?;
        ensure!(text(&failed, "state") == "failed" && failed["error"]["code"] == code, "{url}: {failed}");
    }
    civitai.server().limit(100, Limit::RetryAfter(900));
    let batch = ask(&api, &json!([{ "url": at_civitai(6, CivitaiAccess::Open), "path": "loras/b.safetensors" }]))?;
    let waits = first(&api, &batch, &["waiting", "failed", "completed"])?;
    ensure!(text(&waits, "state") == "waiting" && waits["error"]["code"] == "rate_limited", "{waits}");
    wait_until("nothing is left", SOON, || {
        Ok(!roots.local().join("loras").exists() || all_files(&roots.local().join("loras"))?.is_empty())
    })?;
    Ok(())
}

#[test]
fn the_limit_holds_for_all_downloads_together() -> Result<()> {
    let (roots, content) = (Roots::new()?, noise(5, 2 << 20));
    let site = StandIn::start(move |heard| Reply::file(&content, heard))?;
    let hub = setup(&roots)?.set("DOWNLOAD_LIMIT", "1MiB").start()?;
    let api = hub.api()?;
    let began = Instant::now();
    let batch = ask(
        &api,
        &json!([{ "url": site.url("/a"), "path": "vae/a.pt" }, { "url": site.url("/b"), "path": "vae/b.pt" }]),
    )?;
    api.complete(&batch)?;
    ensure!(began.elapsed() > Duration::from_secs(3), "4 MiB in {:?}", began.elapsed());
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_full_disk_pauses_the_queue_and_the_download_goes_on_when_there_is_room() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("a download to a full disk", 48 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    let content = noise(6, 24 << 20);
    let sent = content.clone();
    let site = StandIn::start(move |heard| Reply::file(&sent, heard))?;
    let local = disk.path().join("local");
    fs::create_dir(&local)?;
    fs::write(disk.path().join("filler"), vec![1; 30 << 20])?;
    let hub = setup(&roots)?.set("LOCAL_MODELS_ROOT", &local).start()?;
    let api = hub.api()?;
    let batch = ask(&api, &json!([{ "url": site.url("/x"), "path": "loras/x.safetensors" }]))?;
    wait_until("the queue's pause", SOON, || Ok(api.get("/api/queue")?["paused"].to_string().contains("full")))?;
    fs::remove_file(disk.path().join("filler"))?;
    api.post("/api/queue/resume", &json!({}))?;
    let done = first(&api, &batch, &["completed", "failed"])?;
    ensure!(text(&done, "state") == "completed", "{done}");
    ensure!(fs::read(local.join("loras/x.safetensors"))? == content);
    Ok(())
}
