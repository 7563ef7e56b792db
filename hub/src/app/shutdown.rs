//! When to end: Ctrl-C, a service manager's TERM, or Windows closing the console, logging off or
//! shutting down.

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

#[cfg(unix)]
mod system {
    use std::future::Future;

    use tokio::signal::unix::{SignalKind, signal};

    pub(super) fn asked() -> std::io::Result<impl Future<Output = ()> + Send> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
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
