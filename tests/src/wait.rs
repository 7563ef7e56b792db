//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Long enough for anything that should happen soon on a loaded machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Asks until there is an answer, and fails when there is none in time or asking itself fails.
pub fn wait_for<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().with_context(|| format!("while waiting for {what}"))? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {timeout:?}");
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// [`wait_for`] of something that is either so or not.
pub fn wait_until(what: &str, timeout: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, timeout, || Ok(is_so()?.then_some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_comes_back_and_what_never_happens_is_named() {
        let mut n = 0;
        let found = wait_for("three", SOON, || {
            n += 1;
            Ok((n == 3).then_some(n))
        });
        assert!(found.is_ok_and(|n| n == 3));
        let error = wait_until("the moon", Duration::from_millis(5), || Ok(false));
        assert!(error.is_err_and(|error| error.to_string().contains("the moon")));
    }
}
