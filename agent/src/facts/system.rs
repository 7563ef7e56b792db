//! The questions to the system. On anything but Linux, where the agent is only built and not used,
//! most of them have no answer.

use std::path::Path;

use super::Space;

/// Name and version of the distribution.
pub(super) fn os_name() -> Option<String> {
    pretty_name(&std::fs::read_to_string("/etc/os-release").ok()?)
}

/// Release of the kernel.
#[cfg(unix)]
pub(super) fn kernel() -> Option<String> {
    rustix::system::uname().release().to_str().ok().map(str::to_owned)
}

/// Release of the kernel.
#[cfg(not(unix))]
pub(super) fn kernel() -> Option<String> {
    None
}

/// Memory: all of it, and what is available.
pub(super) fn memory() -> Option<Space> {
    parse_memory(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// Room on the disk of a folder.
#[cfg(unix)]
pub(super) fn space(folder: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(Space { free_bytes: found.f_bavail * found.f_frsize, total_bytes: found.f_blocks * found.f_frsize })
}

/// Room on the disk of a folder.
#[cfg(not(unix))]
pub(super) fn space(_folder: &Path) -> Option<Space> {
    None
}

/// The name of the system in the text of `os-release(5)`.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let value = value.trim().trim_matches(['"', '\'']);
    if value.is_empty() { None } else { Some(value.to_owned()) }
}

/// Memory in the text of `proc_meminfo(5)`, where "kB" means 1024 bytes.
fn parse_memory(text: &str) -> Option<Space> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Space { free_bytes: value("MemAvailable")?, total_bytes: value("MemTotal")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_read_with_and_without_quotes() {
        let debian = "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(debian).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("PRETTY_NAME=Alpine").as_deref(), Some("Alpine"));
        assert_eq!(pretty_name("PRETTY_NAME=\"\""), None);
        assert_eq!(pretty_name("NAME=x"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24684084 kB\nMemFree:  1 kB\nMemAvailable:   100 kB\n";
        assert_eq!(parse_memory(text), Some(Space { free_bytes: 102_400, total_bytes: 24_684_084 * 1024 }));
        assert_eq!(parse_memory("MemTotal: 5 kB\n"), None);
        assert_eq!(parse_memory("MemTotal: x kB\nMemAvailable: 1 kB\n"), None);
    }
}
