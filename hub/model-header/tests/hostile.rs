//! Files as an enemy or a broken disk makes them: nothing panics, nothing reads or keeps more than a file has
//! room for, and what is told does not depend on the order in which a header lists its tensors.
//! `PROPTEST_CASES` makes it try more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may unwrap and fail")]

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/formats.rs"]
mod formats;
#[path = "support/header.rs"]
mod header;

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use model_header::{Base, DamageCode, Description, Kind, Ranged, describe, describe_ranges, read_thumbnail};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["x.safetensors", "x.gguf", "x.ckpt", "x.onnx", "x"];

const LORA: [(&str, &[u64]); 3] = [
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight", &[4, 768]),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight", &[1280, 4]),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.alpha", &[]),
];

/// Counts what is read.
struct Counting {
    file: Cursor<Vec<u8>>,
    n_read: u64,
    n_calls: u64,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.n_read += n as u64;
        self.n_calls += 1;
        Ok(n)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn tell(bytes: &[u8], name: &str) -> Description {
    describe(&mut Cursor::new(bytes), bytes.len() as u64, name).unwrap()
}

/// One good file of each format.
fn good() -> Vec<(Vec<u8>, &'static str)> {
    let metadata = serde_json::json!({"ss_tag_frequency": "{\"a\":{\"b\":1}}", "modelspec.thumbnail": "data:image/png;base64,iVBORw=="});
    vec![
        (header::file(&LORA, "F16", Some(metadata)), "x.safetensors"),
        (formats::gguf("flux", &LORA), "x.gguf"),
        (formats::torch_zip(&LORA, None), "x.ckpt"),
        (formats::torch_legacy(&LORA, None), "x.pt"),
        (formats::pickle(&LORA, None, false), "x.bin"),
        (formats::onnx(&LORA, 2), "x.onnx"),
    ]
}

#[test]
fn good_files_of_all_formats_are_told_alike() {
    for (bytes, name) in good() {
        let told = tell(&bytes, name);
        assert_eq!((told.damage, told.kind, told.n_tensors), (None, Kind::Lora, Some(3)), "{name}");
        assert_eq!((told.base.map(Base::id), told.n_parameters), (Some("sd15"), Some(8_192)), "{name}");
    }
}

#[test]
fn what_may_run_code_is_named() {
    for bytes in
        [formats::torch_zip(&LORA, Some(("os", "system"))), formats::torch_legacy(&LORA, Some(("os", "system")))]
    {
        let told = tell(&bytes, "x.pt");
        let damage = told.damage.unwrap();
        assert_eq!(damage.code, DamageCode::DangerousPickle);
        assert!(damage.detail.contains("os.system"), "{}", damage.detail);
        assert_eq!((told.kind, told.library_opens), (Kind::Lora, false));
    }
}

#[test]
fn cut_files_are_told() {
    for (bytes, name) in good() {
        for length in [bytes.len() / 3, bytes.len() - 40] {
            let told = tell(&bytes[..length], name);
            assert!(told.damage.is_some() && !told.library_opens, "{name} cut to {length}: {told:?}");
        }
    }
}

#[test]
fn a_graph_of_pictures_makes_them_larger() {
    let told = tell(&formats::onnx(&[("w", &[8, 3, 3, 3])], 4), "x.onnx");
    assert_eq!((told.kind, told.variant.as_deref()), (Kind::Upscaler, Some("4x")));
}

#[test]
fn parts_of_a_file_tell_the_same() {
    for (bytes, name) in good() {
        let whole = tell(&bytes, name);
        let mut ranges: Vec<(u64, Vec<u8>)> = Vec::new();
        for _ in 0..10 {
            let parts: Vec<(u64, &[u8])> = ranges.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
            match describe_ranges(&parts, bytes.len() as u64, name) {
                Ranged::Done(told) => {
                    assert_eq!(*told, whole);
                    ranges.clear();
                    break;
                }
                Ranged::Needs(range) => {
                    let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
                    ranges.push((range.start, bytes[from..to].to_vec()));
                }
            }
        }
        assert!(ranges.is_empty(), "{name} asked for more and more");
    }
}

#[test]
fn a_shape_of_a_million_numbers_is_not_kept() {
    let entry = |dims: &str| format!("{{\"x\":{{\"dtype\":\"F16\",\"shape\":[{dims}2],\"data_offsets\":[0,4]}}}}");
    for (header, code) in [
        (entry(&"1,".repeat(1_000_000)), None),
        (entry(&"2,".repeat(1_000_000)), Some(DamageCode::ShapeOverflow)),
        (entry(&" 1 , ".repeat(1_000_000)), None),
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        let (told, peak) = allocations::peak_of(|| tell(&bytes, "x.safetensors"));
        assert_eq!((told.damage.map(|damage| damage.code), told.n_tensors), (code, Some(1)));
        assert!(peak < 3 * header.len() as u64, "{peak} bytes held for {}", header.len());
    }
}

/// The same file with its JSON spread over lines, which the fast reader does not take.
fn spread(file: &[u8]) -> Vec<u8> {
    let length = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let header = serde_json::to_vec_pretty(&value).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &file[8 + length..]].concat()
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}(\\.[a-z0-9]{1,4}){0,4}",
        Just("double_blocks.0.img_attn.norm.key_norm.scale".to_owned()),
        Just("img_in.weight".to_owned()),
        Just("model.diffusion_model.input_blocks.0.0.weight".to_owned()),
        Just("x.lora_down.weight".to_owned()),
        Just("first_stage_model.decoder.conv_in.weight".to_owned()),
    ]
}

/// Names that facts are told by, and others.
fn metadata_names() -> impl Strategy<Value = String> {
    let known = [
        "modelspec.title",
        "ss_output_name",
        "name",
        "modelspec.author",
        "author",
        "modelspec.license",
        "modelspec.architecture",
        "ss_base_model_version",
        "ss_sd_model_name",
        "ss_network_dim",
        "ss_network_alpha",
        "ss_network_module",
        "trigger_words",
        "modelspec.trigger_phrase",
        "ss_tag_frequency",
        "modelspec.thumbnail",
        "ssmd_cover_images",
        "ss_resolution",
        "sshs_model_hash",
        "repo_id",
        "source_url",
        "format",
        "merged_from",
        "modelspec.merged_from",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[a-z_.]{1,12}"]
}

fn metadata_values() -> impl Strategy<Value = String> {
    let known = [
        "sdxl_base_v1-0",
        "stable-diffusion-v1/lora",
        "flux1",
        "ponyDiffusionV6XL.safetensors",
        "illustriousXL_v01",
        "noobaiXLNAIXL_vPred10Version",
        "16",
        "None",
        "{\"a\":{\"ohwx\":12,\"x\":12}}",
        "data:image/png;base64,iVBORw==",
        "[\"iVBORw==\"]",
        "networks.lora",
        "ohwx person",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,20}"]
}

fn shuffle<T>(listed: &mut [T], seed: u64) {
    let mut state = seed | 1;
    listed.sort_by_cached_key(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    });
}

proptest! {
    #[test]
    fn any_bytes_are_described(bytes in prop::collection::vec(any::<u8>(), 0..600), name in prop::sample::select(&NAMES[..])) {
        tell(&bytes, name);
        drop(read_thumbnail(&mut Cursor::new(&bytes), bytes.len() as u64, 1_000));
    }

    #[test]
    fn any_header_of_a_fitting_length_is_described(text in "\\PC{0,200}") {
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &[0; 40]].concat();
        tell(&bytes, "x.safetensors");
    }

    #[test]
    fn changed_files_are_described(
        which in 0_usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
        name in prop::sample::select(&NAMES[..]),
    ) {
        let (mut bytes, own_name) = good().swap_remove(which);
        // What matters stands at the beginning, and in archives at the end.
        let reach = bytes.len().min(2_000);
        for (at, byte) in changes {
            let at = at.index(reach);
            let at = if byte % 3 == 0 { bytes.len() - 1 - at } else { at };
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for name in [own_name, name] {
            let mut file = Counting { file: Cursor::new(bytes.clone()), n_read: 0, n_calls: 0 };
            let told = describe(&mut file, bytes.len() as u64, name).unwrap();
            prop_assert!(file.n_read <= 4 * bytes.len() as u64 + 65_536, "{} of {} read", file.n_read, bytes.len());
            prop_assert!(file.n_calls < 200);
            prop_assert_eq!(told.damage.is_none(), told.state == model_header::State::Ok);
        }
    }

    #[test]
    fn the_order_of_metadata_tells_nothing(
        entries in prop::collection::btree_map(metadata_names(), metadata_values(), 0..12),
        order in any::<u64>(),
        is_behind: bool,
    ) {
        let mut listed: Vec<(String, String)> = entries.into_iter().collect();
        let told = |listed: &[(String, String)], is_behind: bool| {
            let text = |text: &String| serde_json::to_string(text).unwrap();
            let entries: Vec<String> = listed.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
            let tensors: Vec<String> = LORA.iter().scan(0, |end, (name, shape)| {
                let begin = *end;
                *end += shape.iter().product::<u64>() * 2;
                Some(format!("\"{name}\":{{\"dtype\":\"F16\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"))
            }).collect();
            let mut parts = [format!("\"__metadata__\":{{{}}}", entries.join(",")), tensors.join(",")];
            if is_behind {
                parts.reverse();
            }
            let header = format!("{{{}}}", parts.join(","));
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; 2 * 8_192 + 2]].concat();
            let mut told = tell(&bytes, "x.safetensors");
            told.metadata.sort_by(|a, b| a.key.cmp(&b.key));
            told
        };
        let first = told(&listed, false);
        prop_assert_eq!(&first.damage, &None);
        shuffle(&mut listed, order);
        prop_assert_eq!(told(&listed, is_behind), first);
    }

    #[test]
    fn the_order_of_tensors_tells_nothing(
        tensors in prop::collection::btree_map(names(), prop::collection::vec(1_u64..5, 0..4), 1..20),
        seed in any::<u64>(),
    ) {
        let mut listed: Vec<(String, Vec<u64>)> = tensors.into_iter().collect();
        let told = |listed: &[(String, Vec<u64>)]| {
            let borrowed: Vec<(&str, &[u64])> = listed.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
            // A map of JSON keeps its keys in order: the header is put together by hand.
            let mut end = 0;
            let entries: Vec<String> = borrowed.iter().map(|(name, shape)| {
                let bytes = shape.iter().product::<u64>() * 2;
                end += bytes;
                format!("\"{name}\":{{\"dtype\":\"F16\",\"shape\":{shape:?},\"data_offsets\":[{},{end}]}}", end - bytes).replace(", ", ",")
            }).collect();
            let header = format!("{{{}}}", entries.join(","));
            let data = vec![0; usize::try_from(end).unwrap()];
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
        };
        let first = told(&listed);
        // Headers of other lengths make files of other sizes, and tell nothing else.
        let but_its_size = |file: &[u8]| {
            let mut found = tell(file, "x.safetensors");
            assert_eq!(found.expected_bytes.take(), Some(file.len() as u64));
            found
        };
        let by_first = but_its_size(&first);
        prop_assert_eq!(&by_first.damage, &None);
        prop_assert_eq!(&but_its_size(&spread(&first)), &by_first);
        shuffle(&mut listed, seed);
        prop_assert_eq!(&but_its_size(&told(&listed)), &by_first);
    }
}
