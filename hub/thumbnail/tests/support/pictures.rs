//! Pictures for tests, made here.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage};

/// Left red, right blue, with a few lines.
pub(crate) fn scene(width: u32, height: u32) -> DynamicImage {
    let colour = |x: u32, y: u32| match (x < width / 2, y % 16) {
        (_, 0) => Rgb([120, 120, 120]),
        (true, _) => Rgb([220, 30, 30]),
        (false, _) => Rgb([30, 30, 220]),
    };
    RgbImage::from_fn(width, height, colour).into()
}

pub(crate) fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn gif_of(pictures: &[DynamicImage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.encode_frames(pictures.iter().map(|picture| Frame::new(picture.to_rgba8()))).unwrap();
    drop(encoder);
    bytes
}

/// A PNG whose header says another size than its pixels have.
pub(crate) fn png_that_says(picture: &DynamicImage, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(picture, ImageFormat::Png);
    bytes.splice(16..20, width.to_be_bytes());
    bytes.splice(20..24, height.to_be_bytes());
    let sum = crc32(bytes.get(12..29).unwrap());
    bytes.splice(29..33, sum.to_be_bytes());
    bytes
}

/// The sum that stands behind each part of a PNG.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// A JPEG with this orientation in its EXIF data.
pub(crate) fn jpeg_turned(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut bytes = encoded(picture, ImageFormat::Jpeg);
    let mut exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    bytes.splice(2..2, exif);
    bytes
}
