//! The kinds of machines that there is an agent for.

use std::fmt;
use std::str::FromStr;

/// Processor and system that an agent's program is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Linux on x86-64.
    X86_64Linux,
    /// Linux on 64-bit Arm.
    Aarch64Linux,
}

/// A name that is no [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is an agent for x86_64-linux and aarch64-linux only")]
pub struct UnknownTarget;

impl Target {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64Linux, Self::Aarch64Linux];

    /// The one with the processor that this program is built for.
    pub const OWN: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64Linux } else { Self::X86_64Linux };

    /// Its processor, as `uname -m` names it.
    pub const fn processor(self) -> &'static str {
        match self {
            Self::X86_64Linux => "x86_64",
            Self::Aarch64Linux => "aarch64",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-linux", self.processor())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.into_iter().find(|target| target.to_string() == text).ok_or(UnknownTarget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_is_written_and_nothing_else_is() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        for other in ["", "x86_64", "X86_64-linux", "arm64-linux", "x86_64-windows", "aarch64-linux "] {
            assert_eq!(other.parse::<Target>(), Err(UnknownTarget), "{other}");
        }
    }
}
