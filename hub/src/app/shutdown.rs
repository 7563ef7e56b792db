//! When to end: Ctrl-C, a service manager's TERM, or Windows closing the console, logging off or
//! shutting down. A hangup that was ignored when the hub began (`nohup hub &`) stays ignored.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A token that is cancelled when the system asks the hub to end.
pub fn token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let asked = system::asked()?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        asked.await;
        cancelled.cancel();
    });
    Ok(token)
}

/// Ends the process when it was asked to end and so much time has passed, whatever still hangs: every
/// step can be killed.
pub fn insist(asked: &CancellationToken, after: Duration) {
    let asked = asked.clone();
    tokio::spawn(async move {
        asked.cancelled().await;
        // A thread of its own: where each of the runtime's hangs in the system, none would come to it.
        std::thread::spawn(move || {
            std::thread::sleep(after);
            tracing::error!("some work hangs in the system: the hub ends without it");
            end_now();
        });
    });
}

#[allow(clippy::exit, reason = "threads that hang in the system can't be asked")]
fn end_now() {
    std::process::exit(0);
}

#[cfg(unix)]
mod system {
    use std::future::Future;

    use tokio::signal::unix::{SignalKind, signal};

    /// Whether whoever started the hub had it ignore hangups. Elsewhere than on Linux nobody knows.
    pub(super) fn ignores_hangup(status: &str) -> bool {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        // Signals count from 1, which is SIGHUP.
        mask & 1 == 1
    }

    pub(super) fn asked() -> std::io::Result<impl Future<Output = ()> + Send> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let ignored = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status));
        let mut hangup = if ignored { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(async move {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
        })
    }
}

#[cfg(windows)]
mod system {
    use std::future::Future;

    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    pub(super) fn asked() -> std::io::Result<impl Future<Output = ()> + Send> {
        let (mut c, mut stop, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
        let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
        Ok(async move {
            tokio::select! {
                _ = c.recv() => {}
                _ = stop.recv() => {}
                _ = close.recv() => {}
                _ = logoff.recv() => {}
                _ = shutdown.recv() => {}
            }
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::system::ignores_hangup;

    #[test]
    fn an_ignored_hangup_is_seen() {
        assert!(ignores_hangup("Name:\thub\nSigIgn:\t0000000000000001\n"));
        assert!(ignores_hangup("SigIgn:\t0000000000001003\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup("Name:\thub\n"));
    }
}
