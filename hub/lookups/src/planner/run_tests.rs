//! Batches first, one question a site, and peace for whoever asks for it.

use proptest::prelude::*;
use shared_protocol::{Allowed, Sha256, SourceUrl};

use super::*;
use crate::claim::{Claim, Content, Offer, Origin};
use crate::hints::Hint;

fn hash(n: u64) -> Sha256 {
    let mut bytes = [1; 32];
    for (to, from) in bytes.iter_mut().zip(n.to_be_bytes()) {
        *to = from;
    }
    Sha256::from_bytes(bytes)
}

fn wish(n: u64) -> Wish {
    let content = Content { blake3: None, sha256: Some(hash(n)), size_bytes: 1 };
    Wish { content, file_names: vec![format!("{n}.safetensors")], hints: Vec::new(), remembered: Vec::new() }
}

fn wishes(n: u64) -> Vec<Wish> {
    (0..n).map(wish).collect()
}

fn run(finders: &[Site], wishes: &[Wish]) -> Run {
    Run::new(Sites::public(), finders, wishes)
}

/// Answers every question until all is asked, by which digests Civitai knows.
fn finish(run: &mut Run, is_known: impl Fn(&Sha256) -> bool) -> Vec<Ask> {
    let mut asked = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        match run.next(now) {
            Step::Ask(ticket, ask) => {
                let hashes = match &ask {
                    Ask::CivitaiIds(ids) => ids.hashes.clone(),
                    Ask::CivitaiDetails(details) => details.hashes.clone(),
                    _ => Vec::new(),
                };
                let (known, unknown) = hashes.into_iter().partition(&is_known);
                let found = Found { known, unknown, ..Found::default() };
                run.answered(ticket, &Outcome::Found(&found, None), now);
                asked.push(ask);
            }
            Step::WaitUntil(moment) => now = moment,
            Step::WaitForAnswer => unreachable!("all are answered at once"),
            Step::Done => return asked,
        }
    }
}

#[test]
fn ten_thousand_contents_are_one_question_and_a_hundred() {
    let mut all = run(&[Site::Civitai], &wishes(10_000));
    assert_eq!(finish(&mut all, |_| true).len(), 101);
    assert_eq!(all.n_requests()[&Site::Civitai], 101);
    let mut none = run(&[Site::Civitai], &wishes(10_000));
    assert_eq!(finish(&mut none, |_| false).len(), 1);
    let mut more = run(&[Site::Civitai], &wishes(10_001));
    assert_eq!(finish(&mut more, |_| false).len(), 2);
    let mut twice = wishes(50);
    twice.extend(wishes(50));
    assert_eq!(finish(&mut run(&[Site::Civitai], &twice), |_| true).len(), 2, "a content is asked for once");
}

#[test]
fn the_archive_is_asked_for_what_civitai_does_not_have() {
    let mut both = run(&[Site::Civitai, Site::CivArchive], &wishes(10));
    let asked = finish(&mut both, |known| *known != hash(3));
    assert_eq!(asked.len(), 3);
    assert!(matches!(asked.last(), Some(Ask::CivArchive(ask)) if ask.hash == hash(3)));
    let mut alone = run(&[Site::CivArchive], &wishes(10));
    assert_eq!(finish(&mut alone, |_| true).len(), 10);
    assert!(finish(&mut run(&[], &wishes(10)), |_| true).is_empty(), "nobody is asked before the user says so");
}

#[test]
fn what_was_answered_lately_is_not_asked_again() {
    let mut known = wishes(3);
    known[0].remembered = vec![Site::Civitai];
    known[1].remembered = vec![Site::Civitai, Site::CivArchive];
    let mut run = run(&[Site::Civitai, Site::CivArchive], &known);
    let asked = finish(&mut run, |_| true);
    let of = |ask: &Ask| match ask {
        Ask::CivitaiIds(ids) => ids.hashes.clone(),
        Ask::CivArchive(ask) => vec![ask.hash],
        _ => Vec::new(),
    };
    assert_eq!(asked.iter().flat_map(of).collect::<Vec<_>>().len(), 2);
    assert!(asked.iter().any(|ask| matches!(ask, Ask::CivArchive(ask) if ask.hash == hash(0))));
}

#[test]
fn files_of_a_repository_are_asked_for_together() {
    let mut hinted = wishes(120);
    for (n, wish) in hinted.iter_mut().enumerate() {
        let text = format!("https://huggingface.co/a/b/resolve/main/{n}.safetensors");
        let address = Address::parse(&text, &Sites::public()).ok();
        wish.hints.push(Hint { address, ..Hint::new(Origin::Workflow) });
    }
    // A hint about another content is none.
    hinted[0].hints[0].sha256 = Some(hash(999));
    let asked = finish(&mut run(&[Site::HuggingFace], &hinted), |_| true);
    let n_paths = |ask: &Ask| if let Ask::HuggingFacePaths(ask) = ask { ask.paths.len() } else { 0 };
    assert_eq!(asked.iter().map(n_paths).collect::<Vec<_>>(), [50, 50, 19]);
}

#[test]
fn a_list_leads_to_questions_about_what_it_names() {
    let mut run = run(&[Site::ManagerList, Site::HuggingFace], &wishes(1));
    let Step::Ask(ticket, Ask::ManagerList(list)) = run.next(Duration::ZERO) else { unreachable!() };
    assert_eq!(list.names, ["0.safetensors"]);
    let url = "https://huggingface.co/a/b/resolve/main/0.safetensors";
    let claim = Claim {
        origin: Origin::ManagerList,
        url: SourceUrl::parse(url, Allowed::PublicOnly).unwrap(),
        file_name: None,
        sha256: None,
        blake3: None,
        size_bytes: None,
        about_bytes: None,
        offer: Offer::Open,
    };
    let found = Found { claims: vec![claim.clone(), claim], ..Found::default() };
    run.answered(ticket, &Outcome::Found(&found, None), Duration::ZERO);
    let asked = finish(&mut run, |_| true);
    assert!(matches!(asked.as_slice(), [Ask::HuggingFacePaths(ask)] if ask.paths == ["0.safetensors"]), "{asked:?}");
}

#[test]
fn a_site_has_one_question_on_its_way_and_others_go_on() {
    let mut both = run(&[Site::Civitai, Site::CivArchive], &{
        let mut wishes = wishes(3);
        wishes[0].remembered = vec![Site::Civitai];
        wishes
    });
    let Step::Ask(first, _) = both.next(Duration::ZERO) else { unreachable!() };
    let Step::Ask(second, _) = both.next(Duration::ZERO) else { unreachable!() };
    assert_eq!(both.next(Duration::ZERO), Step::WaitForAnswer);
    both.answered(second, &Outcome::Found(&Found::default(), None), Duration::ZERO);
    assert_eq!(both.next(Duration::ZERO), Step::WaitForAnswer);
    both.answered(first, &Outcome::Found(&Found::default(), None), Duration::ZERO);
    assert_eq!(both.next(Duration::ZERO), Step::Done);
    both.answered(first, &Outcome::Unreachable, Duration::ZERO);
    assert_eq!(both.next(Duration::ZERO), Step::Done, "an answer counts once");
}

#[test]
fn peace_is_kept_and_a_question_comes_back() {
    let mut run = run(&[Site::Civitai], &wishes(1));
    let Step::Ask(ticket, ask) = run.next(Duration::ZERO) else { unreachable!() };
    let wait = Duration::from_secs(42);
    run.answered(ticket, &Outcome::Failed(&AnswerError::RateLimited(429), Some(wait)), Duration::ZERO);
    assert_eq!(run.next(Duration::ZERO), Step::WaitUntil(wait));
    let Step::Ask(ticket, again) = run.next(wait) else { unreachable!() };
    assert_eq!(ask, again);
    let too_long = Some(Duration::from_hours(1));
    run.answered(ticket, &Outcome::Failed(&AnswerError::RateLimited(429), too_long), wait);
    assert_eq!(run.next(wait), Step::Done);
    assert_eq!((run.resting()[&Site::Civitai], run.n_failed()[&Site::Civitai]), (Resting::Limiting, 1));
}

#[test]
fn a_site_that_refuses_is_left_alone_and_one_without_batches_is_asked_by_hundreds() {
    let mut refused = run(&[Site::CivArchive], &wishes(5));
    let Step::Ask(ticket, _) = refused.next(Duration::ZERO) else { unreachable!() };
    refused.answered(ticket, &Outcome::Failed(&AnswerError::Refused(403), None), Duration::ZERO);
    assert_eq!(refused.next(Duration::ZERO), Step::Done);
    assert_eq!((refused.n_requests()[&Site::CivArchive], refused.n_failed()[&Site::CivArchive]), (1, 5));
    let mut old = run(&[Site::Civitai], &wishes(250));
    let Step::Ask(ticket, _) = old.next(Duration::ZERO) else { unreachable!() };
    old.answered(ticket, &Outcome::Failed(&AnswerError::NotFound(404), None), Duration::ZERO);
    assert_eq!(finish(&mut old, |_| true).len(), 3);
}

proptest! {
    /// Whatever sites answer: a run ends, waits where it has to, and asks at most so often.
    #[test]
    fn every_run_ends(n in 0_u64..300, outcomes in prop::collection::vec((0_u8..6, prop::option::of(0_u64..900)), 1..40)) {
        let mut run = run(&[Site::Civitai, Site::CivArchive], &wishes(n));
        let (mut now, mut n_asked, mut outcomes) = (Duration::ZERO, 0_u64, outcomes.iter().cycle());
        loop {
            match run.next(now) {
                Step::Ask(ticket, ask) => {
                    n_asked += 1;
                    prop_assert!(n_asked <= 2_000 + 10 * n);
                    let (what, wait) = outcomes.next().unwrap();
                    let wait = wait.map(Duration::from_secs);
                    let hashes = if let Ask::CivitaiIds(ids) = ask { ids.hashes } else { Vec::new() };
                    let (known, unknown) = hashes.into_iter().partition(|hash| hash.as_bytes()[7] % 2 == 0);
                    let found = Found { known, unknown, ..Found::default() };
                    let errors = [AnswerError::RateLimited(429), AnswerError::Trouble(500), AnswerError::NotFound(404), AnswerError::Refused(403)];
                    let outcome = match (what, errors.get(usize::from(*what))) {
                        (_, Some(error)) => Outcome::Failed(error, wait),
                        (4, None) => Outcome::Unreachable,
                        _ => Outcome::Found(&found, wait),
                    };
                    run.answered(ticket, &outcome, now);
                }
                Step::WaitUntil(moment) => {
                    prop_assert!(moment > now);
                    now = moment;
                }
                Step::WaitForAnswer => prop_assert!(false, "nothing is on its way"),
                Step::Done => break,
            }
        }
        prop_assert_eq!(run.n_waiting(), 0);
        prop_assert_eq!(run.n_requests().values().sum::<u64>(), n_asked);
    }
}
