//! Answers, notes and lists, changed at random, as `hub/model-header/tests/mutated.rs` does it with models.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "../../model-header/tests/support/allocations.rs"]
mod allocations;
#[path = "support/answers.rs"]
mod answers;
#[path = "../../model-header/tests/support/changes.rs"]
mod changes;

use answers::{COMMIT, ok, ours};
use changes::{apply, changes, hold};
use lookups::finders::{
    CivArchive, CivitaiDetails, CivitaiHash, CivitaiIds, CivitaiModel, CivitaiVersion, HuggingFacePaths,
    HuggingFaceTree, ManagerList, ModelScopeList,
};
use lookups::hints::{desktop_metadata, from_workflow_models, is_deleted_on_civitai, local_dir_metadata};
use lookups::{Address, Admission, Answer, Ask, Content, Finder, Found, Hint, RepoKind, Sites, admit, file_name_from};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use shared_protocol::{Allowed, RelPath, SourceUrl};

/// Each question with a good answer to it.
fn asked() -> Vec<(Ask, Vec<u8>)> {
    let version = answers::civitai_version(1, "2023-01-01T00:00:00.000Z");
    let (hashes, hash) = (vec![ours()], ours());
    let (kind, repo, revision) = (RepoKind::Model, "a/b".to_owned(), "main".to_owned());
    let paths = vec!["d/x.safetensors".to_owned(), "config.json".to_owned()];
    let hugging_face = answers::hugging_face();
    let all = [
        (Ask::CivitaiIds(CivitaiIds { hashes: hashes.clone() }), answers::civitai_ids()),
        (Ask::CivitaiDetails(CivitaiDetails { hashes }), json!([version, version])),
        (Ask::CivitaiHash(CivitaiHash::Sha256(hash)), version.clone()),
        (Ask::CivitaiVersion(CivitaiVersion { version_id: 1, file_id: None }), version),
        (Ask::CivitaiModel(CivitaiModel { model_id: 4_384 }), answers::civitai_model()),
        (Ask::CivArchive(CivArchive { hash }), answers::civarchive()),
        (
            Ask::HuggingFacePaths(HuggingFacePaths {
                kind,
                repo: repo.clone(),
                revision: revision.clone(),
                paths: paths.clone(),
            }),
            hugging_face.clone(),
        ),
        (Ask::HuggingFaceTree(HuggingFaceTree { kind, repo: repo.clone(), revision: revision.clone() }), hugging_face),
        (Ask::ModelScopeList(ModelScopeList { repo, revision, paths }), answers::modelscope()),
        (Ask::ManagerList(ManagerList { names: Vec::new() }), answers::manager_list()),
    ];
    all.into_iter().map(|(ask, body): (Ask, Value)| (ask, body.to_string().into_bytes())).collect()
}

const WORDS: [&[u8]; 12] = [
    b"null,",
    b"\"SHA256\":",
    b"\"hashes\":{",
    b"\"lfs\":{\"oid\":7},",
    b"\\ud800",
    b"1e400",
    b"-1",
    b"\"files\":[",
    b"\xff",
    b"../../",
    b"\xe2\x80\xae",
    b"\"url\":\"https://a:b@c/\",",
];

/// What has to hold of every answer, whatever is in it.
fn is_found_sound(ask: &Ask, found: &Found, sites: &Sites) -> Result<(), String> {
    for claim in &found.claims {
        let is_url_fine = SourceUrl::parse(claim.url.as_str(), Allowed::PublicOnly).is_ok();
        let is_name_fine = claim.file_name.as_ref().is_none_or(|name| {
            RelPath::parse(name).is_ok() && !name.contains('/') && file_name_from(name).as_ref() == Some(name)
        });
        if !is_url_fine || !is_name_fine {
            return Err(format!("an address or a name that may not be used: {claim:?}"));
        }
        let size_bytes = claim.size_bytes.unwrap_or(1);
        let content = Content { blake3: None, sha256: Some(ours()), size_bytes };
        let is_proved = claim.sha256 == Some(ours());
        match admit(&content, claim, None) {
            Ok(entry) if entry.admission() == Admission::Public && is_proved => {}
            Ok(entry) => return Err(format!("it got in without proof: {entry:?}")),
            Err(_) => {}
        }
    }
    let is_of_site = |url: &str| Address::parse(url, sites).is_ok();
    if !found.claims.iter().all(|claim| is_of_site(claim.url.as_str())) {
        return Err("an address that is not read again".to_owned());
    }
    let asked = match ask {
        Ask::CivitaiIds(CivitaiIds { hashes }) | Ask::CivitaiDetails(CivitaiDetails { hashes }) => hashes.len(),
        Ask::CivArchive(_) | Ask::CivitaiHash(_) => 1,
        _ => 0,
    };
    if found.known.len() + found.unknown.len() == asked { Ok(()) } else { Err("a digest was lost".to_owned()) }
}

#[test]
fn answers_of_sites() {
    let (seeds, sites) = (asked(), Sites::public());
    for (ask, body) in &seeds {
        let answer = Answer { body: body.clone(), ..ok(&Value::Null) };
        let found = ask.read(&answer, &sites).unwrap();
        assert!(!found.claims.is_empty() || !found.known.is_empty(), "{ask:?}");
    }
    let what = (any::<Index>(), any::<Index>(), changes());
    hold(&what, |(which, other, changes)| {
        let (ask, mut body) = which.get(&seeds).clone();
        apply(&mut body, &changes, &other.get(&seeds).1, &WORDS);
        let length = body.len() as u64;
        let answer = Answer { body, ..ok(&Value::Null) };
        let (found, peak) = allocations::peak_of(|| ask.read(&answer, &sites));
        if peak > (1 << 18) + 96 * length {
            return Err(format!("{peak} bytes held for {length}"));
        }
        match found {
            Ok(found) => is_found_sound(&ask, &found, &sites),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn large_answers_are_held_to_bounds() {
    let sites = Sites::public();
    let many = |entry: &str, n: usize| format!("[{}]", vec![entry; n].join(",")).into_bytes();
    let hostile: Vec<Vec<u8>> = vec![
        many("0", 40_000),
        many("0", 1_000_000),
        many("{}", 400_000),
        many("[[[[[[[[]]]]]]]]", 100_000),
        many("{\"hash\":\"x\"}", 49_000),
        many("{\"id\":1,\"files\":[0,0,0,0,0,0,0,0,0]}", 1_900),
        format!("[{{\"id\":1,\"files\":[{}]}}]", vec!["{\"id\":1}"; 200_000].join(",")).into_bytes(),
        format!(
            "{{\"models\":{}}}",
            String::from_utf8(many("{\"filename\":\"x\",\"url\":\"https://a.example/\"}", 19_000)).unwrap()
        )
        .into_bytes(),
        format!("{{\"Data\":{{\"Files\":{}}}}}", String::from_utf8(many("{\"Path\":\"x\"}", 19_000)).unwrap())
            .into_bytes(),
        format!("[{{\"path\":\"{}\"}}]", "x/".repeat(1_000_000)).into_bytes(),
        format!("\"{}\"", "\\u0041".repeat(500_000)).into_bytes(),
    ];
    for (ask, _) in asked() {
        for body in &hostile {
            let answer = Answer { body: body.clone(), ..ok(&Value::Null) };
            let ((), peak) = allocations::peak_of(|| drop(ask.read(&answer, &sites)));
            let most = (1 << 18) + 40 * body.len() as u64;
            assert!(peak <= most, "{peak} bytes held for {} of {ask:?}", body.len());
        }
    }
}

#[test]
fn notes_on_this_disk() {
    let digest = ours().to_hex();
    let desktop = json!({"url": "https://huggingface.co/a/b/resolve/main/x.pt", "expectedSize": 7, "etag": digest});
    let workflow =
        json!([{"name": "x", "url": "https://hf.co/a/b/resolve/main/x", "hash": digest, "hash_type": "SHA256"}]);
    let seeds: Vec<Vec<u8>> = vec![
        desktop.to_string().into(),
        workflow.to_string().into(),
        format!("{COMMIT}\n{digest}\n1.0\n").into(),
        br#"{"civitai_deleted": true}"#.to_vec(),
    ];
    let sites = Sites::public();
    let what = (any::<Index>(), any::<Index>(), changes());
    hold(&what, |(which, other, changes)| {
        let mut bytes = which.get(&seeds).clone();
        apply(&mut bytes, &changes, other.get::<Vec<u8>>(&seeds), &WORDS);
        let read = || {
            is_deleted_on_civitai(&bytes);
            let notes = [desktop_metadata(&bytes, &sites), local_dir_metadata(&bytes)];
            notes.into_iter().flatten().chain(from_workflow_models(&bytes, &sites)).collect::<Vec<Hint>>()
        };
        let (hints, peak) = allocations::peak_of(read);
        if peak > (1 << 18) + 96 * bytes.len() as u64 {
            return Err(format!("{peak} bytes held for {}", bytes.len()));
        }
        let content = Content { blake3: None, sha256: Some(ours()), size_bytes: 7 };
        let claims: Vec<_> = hints.iter().filter_map(|hint| hint.claim(&sites)).collect();
        let is_in = claims.iter().any(|claim| admit(&content, claim, None).is_ok());
        if is_in { Err(format!("a note got in without proof: {claims:?}")) } else { Ok(()) }
    });
}

#[test]
fn any_bytes_at_all() {
    let (seeds, sites) = (asked(), Sites::public());
    let what = (any::<Index>(), prop::collection::vec(any::<u8>(), 0..400), any::<u16>());
    hold(&what, |(which, body, status)| {
        let (ask, _) = which.get(&seeds);
        let answer = Answer { status: if status % 2 == 0 { 200 } else { status }, body, ..Answer::default() };
        match ask.read(&answer, &sites) {
            Ok(found) => is_found_sound(ask, &found, &sites),
            Err(_) => Ok(()),
        }
    });
}
