//! Thousands of small files: the last one costs what the first one did.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use end_to_end::machine::measured;
use end_to_end::remote::{Remote, send};
use end_to_end::roots::{all_files, noise};
use end_to_end::wait::wait_until;

const N: usize = 1_200;
const SIZE: usize = 3_000;

/// Bytes that a process has had written, as the system counts them.
fn written(process: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).context("no count of bytes")?;
    Ok(line.trim().parse()?)
}

#[cfg(target_os = "linux")]
#[test]
fn small_files_arrive_at_a_rate_that_does_not_fall_and_cost_little_more_than_their_bytes() -> Result<()> {
    let remote = Remote::new()?;
    for i in 0..N {
        remote.roots.lake_file(&format!("loras/{}/{i}.safetensors", i % 20), &noise(i as u64, SIZE))?;
    }
    let up = remote.connected()?;
    let before = written(up.agent.process())?;
    let began = Instant::now();
    send(&up.api, &up.id, &["loras"])?;
    let models = up.machine.models();
    let n_arrived = || -> Result<usize> {
        if !models.is_dir() {
            return Ok(0);
        }
        Ok(all_files(&models)?.iter().filter(|path| path.ends_with("safetensors")).count())
    };
    let mut halves = Vec::new();
    for n in [N / 2, N] {
        wait_until("the files", end_to_end::api::WORK * 4, || Ok(n_arrived()? >= n))?;
        halves.push(began.elapsed());
    }
    let (first, second) = (halves[0], halves[1].saturating_sub(halves[0]));
    let per_second = 1_000 * N as u128 / halves[1].as_millis().max(1);
    measured("1,200 small files", &format!("{per_second} per second"));
    ensure!(second < first * 3, "the second half took {second:?}, the first one {first:?}");
    let per_file = (written(up.agent.process())? - before) / N as u64;
    measured("bytes written by the agent per file of 3,000 bytes", &per_file.to_string());
    ensure!(per_file <= 3 * SIZE as u64 + 1_000, "{per_file} bytes are written for a file of {SIZE}");
    Ok(())
}
