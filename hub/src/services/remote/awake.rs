//! Keeps the computer awake while a session lives: agents fetch for hours, and nobody sits there.
//!
//! What the system does not grant is logged and no more: a session works without it. Windows counts
//! the wish per thread, so a thread of its own holds it, and lets go when [`Awake`] is dropped.

use std::sync::mpsc;

/// Awake until it is dropped.
pub(super) struct Awake {
    _held: mpsc::Sender<()>,
}

impl Awake {
    /// Asks the system not to sleep. The screen may.
    pub(super) fn hold() -> Self {
        let (sender, until_dropped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("awake".to_owned()).spawn(move || match system::hold() {
            Ok(held) => {
                until_dropped.recv().ok();
                drop(held);
            }
            Err(error) => tracing::info!(%error, "the computer can't be kept awake"),
        });
        if let Err(error) = thread {
            tracing::info!(%error, "the computer can't be kept awake");
        }
        Self { _held: sender }
    }
}

#[cfg(windows)]
mod system {
    /// Idle only: what is more is refused by computers with modern standby.
    pub(super) fn hold() -> Result<keepawake::KeepAwake, keepawake::Error> {
        keepawake::Builder::default()
            .idle(true)
            .reason("Agents fetch models from here")
            .app_name("ComfyUI Model Library")
            .create()
    }
}

#[cfg(not(windows))]
mod system {
    use std::process::{Child, Command, Stdio};

    /// A program that holds the wish.
    pub(super) struct KeptAwake(Child);

    /// `systemd-inhibit` holds its lock for as long as the program it runs. That one reads from a pipe of
    /// ours, so it ends with the hub, however the hub ends. No library talks to the bus: the crate that
    /// does would bring an asynchronous runtime of its own.
    pub(super) fn hold() -> std::io::Result<KeptAwake> {
        Command::new("systemd-inhibit")
            .args(["--what=idle:sleep", "--who=ComfyUI Model Library", "--why=Agents fetch models from here", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(KeptAwake)
    }

    impl Drop for KeptAwake {
        fn drop(&mut self) {
            // Without its pipe it ends by itself; the wait takes it out of the system's list.
            drop(self.0.stdin.take());
            self.0.wait().ok();
        }
    }
}
