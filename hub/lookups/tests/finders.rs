//! What each finder sends, and what it makes of what comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may unwrap and fail")]

#[path = "support/answers.rs"]
mod answers;

use answers::{COMMIT, ok, ours, status};
use lookups::finders::{
    AutoV3, CivArchive, CivitaiDetails, CivitaiHash, CivitaiIds, CivitaiModel, CivitaiVersion, HuggingFacePaths,
    HuggingFaceTree, MAX_DETAILS, MAX_IDS, ManagerList, ModelScopeList,
};
use lookups::{
    AnswerError, Content, Finder, Found, Method, Offer, Origin, Proof, RepoKind, Request, Sites, Withheld, admit, judge,
};
use serde_json::{Value, json};
use shared_protocol::{Gate, Sha256};

fn sites() -> Sites {
    Sites::public()
}

fn request(finder: &dyn Finder) -> Request {
    finder.request(&sites()).unwrap()
}

fn read(finder: &dyn Finder, body: &Value) -> Found {
    finder.read(&ok(body), &sites()).unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap()).unwrap()
}

fn urls(found: &Found) -> Vec<&str> {
    found.claims.iter().map(|claim| claim.url.as_str()).collect()
}

fn content(size_bytes: u64) -> Content {
    Content { blake3: None, sha256: Some(ours()), size_bytes }
}

#[test]
fn civitai_is_asked_for_many_digests_and_nothing_else() {
    let other = Sha256::from_bytes([1; 32]);
    let ids = CivitaiIds { hashes: vec![ours(), other] };
    let sent = request(&ids);
    assert_eq!(
        (sent.method, sent.url.as_str()),
        (Method::Post, "https://civitai.com/api/v1/model-versions/by-hash/ids")
    );
    assert_eq!(body(&sent), json!([ours().to_hex(), other.to_hex()]));
    assert_eq!(sent.token, None, "who asks is nobody's business");
    let found = read(&ids, &answers::civitai_ids());
    assert_eq!((found.known, found.unknown, found.n_unreadable), (vec![ours()], vec![other], 1));
    let many = CivitaiIds { hashes: vec![other; MAX_IDS + 5] };
    assert_eq!(body(&request(&many)).as_array().unwrap().len(), MAX_IDS);
    assert!(CivitaiIds { hashes: vec![] }.request(&sites()).is_none());
}

#[test]
fn details_prove_by_their_digest_and_the_oldest_version_is_first() {
    let details = CivitaiDetails { hashes: vec![ours(), Sha256::from_bytes([1; 32])] };
    assert_eq!(request(&details).url.path(), "/api/v1/model-versions/by-hash");
    let later = answers::civitai_version(200, "2024-01-01T00:00:00.000Z");
    let first = answers::civitai_version(100, "2023-01-01T00:00:00.000Z");
    let found = read(&details, &json!([later, null, first, later]));
    let expected: Vec<String> =
        [100, 200].map(|id| format!("https://civitai.com/api/download/models/{id}?fileId=9000")).to_vec();
    assert_eq!(urls(&found), expected, "the file of the digest, by number, once");
    assert_eq!((found.known.as_slice(), found.unknown.len(), found.n_unreadable), (&[ours()][..], 1, 1));
    let claim = &found.claims[0];
    assert_eq!(claim.file_name.as_deref(), Some("dreamshaper_8.safetensors"));
    assert_eq!(judge(&content(2_132_625_894), claim, None), Proof::Public, "a rounded size refutes nothing");
    assert_eq!(admit(&content(5), claim, None).unwrap().admission().status(), "ok");
    let many = CivitaiDetails { hashes: vec![ours(); MAX_DETAILS + 5] };
    assert_eq!(body(&request(&many)).as_array().unwrap().len(), MAX_DETAILS);
}

#[test]
fn without_hashes_a_file_is_a_hint() {
    let mut version = answers::civitai_version(100, "2023-01-01T00:00:00.000Z");
    version["files"][1]["hashes"] = json!({});
    let found = read(&CivitaiDetails { hashes: vec![ours()] }, &json!([version]));
    assert_eq!((found.known.len(), found.unknown.len(), found.claims.len()), (0, 1, 1));
    let exact = content(2_132_625_894);
    assert_eq!(judge(&exact, &found.claims[0], None), Proof::Hint);
    assert_eq!(admit(&exact, &found.claims[0], None), Err(Withheld::Unproved));
    assert!(found.claims[0].is_about(&exact) && !found.claims[0].is_about(&content(5)));
}

#[test]
fn what_civitai_does_not_offer_is_not_written() {
    for (field, value, offer) in [
        ("availability", json!("EarlyAccess"), Offer::Withheld),
        ("usageControl", json!("Generation"), Offer::Withheld),
        ("status", json!("Deleted"), Offer::Deleted),
        ("model", json!({"mode": "TakenDown"}), Offer::Deleted),
        ("model", json!({"mode": "Archived"}), Offer::Withheld),
        ("availability", json!(7), Offer::Open),
    ] {
        let mut version = answers::civitai_version(100, "2023-01-01T00:00:00.000Z");
        version[field] = value;
        let found = read(&CivitaiHash::Sha256(ours()), &version);
        assert_eq!(found.claims[0].offer, offer, "{field}");
        assert_eq!(admit(&content(1), &found.claims[0], None).is_ok(), offer == Offer::Open);
    }
}

#[test]
fn one_digest_of_any_sort() {
    let finder = CivitaiHash::Sha256(ours());
    assert_eq!(request(&finder).url.path(), format!("/api/v1/model-versions/by-hash/{}", ours().to_hex()));
    assert_eq!(finder.read(&status(404, None), &sites()).unwrap().unknown, [ours()]);
    let data = CivitaiHash::AutoV3(AutoV3::parse("0123456789AB").unwrap());
    assert_eq!(request(&data).url.path(), "/api/v1/model-versions/by-hash/0123456789ab");
    for wrong in ["", "0123", "0123456789ax", "000000000000"] {
        assert_eq!(AutoV3::parse(wrong), None);
    }
    let found = read(&data, &answers::civitai_version(1, "2023-01-01T00:00:00.000Z"));
    assert_eq!(found.claims.len(), 2, "which file it is, only its digests tell");
}

#[test]
fn a_pasted_page_is_resolved() {
    let model = CivitaiModel { model_id: 4_384 };
    assert_eq!(request(&model).token, Some(Gate::Civitai));
    let found = read(&model, &answers::civitai_model());
    assert_eq!(urls(&found)[0], "https://civitai.com/api/download/models/200?fileId=9000", "the newest version");
    let version = CivitaiVersion { version_id: 128_713, file_id: Some(9_001) };
    let found = read(&version, &answers::civitai_version(128_713, "2023-01-01T00:00:00.000Z"));
    assert_eq!(urls(&found), ["https://civitai.com/api/download/models/128713?fileId=9001"]);
    assert_eq!(version.read(&status(404, None), &sites()).unwrap().absent[0].to_string(), "civitai:@128713+9001");
    assert_eq!(model.read(&ok(&json!({"id": 1, "modelVersions": []})), &sites()).unwrap().absent.len(), 1);
}

#[test]
fn the_archive_tells_where_copies_are() {
    let archive = CivArchive { hash: ours() };
    assert_eq!(request(&archive).url.as_str(), format!("https://civarchive.com/api/sha256/{}", ours().to_hex()));
    let found = read(&archive, &answers::civarchive());
    let told: Vec<_> = found.claims.iter().map(|claim| (claim.url.as_str(), claim.offer)).collect();
    assert_eq!(
        told,
        [
            ("https://civitai.com/api/download/models/1976567", Offer::Deleted),
            ("https://huggingface.co/x/y/resolve/main/mxpln.safetensors", Offer::Open),
        ]
    );
    assert_eq!(admit(&content(1), &found.claims[1], None).unwrap().origin(), Origin::CivArchive);
    let bare = json!({"files": [{"sha256": ours().to_hex(), "downloadUrl": "https://a.example/x.pt"}]});
    assert_eq!(urls(&read(&archive, &bare)), ["https://a.example/x.pt"]);
    let other = json!({"data": {"files": [{"sha256": "00".repeat(32), "downloadUrl": "https://a.example/x.pt"}]}});
    assert_eq!(read(&archive, &other).unknown, [ours()], "a file of another digest is none");
    assert_eq!(archive.read(&status(404, None), &sites()).unwrap().unknown, [ours()]);
}

#[test]
fn hugging_face_is_pinned_to_the_commit() {
    let paths = ["d/x.safetensors", "config.json", "gone.pt", "d"].map(str::to_owned).to_vec();
    let finder = HuggingFacePaths { kind: RepoKind::Model, repo: "a/b".into(), revision: "refs/pr/7".into(), paths };
    let sent = request(&finder);
    assert_eq!(sent.url.as_str(), "https://huggingface.co/api/models/a/b/paths-info/refs%2Fpr%2F7");
    assert_eq!((body(&sent)["expand"].clone(), sent.token), (json!(true), Some(Gate::HuggingFace)));
    let found = read(&finder, &answers::hugging_face());
    assert_eq!(
        urls(&found),
        [
            format!("https://huggingface.co/a/b/resolve/{COMMIT}/d/x.safetensors").as_str(),
            "https://huggingface.co/a/b/resolve/refs%2Fpr%2F7/config.json",
        ]
    );
    assert_eq!(judge(&content(7_000_000_000), &found.claims[0], None), Proof::Public);
    assert_eq!(judge(&content(7), &found.claims[0], None), Proof::Refuted, "its size is exact");
    assert_eq!((found.claims[1].sha256, found.claims[1].size_bytes), (None, Some(665)));
    let absent: Vec<String> = found.absent.iter().map(ToString::to_string).collect();
    assert_eq!(absent, ["hf://a/b@refs%2Fpr%2F7/gone.pt", "hf://a/b@refs%2Fpr%2F7/d"]);
    let gone = finder.read(&status(401, Some("RepoNotFound")), &sites()).unwrap();
    assert_eq!(gone.absent.len(), 4);
    assert_eq!(finder.read(&status(403, Some("GatedRepo")), &sites()), Err(AnswerError::NeedsToken(403)));
    let tree = HuggingFaceTree { kind: RepoKind::Dataset, repo: "a/b".into(), revision: "main".into() };
    assert_eq!(request(&tree).url.as_str(), "https://huggingface.co/api/datasets/a/b/tree/main?recursive=true");
    assert_eq!(read(&tree, &answers::hugging_face()).claims.len(), 3);
}

#[test]
fn modelscope_tells_digests() {
    let finder = ModelScopeList {
        repo: "a/b".into(),
        revision: "master".into(),
        paths: vec!["d/x.safetensors".into(), "gone.pt".into()],
    };
    let sent = request(&finder);
    assert_eq!(sent.url.as_str(), "https://modelscope.cn/api/v1/models/a/b/repo/files?Revision=master&Recursive=True");
    assert_eq!(sent.token, None);
    let found = read(&finder, &answers::modelscope());
    assert_eq!(urls(&found), ["https://modelscope.cn/models/a/b/resolve/master/d/x.safetensors"]);
    assert_eq!(judge(&content(7_000_000_000), &found.claims[0], None), Proof::Public);
    assert_eq!(found.absent[0].to_string(), "modelscope:a/b@master/gone.pt");
    let all = ModelScopeList { paths: Vec::new(), ..finder };
    assert_eq!(read(&all, &answers::modelscope()).claims.len(), 2);
    assert!(!all.read(&status(200, None), &sites()).unwrap_err().is_passing());
}

#[test]
fn the_list_of_the_manager_gives_hints_only() {
    let finder = ManagerList { names: vec!["x.SAFETENSORS".into()] };
    let found = read(&finder, &answers::manager_list());
    assert_eq!(urls(&found), ["https://huggingface.co/a/b/resolve/main/X.safetensors"]);
    assert_eq!(found.n_unreadable, 1);
    let all = ManagerList { names: Vec::new() };
    let found = read(&all, &answers::manager_list());
    assert_eq!((found.claims.len(), found.claims[0].about_bytes), (2, Some(4_910_000)));
    assert!(found.claims.iter().all(|claim| admit(&content(4_910_000), claim, None) == Err(Withheld::Unproved)));
    assert!(request(&all).url.as_str().ends_with("/model-list.json"));
}

#[test]
fn pages_and_trouble_say_nothing() {
    let finder = CivitaiIds { hashes: vec![ours()] };
    let page = lookups::Answer { status: 200, body: b"<html>".to_vec(), ..lookups::Answer::default() };
    assert_eq!(finder.read(&page, &sites()), Err(AnswerError::Page));
    assert_eq!(finder.read(&status(429, None), &sites()), Err(AnswerError::RateLimited(429)));
    assert_eq!(finder.read(&status(404, None), &sites()), Err(AnswerError::NotFound(404)), "that is no answer here");
    assert!(matches!(finder.read(&ok(&json!({"error": "x"})), &sites()), Err(AnswerError::Unreadable(_))));
}
