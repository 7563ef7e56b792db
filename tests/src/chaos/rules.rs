//! Faults that wait for their moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::sniff::{Piece, What};
use super::{Mode, Side};
use crate::wait::wait_until;

/// What it waits for.
#[derive(Debug, Clone)]
enum Moment {
    Frame(Side, &'static str),
    Body { path: String, bytes: u64 },
    Request(String),
}

/// A fault and its moment. Without more said, what it waited for passes and nothing happens.
#[derive(Debug, Clone)]
pub struct Trigger {
    moment: Moment,
    swallows: bool,
    cuts: bool,
    then: Option<Mode>,
}

impl Trigger {
    /// When one side sends a frame of a type.
    pub fn frame(side: Side, kind: &'static str) -> Self {
        Self::at(Moment::Frame(side, kind))
    }

    /// When the hub has sent so many bytes, from now on, of bodies for paths that contain the text. With a
    /// cut, exactly so many pass.
    pub fn body(path: &str, bytes: u64) -> Self {
        Self::at(Moment::Body { path: path.to_owned(), bytes })
    }

    /// When a request comes whose line contains the text.
    pub fn request(containing: &str) -> Self {
        Self::at(Moment::Request(containing.to_owned()))
    }

    fn at(moment: Moment) -> Self {
        Self { moment, swallows: false, cuts: false, then: None }
    }

    /// What it waited for does not pass.
    #[must_use]
    pub fn swallow(mut self) -> Self {
        self.swallows = true;
        self
    }

    /// The connection is reset on both sides.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// The mode is another from then on.
    #[must_use]
    pub fn then(mut self, mode: Mode) -> Self {
        self.then = Some(mode);
        self
    }

    pub(super) fn arm(self) -> (Arc<Armed>, Fired) {
        let armed = Arc::new(Armed { trigger: self, is_spent: AtomicBool::new(false), n_bytes: AtomicU64::new(0) });
        (Arc::clone(&armed), Fired(armed))
    }
}

/// A trigger in wait.
#[derive(Debug)]
pub(super) struct Armed {
    trigger: Trigger,
    is_spent: AtomicBool,
    n_bytes: AtomicU64,
}

/// What a trigger does to a piece.
#[derive(Debug)]
pub(super) struct Effect {
    /// Bytes of it that pass.
    pub(super) passing: usize,
    pub(super) cuts: bool,
    pub(super) then: Option<Mode>,
}

impl Armed {
    /// Fires if this is the moment.
    pub(super) fn judge(&self, side: Side, piece: &Piece) -> Option<Effect> {
        if self.is_spent.load(Ordering::SeqCst) {
            return None;
        }
        let size = piece.bytes.len();
        let passing = match (&self.trigger.moment, &piece.what) {
            (Moment::Frame(of, kind), What::Frames(kinds)) if *of == side && kinds.iter().any(|t| t == kind) => size,
            (Moment::Request(text), What::Request(request)) if request.line().contains(text) => size,
            (Moment::Body { path, bytes }, What::Body(of)) if side == Side::Hub && of.contains(path.as_str()) => {
                let before = self.n_bytes.fetch_add(size as u64, Ordering::SeqCst);
                if before + (size as u64) < *bytes {
                    return None;
                }
                usize::try_from(bytes.saturating_sub(before)).unwrap_or(size).min(size)
            }
            _ => return None,
        };
        // Of two connections at the same point only one is the first.
        if self.is_spent.swap(true, Ordering::SeqCst) {
            return None;
        }
        // A gap in a connection that goes on would be a fault that no network has.
        let passing = match (self.trigger.swallows, self.trigger.cuts) {
            (true, _) => 0,
            (false, true) => passing,
            (false, false) => size,
        };
        Some(Effect { passing, cuts: self.trigger.cuts, then: self.trigger.then.clone() })
    }
}

/// Tells whether a trigger has fired.
#[derive(Debug, Clone)]
pub struct Fired(Arc<Armed>);

impl Fired {
    /// Whether it has.
    pub fn is_fired(&self) -> bool {
        self.0.is_spent.load(Ordering::SeqCst)
    }

    /// Waits until it has.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        wait_until(&format!("the proxy's {:?}", self.0.trigger.moment), timeout, || Ok(self.is_fired()))
    }
}
