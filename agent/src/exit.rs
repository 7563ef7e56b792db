//! How the program ends. Services and the bootstrapper rely on the codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done,
    /// A fault, told on standard error.
    Fault,
    /// Wrong arguments, told on standard error.
    Usage,
    /// `agent status`: it runs and is not connected.
    NotConnected,
    /// The session is over, or the hub refused for good. Starting again is of no use.
    Over,
}

impl Exit {
    /// Its code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Fault => 1,
            Self::Usage => 2,
            Self::NotConnected => 3,
            Self::Over => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
