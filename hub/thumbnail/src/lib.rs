//! Makes small pictures of the pictures beside models, within bounds of time and memory.
//!
//! Pictures come from the internet: the content decides what they are, sizes are compared before anything
//! is allocated, and a decoder that fails is a sentence for people, never the end of the program.
//! Profiles of colour are not looked at.
//!
//! Chosen by `examples/measure.rs` on two busy cores, a PNG of 3.8 MB and 1216×1664 pixels to 768:
//! - the whole: 40 ms, of which decoding 33 ms; for 320 and 768 together 40 ms, 10 and 39 kB;
//! - PNG by `image` (the crate `png`) 41 ms, by `zune-png` 59 ms to 72 ms;
//! - shrinking by `fast_image_resize` 2.8 ms, by `image` 34 ms (`thumbnail`) and 43 ms (`resize`);
//! - JPEG by `jpeg-encoder` with its AVX2 part 3 ms and 33 kB, without it 15 ms, by `image` 17 ms and 40 kB;
//! - WebP by `image` is lossless: 3.5 ms, 250 to 570 kB; by libwebp, which is C, 52 ms and 11 kB, at its
//!   fastest 9 ms and 13 kB.
//!
//! No decoder of AVIF in plain Rust is kept well enough: AVIF is refused, and so is SVG, which is a program.

mod content;
mod decode;
mod error;
mod memory;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use error::ThumbnailError;

/// Bytes of a file that is read at most.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Pixels of a side that are decoded at most.
pub const MAX_SIDE: u32 = 8_192;

/// Pixels that are decoded at most.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Pixels of the longest side of a small picture at most.
pub const MAX_LONGEST_SIDE: u32 = 1_024;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Size {
    fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A small picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// What it is encoded as: `image/jpeg`.
    pub media_type: &'static str,
    /// Its size.
    pub size: Size,
    /// The size of the picture that it was made of, as people see it.
    pub original: Size,
}

/// Makes a small picture whose longest side is at most this many pixels, and never more than
/// [`MAX_LONGEST_SIDE`]. A picture that is smaller keeps its size, one that moves shows its first frame, and what can be seen through is laid on grey.
///
/// A JPEG that ends early is shown as far as it goes, as browsers do.
///
/// # Errors
/// If the bytes are no PNG, JPEG, WebP or GIF, exceed a limit, or are damaged: the sentence says which.
pub fn make(bytes: &[u8], longest_side: u32) -> Result<Thumbnail, ThumbnailError> {
    guarded(|| shrink::shrink(&ready(bytes)?, longest_side))
}

/// Makes small pictures of several sizes, decoding once.
///
/// # Errors
/// As [`make`].
pub fn make_each(bytes: &[u8], longest_sides: &[u32]) -> Result<Vec<Thumbnail>, ThumbnailError> {
    guarded(|| {
        let picture = ready(bytes)?;
        longest_sides.iter().map(|side| shrink::shrink(&picture, *side)).collect()
    })
}

/// Tells the size of a picture as people see it, from its header.
///
/// # Errors
/// As [`make`], except for damage behind the header and for the memory that decoding takes.
pub fn size_of(bytes: &[u8]) -> Result<Size, ThumbnailError> {
    guarded(|| decode::size_of(bytes))
}

fn ready(bytes: &[u8]) -> Result<decode::Picture, ThumbnailError> {
    let mut picture = decode::decode(bytes)?;
    shrink::lay_on_ground(&mut picture.pixels);
    Ok(picture)
}

/// Runs decoders so that a fault in one of them is a damaged picture.
fn guarded<T>(work: impl FnOnce() -> Result<T, ThumbnailError>) -> Result<T, ThumbnailError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(ThumbnailError::GaveUp))
}
