//! From pixels to a small JPEG: transparency out, fewer pixels, turned, encoded.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder};

use crate::decode::Picture;
use crate::{MAX_LONGEST_SIDE, Size, Thumbnail, ThumbnailError};

/// What is seen through a picture: grey goes with light and dark pages.
const GROUND: u8 = 128;

/// Below 90 the encoder halves the colours in both directions, as the eye does.
const QUALITY: u8 = 80;

/// Makes a small picture, at most so long. A picture that is smaller stays as large as it is.
pub(crate) fn shrink(picture: &Picture, longest_side: u32) -> Result<Thumbnail, ThumbnailError> {
    let (width, height) = fitting(picture.pixels.width(), picture.pixels.height(), longest_side);
    let mut small = DynamicImage::new(width, height, picture.pixels.color());
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
    Resizer::new().resize(&picture.pixels, &mut small, &how).map_err(|error| writing(&error))?;
    small.apply_orientation(picture.orientation);
    let small = small.into_rgb8();
    let size = Size { width: small.width(), height: small.height() };
    Ok(Thumbnail { bytes: jpeg(&small)?, media_type: "image/jpeg", size, original: picture.size })
}

/// Puts a picture on its ground, so that no colour of what can't be seen runs into what can.
pub(crate) fn lay_on_ground(pixels: &mut DynamicImage) {
    match pixels {
        DynamicImage::ImageLumaA8(image) => blend8(image, 2),
        DynamicImage::ImageRgba8(image) => blend8(image, 4),
        DynamicImage::ImageLumaA16(image) => blend16(image, 2),
        DynamicImage::ImageRgba16(image) => blend16(image, 4),
        _ => {}
    }
}

fn blend8(samples: &mut [u8], channels: usize) {
    for pixel in samples.chunks_exact_mut(channels) {
        let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
        if *alpha == u8::MAX {
            continue;
        }
        let seen = u32::from(*alpha);
        for colour in colours {
            let mixed = (u32::from(*colour) * seen + u32::from(GROUND) * (255 - seen) + 127) / 255;
            *colour = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        *alpha = u8::MAX;
    }
}

fn blend16(samples: &mut [u16], channels: usize) {
    let ground = u64::from(GROUND) * 257;
    for pixel in samples.chunks_exact_mut(channels) {
        let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
        let seen = u64::from(*alpha);
        for colour in colours {
            let mixed = (u64::from(*colour) * seen + ground * (65_535 - seen) + 32_767) / 65_535;
            *colour = u16::try_from(mixed).unwrap_or(u16::MAX);
        }
        *alpha = u16::MAX;
    }
}

/// The largest size of the same shape whose longest side is within the bound.
fn fitting(width: u32, height: u32, longest_side: u32) -> (u32, u32) {
    let longest = width.max(height);
    let bound = longest_side.min(MAX_LONGEST_SIDE).clamp(1, longest.max(1));
    let part = |side: u32| {
        let rounded = (u64::from(side) * u64::from(bound) + u64::from(longest) / 2) / u64::from(longest.max(1));
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    };
    (part(width), part(height))
}

fn jpeg(picture: &RgbImage) -> Result<Vec<u8>, ThumbnailError> {
    let side = |side: u32| u16::try_from(side).map_err(|error| writing(&error));
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    let mut bytes = Vec::new();
    let encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.encode(picture, width, height, ColorType::Rgb).map_err(|error| writing(&error))?;
    Ok(bytes)
}

fn writing(error: &dyn std::error::Error) -> ThumbnailError {
    ThumbnailError::Writing { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_stays() {
        assert_eq!(fitting(1_000, 500, 320), (320, 160));
        assert_eq!(fitting(500, 1_000, 320), (160, 320));
        assert_eq!(fitting(100, 50, 320), (100, 50));
        assert_eq!(fitting(8_192, 1, 320), (320, 1));
        assert_eq!(fitting(8_192, 8_192, 0), (1, 1));
        assert_eq!(fitting(1, 1, u32::MAX), (1, 1));
    }

    #[test]
    fn what_is_transparent_shows_the_ground() {
        let mut samples = [255, 0, 0, 0, 255, 0, 0, 255, 255, 1, 0, 128];
        blend8(&mut samples, 4);
        assert_eq!(samples, [128, 128, 128, 255, 255, 0, 0, 255, 192, 64, 64, 255]);
        let mut samples = [65_535, 0, 65_535, 65_535];
        blend16(&mut samples, 2);
        assert_eq!(samples, [32_896, 65_535, 65_535, 65_535]);
    }
}
