//! Why there is no small picture, in sentences for people.

use crate::Size;

/// Why a picture can't be made small. The texts are shown to people as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThumbnailError {
    /// There are no bytes.
    #[error("The picture is empty.")]
    Empty,
    /// The file is larger than pictures may be.
    #[error("The picture is a file of {} MiB; at most {} MiB are read.", .bytes.div_ceil(1 << 20), .limit >> 20)]
    FileTooLarge {
        /// Its bytes.
        bytes: u64,
        /// The bytes that are allowed.
        limit: u64,
    },
    /// It is something else than a picture that is decoded here.
    #[error("This is {what}. Previews are PNG, JPEG, WebP or GIF.")]
    WrongFormat {
        /// What it is, with its article.
        what: &'static str,
    },
    /// It says to have more pixels than are decoded.
    #[error("The picture says to be {} × {} pixels; at most {side} a side and {megapixels} million in all are decoded.", .size.width, .size.height)]
    TooManyPixels {
        /// What it says.
        size: Size,
        /// The pixels of a side that are allowed.
        side: u32,
        /// Millions of pixels that are allowed.
        megapixels: u64,
    },
    /// Decoding it takes more memory than is given to a picture.
    #[error("The picture of {} × {} pixels would need {} MiB of memory; at most {} MiB are used.", .size.width, .size.height, .needed.div_ceil(1 << 20), .limit >> 20)]
    TooMuchMemory {
        /// Its size.
        size: Size,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// Its decoder met what it was not written for.
    #[error("The picture is damaged: its decoder gave up.")]
    GaveUp,
    /// It is not as its format says.
    #[error("The {format} picture is damaged: {reason}.")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The small picture could not be written.
    #[error("The small picture can't be written: {reason}.")]
    Writing {
        /// What the encoder says.
        reason: String,
    },
}
