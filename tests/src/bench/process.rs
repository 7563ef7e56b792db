//! What a process costs, as Linux tells it in `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::wait::wait_until;

/// Memory in MiB by a field of `/proc/PID/status`: `VmRSS:` now, `VmHWM:` the most ever.
#[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
pub fn memory_mib(process: u32, field: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib as f64 / 1024.0)
}

/// Processor time so far; the clock of `/proc` has 100 ticks a second.
pub fn processor_time(process: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = text.rsplit(')').next().context("no fields")?.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Bytes handed to the system for writing so far, to files and sockets.
pub fn bytes_written(process: u32) -> Result<u64> {
    io_field(process, "wchar: ")
}

/// Bytes read so far, from files and sockets, whether the disk was asked or its cache.
pub fn bytes_read(process: u32) -> Result<u64> {
    io_field(process, "rchar: ")
}

fn io_field(process: u32, field: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    Ok(line.trim().parse()?)
}

/// Waits until a process has done next to nothing for half a second.
pub fn wait_until_idle(process: u32) -> Result<()> {
    wait_until("the hub to be idle", Duration::from_mins(5), || {
        let before = processor_time(process)?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(processor_time(process)?.saturating_sub(before) <= Duration::from_millis(10))
    })
}
