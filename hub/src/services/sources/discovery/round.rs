//! What is known in the course of a run: which contents are sought, what was answered, and what may be written. Pure but
//! for what is handed in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use lookups::hints::{from_header, from_sidecar};
use lookups::planner::{Outcome, Resting, Ticket, Wish};
use lookups::{
    AddressState, Ask, Claim, Content, Coverage, Entry, Evidence, Finder as _, Found, Hint, Run, Site, Sites, Withheld,
    admit, coverage,
};
use shared_protocol::{Blake3, Sha256};

use super::{DiscoveryReport, FinderReport};
use crate::domain::sources::Said;
use crate::storage::lookups::{SiteAnswer, SoughtContent};

/// Sites that are asked by digest.
pub(in crate::services::sources) const BY_DIGEST: [Site; 2] = [Site::Civitai, Site::CivArchive];

/// A content with what is known of it.
pub(super) struct Sought {
    pub(super) of: SoughtContent,
    evidence: Evidence,
    /// What each site said of it, lately or now.
    said: BTreeMap<Site, Said>,
    /// Sites that told of an address in this run.
    found_at: BTreeSet<Site>,
    is_asked: bool,
    /// What may be asked about by name.
    hints: Vec<Hint>,
}

/// A claim that nothing proves yet.
pub(super) struct Unproved {
    pub(super) at: usize,
    pub(super) claim: Claim,
}

/// A run, with what came of it so far.
pub(super) struct Round {
    pub(super) run: Run,
    pub(super) sites: Sites,
    allowed: BTreeSet<Site>,
    pub(super) sought: Vec<Sought>,
    by_sha256: HashMap<Sha256, Vec<usize>>,
    by_blake3: HashMap<Blake3, usize>,
    by_size: HashMap<u64, Vec<usize>>,
    /// What is to be written.
    pub(super) entries: Vec<(usize, Entry)>,
    pub(super) answers: Vec<SiteAnswer>,
    pub(super) unproved: Vec<Unproved>,
    /// Digests that Civitai knows.
    known_there: BTreeSet<Sha256>,
    n_found: BTreeMap<Site, u64>,
    n_probes: BTreeMap<Site, u64>,
}

impl Sought {
    pub(super) fn content(&self) -> Content {
        Content { blake3: Some(self.of.hash), sha256: self.of.sha256, size_bytes: self.of.size_bytes }
    }

    fn coverage(&self) -> Option<Coverage> {
        coverage(&self.evidence)
    }

    /// What is asked about it: nothing by name of who answered lately, or where it is public already.
    fn wish(&self, is_anew: bool) -> Wish {
        let is_open = is_anew || self.coverage() != Some(Coverage::Public);
        let is_unanswered = |site: Option<Site>| site.is_none_or(|site| !self.said.contains_key(&site));
        let is_left = |hint: &&Hint| is_open && is_unanswered(hint.address.as_ref().and_then(lookups::Address::site));
        let is_listed = is_open && is_unanswered(Some(Site::ManagerList));
        let mut remembered: Vec<Site> = self.said.keys().copied().collect();
        // The archive is for what Civitai does not know.
        if matches!(self.said.get(&Site::Civitai), Some(Said::Found | Said::Withheld)) {
            remembered.push(Site::CivArchive);
        }
        Wish {
            content: self.content(),
            file_names: is_listed.then(|| self.of.name.clone()).into_iter().collect(),
            hints: self.hints.iter().filter(is_left).cloned().collect(),
            remembered,
        }
    }
}

/// What things on this disk say about where a content is from.
fn hints(of: &SoughtContent, sites: &Sites) -> Vec<Hint> {
    let beside = of.beside.iter().filter_map(from_sidecar);
    from_header(&of.hints, &of.name, sites).into_iter().chain(beside).collect()
}

/// What is known of contents before anybody is asked.
pub(super) struct Known {
    pub(super) answers: HashMap<Sha256, Vec<SiteAnswer>>,
    /// What the file of addresses says.
    pub(super) addresses: HashMap<Blake3, Vec<AddressState>>,
}

impl Round {
    /// Plans a run. `is_anew`: what was answered lately does not count.
    pub(super) fn new(
        contents: Vec<SoughtContent>,
        mut known: Known,
        sites: Sites,
        allowed: &[Site],
        is_anew: bool,
        now: SystemTime,
    ) -> Self {
        let mut sought = Vec::new();
        let (mut by_sha256, mut by_size) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        let mut by_blake3 = HashMap::new();
        let mut wishes = Vec::new();
        for (at, of) in contents.into_iter().enumerate() {
            let stored = of.sha256.and_then(|sha256| known.answers.remove(&sha256)).unwrap_or_default();
            let is_fresh = |answer: &&SiteAnswer| !is_anew && answer.said.remembered().is_fresh(moment(answer.at), now);
            let said: BTreeMap<Site, Said> =
                stored.iter().filter(is_fresh).map(|answer| (answer.site, answer.said)).collect();
            let evidence =
                Evidence { addresses: known.addresses.remove(&of.hash).unwrap_or_default(), ..Evidence::default() };
            if let Some(sha256) = of.sha256 {
                by_sha256.entry(sha256).or_default().push(at);
            }
            by_blake3.insert(of.hash, at);
            by_size.entry(of.size_bytes).or_default().push(at);
            let mut one =
                Sought { hints: hints(&of, &sites), of, evidence, said, found_at: BTreeSet::new(), is_asked: false };
            one.is_asked = one.of.sha256.is_some() || !one.hints.is_empty();
            let wish = one.wish(is_anew);
            one.hints.clone_from(&wish.hints);
            wishes.push(wish);
            sought.push(one);
        }
        let run = Run::new(sites.clone(), allowed, &wishes);
        let allowed = allowed.iter().copied().collect();
        let mut round = Self {
            run,
            sites,
            allowed,
            sought,
            by_sha256,
            by_blake3,
            by_size,
            entries: Vec::new(),
            answers: Vec::new(),
            unproved: Vec::new(),
            known_there: BTreeSet::new(),
            n_found: BTreeMap::new(),
            n_probes: BTreeMap::new(),
        };
        (0..round.sought.len()).for_each(|at| round.settle(at));
        round
    }

    /// Takes an answer to a question.
    pub(super) fn take(&mut self, ticket: Ticket, ask: &Ask, found: &Found, wait: Option<Duration>, now: Moment) {
        for claim in &found.claims {
            for at in self.about(claim, ask) {
                self.claimed(at, claim);
            }
        }
        // Of digests that it knows the first question tells no more than that; details tell the rest.
        let known = if matches!(ask, Ask::CivitaiIds(_)) { &[] } else { found.known.as_slice() };
        for sha256 in known {
            let its: Vec<&Claim> = found.claims.iter().filter(|claim| claim.sha256 == Some(*sha256)).collect();
            self.said(*sha256, ask.site(), Said::of(&its), now.at);
        }
        if matches!(ask, Ask::CivitaiIds(_)) {
            self.known_there.extend(&found.known);
        }
        for sha256 in &found.unknown {
            // Known there by its digest, and without a file that is told by it.
            let is_known = ask.site() == Site::Civitai && self.known_there.contains(sha256);
            self.said(*sha256, ask.site(), if is_known { Said::Withheld } else { Said::NotFound }, now.at);
        }
        self.run.answered(ticket, &Outcome::Found(found, wait), now.passed);
    }

    /// Contents that a claim may be about.
    fn about(&self, claim: &Claim, ask: &Ask) -> Vec<usize> {
        let by_digest = match (claim.sha256, claim.blake3) {
            (Some(sha256), _) => self.by_sha256.get(&sha256).cloned(),
            (None, Some(blake3)) => self.by_blake3.get(&blake3).map(|at| vec![*at]),
            (None, None) => {
                // Without a digest, what was asked for and is as large as is told, and what is of the same size and name.
                let asked: &[Sha256] = if let Ask::CivitaiDetails(details) = ask { &details.hashes } else { &[] };
                let asked = asked.iter().filter_map(|sha256| self.by_sha256.get(sha256)).flatten().copied();
                let is_about = |at: &usize| self.sought.get(*at).is_some_and(|one| claim.is_about(&one.content()));
                let same_size =
                    claim.size_bytes.and_then(|size| self.by_size.get(&size)).into_iter().flatten().copied();
                let named = same_size.filter(|at| self.is_named(*at, claim));
                Some(asked.filter(is_about).chain(named).collect::<BTreeSet<_>>().into_iter().collect())
            }
        };
        by_digest.unwrap_or_default()
    }

    fn is_named(&self, at: usize, claim: &Claim) -> bool {
        self.sought.get(at).is_some_and(|one| {
            let is_its_name = claim.file_name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&one.of.name));
            let is_hinted = |hint: &Hint| hint.claim(&self.sites).is_some_and(|hinted| hinted.url == claim.url);
            is_its_name || one.hints.iter().any(is_hinted)
        })
    }

    fn claimed(&mut self, at: usize, claim: &Claim) {
        let Some(one) = self.sought.get(at) else { return };
        match admit(&one.content(), claim, None) {
            Ok(entry) => self.admitted(at, entry),
            Err(Withheld::Unproved) => self.unproved.push(Unproved { at, claim: claim.clone() }),
            Err(Withheld::Refuted | Withheld::NotOffered | Withheld::Deleted) => {}
        }
    }

    /// An address was proved.
    pub(super) fn admitted(&mut self, at: usize, entry: Entry) {
        let Some(one) = self.sought.get_mut(at) else { return };
        one.evidence.addresses.push(AddressState::There(entry.admission()));
        if let Some(site) = site_of(&entry) {
            one.found_at.insert(site);
            *self.n_found.entry(site).or_default() += 1;
        }
        self.entries.push((at, entry));
    }

    fn said(&mut self, sha256: Sha256, site: Site, said: Said, at: i64) {
        self.answers.push(SiteAnswer { sha256, site, said, at });
        for at in self.by_sha256.get(&sha256).cloned().unwrap_or_default() {
            if let Some(one) = self.sought.get_mut(at) {
                one.said.insert(site, said);
            }
            self.settle(at);
        }
    }

    /// Draws together what sites said of a content.
    fn settle(&mut self, at: usize) {
        let allowed = &self.allowed;
        if let Some(one) = self.sought.get_mut(at) {
            let said: Vec<(Site, Said)> = one.said.iter().map(|(site, said)| (*site, *said)).collect();
            (one.evidence.is_asked, one.evidence.is_told_gone) = told(&said, allowed);
        }
    }

    /// What things here say about contents that nobody told an address of, for a look at the address itself.
    pub(super) fn take_unproved(&mut self) -> Vec<Unproved> {
        let is_open = |one: &Sought| !matches!(one.coverage(), Some(Coverage::Public | Coverage::Likely));
        let mut left: Vec<Unproved> = std::mem::take(&mut self.unproved);
        for (at, one) in self.sought.iter().enumerate() {
            let claims =
                one.hints.iter().filter(|hint| hint.fits(&one.content())).filter_map(|hint| hint.claim(&self.sites));
            left.extend(claims.map(|claim| Unproved { at, claim }));
        }
        let may_be_asked = |claim: &Claim| {
            let url = url::Url::parse(claim.url.as_str()).ok();
            url.and_then(|url| self.sites.site_of(&url)).is_some_and(|site| self.allowed.contains(&site))
        };
        left.retain(|unproved| self.sought.get(unproved.at).is_some_and(is_open) && may_be_asked(&unproved.claim));
        left
    }

    /// The run has ended: who is asked by name has answered about all that it was asked for.
    pub(super) fn finish(&mut self, at: i64) {
        let (failed, resting) = (self.run.n_failed(), self.run.resting());
        let has_answered = |site: &&Site| {
            !BY_DIGEST.contains(site) && failed.get(site).is_none_or(|n| *n == 0) && !resting.contains_key(site)
        };
        for site in self.allowed.iter().filter(has_answered) {
            for one in &self.sought {
                let is_of = |hint: &Hint| hint.address.as_ref().and_then(lookups::Address::site) == Some(*site);
                let is_asked = *site == Site::ManagerList || one.hints.iter().any(is_of);
                if let Some(sha256) = one.of.sha256.filter(|_| is_asked && !one.said.contains_key(site)) {
                    let said = if one.found_at.contains(site) { Said::Found } else { Said::NotFound };
                    self.answers.push(SiteAnswer { sha256, site: *site, said, at });
                }
            }
        }
    }

    /// A look at an address was one request more.
    pub(super) fn count_probe(&mut self, claim: &Claim) {
        let site = url::Url::parse(claim.url.as_str()).ok().and_then(|url| self.sites.site_of(&url));
        if let Some(site) = site {
            *self.n_probes.entry(site).or_default() += 1;
        }
    }

    /// Contents of which all is known that can be asked.
    pub(super) fn n_settled(&self) -> u64 {
        self.sought.iter().filter(|one| one.coverage().is_some()).count() as u64
    }

    /// What came of it so far.
    pub(super) fn report(&self) -> DiscoveryReport {
        let count = |is: &dyn Fn(&Sought) -> bool| self.sought.iter().filter(|one| is(one)).count() as u64;
        let covered = |wanted: Coverage| count(&|one| one.is_asked && one.coverage() == Some(wanted));
        let (requests, failed, resting) = (self.run.n_requests(), self.run.n_failed(), self.run.resting());
        let finder = |site: &Site| {
            let of = |map: &BTreeMap<Site, u64>| map.get(site).copied().unwrap_or_default();
            let resting = resting.get(site).map(|why| spelled(*why).to_owned());
            let requests = of(&requests) + of(&self.n_probes);
            FinderReport { requests, n_found: of(&self.n_found), n_failed: of(&failed), resting }
        };
        let by_finder: BTreeMap<Site, FinderReport> = self.allowed.iter().map(|site| (*site, finder(site))).collect();
        DiscoveryReport {
            n_asked: count(&|one| one.is_asked),
            n_found: covered(Coverage::Public),
            n_likely: covered(Coverage::Likely),
            n_not_found: covered(Coverage::PrivateOnly) + covered(Coverage::Gone),
            n_without_sha256: count(&|one| one.of.sha256.is_none()),
            n_new: 0,
            requests: by_finder.values().map(|finder| finder.requests).sum(),
            by_finder,
        }
    }
}

/// Now, by the clock of answers (milliseconds since 1970) and since the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: i64,
    pub(super) passed: Duration,
}

/// Whether all who may be asked by digest have answered, and whether one says that it was deleted. What is known and not
/// offered to everybody is neither private nor gone.
pub(in crate::services::sources) fn told(said: &[(Site, Said)], allowed: &BTreeSet<Site>) -> (bool, bool) {
    let of = |site: Site| said.iter().find(|(of, _)| *of == site).map(|(_, said)| *said);
    let is_told_gone = said.iter().any(|(_, said)| *said == Said::Deleted);
    let is_held_back = said.iter().any(|(_, said)| *said == Said::Withheld);
    let mut asked = BY_DIGEST.into_iter().filter(|site| allowed.contains(site)).peekable();
    let is_asked = asked.peek().is_some() && !is_held_back && asked.all(|site| of(site).is_some());
    (is_asked, is_told_gone)
}

/// The site that told of an address, if one did.
fn site_of(entry: &Entry) -> Option<Site> {
    entry.origin().as_str().parse().ok()
}

const fn spelled(why: Resting) -> &'static str {
    match why {
        Resting::Limiting => "it limits requests, and wants to be left alone for longer than a run takes",
        Resting::Failing => "it only fails",
        Resting::Refusing => "it refuses, or asks for a login",
    }
}

fn moment(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
