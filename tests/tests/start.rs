//! Starting and ending: what is said, what is refused, and by which exit code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;

use anyhow::{Result, ensure};
use end_to_end::hub::hub_path;
use end_to_end::{HubSetup, Roots};
use serde_json::{Value, json};

/// What a start that has to fail says on standard error.
fn refusal(setup: &HubSetup, code: i32) -> Result<String> {
    let output = setup.run()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(code), "expected exit code {code}, not {:?}: {said}", output.status.code());
    ensure!(output.stdout.is_empty(), "nothing is announced: {}", String::from_utf8_lossy(&output.stdout));
    Ok(said)
}

#[test]
fn a_wrong_value_is_told_in_one_line_that_names_key_value_and_what_is_expected() -> Result<()> {
    for (key, value, expected) in [
        ("HUB_PORT", "seventy", "65535"),
        ("HUB_PORT", "70000", "65535"),
        ("LOCAL_ALLOW_DELETE", "maybe", "true"),
        ("QUEUE_CONCURRENCY", "0", "1"),
        ("QUEUE_RETRY_COUNT", "-1", "0"),
        ("SCAN_INTERVAL_MINUTES", "often", "number"),
        ("REMOTE_BASE_URL", "http://hub.example.com", "https"),
        ("REMOTE_BIND", "everywhere", ":"),
        ("REMOTE_MIN_SPEED", "fast", "KiB"),
        ("LOCAL_MODELS_ROOT", "models/here", "absolute"),
    ] {
        let said = refusal(&HubSetup::new()?.set(key, value), 2)?;
        ensure!(said.trim_end().lines().count() == 1, "one line: {said}");
        for part in [key, value, expected] {
            ensure!(said.contains(part), "{key}={value}: `{part}` is missing in: {said}");
        }
    }
    Ok(())
}

#[test]
fn equal_and_nested_roots_are_refused() -> Result<()> {
    let roots = Roots::new()?;
    let inside = roots.local().join("lake");
    fs::create_dir(&inside)?;
    for (local, lake) in [(roots.local(), roots.local()), (roots.local(), inside.clone()), (inside, roots.local())] {
        let said = refusal(&HubSetup::on(&local, &lake)?, 2)?;
        ensure!(said.trim_end().lines().count() == 1, "one line: {said}");
        ensure!(said.contains("MODELS_ROOT") && said.contains(&hub_path(&local)), "{said}");
    }
    #[cfg(unix)]
    {
        let link = roots.folder().join("same");
        std::os::unix::fs::symlink(roots.local(), &link)?;
        refusal(&HubSetup::on(&roots.local(), &link)?, 2)?;
    }
    Ok(())
}

#[test]
fn an_unknown_key_in_the_file_is_named() -> Result<()> {
    let setup = HubSetup::new()?;
    fs::write(setup.data().join("config.toml"), "queue_concurency = 2\n")?;
    let said = refusal(&setup, 2)?;
    ensure!(said.to_lowercase().contains("queue_concurency"), "{said}");
    fs::write(setup.data().join("config.toml"), "queue_concurrency = [\n")?;
    refusal(&setup, 2)?;
    Ok(())
}

#[test]
fn files_with_a_byte_order_mark_are_read_and_the_environment_goes_before_them() -> Result<()> {
    let setup = HubSetup::new()?;
    let text = "queue_concurrency = 3\nqueue_retry_count = 7\n";
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [[b"\xef\xbb\xbf", text.as_bytes()].concat(), utf16] {
        fs::write(setup.data().join("config.toml"), bytes)?;
        let setup = HubSetup::in_folder(setup.data()).set("QUEUE_CONCURRENCY", "\"2\"");
        let hub = setup.start()?;
        let settings = hub.api()?.get("/api/settings")?;
        let items = settings["items"].as_array().cloned().unwrap_or_default();
        let find = |key: &str| items.iter().find(|item| item["key"] == key).cloned().unwrap_or_default();
        let (concurrency, retries) = (find("QUEUE_CONCURRENCY"), find("QUEUE_RETRY_COUNT"));
        ensure!(concurrency["value"].to_string().trim_matches('"') == "2", "quotes are stripped: {settings}");
        ensure!(concurrency["source"] == "environment" && retries["source"] == "file", "{settings}");
        ensure!(retries["value"].to_string().trim_matches('"') == "7", "{settings}");
    }
    Ok(())
}

#[test]
fn one_line_says_where_it_listens_and_ctrl_c_ends_it_cleanly() -> Result<()> {
    let roots = Roots::new()?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let health = hub.api()?.get("/api/health")?;
    ensure!(health["roots"]["local"]["online"] == json!(true), "{health}");
    ensure!(health["version"] == env!("CARGO_PKG_VERSION"), "{health}");
    ensure!(hub.more_output().is_empty());
    let status = hub.interrupt()?;
    ensure!(status.success(), "{status}");
    let logs: Vec<_> = fs::read_dir(setup.data().join("logs"))?.collect();
    ensure!(!logs.is_empty(), "there is a log file");
    // The lock is free again.
    setup.start()?;
    Ok(())
}

#[test]
fn why_it_does_not_start_is_said_once() -> Result<()> {
    let setup = HubSetup::new()?;
    fs::create_dir_all(setup.data().join("hub.lock"))?;
    let output = setup.run()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && said.contains("hub.lock can't be locked"), "{said}");
    ensure!(said.matches("os error").count() == 1 && said.lines().count() == 1, "{said}");
    Ok(())
}

#[test]
fn a_second_start_on_the_same_data_names_the_first() -> Result<()> {
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let output = setup.run()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(!output.status.success(), "{said}");
    ensure!(said.contains(hub.address()), "the first one's address is told: {said}");
    ensure!(hub.api()?.get("/api/health").is_ok(), "the first one goes on");
    hub.kill()?;
    setup.start()?;
    Ok(())
}

#[test]
fn without_roots_the_hub_starts_and_leads_to_its_setup() -> Result<()> {
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let page = hub.api()?.try_get("/")?;
    ensure!(page.status == 200 && page.content_type.starts_with("text/html"), "{page:?}");
    ensure!(page.text.to_lowercase().contains("setup") || page.text.to_lowercase().contains("set up"), "{}", page.text);
    Ok(())
}

#[test]
fn a_broken_database_is_put_aside_and_the_index_built_again() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("vae/a.safetensors", b"a")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    ensure!(hub.interrupt()?.success());
    let database = setup.data().join("hub.db");
    let garbage = vec![0x5a; 100_000];
    fs::write(&database, &garbage)?;
    for ending in ["-wal", "-shm"] {
        drop(fs::remove_file(setup.data().join(format!("hub.db{ending}"))));
    }
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.paths("local")? == ["vae/a.safetensors"]);
    let mut kept = fs::read_dir(setup.data())?.map_while(Result::ok);
    let kept = kept.find(|entry| entry.file_name().to_string_lossy().starts_with("hub.db.broken-"));
    ensure!(kept.is_some_and(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes == garbage)), "it is kept");
    Ok(())
}

#[test]
fn doctor_says_what_is_wrong_and_openapi_describes_the_api() -> Result<()> {
    let roots = Roots::new()?;
    let healthy = roots.hub()?.argument("doctor").run()?;
    ensure!(healthy.status.code() == Some(0), "{}", String::from_utf8_lossy(&healthy.stdout));
    let gone = HubSetup::on(&roots.local(), &roots.folder().join("gone"))?.argument("doctor").run()?;
    ensure!(gone.status.code() == Some(1), "{}", String::from_utf8_lossy(&gone.stdout));
    ensure!(String::from_utf8(gone.stdout)?.contains("gone"));

    let printed = HubSetup::new()?.argument("openapi").run()?;
    ensure!(printed.status.success());
    let printed: Value = serde_json::from_slice(&printed.stdout)?;
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    ensure!(hub.api()?.get("/api/openapi.json")? == printed, "one description");
    Ok(())
}
