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

/// The machine's name in its network.
pub(super) fn hostname() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
}

/// Memory: all of it, and what is available; in a container, its share.
pub(super) fn memory() -> Option<Space> {
    let machine = parse_memory(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(group_memory(Path::new("/sys/fs/cgroup")).map_or(machine, |share| share_of(machine, share)))
}

/// The share of a control group's limit, which is often far less than the machine has.
fn share_of(machine: Space, share: Space) -> Space {
    Space {
        free_bytes: machine.free_bytes.min(share.free_bytes),
        total_bytes: machine.total_bytes.min(share.total_bytes),
    }
}

/// Limit and room of the control group, of version 2 or 1. Files that can be dropped from memory count as
/// room, as `/proc/meminfo` counts them.
fn group_memory(group: &Path) -> Option<Space> {
    let number = |file: &str| std::fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    let of = |limit: &str, used: &str, stat: &str, key: &str| {
        let (total_bytes, used) = (number(limit)?, number(used)?);
        let stat = std::fs::read_to_string(group.join(stat)).unwrap_or_default();
        let droppable = stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok()).unwrap_or(0);
        Some(Space { free_bytes: total_bytes.saturating_sub(used.saturating_sub(droppable)), total_bytes })
    };
    of("memory.max", "memory.current", "memory.stat", "inactive_file ").or_else(|| {
        of("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file ")
    })
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
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
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
    fn a_container_has_the_memory_of_its_limit() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = group.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(group_memory(group.path()), None);
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.usage_in_bytes", "1000\n");
        let machine = Space { free_bytes: 5_000, total_bytes: 9_000 };
        assert_eq!(share_of(machine, group_memory(group.path()).unwrap()), machine, "no limit");
        write("memory.max", "max\n");
        write("memory.current", "4000\n");
        assert!(group_memory(group.path()).unwrap().total_bytes > 1 << 60);
        write("memory.max", "6000\n");
        write("memory.stat", "anon 1\ninactive_file 500\n");
        let share = group_memory(group.path()).unwrap();
        assert_eq!(share_of(machine, share), Space { free_bytes: 2_500, total_bytes: 6_000 });
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24684084 kB\nMemFree:  1 kB\nMemAvailable:   100 kB\n";
        assert_eq!(parse_memory(text), Some(Space { free_bytes: 102_400, total_bytes: 24_684_084 * 1024 }));
        assert_eq!(parse_memory("MemTotal: 5 kB\n"), None);
        assert_eq!(parse_memory("MemTotal: x kB\nMemAvailable: 1 kB\n"), None);
    }
}
