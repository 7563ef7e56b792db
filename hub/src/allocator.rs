//! How the memory allocator of the system is set.
//!
//! glibc gives the threads up to eight heaps per core, and what is freed in one of them serves only the
//! threads that share it. The hub's blocking work wanders over many threads, so each heap would keep
//! what its largest query once took. With two heaps, on the other hand, readers of small files wait for
//! each other and for the writers: eight are enough for two roots that are hashed at once.
//!
//! What is freed in the middle of a heap stays with the program until someone asks for it: after a scan
//! of a million files, two thirds of what the hub holds.

/// Sets it; before any other thread starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt(3) has no safe form")]
pub fn set_up() {
    // SAFETY: only integers are passed, and no other thread runs yet. A refusal changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 8) };
}

/// Nothing to set elsewhere.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn set_up() {}

/// Whether there is something to ask the allocator for.
pub const CAN_GIVE_BACK: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// Gives the system what is free. Takes little more than a millisecond where half of 60 MB is free in 100,000 pieces,
/// and next to nothing where all is in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "malloc_trim(3) has no safe form")]
pub fn give_back() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Nothing to ask for elsewhere.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn give_back() {}
