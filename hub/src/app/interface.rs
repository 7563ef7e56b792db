//! The listener of the interface, which answers this computer only and is on its guard all the same: a
//! page of anybody's can make a browser open connections here.
//!
//! HTTP/1.1 only: the guards are written for it, and HTTP/2 brings ways of its own to hold memory.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use tokio::task::JoinHandle;

use super::connection::Limited;

/// For a request's headers, and for the first request of a connection; a connection that is kept open
/// between requests is closed after as long.
const HEADERS: Duration = Duration::from_secs(20);

/// Connections at once: browsers keep a handful a page, tools one.
const MAX_CONNECTIONS: usize = 512;

/// A connection on which no byte went either way for so long is dead: sockets ping more often, and no
/// answer is waited for as long.
const IDLE: Duration = Duration::from_mins(15);

/// Answers until `handle` ends it.
pub(super) fn serve(
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    routes: Router,
) -> io::Result<JoinHandle<io::Result<()>>> {
    serve_with(listener, handle, routes, HEADERS)
}

fn serve_with(
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    routes: Router,
    headers: Duration,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(headers);
    server.http_builder().http1().header_read_timeout(headers);
    let limited = Limited::new(MAX_CONNECTIONS, IDLE).http1_only();
    Ok(tokio::spawn(server.acceptor(limited).serve(routes.into_make_service())))
}

#[cfg(test)]
mod tests;
