//! Small pictures of the pictures beside models and in their headers, kept in a folder of the hub's own.
//!
//! One is made when it is asked for first, and named by where the picture lies, its size and its time: another picture
//! has another name. Those that nobody looked at for longest go when they take too much room. One picture is decoded
//! at a time, so that the memory for it is needed once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model_header::read_thumbnail;
use parking_lot::Mutex;
use thumbnail::{MAX_FILE_BYTES, ThumbnailError, make_each};

use crate::domain::kind::FileKind;
use crate::fs::head::read_small;
use crate::fs::open::open_with_metadata;
use crate::fs::{FileStamp, FsError};

/// The longest sides, in pixels.
pub const SIDES: [u32; 2] = [320, 768];

/// Room that they take at most, and down to which it is cleared.
const MOST_BYTES: u64 = 512 << 20;
const ENOUGH_BYTES: u64 = 448 << 20;

/// Ending of one that is being written; only who holds the lock writes.
const HALF: &str = "half";

/// One that was looked at is noted at most so often.
const NOTED_EVERY: Duration = Duration::from_hours(24);

/// Why there is no small picture.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error(transparent)]
    Picture(#[from] ThumbnailError),
    /// The header of a model holds none.
    #[error("its header holds no picture that can be shown")]
    None,
}

/// The picture in a file, or in the header of a model, as it is.
///
/// # Errors
/// It can't be read, is larger than so many bytes, or there is none.
pub fn read_picture(path: &Path, stamp: FileStamp, max_bytes: u64) -> Result<Vec<u8>, PreviewError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if FileKind::of(&name) != FileKind::Model {
        return Ok(read_small(path, max_bytes)?);
    }
    let (mut file, _) = open_with_metadata(path)?;
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let found = read_thumbnail(&mut file, stamp.size_bytes, limit).map_err(FsError::at("read", path))?;
    found.ok_or(PreviewError::None)
}

/// The small pictures.
#[derive(Debug)]
pub struct Previews {
    folder: PathBuf,
    /// Held while one is made; the bytes of all, once they were counted.
    taken: Mutex<Option<u64>>,
}

impl Previews {
    /// Kept in this folder, which is made when it is needed.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, taken: Mutex::new(None) }
    }

    /// A JPEG of the picture at `path`, or in the header of a model there, at most `side` pixels long, which has to be
    /// one of [`SIDES`]. `stamp` is the file as the index has it.
    ///
    /// # Errors
    /// The picture can't be read, or is none that is shown.
    pub fn show(&self, path: &Path, stamp: FileStamp, side: u32) -> Result<Vec<u8>, PreviewError> {
        let name = name(path, stamp);
        if let Some(known) = self.known(&name, side) {
            return Ok(known);
        }
        let mut taken = self.taken.lock();
        // Someone may have asked for it while this one waited.
        if let Some(known) = self.known(&name, side) {
            return Ok(known);
        }
        let bytes = read_picture(path, stamp, MAX_FILE_BYTES)?;
        let made = make_each(&bytes, &SIDES)?;
        let mut wanted = Vec::new();
        for (of, picture) in SIDES.into_iter().zip(made) {
            // A cache that can't be written is none: the picture is there all the same.
            if let Err(error) = self.keep(&name, of, &picture.bytes) {
                tracing::warn!(%error, "a small picture could not be kept");
            }
            *taken = taken.map(|taken| taken + picture.bytes.len() as u64);
            if of == side {
                wanted = picture.bytes;
            }
        }
        if taken.is_none_or(|taken| taken > MOST_BYTES) {
            *taken = Some(self.clear());
        }
        Ok(wanted)
    }

    fn place(&self, name: &str, side: u32) -> PathBuf {
        self.folder.join(format!("{name}-{side}.jpg"))
    }

    fn known(&self, name: &str, side: u32) -> Option<Vec<u8>> {
        let place = self.place(name, side);
        let bytes = fs::read(&place).ok().filter(|bytes| !bytes.is_empty())?;
        let noted = fs::metadata(&place).and_then(|found| found.modified());
        if noted.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > NOTED_EVERY)) {
            let noted = File::options().write(true).open(&place).and_then(|file| file.set_modified(SystemTime::now()));
            if let Err(error) = noted {
                tracing::debug!(%error, "that a small picture was looked at is not noted");
            }
        }
        Some(bytes)
    }

    fn keep(&self, name: &str, side: u32, bytes: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let place = self.place(name, side);
        let half = place.with_extension(HALF);
        fs::write(&half, bytes)?;
        fs::rename(&half, &place)
    }

    /// Removes what a kill left half written, and what nobody looked at for longest if there is too much. Tells what is
    /// left. The first picture that is made after a start comes here.
    fn clear(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.folder) else { return 0 };
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let found = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                // Nobody writes one now: a kill left it.
                if entry.path().extension().is_some_and(|ending| ending == HALF) {
                    fs::remove_file(entry.path()).ok()?;
                    return None;
                }
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= MOST_BYTES {
            return total;
        }
        kept.sort();
        for (_, bytes, path) in kept {
            if total <= ENOUGH_BYTES {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
        total
    }
}

fn name(path: &Path, stamp: FileStamp) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_os_str().as_encoded_bytes());
    hasher.update(&stamp.size_bytes.to_le_bytes());
    hasher.update(&stamp.modified.0.to_le_bytes());
    hasher.finalize().to_hex().chars().take(32).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::fs::open::stamp_path;

    /// A PNG of one grey pixel.
    const PIXEL: [u8; 67] = [
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1,
        8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0, 0, 0,
        0x82, 0, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    ];

    #[test]
    fn a_small_picture_is_made_once_and_another_picture_has_another() {
        let folder = tempfile::tempdir().unwrap();
        let previews = Previews::new(folder.path().join("previews"));
        let picture = folder.path().join("x.png");
        fs::write(&picture, PIXEL).unwrap();
        let half = folder.path().join("previews/0123-320.half");
        fs::create_dir(half.parent().unwrap()).unwrap();
        fs::write(&half, b"half").unwrap();
        let stamp = stamp_path(&picture).unwrap();
        let made = previews.show(&picture, stamp, 320).unwrap();
        assert!(made.starts_with(b"\xff\xd8\xff"));
        fs::remove_file(&picture).unwrap();
        assert_eq!(previews.show(&picture, stamp, 320).unwrap(), made, "it is kept");
        assert!(previews.show(&picture, stamp, 768).is_ok(), "both sizes are made at once");
        assert!(!half.exists(), "what a kill left is gone");
        let other = FileStamp { size_bytes: stamp.size_bytes + 1, ..stamp };
        assert!(matches!(previews.show(&picture, other, 320), Err(PreviewError::Fs(_))));
    }

    #[test]
    fn what_is_no_picture_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let previews = Previews::new(folder.path().join("previews"));
        let text = folder.path().join("x.png");
        fs::write(&text, b"<svg onload=alert(1)>").unwrap();
        let stamp = stamp_path(&text).unwrap();
        assert!(matches!(previews.show(&text, stamp, 320), Err(PreviewError::Picture(_))));
    }
}
