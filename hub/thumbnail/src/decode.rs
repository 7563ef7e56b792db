//! From bytes to pixels, within the limits. Sizes are compared before anything is allocated.

use std::io::Cursor;

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use crate::content::Content;
use crate::memory::{Header, MAX_MEMORY, MAX_PNG_PARTS, needed};
use crate::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, Size, ThumbnailError};

/// A decoded picture as it is stored, with how it is to be turned.
pub(crate) struct Picture {
    pub(crate) pixels: DynamicImage,
    pub(crate) orientation: Orientation,
    /// Its size as people see it.
    pub(crate) size: Size,
}

/// Tells the size as people see it, without decoding.
pub(crate) fn size_of(bytes: &[u8]) -> Result<Size, ThumbnailError> {
    let content = content_of(bytes)?;
    let (decoder, size) = open(bytes, content)?;
    Ok(turned(size, orientation_of(decoder).1))
}

/// Decodes the picture; of a moving one the first frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<Picture, ThumbnailError> {
    let content = content_of(bytes)?;
    let (decoder, size) = open(bytes, content)?;
    let decoded = decoder.total_bytes();
    let needed = needed(bytes, &Header { content, pixels: size.pixels(), decoded });
    if needed > MAX_MEMORY {
        return Err(ThumbnailError::TooMuchMemory { size, needed, limit: MAX_MEMORY });
    }
    let (decoder, orientation) = orientation_of(decoder);
    let pixels = DynamicImage::from_decoder(decoder).map_err(|error| failure_of(&error, content, size))?;
    Ok(Picture { pixels, orientation, size: turned(size, orientation) })
}

fn content_of(bytes: &[u8]) -> Result<Content, ThumbnailError> {
    let length = bytes.len() as u64;
    if length > MAX_FILE_BYTES {
        return Err(ThumbnailError::FileTooLarge { bytes: length, limit: MAX_FILE_BYTES });
    }
    Content::of(bytes)
}

fn open(bytes: &[u8], content: Content) -> Result<(impl ImageDecoder + '_, Size), ThumbnailError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), content.format());
    // Sides are compared below, where the sentence can name them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(if content == Content::Png { MAX_PNG_PARTS } else { MAX_MEMORY });
    reader.limits(limits);
    let unknown = Size { width: 0, height: 0 };
    let decoder = reader.into_decoder().map_err(|error| failure_of(&error, content, unknown))?;
    let (width, height) = decoder.dimensions();
    let size = Size { width, height };
    if width > MAX_SIDE || height > MAX_SIDE || size.pixels() > MAX_PIXELS {
        return Err(ThumbnailError::TooManyPixels { size, side: MAX_SIDE, megapixels: MAX_PIXELS / 1_000_000 });
    }
    if size.pixels() == 0 {
        return Err(ThumbnailError::Damaged { format: content.name(), reason: "it has no pixels".to_owned() });
    }
    Ok((decoder, size))
}

/// How the camera held it. Broken EXIF data turns nothing.
fn orientation_of<D: ImageDecoder>(mut decoder: D) -> (D, Orientation) {
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    (decoder, orientation)
}

fn turned(size: Size, orientation: Orientation) -> Size {
    let Size { width, height } = size;
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            Size { width: height, height: width }
        }
        _ => size,
    }
}

fn failure_of(error: &ImageError, content: Content, size: Size) -> ThumbnailError {
    let damaged = |reason: &str| ThumbnailError::Damaged { format: content.name(), reason: reason.to_owned() };
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            ThumbnailError::TooMuchMemory { size, needed: MAX_MEMORY + 1, limit: MAX_MEMORY }
        }
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => damaged("it ends early"),
        other => damaged(other.to_string().trim_end_matches(['.', '\n'])),
    }
}
