//! Civitai and its store.

use anyhow::Result;
use end_to_end::roots::noise;
use end_to_end::stand_ins::{CivitaiAccess, CivitaiSite, CivitaiVersion, Limit, Offered};
use lookups::finders::{CivitaiDetails, CivitaiHash, CivitaiIds, CivitaiModel};
use lookups::{AnswerError, Content, Offer, Site, Withheld, admit};
use serde_json::json;
use shared_protocol::Sha256;

use crate::asking::{ask, client, get, header, sites};

const TOKEN: &str = "canary-civitai-token";

fn file(seed: u64) -> Offered {
    Offered::new("style.safetensors", &noise(seed, 300_000))
}

fn sha256(file: &Offered) -> Result<Sha256> {
    Ok(format!("sha256:{}", file.sha256).parse()?)
}

#[test]
fn digests_lead_to_an_address_that_leads_to_the_bytes() -> Result<()> {
    let site = CivitaiSite::start()?;
    let ours = file(1);
    site.offer(CivitaiVersion::new(7, ours.clone()));
    let sites = sites(&[(Site::Civitai, site.server())])?;
    let (hash, other) = (sha256(&ours)?, Sha256::from_bytes([9; 32]));
    let ids = ask(&CivitaiIds { hashes: vec![hash, other] }, &sites, Some(TOKEN))?.unwrap();
    assert_eq!((ids.known, ids.unknown), (vec![hash], vec![other]));
    let details = ask(&CivitaiDetails { hashes: vec![hash] }, &sites, Some(TOKEN))?.unwrap();
    let claim = details.claims.first().unwrap();
    let content = Content { blake3: None, sha256: Some(hash), size_bytes: ours.size_bytes };
    let entry = admit(&content, claim, None)?;
    assert!(site.server().authorizations().is_empty(), "questions by digest are anonymous");

    let first = get(entry.url().as_str(), &[("range", "bytes=0-0"), ("authorization", "Bearer x")])?;
    assert_eq!(first.status(), 307);
    let store = header(&first, "location").unwrap();
    let part = get(&store, &[("range", "bytes=0-0")])?;
    assert_eq!(
        (part.status().as_u16(), header(&part, "content-range")),
        (206, Some(format!("bytes 0-0/{}", ours.size_bytes)))
    );
    assert_eq!(get(&store, &[])?.bytes()?, ours.bytes);
    assert_eq!(get(&store, &[("authorization", "Bearer x")])?.status(), 400, "the store wants no token");
    assert_eq!(get(&store, &[("range", "bytes=300000-")])?.status(), 416);
    site.storage().expire_all();
    assert_eq!(get(&store, &[])?.status(), 403, "what is signed expires");
    let again = header(&get(entry.url().as_str(), &[])?, "location").unwrap();
    assert_eq!(get(&again, &[])?.status(), 200);
    assert_eq!(site.storage().server().authorizations(), ["Bearer x"]);
    Ok(())
}

#[test]
fn who_asks_how_is_refused() -> Result<()> {
    let site = CivitaiSite::start()?;
    site.offer(CivitaiVersion::new(7, file(1)));
    let url = site.server().url("/api/download/models/7");
    assert_eq!(client()?.head(&url).bearer_auth(TOKEN).send()?.status(), 401, "HEAD is never answered");
    for agent in ["reqwest/0.13", "python-requests/2.32", "Python-urllib/3.12", ""] {
        let refused = get(&url, &[("user-agent", agent)])?;
        assert_eq!(refused.status(), 403, "{agent}");
        assert!(refused.text()?.starts_with("<!DOCTYPE html>"));
    }
    assert_eq!(get(&url, &[])?.status(), 307);
    let wrong = get(&site.server().url("/api/download/models/7?type=Model&format=Other"), &[])?;
    assert_eq!(wrong.status(), 404, "the site's own download address may lead nowhere");
    Ok(())
}

#[test]
fn who_may_download() -> Result<()> {
    let site = CivitaiSite::start()?;
    let ours = file(1);
    let sites = sites(&[(Site::Civitai, site.server())])?;
    let hash = sha256(&ours)?;
    let content = Content { blake3: None, sha256: Some(hash), size_bytes: ours.size_bytes };
    let url = site.server().url("/api/download/models/7?fileId=2007");
    for (access, status, with_token) in [
        (CivitaiAccess::Open, 307, 307),
        (CivitaiAccess::Login, 401, 307),
        (CivitaiAccess::LoginPage, 302, 307),
        (CivitaiAccess::EarlyAccess, 403, 403),
        (CivitaiAccess::Archived, 410, 410),
        (CivitaiAccess::Deleted, 404, 404),
    ] {
        site.offer(CivitaiVersion { access: access.clone(), ..CivitaiVersion::new(7, ours.clone()) });
        assert_eq!(get(&url, &[])?.status(), status, "{access:?}");
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(get(&url, &[("authorization", &bearer)])?.status(), with_token, "{access:?}");
        let found = ask(&CivitaiHash::Sha256(hash), &sites, None)?.unwrap();
        let is_in = found.claims.first().map(|claim| admit(&content, claim, None));
        match access {
            CivitaiAccess::Open | CivitaiAccess::Login | CivitaiAccess::LoginPage => assert!(is_in.unwrap().is_ok()),
            CivitaiAccess::EarlyAccess => assert_eq!(is_in, Some(Err(Withheld::NotOffered))),
            CivitaiAccess::Archived | CivitaiAccess::Deleted => assert_eq!(is_in, None, "{access:?}"),
        }
    }
    site.offer(CivitaiVersion { access: CivitaiAccess::LoginPage, ..CivitaiVersion::new(7, ours) });
    let page = site.server().url(&header(&get(&url, &[])?, "location").unwrap());
    let page = get(&page, &[])?;
    assert_eq!((page.status().as_u16(), header(&page, "content-type").unwrap().starts_with("text/html")), (200, true));
    assert!(!site.storage().server().has_heard(TOKEN));
    Ok(())
}

#[test]
fn hashes_may_be_missing_and_the_oldest_is_first() -> Result<()> {
    let site = CivitaiSite::start()?;
    let ours = file(1);
    let hash = sha256(&ours)?;
    let sites = sites(&[(Site::Civitai, site.server())])?;
    let newer =
        CivitaiVersion { published_at: "2025-01-01T00:00:00.000Z".into(), ..CivitaiVersion::new(8, ours.clone()) };
    site.offer(newer);
    site.offer(CivitaiVersion::new(9, ours.clone()));
    let found = ask(&CivitaiDetails { hashes: vec![hash] }, &sites, None)?.unwrap();
    let first = found.claims.first().unwrap().url.as_str().to_owned();
    assert!(first.ends_with("/api/download/models/9?fileId=2009"), "{first}");
    site.offer(CivitaiVersion { tells_hashes: false, ..CivitaiVersion::new(9, ours.clone()) });
    let found = ask(&CivitaiDetails { hashes: vec![hash] }, &sites, None)?.unwrap();
    let content = Content { blake3: None, sha256: Some(hash), size_bytes: ours.size_bytes };
    let judged: Vec<_> = found.claims.iter().map(|claim| admit(&content, claim, None).is_ok()).collect();
    assert_eq!(judged, [false, true], "without a hash it is a hint");
    let model = ask(&CivitaiModel { model_id: 1_008 }, &sites, Some(TOKEN))?.unwrap();
    assert_eq!((model.claims.len(), model.claims[0].offer), (1, Offer::Open));
    assert_eq!(site.server().authorizations(), [format!("Bearer {TOKEN}")], "a page may need a token");
    Ok(())
}

#[test]
fn too_much_and_too_often() -> Result<()> {
    let site = CivitaiSite::start()?;
    let sites = sites(&[(Site::Civitai, site.server())])?;
    let url = site.server().url("/api/v1/model-versions/by-hash");
    let many = json!(vec!["ab".repeat(32); 101]);
    let sent = client()?.post(&url).header("content-type", "application/json").body(many.to_string()).send()?;
    assert_eq!(sent.status(), 400);
    site.server().limit(1, Limit::Bare);
    let one = CivitaiIds { hashes: vec![Sha256::from_bytes([1; 32])] };
    assert_eq!(ask(&one, &sites, None)?, Err(AnswerError::RateLimited(429)));
    site.server().limit(1, Limit::RetryAfter(7));
    let limited = get(&site.server().url("/api/v1/models/1"), &[])?;
    assert_eq!((limited.status().as_u16(), header(&limited, "retry-after").as_deref()), (429, Some("7")));
    assert!(ask(&one, &sites, None)?.is_ok());
    assert_eq!(site.server().n_requests(), 4);
    Ok(())
}

#[test]
fn a_liar_tells_one_thing_and_sends_another() -> Result<()> {
    let site = CivitaiSite::start()?;
    let ours = file(1);
    site.offer(CivitaiVersion::new(7, ours.clone().lying()));
    let sites = sites(&[(Site::Civitai, site.server())])?;
    let found = ask(&CivitaiHash::Sha256(sha256(&ours)?), &sites, None)?.unwrap();
    let location = header(&get(found.claims[0].url.as_str(), &[])?, "location").unwrap();
    let sent = get(&location, &[])?.bytes()?;
    assert_eq!(sent.len(), ours.bytes.len());
    assert_ne!(Offered::new("x", &sent).sha256, ours.sha256);
    // Whoever compares a range sees it, and then no digest counts.
    let content = Content { blake3: None, sha256: Some(sha256(&ours)?), size_bytes: ours.size_bytes };
    let range = lookups::probed_range(ours.size_bytes, 0).unwrap();
    let (from, to) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
    let probe = lookups::Probe {
        total_bytes: ours.size_bytes,
        offset: range.start,
        n_bytes: range.end - range.start,
        data_from: 0,
        is_equal: sent[from..to] == ours.bytes[from..to],
    };
    assert_eq!(admit(&content, &found.claims[0], Some(&probe)), Err(Withheld::Refuted));
    Ok(())
}
