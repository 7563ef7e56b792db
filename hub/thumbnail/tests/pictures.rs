//! Pictures of every format, and what bombs, cut and changed files do.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "support/pictures.rs"]
mod support;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use proptest::prelude::*;
use support::{encoded, gif_of, jpeg_turned, png_that_says, scene};
use thumbnail::{MAX_FILE_BYTES, MAX_LONGEST_SIDE, Size, ThumbnailError, make, make_each, size_of};

const FORMATS: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];

fn shown(bytes: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).unwrap().into_rgb8()
}

/// Whether two colours are alike after two lossy encoders.
fn is_like(a: Rgb<u8>, b: [u8; 3]) -> bool {
    a.0.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 24)
}

#[test]
fn every_format_becomes_small() {
    let picture = scene(640, 400);
    for format in FORMATS {
        let bytes = encoded(&picture, format);
        assert_eq!(size_of(&bytes).unwrap(), Size { width: 640, height: 400 });
        let small = make(&bytes, 320).unwrap();
        assert_eq!((small.size, small.original), (Size { width: 320, height: 200 }, Size { width: 640, height: 400 }));
        assert_eq!(small.media_type, "image/jpeg");
        let seen = shown(&small.bytes);
        assert_eq!(seen.dimensions(), (320, 200));
        // Left red, right blue.
        assert!(is_like(*seen.get_pixel(40, 100), [220, 30, 30]), "{format:?}: {:?}", seen.get_pixel(40, 100));
        assert!(is_like(*seen.get_pixel(280, 100), [30, 30, 220]), "{format:?}");
    }
}

#[test]
fn small_pictures_keep_their_size_and_sizes_are_bounded() {
    let bytes = encoded(&scene(60, 40), ImageFormat::Png);
    assert_eq!(make(&bytes, 320).unwrap().size, Size { width: 60, height: 40 });
    assert_eq!(make(&bytes, 0).unwrap().size, Size { width: 1, height: 1 });
    let large = encoded(&scene(2_000, 20), ImageFormat::Png);
    assert_eq!(make(&large, u32::MAX).unwrap().size, Size { width: MAX_LONGEST_SIDE, height: 10 });
    let both = make_each(&large, &[320, 768]).unwrap();
    assert_eq!(both, [make(&large, 320).unwrap(), make(&large, 768).unwrap()]);
}

#[test]
fn all_sorts_of_pixels_are_taken() {
    let picture = scene(64, 48);
    for converted in [
        DynamicImage::from(picture.to_luma8()),
        DynamicImage::from(picture.to_luma_alpha8()),
        DynamicImage::from(picture.to_luma16()),
        DynamicImage::from(picture.to_luma_alpha16()),
        DynamicImage::from(picture.to_rgb16()),
        DynamicImage::from(picture.to_rgba8()),
        DynamicImage::from(picture.to_rgba16()),
    ] {
        let small = make(&encoded(&converted, ImageFormat::Png), 32).unwrap();
        assert_eq!(shown(&small.bytes).dimensions(), (32, 24), "{:?}", converted.color());
    }
}

#[test]
fn what_can_be_seen_through_lies_on_grey() {
    let mut picture = scene(64, 64).to_rgba8();
    picture.pixels_mut().for_each(|pixel| pixel.0 = [255, 0, 0, 0]);
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let seen = shown(&make(&encoded(&picture.clone().into(), format), 32).unwrap().bytes);
        assert!(is_like(*seen.get_pixel(16, 16), [128, 128, 128]));
    }
}

#[test]
fn a_picture_stands_as_the_camera_held_it() {
    let bytes = jpeg_turned(&scene(64, 32), 6);
    assert_eq!(size_of(&bytes).unwrap(), Size { width: 32, height: 64 });
    let small = make(&bytes, 32).unwrap();
    assert_eq!((small.size, small.original), (Size { width: 16, height: 32 }, Size { width: 32, height: 64 }));
    // A quarter clockwise: what was left is above.
    let seen = shown(&small.bytes);
    assert!(is_like(*seen.get_pixel(8, 4), [220, 30, 30]) && is_like(*seen.get_pixel(8, 28), [30, 30, 220]));
    let broken = jpeg_turned(&scene(64, 32), 99);
    assert_eq!(size_of(&broken).unwrap(), Size { width: 64, height: 32 });
}

#[test]
fn a_moving_picture_shows_its_first_frame() {
    let mut second = scene(40, 40);
    second.invert();
    let seen = shown(&make(&gif_of(&[scene(40, 40), second]), 40).unwrap().bytes);
    assert!(is_like(*seen.get_pixel(4, 20), [220, 30, 30]));
}

#[test]
fn bombs_are_refused_before_they_are_decoded() {
    for (width, height) in [(60_000, 60_000), (8_193, 1), (1, u32::MAX >> 1), (8_192, 8_192)] {
        let said = make(&png_that_says(&scene(8, 8), width, height), 320).unwrap_err();
        assert!(matches!(said, ThumbnailError::TooManyPixels { .. }), "{said}");
    }
    let said = make(&png_that_says(&scene(8, 8), 60_000, 60_000), 320).unwrap_err().to_string();
    assert_eq!(
        said,
        "The picture says to be 60000 × 60000 pixels; at most 8192 a side and 64 million in all are decoded."
    );
    // It says more than is there, and less.
    let liar = png_that_says(&scene(8, 8), 4_000, 4_000);
    assert_eq!(size_of(&liar).unwrap(), Size { width: 4_000, height: 4_000 });
    assert!(matches!(make(&liar, 320).unwrap_err(), ThumbnailError::Damaged { format: "PNG", .. }));
    let _either = make(&png_that_says(&scene(2_000, 2_000), 8, 8), 320);
    let nothing = make(&png_that_says(&scene(8, 8), 0, 8), 320).unwrap_err();
    assert!(matches!(nothing, ThumbnailError::Damaged { .. }), "{nothing}");
}

#[test]
fn pictures_that_need_too_much_memory_are_refused() {
    // 16 bits a channel.
    let deep = DynamicImage::from(scene(8, 8).to_rgba16());
    let said = make(&png_that_says(&deep, 8_000, 8_000), 320).unwrap_err();
    assert!(matches!(said, ThumbnailError::TooMuchMemory { .. }), "{said}");
    assert!(said.to_string().contains("would need 521 MiB of memory; at most 320 MiB"), "{said}");
    let mut large = encoded(&scene(8, 8), ImageFormat::Png);
    large.resize(usize::try_from(MAX_FILE_BYTES).unwrap() + 1, 0);
    let said = make(&large, 320).unwrap_err().to_string();
    assert_eq!(said, "The picture is a file of 65 MiB; at most 64 MiB are read.");
}

#[test]
fn cut_files_are_damaged() {
    for format in FORMATS {
        let bytes = encoded(&scene(200, 200), format);
        for part in 1..20 {
            let cut = bytes.get(..bytes.len() * part / 20).unwrap();
            let made = make(cut, 100);
            let may_be_shown = format == ImageFormat::Jpeg || part == 19;
            assert!(may_be_shown || made.is_err(), "{format:?} {part}");
        }
    }
    let png = encoded(&scene(200, 200), ImageFormat::Png);
    let said = make(png.get(..png.len() / 2).unwrap(), 100).unwrap_err().to_string();
    assert_eq!(said, "The PNG picture is damaged: it ends early.");
}

#[test]
fn what_is_no_picture_is_refused() {
    for bytes in [&b""[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0\0\0\x20ftypavif\0\0\0\0", b"hello"] {
        assert!(make(bytes, 320).is_err() && size_of(bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_changed_file_makes_it_fail(
        format in prop::sample::select(FORMATS.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = encoded(&scene(48, 40), format);
        for (at, byte) in changes {
            let at = at.index(bytes.len().min(600));
            *bytes.get_mut(at).unwrap() = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()).max(1));
        }
        let gave_up = |error: Option<ThumbnailError>| error == Some(ThumbnailError::GaveUp);
        prop_assert!(!gave_up(size_of(&bytes).err()), "a decoder panicked");
        prop_assert!(!gave_up(make(&bytes, 32).err()), "a decoder panicked");
    }

    #[test]
    fn no_bytes_make_it_fail(start in prop::sample::select(vec![
        &b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"RIFF\xff\0\0\0WEBPVP8 ", b"RIFF\xff\0\0\0WEBPVP8L", b"GIF89a", b"",
    ]), rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [start, rest.as_slice()].concat();
        prop_assert_ne!(make(&bytes, 32).err(), Some(ThumbnailError::GaveUp));
    }
}
