//! What people are told when a disk has no room left.

use super::size::{bytes, count};

/// A disk that is full, for one file and for all that is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullDisk<'a> {
    /// Whose disk: the root's name and its folder.
    pub root: &'a str,
    /// The root's folder.
    pub folder: &'a str,
    /// It is one that is mounted inside the root: only what goes there waits.
    pub is_mount: bool,
    /// The file that did not fit.
    pub path: &'a str,
    /// Bytes that are free, without those that others are about to write.
    pub free: u64,
    /// Bytes that the file still needs.
    pub needed: u64,
    /// Bytes that everything in the queue still needs there, the file's own among them.
    pub queued: u64,
}

impl FullDisk<'_> {
    /// Which disk, how much is missing, and what to do.
    pub fn advice(&self) -> String {
        let Self { root, folder, is_mount, path, free, needed, queued } = *self;
        let disk = if is_mount {
            format!("The disk mounted at {folder} in {root} is full")
        } else {
            format!("The disk of {root} ({folder}) is full")
        };
        let then =
            if is_mount { "it is tried again every minute, and everything else goes on" } else { "resume the queue" };
        let missing = needed.saturating_sub(free);
        if missing == 0 {
            return format!(
                "{disk}, it said, when {path} was written, though {} are free now and {} are needed. Another program \
                 may have taken the room for a moment, or you have a quota there. To try again, {then}.",
                bytes(free),
                bytes(needed)
            );
        }
        let size = |n: u64| match i64::try_from(n) {
            Ok(exact) if n >= 1024 => format!("{} ({} bytes)", bytes(n), count(exact)),
            _ => bytes(n),
        };
        let all = match queued.saturating_sub(free) {
            more if more > missing => format!(" For everything that is queued {} are missing.", size(more)),
            _ => String::new(),
        };
        format!(
            "{disk}: {path} needs {} and {} are free, so {} are missing.{all} Make room there (files in its trash take \
             room too) or cancel transfers, then {then}.",
            bytes(needed),
            bytes(free),
            size(missing)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: FullDisk<'_> = FullDisk {
        root: "Local",
        folder: "D:\\models",
        is_mount: false,
        path: "loras/a.safetensors",
        free: 1 << 30,
        needed: 3 << 30,
        queued: 3 << 30,
    };

    #[test]
    fn the_disk_the_missing_bytes_and_what_to_do_are_told() {
        assert_eq!(
            FULL.advice(),
            "The disk of Local (D:\\models) is full: loras/a.safetensors needs 3.00 GiB and 1.00 GiB are free, so \
             2.00 GiB (2,147,483,648 bytes) are missing. Make room there (files in its trash take room too) or cancel \
             transfers, then resume the queue."
        );
    }

    #[test]
    fn what_the_whole_queue_needs_is_told_where_it_is_more() {
        let text = FullDisk { queued: 5 << 30, ..FULL }.advice();
        assert!(text.contains("For everything that is queued 4.00 GiB (4,294,967,296 bytes) are missing."), "{text}");
    }

    #[test]
    fn a_disk_mounted_inside_a_root_is_named_and_nothing_else_waits() {
        let text = FullDisk { folder: "/models/vae", is_mount: true, ..FULL }.advice();
        assert!(text.starts_with("The disk mounted at /models/vae in Local is full: "), "{text}");
        assert!(text.ends_with("everything else goes on.") && !text.contains("resume"), "{text}");
    }

    #[test]
    fn a_disk_that_has_room_by_now_is_not_said_to_lack_it() {
        let text = FullDisk { free: 9 << 30, ..FULL }.advice();
        assert!(text.contains("9.00 GiB are free now") && !text.contains("missing"), "{text}");
    }
}
