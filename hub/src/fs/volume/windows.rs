//! Volumes on Windows: the volume functions of Win32, each wrapped by a function of its own.
#![allow(unsafe_code, reason = "the volume functions of Win32 have no safe form")]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{GetDiskFreeSpaceExW, GetDriveTypeW, GetVolumePathNameW};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    DEVICE_SEEK_PENALTY_DESCRIPTOR, IOCTL_STORAGE_QUERY_PROPERTY, PropertyStandardQuery, STORAGE_PROPERTY_QUERY,
    StorageDeviceSeekPenaltyProperty,
};

use super::{VolumeKind, VolumeSpace};
use crate::fs::verbatim;

/// `DRIVE_REMOTE` and `DRIVE_RAMDISK` of `GetDriveTypeW`, which windows-sys keeps with the shell.
const REMOTE: u32 = 4;
const RAM_DISK: u32 = 6;

/// Longest path that Windows handles, in UTF-16 units.
const MAX_PATH_UNITS: u32 = 32_768;

pub(super) fn space(folder: &Path) -> io::Result<Option<VolumeSpace>> {
    let folder = wide(folder);
    let (mut free_bytes, mut total_bytes) = (0, 0);
    // SAFETY: the path is NUL-terminated; both numbers live through the call; the third may be null.
    let done =
        unsafe { GetDiskFreeSpaceExW(folder.as_ptr(), &raw mut free_bytes, &raw mut total_bytes, ptr::null_mut()) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(VolumeSpace::known(free_bytes, total_bytes)) }
}

/// The volume's serial number, which `file_id` reads, lasts already.
pub(super) const fn lasting_id(_: &Path) -> Option<String> {
    None
}

pub(super) fn kind(folder: &Path) -> VolumeKind {
    let shown = verbatim::shown(folder);
    if shown.starts_with(r"\\") {
        return VolumeKind::Network;
    }
    let Ok(volume) = volume_of(&shown) else { return VolumeKind::Unknown };
    let name = wide(Path::new(&volume));
    // SAFETY: the path is NUL-terminated and outlives the call.
    match unsafe { GetDriveTypeW(name.as_ptr()) } {
        REMOTE => VolumeKind::Network,
        RAM_DISK => VolumeKind::Memory,
        _ => match seeks(&volume) {
            Ok(true) => VolumeKind::Rotating,
            Ok(false) => VolumeKind::Solid,
            Err(_) => VolumeKind::Unknown,
        },
    }
}

/// The mount point of the folder's volume, with a trailing separator: usually `C:\`.
fn volume_of(folder: &str) -> io::Result<String> {
    let folder = wide(Path::new(folder));
    let mut volume = vec![0_u16; MAX_PATH_UNITS as usize];
    // SAFETY: the path is NUL-terminated; the buffer is as long as its length says.
    let done = unsafe { GetVolumePathNameW(folder.as_ptr(), volume.as_mut_ptr(), MAX_PATH_UNITS) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let text: Vec<u16> = volume.into_iter().take_while(|unit| *unit != 0).collect();
    Ok(String::from_utf16_lossy(&text))
}

/// Asks the disk whether seeking costs time. Opening it without any access needs no special right.
fn seeks(volume: &str) -> io::Result<bool> {
    let device: File = OpenOptions::new().access_mode(0).open(format!(r"\\.\{}", volume.trim_end_matches('\\')))?;
    let query = STORAGE_PROPERTY_QUERY {
        PropertyId: StorageDeviceSeekPenaltyProperty,
        QueryType: PropertyStandardQuery,
        AdditionalParameters: [0],
    };
    let mut answer = DEVICE_SEEK_PENALTY_DESCRIPTOR::default();
    let mut returned = 0;
    // SAFETY: the handle is open; both structures live through the call and their sizes are their own.
    let done = unsafe {
        DeviceIoControl(
            device.as_raw_handle(),
            IOCTL_STORAGE_QUERY_PROPERTY,
            (&raw const query).cast(),
            size::<STORAGE_PROPERTY_QUERY>(),
            (&raw mut answer).cast(),
            size::<DEVICE_SEEK_PENALTY_DESCRIPTOR>(),
            &raw mut returned,
            ptr::null_mut(),
        )
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(answer.IncursSeekPenalty) }
}

fn size<T>() -> u32 {
    u32::try_from(mem::size_of::<T>()).unwrap_or(u32::MAX)
}

fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}
