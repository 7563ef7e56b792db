//! The remote listener: there while a session is, and at no other time.
//!
//! Each session has a listener of its own. When it is over the port is closed, answers under way get a
//! moment to end, and every connection that is left is cut, also one that no longer takes any bytes.
//! Sockets that were upgraded are not the listener's any more: they follow the session by themselves
//! and are held by the task tracker.

mod connection;
pub mod tls;
mod validity;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use self::connection::Limited;
use crate::config::RemoteConfig;
use crate::services::remote::{Listening, LiveSession};
use crate::services::{Services, Tasks};
use crate::web::{RemoteState, remote};

/// What answers under way get after the end of a session, within the second that it may take.
const GRACE: Duration = Duration::from_millis(400);

/// Until a listener that failed is tried again, while the session lives.
const RETRY: Duration = Duration::from_secs(3);

/// For a request's headers.
const HEADERS: Duration = Duration::from_secs(15);

/// Listens whenever there is a session, until the program ends.
pub fn start(services: &Services, tasks: &Tasks) {
    let (services, own) = (services.clone(), tasks.clone());
    tasks.spawn(async move {
        let mut sessions = services.remote.sessions.watch();
        loop {
            let session = sessions.borrow_and_update().clone().filter(|session| session.is_over().is_none());
            if let Some(session) = session {
                serve(&services, &own, &session).await;
            }
            tokio::select! {
                changed = sessions.changed() => if changed.is_err() { return },
                () = own.token().cancelled() => return,
            }
        }
    });
}

/// Listens for one session, until it is over or the program ends.
async fn serve(services: &Services, tasks: &Tasks, session: &LiveSession) {
    let over = async {
        tokio::select! {
            () = session.token().cancelled() => {}
            () = tasks.token().cancelled() => {}
        }
    };
    tokio::pin!(over);
    let sessions = &services.remote.sessions;
    loop {
        let config = services.settings.current().remote.clone();
        let ended = match open(&config, services, tasks) {
            Ok(Open { handle, mut server, _closed }) => {
                if let Some(address) = handle.listening().await {
                    tracing::info!(%address, "the remote listener is open");
                    sessions.set_listening(Listening::At(address));
                }
                tokio::select! {
                    () = &mut over => {
                        handle.graceful_shutdown(Some(GRACE));
                        server.await.ok();
                        tracing::info!("the remote listener is closed");
                        sessions.set_listening(Listening::Closed);
                        return;
                    }
                    ended = &mut server => ended.map_or_else(|error| error.to_string(), said),
                }
            }
            Err(why) => why,
        };
        tracing::warn!(why = ended, "the remote listener can't be opened");
        sessions.set_listening(Listening::Failed(ended));
        tokio::select! {
            () = &mut over => {
                sessions.set_listening(Listening::Closed);
                return;
            }
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn said(ended: io::Result<()>) -> String {
    ended.err().map_or_else(|| "The remote listener ended by itself.".to_owned(), |error| error.to_string())
}

/// An open listener.
struct Open {
    handle: Handle<SocketAddr>,
    server: JoinHandle<io::Result<()>>,
    /// Tells who follows the certificate that it is over.
    _closed: DropGuard,
}

/// Binds and serves; why not, in words for people.
fn open(config: &RemoteConfig, services: &Services, tasks: &Tasks) -> Result<Open, String> {
    let tls = config.tls.as_ref().map(|(certificate, key)| tls::load(certificate, key)).transpose();
    let tls = tls.map_err(|error| error.to_string())?;
    let listener = bind(config)?;
    let failed = |error: io::Error| format!("The remote listener can't be used: {error}.");
    let mut server = axum_server::from_tcp(listener).map_err(failed)?;
    server.http_builder().http1().header_read_timeout(HEADERS);
    let handle = Handle::new();
    let server = server.handle(handle.clone()).first_request_timeout(HEADERS);
    let app = remote::router(RemoteState { services: services.clone(), tasks: tasks.clone() }).into_make_service();
    let limited = Limited::new();
    let closed = tasks.token().child_token();
    let server = match tls {
        None => tokio::spawn(server.acceptor(limited).serve(app)),
        Some(loaded) => {
            let config = loaded.follow(tasks, closed.clone());
            tokio::spawn(server.acceptor(RustlsAcceptor::new(config).acceptor(limited)).serve(app))
        }
    };
    Ok(Open { handle, server, _closed: closed.drop_guard() })
}

/// Binds the remote listener's address; why not, in words for people.
pub fn bind(config: &RemoteConfig) -> Result<TcpListener, String> {
    TcpListener::bind(config.bind).map_err(|error| why_unbound(config.bind, &error))
}

/// Why the remote listener's address can't be had, in words for people.
pub fn why_unbound(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("Another program listens at {address}: set REMOTE_BIND to a free address.")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("This computer has no address {address}: set REMOTE_BIND to one that it has.")
        }
        io::ErrorKind::PermissionDenied => {
            format!("The hub may not listen at {address}: set REMOTE_BIND to a port above 1023.")
        }
        _ => format!("The hub can't listen at {address}: {error}. Set REMOTE_BIND to another address."),
    }
}
