//! How fast pages and the API answer on a big index, and what the hub costs meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::process::{memory_mib, processor_time};
use super::table::Table;
use super::walk::millis;
use crate::api::Api;
use crate::hub::Hub;

/// Requests per address.
const N_REQUESTS: usize = 100;

/// Measures a hub whose index is full.
pub fn measure(hub: &Hub, table: &mut Table) -> Result<()> {
    let api = hub.api()?;
    let deep = deep_cursor(&api)?;
    let addresses = [
        ("the overview page", "/".to_owned()),
        ("the library page", "/library?root=local".to_owned()),
        ("the library page, a search", "/library?root=local&q=m0001".to_owned()),
        ("the comparison page", "/diff?status=different".to_owned()),
        ("files by name, deep in the list", format!("/api/files?root=local&limit=200&cursor={deep}")),
        ("files by size", "/api/files?root=local&sort=size&order=desc&limit=200".to_owned()),
        ("files, a search of 5 letters", "/api/files?root=local&q=f0123&limit=200".to_owned()),
        ("files, a search of 2 letters", "/api/files?root=local&q=f0&limit=200".to_owned()),
        ("folders of a level", "/api/folders?root=local&path=custom_nodes".to_owned()),
        ("the comparison", "/api/diff?status=same&limit=200".to_owned()),
    ];
    for (name, address) in addresses {
        let times = first_bytes(&api, &address)?;
        table.limit(&format!("{name}, p99 of {N_REQUESTS}"), millis(times[N_REQUESTS * 99 / 100]), "ms", 50.0);
    }
    table.limit("memory of the hub with this index", memory_mib(hub.process(), "VmRSS:")?, "MiB", 80.0);
    let before = processor_time(hub.process())?;
    // Long enough that the hub gives free memory back once.
    let idle = Duration::from_secs(20);
    std::thread::sleep(idle);
    let used = processor_time(hub.process())?.saturating_sub(before);
    table.limit("processor while idle", used.as_secs_f64() / idle.as_secs_f64() * 100.0, "%", 1.0);
    table.limit("memory of the hub after it", memory_mib(hub.process(), "VmRSS:")?, "MiB", 80.0);
    Ok(())
}

/// Times to the first byte of the answer, sorted.
pub(super) fn first_bytes(api: &Api, address: &str) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..=N_REQUESTS {
        let began = Instant::now();
        let response = api.request(reqwest::Method::GET, address).send()?;
        times.push(began.elapsed());
        ensure!(response.status().is_success(), "{address} answered {}", response.status());
        response.bytes()?;
    }
    // The first one fills caches that stay.
    times.remove(0);
    times.sort();
    Ok(times)
}

/// The cursor after half of the files.
fn deep_cursor(api: &Api) -> Result<String> {
    let page = api.get("/api/files?root=local&limit=1000")?;
    let n_pages = page["total"].as_u64().unwrap_or(0) / 2_000;
    let mut cursor = page["next_cursor"].as_str().context("the list has one page only")?.to_owned();
    for _ in 0..n_pages {
        let page = api.get(&format!("/api/files?root=local&limit=1000&cursor={cursor}"))?;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    Ok(cursor)
}
