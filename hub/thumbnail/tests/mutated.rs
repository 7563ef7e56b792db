//! Good pictures of every format, changed at random: no decoder panics, none takes more memory than a picture
//! is given, and a small picture is as large as it says. `PROPTEST_CASES=1024` tries for about a minute.
//!
//! `data` holds what is not written here: WebP with losses, with transparency and moving, a JPEG in four
//! colours and a progressive one, a PNG with a palette.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may unwrap and fail")]

#[path = "../../model-header/tests/support/allocations.rs"]
mod allocations;
#[path = "../../model-header/tests/support/changes.rs"]
mod changes;
#[path = "support/pictures.rs"]
mod pictures;

use std::time::{Duration, Instant};

use allocations::peak_of;
use changes::{apply, changes, hold};
use image::{DynamicImage, ImageFormat};
use pictures::{encoded, gif_of, jpeg_turned, png_that_says, scene};
use proptest::prelude::*;
use proptest::sample::Index;
use thumbnail::{ThumbnailError, make, make_each, size_of};

/// What decoding and shrinking may take, as `memory.rs` has it.
const MAX_MEMORY: u64 = 320 << 20;

const WORDS: [&[u8]; 10] = [
    b"\0\0\0\x0dIHDR",
    b"\0\0\0\0IDAT",
    b"iCCP",
    b"zTXt",
    b"\xff\xc2\0\x11\x08",
    b"\xff\xda\0\x0c\x03",
    b"VP8 ",
    b"VP8L\x2f",
    b"ANMF",
    b"\x21\xf9\x04\x01",
];

fn seeds() -> Vec<Vec<u8>> {
    let small = scene(24, 16);
    let mut seeds: Vec<_> = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif]
        .map(|format| encoded(&small, format))
        .into();
    seeds.push(encoded(&DynamicImage::from(small.to_rgba16()), ImageFormat::Png));
    seeds.push(encoded(&DynamicImage::from(small.to_rgba8()), ImageFormat::WebP));
    seeds.push(jpeg_turned(&small, 6));
    seeds.push(gif_of(&[small.clone(), scene(24, 16)]));
    seeds.push(png_that_says(&small, 4_000, 3_000));
    seeds.push(include_bytes!("data/lossy.webp").to_vec());
    seeds.push(include_bytes!("data/lossy_alpha.webp").to_vec());
    seeds.push(include_bytes!("data/moving.webp").to_vec());
    seeds.push(include_bytes!("data/palette.png").to_vec());
    seeds.push(include_bytes!("data/cmyk.jpg").to_vec());
    seeds.push(include_bytes!("data/progressive.jpg").to_vec());
    seeds
}

/// Writes the sums of a PNG's parts anew, without which none of them is looked at.
fn mend_sums(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_be_bytes(*bytes)) {
        let end = at.saturating_add(8).saturating_add(length as usize);
        let Some(part) = png.get(at + 4..end) else { return };
        let sum = pictures::crc32(part).to_be_bytes();
        let Some(place) = png.get_mut(end..end.saturating_add(4)) else { return };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

fn is_made_within_bounds(bytes: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    let (made, peak) = peak_of(|| make(bytes, 64));
    let took = began.elapsed();
    if peak > MAX_MEMORY {
        return Err(format!("{peak} bytes held for {} bytes", bytes.len()));
    }
    if took > Duration::from_secs(20) {
        return Err(format!("{took:?} for {} bytes", bytes.len()));
    }
    let size = size_of(bytes);
    if [made.as_ref().err(), size.as_ref().err()].contains(&Some(&ThumbnailError::GaveUp)) {
        return Err("a decoder panicked".to_owned());
    }
    let Ok(made) = made else { return Ok(()) };
    if size != Ok(made.original) {
        return Err(format!("of another size than it said: {size:?}, {:?}", made.original));
    }
    let shown = image::load_from_memory(&made.bytes).map_err(|error| error.to_string())?;
    let is_as_told = (shown.width(), shown.height()) == (made.size.width, made.size.height);
    if !is_as_told || made.size.width.max(made.size.height) > 64 {
        return Err(format!("it is {}x{} and says {:?}", shown.width(), shown.height(), made.size));
    }
    if make_each(bytes, &[64]) == Ok(vec![made]) { Ok(()) } else { Err("made otherwise the second time".to_owned()) }
}

#[test]
fn changed_pictures() {
    let seeds = seeds();
    for seed in &seeds {
        is_made_within_bounds(seed).unwrap();
    }
    let what = (any::<Index>(), any::<Index>(), any::<bool>(), changes());
    hold(&what, |(which, other, is_mended, changes)| {
        let mut bytes = seeds[which.index(seeds.len())].clone();
        apply(&mut bytes, &changes, &seeds[other.index(seeds.len())], &WORDS);
        if is_mended && bytes.starts_with(b"\x89PNG") {
            mend_sums(&mut bytes);
        }
        is_made_within_bounds(&bytes)
    });
}
