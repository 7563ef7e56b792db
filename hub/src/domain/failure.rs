//! What kind of trouble a file operation met, told from the system's error.
//!
//! Only the class decides what happens next (try again, wait, pause the queue, give up), so both
//! systems' numbers are mapped here, and both tables are tested on any system. A number that the
//! table does not know falls back to std's portable [`ErrorKind`].

use std::io::{self, ErrorKind};

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The file or a folder on the way to it is not there.
    NotFound,
    /// Another program holds the file: worth trying again soon.
    InUse,
    /// No space or no quota left.
    DiskFull,
    /// The user may not do this.
    PermissionDenied,
    /// The disk or the server can't be reached: worth trying again when it is back.
    Offline,
    /// The volume can't be written.
    ReadOnly,
    /// Something else has that name already.
    Exists,
    /// The file system can't do this at all: another volume, no links, a file too large for it.
    NotSupported,
    /// The name or path is longer than the file system stores.
    NameTooLong,
    /// Anything else.
    Other,
}

/// Whose error numbers a raw code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// `errno` of Linux.
    Linux,
    /// `GetLastError` of Windows.
    Windows,
}

impl System {
    /// The system this program was built for.
    pub const CURRENT: Self = if cfg!(windows) { Self::Windows } else { Self::Linux };
}

impl FailureClass {
    /// Classifies an error of this system.
    pub fn of(error: &io::Error) -> Self {
        let by_code = error.raw_os_error().and_then(|code| Self::of_code(System::CURRENT, code));
        by_code.unwrap_or_else(|| Self::of_kind(error.kind()))
    }

    /// Classifies a system's raw error number, if the table has it.
    pub const fn of_code(system: System, code: i32) -> Option<Self> {
        match system {
            System::Linux => linux(code),
            System::Windows => windows(code),
        }
    }

    /// Classifies by the portable kind alone.
    pub const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound,
            ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => Self::InUse,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::NotConnected
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::TimedOut => Self::Offline,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => Self::Exists,
            ErrorKind::Unsupported | ErrorKind::CrossesDevices | ErrorKind::FileTooLarge | ErrorKind::TooManyLinks => {
                Self::NotSupported
            }
            ErrorKind::InvalidFilename => Self::NameTooLong,
            _ => Self::Other,
        }
    }
}

/// `errno(3)` with the numbers of x86-64 and aarch64.
const fn linux(code: i32) -> Option<FailureClass> {
    Some(match code {
        // ENOENT ENOTDIR
        2 | 20 => FailureClass::NotFound,
        // EBUSY ETXTBSY
        16 | 26 => FailureClass::InUse,
        // ENOSPC EDQUOT
        28 | 122 => FailureClass::DiskFull,
        // EPERM EACCES
        1 | 13 => FailureClass::PermissionDenied,
        // EIO ENXIO ENODEV ENOLINK ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOTCONN ESHUTDOWN
        // ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH ESTALE EREMOTEIO ENOMEDIUM
        5 | 6 | 19 | 67 | 100 | 101 | 103 | 104 | 107 | 108 | 110 | 111 | 112 | 113 | 116 | 121 | 123 => {
            FailureClass::Offline
        }
        // EROFS
        30 => FailureClass::ReadOnly,
        // EEXIST ENOTEMPTY
        17 | 39 => FailureClass::Exists,
        // EXDEV EFBIG EMLINK ENOSYS EOPNOTSUPP
        18 | 27 | 31 | 38 | 95 => FailureClass::NotSupported,
        // ENAMETOOLONG
        36 => FailureClass::NameTooLong,
        _ => return None,
    })
}

/// Microsoft's "System Error Codes".
const fn windows(code: i32) -> Option<FailureClass> {
    Some(match code {
        // FILE_NOT_FOUND PATH_NOT_FOUND
        2 | 3 => FailureClass::NotFound,
        // ACCESS_DENIED SHARING_VIOLATION LOCK_VIOLATION BUSY DELETE_PENDING USER_MAPPED_FILE. Access
        // denied belongs here: it is what one gets for a file that a virus scanner is about to let go.
        5 | 32 | 33 | 170 | 303 | 1224 => FailureClass::InUse,
        // HANDLE_DISK_FULL DISK_FULL DISK_QUOTA_EXCEEDED
        39 | 112 | 1295 => FailureClass::DiskFull,
        // NETWORK_ACCESS_DENIED PRIVILEGE_NOT_HELD
        65 | 1314 => FailureClass::PermissionDenied,
        // NOT_READY REM_NOT_LIST BAD_NETPATH DEV_NOT_EXIST UNEXP_NET_ERR NETNAME_DELETED BAD_NET_NAME
        // SEM_TIMEOUT CLOUD_FILE_PROVIDER_NOT_RUNNING NO_SUCH_DEVICE IO_DEVICE DEVICE_NOT_CONNECTED
        // CONNECTION_REFUSED NETWORK_UNREACHABLE HOST_UNREACHABLE CONNECTION_ABORTED LOGON_FAILURE
        21 | 51 | 53 | 55 | 59 | 64 | 67 | 121 | 362 | 433 | 1117 | 1167 | 1225 | 1231 | 1232 | 1236 | 1326 => {
            FailureClass::Offline
        }
        // WRITE_PROTECT FILE_READ_ONLY
        19 | 6009 => FailureClass::ReadOnly,
        // FILE_EXISTS DIR_NOT_EMPTY ALREADY_EXISTS
        80 | 145 | 183 => FailureClass::Exists,
        // INVALID_FUNCTION NOT_SAME_DEVICE NOT_SUPPORTED CALL_NOT_IMPLEMENTED FILE_TOO_LARGE
        // TOO_MANY_LINKS
        1 | 17 | 50 | 120 | 223 | 1142 => FailureClass::NotSupported,
        // BUFFER_OVERFLOW FILENAME_EXCED_RANGE
        111 | 206 => FailureClass::NameTooLong,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(FailureClass::NotFound, &[2, 20])]
    #[case(FailureClass::InUse, &[16, 26])]
    #[case(FailureClass::DiskFull, &[28, 122])]
    #[case(FailureClass::PermissionDenied, &[1, 13])]
    #[case(FailureClass::Offline, &[5, 107, 112, 101, 113, 116])]
    #[case(FailureClass::ReadOnly, &[30])]
    #[case(FailureClass::Exists, &[17])]
    #[case(FailureClass::NotSupported, &[18, 27, 95])]
    #[case(FailureClass::NameTooLong, &[36])]
    fn linux_numbers(#[case] class: FailureClass, #[case] codes: &[i32]) {
        for code in codes {
            assert_eq!(FailureClass::of_code(System::Linux, *code), Some(class), "errno {code}");
        }
    }

    #[rstest]
    #[case(FailureClass::NotFound, &[2, 3])]
    #[case(FailureClass::InUse, &[5, 32, 33, 303, 1224])]
    #[case(FailureClass::DiskFull, &[39, 112])]
    #[case(FailureClass::Offline, &[21, 53, 55, 59, 64, 67, 121, 1231, 1236, 1326])]
    #[case(FailureClass::ReadOnly, &[19])]
    #[case(FailureClass::Exists, &[80, 183])]
    #[case(FailureClass::NotSupported, &[17, 50])]
    #[case(FailureClass::NameTooLong, &[206])]
    fn windows_numbers(#[case] class: FailureClass, #[case] codes: &[i32]) {
        for code in codes {
            assert_eq!(FailureClass::of_code(System::Windows, *code), Some(class), "error {code}");
        }
    }

    #[test]
    fn the_same_number_means_different_things() {
        assert_ne!(FailureClass::of_code(System::Linux, 112), FailureClass::of_code(System::Windows, 112));
        assert_ne!(FailureClass::of_code(System::Linux, 39), FailureClass::of_code(System::Windows, 39));
    }

    #[test]
    fn an_unknown_number_falls_back_to_the_kind() {
        assert_eq!(FailureClass::of_code(System::CURRENT, 99_999), None);
        assert_eq!(FailureClass::of(&io::Error::from_raw_os_error(99_999)), FailureClass::Other);
        assert_eq!(FailureClass::of(&ErrorKind::StorageFull.into()), FailureClass::DiskFull);
        assert_eq!(FailureClass::of(&ErrorKind::Interrupted.into()), FailureClass::Other);
    }
}
