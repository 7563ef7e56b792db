//! Hugging Face and its store.

use anyhow::Result;
use end_to_end::roots::noise;
use end_to_end::stand_ins::{HuggingFaceSite, Limit, Offered, Repo, RepoAccess};
use lookups::finders::HuggingFaceTree;
use lookups::{Address, AnswerError, Ask, Content, Finder as _, RepoKind, Site, Withheld, admit};

use crate::asking::{ask, client, get, header, sites};

const TOKEN: &str = "hf_canary";
const PATH: &str = "d/style x.safetensors";

fn large() -> Offered {
    Offered::new(PATH, &noise(2, 200_000))
}

fn content(file: &Offered) -> Result<Content> {
    let sha256 = Some(format!("sha256:{}", file.sha256).parse()?);
    Ok(Content { blake3: None, sha256, size_bytes: file.size_bytes })
}

#[test]
fn a_pasted_page_leads_to_the_bytes_by_its_commit() -> Result<()> {
    let site = HuggingFaceSite::start()?;
    let ours = large();
    let repo = Repo::new("a/b", vec![ours.clone(), Offered::new("config.json", b"{}")]);
    let commit = repo.commit.clone();
    site.offer(repo);
    let sites = sites(&[(Site::HuggingFace, site.server())])?;
    let pasted = Address::parse(&site.server().url("/a/b/blob/main/d/style%20x.safetensors"), &sites)?;
    let found = ask(Ask::about(&pasted).unwrap().finder(), &sites, None)?.unwrap();
    let entry = admit(&content(&ours)?, &found.claims[0], None)?;
    assert_eq!(entry.url().as_str(), site.server().url(&format!("/a/b/resolve/{commit}/d/style%20x.safetensors")));

    let resolved = get(entry.url().as_str(), &[("range", "bytes=0-0")])?;
    let told = ["x-repo-commit", "x-linked-size", "x-linked-etag"].map(|name| header(&resolved, name).unwrap());
    assert_eq!(
        (resolved.status().as_u16(), told),
        (302, [commit, ours.size_bytes.to_string(), format!("\"{}\"", ours.sha256)])
    );
    assert_eq!(client()?.head(entry.url().as_str()).send()?.status(), 302);
    let store = header(&resolved, "location").unwrap();
    assert_eq!(get(&store, &[])?.bytes()?, ours.bytes);
    assert_eq!(get(&store, &[("authorization", "Bearer x")])?.status(), 400);
    site.storage().expire_all();
    assert_eq!(get(&store, &[])?.status(), 403);
    let small = get(&site.server().url("/a/b/resolve/main/config.json"), &[])?;
    assert_eq!((small.status().as_u16(), header(&small, "x-linked-etag")), (200, None));
    let tree = HuggingFaceTree { kind: RepoKind::Model, repo: "a/b".into(), revision: "main".into() };
    let all = ask(&tree, &sites, None)?.unwrap();
    assert_eq!(all.claims.iter().map(|claim| claim.sha256.is_some()).collect::<Vec<_>>(), [true, false]);
    Ok(())
}

#[test]
fn gated_renamed_and_deleted() -> Result<()> {
    let site = HuggingFaceSite::start()?;
    let ours = large();
    site.offer(Repo { access: RepoAccess::Gated(TOKEN.into()), ..Repo::new("a/b", vec![ours.clone()]) });
    site.offer(Repo { access: RepoAccess::Renamed("a/b".into()), ..Repo::new("a/old", vec![]) });
    let sites = sites(&[(Site::HuggingFace, site.server())])?;
    let url = site.server().url("/a/b/resolve/main/d/style%20x.safetensors");
    for (token, status, code) in
        [(None, 401, Some("GatedRepo")), (Some("wrong"), 403, Some("GatedRepo")), (Some(TOKEN), 302, None)]
    {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let response = get(&url, &headers)?;
        assert_eq!((response.status().as_u16(), header(&response, "x-error-code").as_deref()), (status, code));
    }
    // What a gated repository holds is told to everybody.
    let old = Address::parse("hf://a/old/d/style x.safetensors", &sites)?;
    let asking = Ask::about(&old).unwrap();
    let found = ask(asking.finder(), &sites, Some(TOKEN))?.unwrap();
    assert!(admit(&content(&ours)?, &found.claims[0], None).is_ok(), "a renamed repository redirects");
    let moved = get(&site.server().url("/a/old/resolve/main/x?download=true"), &[])?;
    assert_eq!(header(&moved, "location").as_deref(), Some("/a/b/resolve/main/x?download=true"));

    site.delete("a/b");
    let deleted = ask(asking.finder(), &sites, None)?.unwrap();
    assert_eq!((deleted.claims.len(), deleted.absent.len()), (0, 1));
    let missing = get(&site.server().url("/x/y/resolve/main/x"), &[])?;
    assert_eq!((missing.status().as_u16(), header(&missing, "x-error-code").as_deref()), (401, Some("RepoNotFound")));
    let known = get(&site.server().url("/x/y/resolve/main/x"), &[("authorization", "Bearer x")])?;
    assert_eq!(known.status(), 404);
    assert!(!site.storage().server().has_heard(TOKEN));
    Ok(())
}

#[test]
fn what_is_not_there_is_told_apart_and_limits_are_windows() -> Result<()> {
    let site = HuggingFaceSite::start()?;
    site.offer(Repo::new("a/b", vec![large()]));
    let sites = sites(&[(Site::HuggingFace, site.server())])?;
    for (path, code) in [("/a/b/resolve/main/none.pt", "EntryNotFound"), ("/a/b/resolve/v9/x.pt", "RevisionNotFound")] {
        let response = get(&site.server().url(path), &[])?;
        assert_eq!((response.status().as_u16(), header(&response, "x-error-code").as_deref()), (404, Some(code)));
    }
    let asking = Ask::about(&Address::parse("hf://a/b@v9/x.pt", &sites)?).unwrap();
    assert_eq!(ask(&asking, &sites, None)?.unwrap().absent.len(), 1);
    site.server().limit(1, Limit::Window(7));
    let limited = get(asking.request(&sites).unwrap().url.as_str(), &[])?;
    assert_eq!(
        (header(&limited, "retry-after"), header(&limited, "ratelimit").as_deref()),
        (None, Some("\"api\";r=0;t=7"))
    );
    site.server().limit(1, Limit::Bare);
    assert_eq!(ask(&asking, &sites, None)?, Err(AnswerError::RateLimited(429)));
    Ok(())
}

#[test]
fn another_size_refutes() -> Result<()> {
    let site = HuggingFaceSite::start()?;
    let ours = large();
    site.offer(Repo::new("a/b", vec![Offered { size_bytes: ours.size_bytes + 1, ..ours.clone() }]));
    let sites = sites(&[(Site::HuggingFace, site.server())])?;
    let asking = Ask::about(&Address::parse(&format!("hf://a/b/{PATH}"), &sites)?).unwrap();
    let found = ask(&asking, &sites, None)?.unwrap();
    assert_eq!(admit(&content(&ours)?, &found.claims[0], None), Err(Withheld::Refuted));
    Ok(())
}
