//! What a request has to prove before any handler sees it.
//!
//! The listener is on localhost, but any web page that the owner visits can make the browser send
//! requests there, and a name of someone else's can be pointed at 127.0.0.1. So: the `Host` must be
//! ours ([`host`]), whoever changes something must not come from another site ([`origin`]), forms
//! of our pages carry a token of this run ([`token`]), and the answers forbid injected script and
//! foreign frames ([`headers`]). A body has to come within a time and a room ([`body`]). A peer's address proves nothing: a tunnel makes the whole internet
//! arrive from 127.0.0.1.

pub mod body;
pub mod headers;
pub mod host;
pub mod origin;
pub mod token;

#[cfg(test)]
mod tests;
