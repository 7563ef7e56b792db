//! File ids and change times of a whole folder, as its listing has them.
//!
//! Only on NTFS and ReFS of this machine: elsewhere numbers are made up per mount, or there is no change time.
#![allow(unsafe_code, reason = "the listing with file ids has no safe form")]

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::mem;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ID_BOTH_DIR_INFO, FILE_REMOTE_PROTOCOL_INFO, FileIdBothDirectoryInfo, FileIdBothDirectoryRestartInfo,
    FileRemoteProtocolInfo, GetFileInformationByHandleEx, GetVolumeInformationByHandleW,
};

use crate::domain::identity::Identity;

/// Bytes asked for at once; an entry takes about a hundred and its name.
const BUFFER_BYTES: usize = 64 << 10;

/// What is known of each name.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<OsString, Identity>);

impl Identities {
    pub(super) fn get(&self, name: &OsStr) -> Option<&Identity> {
        self.0.get(name)
    }
}

/// Lists an open folder. What can't be told is left out.
pub(super) fn of_folder(folder: &File) -> Identities {
    let mut found = Identities::default();
    if !keeps_identities(folder) {
        return found;
    }
    // 64-bit words: an entry begins at a multiple of eight bytes.
    let mut buffer = vec![0_u64; BUFFER_BYTES / mem::size_of::<u64>()];
    let mut class = FileIdBothDirectoryRestartInfo;
    loop {
        // SAFETY: the handle is open, and the buffer is as long as its size says.
        let done = unsafe {
            GetFileInformationByHandleEx(
                folder.as_raw_handle(),
                class,
                buffer.as_mut_ptr().cast(),
                u32::try_from(BUFFER_BYTES).unwrap_or(0),
            )
        };
        // That there are no more is told as an error, too.
        if done == 0 {
            return found;
        }
        class = FileIdBothDirectoryInfo;
        add(&mut found, &buffer);
    }
}

fn add(found: &mut Identities, buffer: &[u64]) {
    let mut at = 0;
    while at + mem::size_of::<FILE_ID_BOTH_DIR_INFO>() <= BUFFER_BYTES {
        // SAFETY: the entry's fixed part lies within the buffer, which the system has filled with entries one behind
        // the other; it is read unaligned, whatever the offset.
        let entry: FILE_ID_BOTH_DIR_INFO =
            unsafe { ptr::read_unaligned(buffer.as_ptr().cast::<u8>().add(at).cast::<FILE_ID_BOTH_DIR_INFO>()) };
        let begin = at + mem::offset_of!(FILE_ID_BOTH_DIR_INFO, FileName);
        let bytes = entry.FileNameLength as usize;
        if begin + bytes <= BUFFER_BYTES {
            let units: Vec<u16> = (0..bytes / 2)
                // SAFETY: each unit of the name lies within the buffer, as was checked.
                .map(|n| unsafe { ptr::read_unaligned(buffer.as_ptr().cast::<u8>().add(begin + 2 * n).cast::<u16>()) })
                .collect();
            let identity = Identity::new(entry.FileId.cast_unsigned(), entry.ChangeTime.cast_unsigned());
            found.0.insert(OsString::from_wide(&units), identity);
        }
        if entry.NextEntryOffset == 0 {
            return;
        }
        at += entry.NextEntryOffset as usize;
    }
}

fn keeps_identities(folder: &File) -> bool {
    let mut name = [0_u16; 32];
    // SAFETY: the handle is open; the buffer is as long as its length says; what is not asked for may be null.
    let named = unsafe {
        GetVolumeInformationByHandleW(
            folder.as_raw_handle(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            name.as_mut_ptr(),
            u32::try_from(name.len()).unwrap_or(0),
        )
    };
    let name = String::from_utf16_lossy(&name.into_iter().take_while(|unit| *unit != 0).collect::<Vec<_>>());
    named != 0 && matches!(name.as_str(), "NTFS" | "ReFS") && !is_remote(folder)
}

/// A share says the name of the server's file system.
fn is_remote(folder: &File) -> bool {
    let mut protocol = FILE_REMOTE_PROTOCOL_INFO::default();
    // SAFETY: the handle is open; the structure lives through the call and the size is its own.
    let answered = unsafe {
        GetFileInformationByHandleEx(
            folder.as_raw_handle(),
            FileRemoteProtocolInfo,
            (&raw mut protocol).cast(),
            u32::try_from(mem::size_of::<FILE_REMOTE_PROTOCOL_INFO>()).unwrap_or(0),
        )
    };
    answered != 0
}
