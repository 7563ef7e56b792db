//! How the memory allocator of the system is set.
//!
//! glibc gives the threads up to eight heaps per core, and what is freed in one of them serves only the
//! threads that share it. The hub's blocking work wanders over many threads, so each heap would keep
//! what its largest query once took. Two heaps hold a quarter less at 200,000 files, and nothing that
//! the hub does waits for them.

/// Sets it; before any other thread starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt(3) has no safe form")]
pub fn set_up() {
    // SAFETY: only integers are passed, and no other thread runs yet. A refusal changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// Nothing to set elsewhere.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn set_up() {}
