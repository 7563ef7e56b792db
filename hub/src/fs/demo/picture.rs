//! Preview pictures: PNG files of a colour gradient with a disc, each seed in its own colours.
//!
//! The compressed part is stored, not deflated (RFC 1951, 3.2.4): that needs no library, and one
//! byte a pixel keeps it small.

const WIDTH: u32 = 192;
const HEIGHT: u32 = 256;

/// The picture of a seed.
pub(super) fn png(seed: u64) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&WIDTH.to_be_bytes());
    header.extend_from_slice(&HEIGHT.to_be_bytes());
    // 8 bits, palette, the only compression, filter and interlace that matter here.
    header.extend_from_slice(&[8, 3, 0, 0, 0]);

    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    append_chunk(&mut bytes, *b"IHDR", &header);
    append_chunk(&mut bytes, *b"PLTE", &palette(seed));
    append_chunk(&mut bytes, *b"IDAT", &stored(&pixels(seed)));
    append_chunk(&mut bytes, *b"IEND", &[]);
    bytes
}

/// 256 colours from one hue of the seed to another.
fn palette(seed: u64) -> Vec<u8> {
    let channel = |shift: u32| u8::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift & 0xff).unwrap_or(0);
    let (from, to) = ([channel(8), channel(16), channel(24)], [channel(32), channel(40), channel(48)]);
    let mut colours = Vec::with_capacity(768);
    for step in 0..=255_u32 {
        for (from, to) in from.iter().zip(&to) {
            let mixed = (u32::from(*from) * (255 - step) + u32::from(*to) * step) / 255;
            colours.push(u8::try_from(mixed).unwrap_or(0));
        }
    }
    colours
}

/// Rows of palette numbers, each behind its filter byte.
fn pixels(seed: u64) -> Vec<u8> {
    let (centre_x, centre_y) =
        (48 + u32::try_from(seed % 96).unwrap_or(0), 64 + u32::try_from(seed % 128).unwrap_or(0));
    let mut rows = Vec::new();
    for y in 0..HEIGHT {
        rows.push(0);
        for x in 0..WIDTH {
            let inside = x.abs_diff(centre_x).pow(2) + y.abs_diff(centre_y).pow(2) < 48 * 48;
            let slope = (x + y) * 255 / (WIDTH + HEIGHT);
            rows.push(u8::try_from(if inside { 255 - slope } else { slope }).unwrap_or(0));
        }
    }
    rows
}

/// The data in zlib's frame, in stored blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(0);
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    bytes.extend_from_slice(&adler32(data).to_be_bytes());
    bytes
}

fn append_chunk(bytes: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    let mut checked = name.to_vec();
    checked.extend_from_slice(data);
    bytes.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(&checked);
    bytes.extend_from_slice(&crc32(&checked).to_be_bytes());
}

fn adler32(data: &[u8]) -> u32 {
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn a_picture_has_its_rows_and_is_of_its_seed() {
        let rows = pixels(1);
        assert_eq!(rows.len(), ((WIDTH + 1) * HEIGHT) as usize);
        let picture = png(1);
        assert!(picture.starts_with(b"\x89PNG") && picture.ends_with(b"IEND\xae\x42\x60\x82"));
        assert!(picture.len() < 64 << 10);
        assert_ne!(picture, png(2));
    }
}
