//! Being asked to end: Ctrl-C, and on Unix the signals by which services and terminals end programs.

use tokio_util::sync::CancellationToken;

/// Cancels the token when the system asks the program to end.
pub async fn watch(shutdown: CancellationToken) {
    let asked = tokio::select! {
        asked = asked() => asked,
        () = shutdown.cancelled() => return,
    };
    tracing::info!("asked to end ({asked})");
    shutdown.cancel();
}

/// Waits for a signal and tells its name.
#[cfg(unix)]
pub async fn asked() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};

    let wait = |kind, name| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
                name
            }
            // Then only the other signals end it.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        name = wait(SignalKind::terminate(), "SIGTERM") => name,
        name = wait(SignalKind::interrupt(), "SIGINT") => name,
        name = wait(SignalKind::hangup(), "SIGHUP") => name,
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn asked() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
