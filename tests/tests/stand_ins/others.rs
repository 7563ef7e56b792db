//! CivArchive and ModelScope.

use anyhow::Result;
use end_to_end::roots::noise;
use end_to_end::stand_ins::{CivArchiveSite, Mirror, ModelScopeSite, Offered, ScopeRepo};
use lookups::finders::CivArchive;
use lookups::{Address, Ask, Content, Origin, Site, Withheld, admit};
use shared_protocol::Sha256;

use crate::asking::{ask, get, header, sites};

fn file() -> Offered {
    Offered::new("d/style.safetensors", &noise(3, 100_000))
}

fn content(file: &Offered) -> Result<Content> {
    let sha256 = Some(format!("sha256:{}", file.sha256).parse()?);
    Ok(Content { blake3: None, sha256, size_bytes: file.size_bytes })
}

#[test]
fn the_archive_knows_what_was_deleted() -> Result<()> {
    let site = CivArchiveSite::start()?;
    let ours = file();
    let mirror = |url: &str, is_deleted| Mirror { url: url.into(), is_deleted };
    site.know(
        &ours,
        &[
            mirror("https://civitai.com/api/download/models/7", true),
            mirror("https://huggingface.co/a/b/resolve/main/style.safetensors", false),
            mirror("magnet:?xt=urn:btih:0", false),
        ],
    );
    let sites = sites(&[(Site::CivArchive, site.server())])?;
    let content = content(&ours)?;
    let found = ask(&CivArchive { hash: content.sha256.unwrap() }, &sites, Some("canary"))?.unwrap();
    let judged: Vec<_> =
        found.claims.iter().map(|claim| admit(&content, claim, None).map(|entry| entry.origin())).collect();
    assert_eq!(judged, [Err(Withheld::Deleted), Ok(Origin::CivArchive)]);
    let other = ask(&CivArchive { hash: Sha256::from_bytes([1; 32]) }, &sites, None)?.unwrap();
    assert_eq!((other.unknown.len(), other.claims.len()), (1, 0));
    assert!(site.server().authorizations().is_empty(), "no token is ever sent there");
    Ok(())
}

#[test]
fn modelscope_tells_digests_and_signs_for_a_while() -> Result<()> {
    let site = ModelScopeSite::start()?;
    let ours = file();
    site.offer(ScopeRepo::new("a/b", vec![ours.clone()]));
    let sites = sites(&[(Site::ModelScope, site.server())])?;
    let pasted = Address::parse(&site.server().url("/models/a/b/file/view/master/d/style.safetensors"), &sites)?;
    let asking = Ask::about(&pasted).unwrap();
    let found = ask(&asking, &sites, Some("canary"))?.unwrap();
    let entry = admit(&content(&ours)?, &found.claims[0], None)?;
    for url in [
        entry.url().as_str().to_owned(),
        site.server().url("/api/v1/models/a/b/repo?Revision=master&FilePath=d%2Fstyle.safetensors"),
    ] {
        let resolved = get(&url, &[])?;
        let store = header(&resolved, "location").unwrap();
        assert_eq!(resolved.status(), 302);
        assert!(store.contains("auth_key="));
        assert_eq!(get(&store, &[])?.bytes()?, ours.bytes);
        site.storage().expire_all();
        assert_eq!(get(&store, &[])?.status(), 403);
    }
    site.offer(ScopeRepo { tells_hashes: false, ..ScopeRepo::new("a/b", vec![ours.clone()]) });
    let found = ask(&asking, &sites, None)?.unwrap();
    assert_eq!(admit(&content(&ours)?, &found.claims[0], None), Err(Withheld::Unproved));
    site.offer(ScopeRepo::new("a/b", vec![]));
    assert_eq!(ask(&asking, &sites, None)?.unwrap().absent.len(), 1);
    assert!(site.server().authorizations().is_empty());
    Ok(())
}
