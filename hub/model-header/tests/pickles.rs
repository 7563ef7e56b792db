//! Pickles that are small and mean to take all memory or all time: lists that stand in each other, names
//! without end, the same long list handed to a million calls. Each took seconds or gigabytes once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "support/allocations.rs"]
mod allocations;

use std::io::Cursor;
use std::time::{Duration, Instant};

use allocations::peak_of;
use model_header::{Description, describe};

/// Describes a pickle, which may take this much memory and not long.
#[track_caller]
fn within(bytes: &[u8], mebibytes: u64) -> Description {
    let began = Instant::now();
    let (told, peak) = peak_of(|| describe(&mut Cursor::new(bytes), bytes.len() as u64, "x.pkl").unwrap());
    let took = began.elapsed();
    assert!(peak <= mebibytes << 20, "{} MiB held for {} bytes", peak >> 20, bytes.len());
    assert!(took < Duration::from_secs(20), "{took:?} for {} bytes", bytes.len());
    told
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

/// A tensor of one half, remembered at 1.
fn tensor() -> Vec<u8> {
    let mut bytes = b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    bytes.extend(text("storage"));
    bytes.extend(b"ctorch\nHalfStorage\n");
    bytes.extend([text("0"), text("cpu")].concat());
    bytes.extend(b"K\x01tQK\0(K\x01t(K\x01t\x89NtRq\x01");
    bytes
}

#[test]
fn lists_in_lists_do_not_multiply() {
    // Ten levels of ten times the level below: ten thousand million tensors in a kilobyte.
    let mut bytes = b"\x80\x02".to_vec();
    bytes.extend(tensor());
    for level in 1..11_u8 {
        bytes.extend(b"}(");
        for n in 0..10 {
            bytes.extend(text(&n.to_string()));
            bytes.extend([b'h', level]);
        }
        bytes.extend([b'u', b'q', level + 1]);
    }
    bytes.push(b'.');
    let told = within(&bytes, 4);
    assert_eq!(told.notes, ["It holds more than is looked at."]);
    assert!(told.n_tensors.unwrap() < 1_000);
}

#[test]
fn long_names_do_not_multiply() {
    // A name of 60 kB, in front of a hundred thousand tensors.
    let mut bytes = [&b"\x80\x02"[..], &tensor(), b"0}(", &text(&"n".repeat(60_000)), b"}("].concat();
    for n in 0..100_000_u32 {
        bytes.extend(text(&n.to_string()));
        bytes.extend(b"h\x01");
    }
    bytes.extend(b"uu.");
    within(&bytes, 96);
    // The same name again and again, as a place of its own.
    let mut bytes = [&b"\x80\x02"[..], &text(&"n".repeat(1_000_000)), b"q\x020}("].concat();
    bytes.extend(b"h\x02N".repeat(300_000));
    bytes.extend(b"u.");
    within(&bytes, 96);
}

#[test]
fn a_long_list_is_not_copied_for_every_call() {
    let list = [&b"\x80\x02("[..], &b"N".repeat(1_000_000), b"tq\x010"].concat();
    let call = b"ctorch\nSize\nq\x020".to_vec();
    let calls = b"h\x02h\x01R0".repeat(100_000);
    within(&[list.clone(), call, calls, b"N.".to_vec()].concat(), 256);
    // As what a storage is called.
    within(&[list.clone(), b"h\x01Q0".repeat(100_000), b"N.".to_vec()].concat(), 256);
    // As the shape of tensors.
    let rebuild = [&b"\x80\x02"[..], &tensor(), b"0ctorch._utils\n_rebuild_tensor_v2\nq\x020"].concat();
    let sizes = [&b"("[..], &b"K\x01".repeat(1_000_000), b"tq\x030"].concat();
    let storage =
        [&b"("[..], &text("storage"), b"ctorch\nHalfStorage\n", &text("0"), &text("cpu"), b"K\x01tQq\x040"].concat();
    let tensors = b"h\x02(h\x04K\0h\x03h\x03tR0".repeat(2_000);
    within(&[rebuild, sizes, storage, tensors, b"N.".to_vec()].concat(), 256);
    // As what a dictionary is made of.
    let dictionary = b"ccollections\nOrderedDict\nq\x020".to_vec();
    within(&[list, dictionary, b"h\x02(h\x01tR0".repeat(100_000), b"N.".to_vec()].concat(), 256);
}

#[test]
fn a_long_name_is_not_read_for_every_call() {
    let name = [&b"\x80\x02"[..], &text(&"n".repeat(1_000_000)), b"q\x010"].concat();
    let told = within(&[name.clone(), b"h\x01h\x01\x930".repeat(100_000), b"N.".to_vec()].concat(), 256);
    assert!(told.damage.unwrap().detail.starts_with("May run code when loaded"));
    // As what storages are called, in a file that looks at each once.
    let storage = [&b"("[..], &text("storage"), b"ctorch\nHalfStorage\n"].concat();
    let storages = [&storage[..], b"h\x01NK\x01tQ0"].concat().repeat(20_000);
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    within(&[&magic[..], &name, &storages, b"}.\x80\x02]."].concat(), 256);
}

#[test]
fn as_many_values_as_there_can_be_stay_within_bounds() {
    for part in [&b"]"[..], b"(", b"}q\x01", b"(((t", b")\x94", b"]]a", b"NNN\x87", b"(NNNNNNNNl"] {
        let bytes = [&b"\x80\x02"[..], &part.repeat((4 << 20) / part.len())].concat();
        within(&bytes, 384);
    }
}

#[test]
fn dictionaries_of_nothing_are_not_walked_again_and_again() {
    let nothing = [&b"\x80\x02}("[..], &b"NN".repeat(500_000), b"uq\x010}("].concat();
    let mut bytes = nothing;
    for n in 0..50_000_u32 {
        bytes.extend(text(&n.to_string()));
        bytes.extend(b"h\x01");
    }
    bytes.extend(b"u.");
    assert_eq!(within(&bytes, 256).notes, ["It holds more than is looked at."]);
}
