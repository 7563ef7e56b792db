//! Which machine this is, for what lies on a volume that several machines share.
//!
//! A host name alone says little (every other machine is called "localhost"), and containers of one host share its
//! boot id: together they tell two machines apart for as long as both run.

use std::fs;
use std::sync::OnceLock;

/// A machine from one boot to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name in its network; of a container, that of the container.
    pub hostname: String,
    /// What its kernel drew when it started; empty where nothing tells.
    pub boot_id: String,
}

impl Machine {
    /// A short name, the same for as long as it runs: letters and digits.
    pub fn id(&self) -> String {
        let text = format!("{}\n{}", self.hostname, self.boot_id);
        blake3::hash(text.as_bytes()).to_hex().chars().take(16).collect()
    }
}

/// This machine.
pub fn this() -> &'static Machine {
    static THIS: OnceLock<Machine> = OnceLock::new();
    THIS.get_or_init(|| {
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let hostname = line("/proc/sys/kernel/hostname").or_else(|| std::env::var("COMPUTERNAME").ok());
        let boot_id = line("/proc/sys/kernel/random/boot_id");
        Machine { hostname: hostname.unwrap_or_default(), boot_id: boot_id.unwrap_or_default() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_or_another_boot_is_another_machine() {
        let machine =
            |hostname: &str, boot_id: &str| Machine { hostname: hostname.to_owned(), boot_id: boot_id.to_owned() }.id();
        assert_eq!(machine("pod", "1"), machine("pod", "1"));
        assert_ne!(machine("pod", "1"), machine("pod", "2"));
        assert_ne!(machine("pod", "1"), machine("pod1", ""));
        assert_eq!(this(), this());
    }
}
