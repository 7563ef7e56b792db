//! A run over 10,000 contents against all stand-ins: how often each is asked, and what is sent.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::stand_ins::{CivArchiveSite, CivitaiSite, CivitaiVersion, Limit, Mirror, Offered, StandIn};
use lookups::planner::{Outcome, Wish};
use lookups::{Content, Run, Site, Sites, Step, admit};

use crate::asking::{ask, sites};

const KNOWN: u64 = 60;

fn wish(file: &Offered) -> Result<Wish> {
    let sha256 = Some(format!("sha256:{}", file.sha256).parse()?);
    let content = Content { blake3: None, sha256, size_bytes: file.size_bytes };
    Ok(Wish { content, file_names: vec![file.name.clone()], hints: Vec::new(), remembered: Vec::new() })
}

/// Carries a run out, without waiting: its clock is its own. The addresses that may be written.
fn carry_out(run: &mut Run, sites: &Sites, wishes: &[Wish]) -> Result<usize> {
    let (mut now, mut n_written) = (Duration::ZERO, 0);
    loop {
        match run.next(now) {
            Step::Ask(ticket, question) => match ask(&question, sites, Some("canary-token"))? {
                Ok(found) => {
                    let is_in =
                        |wish: &&Wish| found.claims.iter().any(|claim| admit(&wish.content, claim, None).is_ok());
                    n_written += wishes.iter().filter(is_in).count();
                    run.answered(ticket, &Outcome::Found(&found, None), now);
                }
                Err(error) => run.answered(ticket, &Outcome::Failed(&error, None), now),
            },
            Step::WaitUntil(moment) => now = moment,
            Step::WaitForAnswer => ensure!(false, "nothing is on its way"),
            Step::Done => return Ok(n_written),
        }
    }
}

fn are_nameless(server: &StandIn) -> bool {
    !server.has_heard("my-secret-name") && !server.has_heard("canary-token")
}

#[test]
fn ten_thousand_contents_are_two_questions_where_sixty_are_known() -> Result<()> {
    let (civitai, archive) = (CivitaiSite::start()?, CivArchiveSite::start()?);
    let file = |n: u64| Offered::new(&format!("my-secret-name-{n}.safetensors"), &n.to_be_bytes());
    let files: Vec<Offered> = (0..10_000).map(file).collect();
    let wishes: Vec<Wish> = files.iter().map(wish).collect::<Result<_>>()?;
    for (n, file) in files.iter().enumerate().take(usize::try_from(KNOWN)?) {
        civitai.offer(CivitaiVersion::new(n as u64 + 1, Offered { name: format!("{n}.safetensors"), ..file.clone() }));
    }
    let sites = sites(&[(Site::Civitai, civitai.server()), (Site::CivArchive, archive.server())])?;
    civitai.server().limit(1, Limit::Bare);
    let mut run = Run::new(sites.clone(), &[Site::Civitai], &wishes);
    let n_written = carry_out(&mut run, &sites, &wishes)?;
    assert_eq!(n_written as u64, KNOWN);
    assert_eq!(civitai.server().n_requests(), 3, "one was limited");
    assert_eq!(archive.server().n_requests(), 0, "it was not switched on");
    assert_eq!(civitai.server().most_at_once(), 1);
    ensure!(are_nameless(civitai.server()), "digests only");

    let mirror = Mirror { url: "https://huggingface.co/a/b/resolve/main/x.safetensors".into(), is_deleted: false };
    archive.know(&files[70], &[mirror]);
    let some = wishes.get(50..80).unwrap_or_default();
    let mut run = Run::new(sites.clone(), &[Site::Civitai, Site::CivArchive], some);
    let n_written = carry_out(&mut run, &sites, some)?;
    assert_eq!(n_written, 11);
    assert_eq!(archive.server().n_requests(), 20, "what Civitai does not have");
    ensure!(are_nameless(archive.server()), "digests only");
    Ok(())
}
