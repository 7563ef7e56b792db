//! How much of a request is held.

/// Largest body a request may have. A list of every path of a big library fits; nothing needs more.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// Bytes of all bodies that are not whole yet.
pub const MAX_UNFINISHED_BYTES: usize = 64 << 20;

/// There is no room for another piece of a body.
#[derive(Debug, thiserror::Error)]
#[error("too much of unfinished requests is held already")]
pub struct TooMuch;
