//! The remote listener: there while a session is, and at no other time.
//!
//! Each session has a listener of its own. When it is over whoever comes is told so for a moment more, then the port is
//! closed, answers under way get a moment to end, and every connection that is left is cut, also one that no longer takes any bytes.
//! Sockets that were upgraded are not the listener's any more: they follow the session by themselves
//! and are held by the task tracker.

pub mod tls;
mod validity;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::connection::Limited;
use crate::config::RemoteConfig;
use crate::services::remote::{Listening, LiveSession};
use crate::services::{Services, Tasks};
use crate::web::{RemoteState, remote};

/// How long whoever comes after the end of a session is told of it. An agent that is just between two polls hears it in
/// no other way: behind a proxy its next one would bring a page that says nothing.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What answers under way get after that, within the second that all of it may take.
const GRACE: Duration = Duration::from_millis(400);

/// Until a listener that failed is tried again, while the session lives.
const RETRY: Duration = Duration::from_secs(3);

/// How long the hub's own listener of the session before may take to let its port go, and between two
/// looks whether it did.
const OWN: Duration = Duration::from_secs(5);
const OWN_PAUSE: Duration = Duration::from_millis(20);

/// For a request's headers.
const HEADERS: Duration = Duration::from_secs(15);

/// Connections at once. A tunnel brings one per request, an agent keeps a few.
const MAX_CONNECTIONS: usize = 256;

/// As many of them may be without a key: a bootstrapper needs one for a moment.
const MAX_STRANGERS: usize = 64;

/// A connection on which no byte went either way for so long is dead: agents ping more often, and no
/// poll is held as long.
const IDLE: Duration = Duration::from_secs(90);

/// Listens whenever there is a session, until the program ends.
pub fn start(services: &Services, tasks: &Tasks) {
    let (services, this) = (services.clone(), tasks.clone());
    services.remote.sessions.set_listening(Listening::Closed);
    tasks.spawn(async move {
        let tasks = this;
        let mut sessions = services.remote.sessions.watch();
        let mut own = Own::default();
        loop {
            let session = sessions.borrow_and_update().clone().filter(|session| session.is_over().is_none());
            if let Some(session) = session {
                serve(&services, &tasks, &session, &mut own).await;
            }
            tokio::select! {
                changed = sessions.changed() => if changed.is_err() { return },
                () = tasks.token().cancelled() => return,
            }
        }
    });
}

/// Listens for one session, until it is over or the program ends.
async fn serve(services: &Services, tasks: &Tasks, session: &LiveSession, own: &mut Own) {
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
        let bound = tokio::select! {
            bound = own.bind(&config) => bound,
            () = &mut over => {
                sessions.set_listening(Listening::Closed);
                return;
            }
        };
        let ended = match bound.and_then(|listener| open(&config, listener, services, tasks)) {
            Ok(Open { handle, mut server, _closed }) => {
                if let Some(address) = handle.listening().await {
                    own.closed = None;
                    own.address = Some(config.bind);
                    tracing::info!(%address, "the remote listener is open");
                    sessions.set_listening(Listening::At(address));
                }
                tokio::select! {
                    () = &mut over => {
                        tell_the_end(services, tasks).await;
                        handle.graceful_shutdown(Some(GRACE));
                        server.await.ok();
                        own.closed = Some(Instant::now());
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

/// Leaves the listener open to those who don't know yet that the session is over: every key is refused by now. Another
/// session refuses it as well.
async fn tell_the_end(services: &Services, tasks: &Tasks) {
    let mut sessions = services.remote.sessions.watch();
    let next = sessions.wait_for(|session| session.as_ref().is_some_and(|session| session.is_over().is_none()));
    tokio::select! {
        () = tokio::time::sleep(LAST_WORDS) => {}
        _ = next => {}
        () = tasks.token().cancelled() => {}
    }
}

/// The listener of the session before. Its port may be ours for a moment longer than the session.
#[derive(Default)]
struct Own {
    address: Option<SocketAddr>,
    closed: Option<Instant>,
}

impl Own {
    /// Binds the remote listener's address; that it is taken is no other program's doing while the
    /// hub's own old listener may still have it.
    async fn bind(&self, config: &RemoteConfig) -> Result<TcpListener, String> {
        loop {
            let error = match TcpListener::bind(config.bind) {
                Ok(listener) => return Ok(listener),
                Err(error) => error,
            };
            let is_own = self.address == Some(config.bind) && self.closed.is_some_and(|closed| closed.elapsed() < OWN);
            if error.kind() != io::ErrorKind::AddrInUse || !is_own {
                return Err(why_unbound(config.bind, &error));
            }
            tokio::time::sleep(OWN_PAUSE).await;
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

/// Serves on a bound listener; why not, in words for people.
fn open(config: &RemoteConfig, listener: TcpListener, services: &Services, tasks: &Tasks) -> Result<Open, String> {
    let tls = config.tls.as_ref().map(|(certificate, key)| tls::load(certificate, key)).transpose();
    let tls = tls.map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("The remote listener can't be used: {error}.");
    let mut server = axum_server::from_tcp(listener).map_err(failed)?;
    server.http_builder().http1().header_read_timeout(HEADERS);
    let handle = Handle::new();
    let server = server.handle(handle.clone()).first_request_timeout(HEADERS);
    let app = remote::router(RemoteState { services: services.clone(), tasks: tasks.clone() }).into_make_service();
    let limited = Limited::new(MAX_CONNECTIONS, IDLE).for_strangers(MAX_STRANGERS);
    let closed = tasks.token().child_token();
    let server = match tls {
        // Nobody who comes unencrypted needs HTTP/2: proxies speak it only if they are told to.
        None => tokio::spawn(server.acceptor(limited.http1_only()).serve(app)),
        Some(loaded) => {
            let config = loaded.follow(tasks, closed.clone());
            tokio::spawn(server.acceptor(RustlsAcceptor::new(config).acceptor(limited)).serve(app))
        }
    };
    Ok(Open { handle, server, _closed: closed.drop_guard() })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Key, Layers};

    fn config(address: SocketAddr) -> RemoteConfig {
        let data = std::env::temp_dir().display().to_string();
        let flags = BTreeMap::from([(Key::AppDataDir, data), (Key::RemoteBind, address.to_string())]);
        Layers { flags, ..Layers::default() }.resolve().unwrap().remote
    }

    #[tokio::test]
    async fn the_own_old_listener_is_waited_for_and_another_program_is_told() {
        let old = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = old.local_addr().unwrap();
        let config = config(address);
        assert!(Own::default().bind(&config).await.unwrap_err().contains("Another program"));
        let own = Own { address: Some(address), closed: Some(Instant::now()) };
        let going = tokio::spawn(async move {
            tokio::time::sleep(OWN_PAUSE * 3).await;
            drop(old);
        });
        own.bind(&config).await.unwrap();
        going.await.unwrap();
        let _other = TcpListener::bind(address).unwrap();
        let long_ago = Own { address: Some(address), closed: Instant::now().checked_sub(OWN) };
        assert!(long_ago.bind(&config).await.unwrap_err().contains("Another program"));
    }
}
