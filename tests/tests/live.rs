//! The event socket: a snapshot first, then what changes, not too often.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::Roots;
use end_to_end::api::text;
use end_to_end::events::Events;
use end_to_end::roots::noise;
use end_to_end::wait::SOON;

#[test]
fn a_snapshot_comes_first_and_a_copy_can_be_followed() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("checkpoints/big.safetensors", &noise(1, 64 << 20))?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let events = Events::of(&hub)?;
    let first = events.next("anything", SOON, |_| true)?;
    ensure!(text(&first, "type").contains("snapshot"), "{first}");
    ensure!(text(&first, "at").ends_with('Z'), "{first}");

    api.scan_both()?;
    events.next("the scan", SOON, |event| event.to_string().contains("complete"))?;
    let batch = api.copy("lake", "local", &["checkpoints"])?;
    events.next("the end of the copy", SOON, |event| {
        text(event, "type").contains("transfer") && event.to_string().contains("completed")
    })?;
    api.complete(&batch)?;
    Ok(())
}

#[test]
fn a_thing_is_told_at_most_four_times_a_second() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..400 {
        roots.lake_file(&format!("loras/m{i}.safetensors"), &noise(i, 30_000))?;
    }
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let events = Events::of(&hub)?;
    events.next("the snapshot", SOON, |event| text(event, "type").contains("snapshot"))?;
    let batch = api.copy("lake", "local", &["loras"])?;
    let seconds = 2_usize;
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in events.during(Duration::from_secs(seconds as u64)) {
        let kind = text(&event, "type").to_owned();
        let id = event.get("id").or_else(|| event.get("data").and_then(|data| data.get("id")));
        *told.entry(format!("{kind} {}", id.cloned().unwrap_or_default())).or_default() += 1;
    }
    ensure!(!told.is_empty(), "something is told");
    // A second begins and ends anywhere, so one more may fall into it.
    let too_often: Vec<_> = told.iter().filter(|(_, n)| **n > (4 * seconds) + 2).collect();
    ensure!(too_often.is_empty(), "{too_often:?}");
    api.complete(&batch)?;
    Ok(())
}
