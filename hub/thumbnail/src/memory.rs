//! What decoding a picture takes at most, told from its header before anything is allocated.
//!
//! The decoders' own limits count the finished picture, not what they work with: a progressive JPEG
//! keeps all its coefficients, WebP its planes. Each number is the need of the largest
//! pictures, measured and rounded up.

use crate::content::Content;

/// Bytes that making one picture small may take, the file itself among them.
pub(crate) const MAX_MEMORY: u64 = 320 << 20;

/// Bytes that the parts of a PNG besides its pixels may take: profiles and texts, unpacked.
pub(crate) const MAX_PNG_PARTS: u64 = 32 << 20;

/// What making it smaller takes besides: rows of the longest side, as high as the picture.
const SHRINKING: u64 = 32 << 20;

/// What is known of a picture before it is decoded.
pub(crate) struct Header {
    pub(crate) content: Content,
    pub(crate) pixels: u64,
    /// Bytes of the decoded picture.
    pub(crate) decoded: u64,
}

/// Bytes that decoding takes, those of the file included.
pub(crate) fn needed(bytes: &[u8], header: &Header) -> u64 {
    let file = bytes.len() as u64;
    let work = match header.content {
        Content::Png => MAX_PNG_PARTS,
        // The decoder copies the file. Coefficients are 16 bits.
        Content::Jpeg => file + keeps_coefficients(bytes).map_or(0, |components| header.pixels * 2 * components),
        Content::WebP => header.pixels.max(largest_frame(bytes)) * webp_work(bytes, header),
        // A frame that stands elsewhere than the picture is decoded by itself.
        Content::Gif => header.pixels * 4,
    };
    [file, header.decoded, work.max(SHRINKING)].into_iter().fold(0, u64::saturating_add)
}

/// Bytes of work for each pixel of a WebP. Lossless ones are decoded with a fourth channel first, lossy ones
/// have planes beside them and, where they can be seen through, their transparency as a picture of its own.
/// A frame of a moving one is decoded by itself before it is laid on the picture.
fn webp_work(bytes: &[u8], header: &Header) -> u64 {
    let is_moving = bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0);
    match header.decoded / header.pixels.max(1) {
        _ if is_moving => 16,
        4.. => 8,
        _ => 5,
    }
}

/// The pixels of the largest lossy frame of a WebP. Its planes are allocated before its size is compared
/// with that of the picture, so that a small picture could hold a huge frame.
fn largest_frame(bytes: &[u8]) -> u64 {
    let side = |low: u8, high: u8| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let frame = |window: &[u8]| match *window {
        [b'V', b'P', b'8', b' ', _, _, _, _, _, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] => side(w0, w1) * side(h0, h1),
        _ => 0,
    };
    bytes.windows(18).map(frame).max().unwrap_or(0)
}

/// The components of a JPEG whose coefficients have to be kept until the last scan: a progressive one,
/// or one whose components come in scans of their own.
fn keeps_coefficients(bytes: &[u8]) -> Option<u64> {
    let mut rest = bytes.get(2..)?;
    let mut frame = None;
    loop {
        let &[first, marker, ref after @ ..] = rest else { return None };
        if first != 0xff || marker == 0xff {
            rest = rest.get(1..)?;
            continue;
        }
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            rest = after;
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        match marker {
            // Start of frame; those left out are tables and what is reserved.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let components = *after.get(7)?;
                if matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce) {
                    return Some(u64::from(components));
                }
                frame = Some(components);
            }
            0xda => {
                let components = frame?;
                return (*after.get(2)? < components).then_some(u64::from(components));
            }
            0xd9 => return None,
            _ => {}
        }
        rest = after.get(length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(frame: u8, scan_components: u8) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\0\x04ab".to_vec();
        bytes.extend([0xff, frame, 0, 17, 8, 0, 16, 0, 16, 3]);
        bytes.extend([0; 9]);
        bytes.extend([0xff, 0xda, 0, 12, scan_components]);
        bytes
    }

    #[test]
    fn a_frame_may_be_larger_than_its_picture() {
        let frame = b"RIFFxxxxWEBPVP8 \x10\0\0\0\0\0\0\x9d\x01\x2a\xff\xff\xff\x3f";
        assert_eq!(largest_frame(frame), 16_383 * 16_383);
        assert_eq!(largest_frame(b"VP8 "), 0);
    }

    #[test]
    fn progressive_pictures_keep_their_coefficients() {
        assert_eq!(keeps_coefficients(&jpeg(0xc2, 3)), Some(3));
        assert_eq!(keeps_coefficients(&jpeg(0xc0, 3)), None);
        assert_eq!(keeps_coefficients(&jpeg(0xc0, 1)), Some(3));
        for odd in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda", b"\xff\xd8\xff\xff\xff\xff"] {
            assert_eq!(keeps_coefficients(odd), None);
        }
    }
}
