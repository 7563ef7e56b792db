//! Measures what small pictures cost in time and bytes, by size and encoder, on pictures made here:
//! `cargo run --release -p thumbnail --example measure`. With the path of a picture it measures that one.
#![allow(clippy::print_stdout, reason = "an example that prints a table")]

use std::error::Error;
use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

const SIDES: [u32; 2] = [320, 768];

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<28}{:>10}{:>12}{:>12}", "", "source kB", "ms", "bytes");
    if let Some(path) = std::env::args().nth(1) {
        return measure(&path, &std::fs::read(&path)?);
    }
    for (name, width, height, noise) in
        [("smooth", 1_024, 1_024, 2), ("photo", 1_216, 1_664, 14), ("grainy", 1_024, 1_536, 30)]
    {
        let scene = scene(width, height, noise);
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive).write_image(
            &scene,
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        measure(&format!("{name} PNG {width}×{height}"), &png)?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 92).encode_image(&scene)?;
        measure(&format!("{name} JPEG {width}×{height}"), &jpeg)?;
        let mut webp = Vec::new();
        WebPEncoder::new_lossless(&mut webp).write_image(&scene, width, height, ExtendedColorType::Rgb8)?;
        measure(&format!("{name} WebP {width}×{height}"), &webp)?;
    }
    Ok(())
}

fn measure(name: &str, source: &[u8]) -> Result<(), Box<dyn Error>> {
    let kilobytes = source.len() / 1_000;
    for side in SIDES {
        let (time, small) = best(|| thumbnail::make(source, side))?;
        row(&format!("{name} → {side}"), kilobytes, time, small.bytes.len());
        let decoded = image::load_from_memory(&small.bytes)?.into_rgb8();
        let (time, bytes) = best(|| {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&decoded).map(|()| bytes)
        })?;
        row("    encoded by image, JPEG", kilobytes, time, bytes.len());
        let (time, bytes) = best(|| {
            let mut bytes = Vec::new();
            let (width, height) = decoded.dimensions();
            let encoder = WebPEncoder::new_lossless(&mut bytes);
            encoder.write_image(&decoded, width, height, ExtendedColorType::Rgb8).map(|()| bytes)
        })?;
        row("    encoded by image, WebP", kilobytes, time, bytes.len());
    }
    let (time, both) = best(|| thumbnail::make_each(source, &SIDES))?;
    row(&format!("{name} → both"), kilobytes, time, both.iter().map(|small| small.bytes.len()).sum());
    Ok(())
}

fn row(name: &str, kilobytes: usize, time: Duration, bytes: usize) {
    println!("{name:<28}{kilobytes:>10}{:>12.1}{bytes:>12}", time.as_secs_f64() * 1_000.0);
}

/// The best of seven runs, with what it gave.
fn best<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<(Duration, T), E> {
    let mut timed = || {
        let start = Instant::now();
        work().map(|made| (start.elapsed(), made))
    };
    let mut best = timed()?;
    for _ in 0..6 {
        let next = timed()?;
        if next.0 < best.0 {
            best = next;
        }
    }
    Ok(best)
}

/// A picture with planes, rings, edges and so much noise.
fn scene(width: u32, height: u32, noise: u32) -> RgbImage {
    let mut state = 7_u32;
    RgbImage::from_fn(width, height, |x, y| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let across = x * 200 / width;
        let down = y * 200 / height;
        let ring = (across.abs_diff(100).pow(2) + down.abs_diff(80).pow(2)) / 60 % 40;
        let edge = if (x / 90) % 5 == 0 && down > 100 { 50 } else { 0 };
        let channel = |base: u32, shift: u32| {
            let value = base + ring + edge + (state >> shift) % (noise + 1);
            u8::try_from(value.min(255)).unwrap_or(u8::MAX)
        };
        image::Rgb([channel(across, 0), channel(down, 8), channel(200 - across, 16)])
    })
}
