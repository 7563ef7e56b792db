//! The console window, where the program has one of its own: someone double-clicked it.

use std::io::Write as _;

/// Whether the console was made for this program alone. One that was started from a shell shares the
/// shell's.
#[cfg(windows)]
#[allow(unsafe_code, reason = "GetConsoleProcessList has no safe form")]
pub fn is_own() -> bool {
    let mut processes = [0_u32; 2];
    // SAFETY: the buffer has as many places as its length says.
    let n = unsafe { windows_sys::Win32::System::Console::GetConsoleProcessList(processes.as_mut_ptr(), 2) };
    n == 1
}

/// Other systems have no such windows.
#[cfg(not(windows))]
pub const fn is_own() -> bool {
    false
}

/// Keeps a window open until someone has read what it says: it goes with the program.
pub fn wait_to_be_read() {
    let asked = writeln!(std::io::stderr(), "Press Enter to close this window.");
    if asked.is_ok() {
        std::io::stdin().read_line(&mut String::new()).ok();
    }
}
