//! One run over what is wanted: questions out, answers in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::pace::Pace;
use super::wishes::{Wish, by_name, civarchive, civitai_details, first_asks};
use crate::address::Address;
use crate::answer::AnswerError;
use crate::ask::Ask;
use crate::finder::{Finder, Found};
use crate::sites::{Site, Sites};

/// Names a question that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask this, and hand in what comes of it with the ticket. Others may be asked meanwhile: a site has only one
    /// question on its way.
    Ask(Ticket, Ask),
    /// Nothing before this moment, unless an answer comes in.
    WaitUntil(Duration),
    /// Nothing until an answer comes in.
    WaitForAnswer,
    /// All is asked.
    Done,
}

/// What came of a question.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// An answer, with how long the site asks to be left alone even so.
    Found(&'a Found, Option<Duration>),
    /// An answer that says nothing, with how long the site asks to be left alone.
    Failed(&'a AnswerError, Option<Duration>),
    /// No answer.
    Unreachable,
}

/// Why a site is left alone for the rest of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resting {
    /// It is limiting requests, and wants more peace than a run is long.
    Limiting,
    /// It only fails.
    Failing,
    /// It refuses, or asks for a login: the next question would be answered alike.
    Refusing,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Ask>,
    on_its_way: Option<(Ticket, Ask)>,
    pace: Pace,
    n_requests: u64,
    n_failed: u64,
    resting: Option<Resting>,
}

/// A run. Dropping it ends it; what was answered by then counts.
#[derive(Debug)]
pub struct Run {
    sites: Sites,
    finders: BTreeSet<Site>,
    lanes: BTreeMap<Site, Lane>,
    /// Files that were already asked about by name, so that a list does not ask twice.
    named: BTreeSet<String>,
    next_ticket: u64,
}

impl Run {
    /// Plans a run of these finders over what is wanted.
    pub fn new(sites: Sites, finders: &[Site], wishes: &[Wish]) -> Self {
        let finders: BTreeSet<Site> = finders.iter().copied().collect();
        let mut run = Self { sites, finders, lanes: BTreeMap::new(), named: BTreeSet::new(), next_ticket: 0 };
        let hints = wishes.iter().flat_map(|wish| wish.hints.iter().filter(|hint| hint.fits(&wish.content)));
        run.named = hints.filter_map(|hint| Some(hint.address.as_ref()?.to_string())).collect();
        for ask in first_asks(&run.finders, wishes) {
            run.add(ask);
        }
        run
    }

    fn add(&mut self, ask: Ask) {
        let lane = self.lanes.entry(ask.site()).or_default();
        if lane.resting.is_some() {
            lane.n_failed += 1;
        } else {
            lane.waiting.push_back(ask);
        }
    }

    /// What to do at this moment. Asked for until it says to wait.
    pub fn next(&mut self, now: Duration) -> Step {
        let mut earliest: Option<Duration> = None;
        let mut is_any_on_its_way = false;
        for lane in self.lanes.values_mut() {
            is_any_on_its_way |= lane.on_its_way.is_some();
            if lane.on_its_way.is_some() || lane.resting.is_some() || lane.waiting.is_empty() {
                continue;
            }
            if lane.pace.not_before() > now {
                earliest = Some(earliest.map_or(lane.pace.not_before(), |known| known.min(lane.pace.not_before())));
                continue;
            }
            if let Some(ask) = lane.waiting.pop_front() {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                lane.n_requests += 1;
                lane.on_its_way = Some((ticket, ask.clone()));
                return Step::Ask(ticket, ask);
            }
        }
        match (earliest, is_any_on_its_way) {
            (Some(moment), _) => Step::WaitUntil(moment),
            (None, true) => Step::WaitForAnswer,
            (None, false) => Step::Done,
        }
    }

    /// Takes what came of a question. A ticket that is not on its way any more changes nothing.
    pub fn answered(&mut self, ticket: Ticket, outcome: &Outcome<'_>, now: Duration) {
        let is_its = |lane: &&mut Lane| lane.on_its_way.as_ref().is_some_and(|(known, _)| *known == ticket);
        let Some(lane) = self.lanes.values_mut().find(is_its) else { return };
        let Some((_, ask)) = lane.on_its_way.take() else { return };
        let further = match outcome {
            Outcome::Found(found, wait) => {
                lane.pace.answered(now, *wait);
                self.follow_up(&ask, found)
            }
            Outcome::Failed(error, wait) if error.is_passing() => {
                let resting =
                    if matches!(error, AnswerError::RateLimited(_)) { Resting::Limiting } else { Resting::Failing };
                lane.again(ask, now, *wait, resting);
                Vec::new()
            }
            Outcome::Unreachable => {
                lane.again(ask, now, None, Resting::Failing);
                Vec::new()
            }
            Outcome::Failed(error, wait) => {
                lane.pace.answered(now, *wait);
                lane.n_failed += 1;
                self.instead(ask, error)
            }
        };
        for ask in further {
            self.add(ask);
        }
    }

    /// What an answer leads to.
    fn follow_up(&mut self, ask: &Ask, found: &Found) -> Vec<Ask> {
        let is_on = |site: Site| self.finders.contains(&site);
        match ask {
            Ask::CivitaiIds(_) | Ask::CivitaiDetails(_) => {
                let is_first = matches!(ask, Ask::CivitaiIds(_));
                let details = if is_first { found.known.as_slice() } else { &[] };
                let archived = if is_on(Site::CivArchive) { found.unknown.as_slice() } else { &[] };
                civitai_details(details).chain(civarchive(archived)).collect()
            }
            Ask::ManagerList(_) => {
                let claimed =
                    found.claims.iter().filter_map(|claim| Address::parse(claim.url.as_str(), &self.sites).ok());
                let new: Vec<Address> = claimed.filter(|address| self.named.insert(address.to_string())).collect();
                by_name(&self.finders, &new.iter().collect::<Vec<_>>())
            }
            _ => Vec::new(),
        }
    }

    /// What is asked in place of a question that failed for good.
    fn instead(&mut self, ask: Ask, error: &AnswerError) -> Vec<Ask> {
        let site = ask.site();
        match (ask, error) {
            // A site without the question for many: the one for a hundred says the same.
            (Ask::CivitaiIds(ids), AnswerError::NotFound(_) | AnswerError::Misunderstood(_)) => {
                civitai_details(&ids.hashes).collect()
            }
            // A repository may be closed to us while others are not; a question by digest is the same for all.
            (
                Ask::CivitaiIds(_) | Ask::CivitaiDetails(_) | Ask::CivArchive(_),
                AnswerError::NeedsToken(_) | AnswerError::Refused(_),
            ) => {
                if let Some(lane) = self.lanes.get_mut(&site) {
                    lane.rest(Resting::Refusing);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Requests that were handed out so far, by site.
    pub fn n_requests(&self) -> BTreeMap<Site, u64> {
        self.lanes.iter().map(|(site, lane)| (*site, lane.n_requests)).collect()
    }

    /// Questions that wait, as far as they are known: answers lead to more.
    pub fn n_waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len() + usize::from(lane.on_its_way.is_some())).sum()
    }

    /// Questions that were answered with nothing that could be used, or were given up, by site.
    pub fn n_failed(&self) -> BTreeMap<Site, u64> {
        self.lanes.iter().map(|(site, lane)| (*site, lane.n_failed)).collect()
    }

    /// Sites that are left alone, with why.
    pub fn resting(&self) -> BTreeMap<Site, Resting> {
        self.lanes.iter().filter_map(|(site, lane)| Some((*site, lane.resting?))).collect()
    }
}

impl Lane {
    fn again(&mut self, ask: Ask, now: Duration, wait: Option<Duration>, resting: Resting) {
        self.waiting.push_front(ask);
        if !self.pace.failed(now, wait) {
            self.rest(resting);
        }
    }

    fn rest(&mut self, why: Resting) {
        self.n_failed += self.waiting.len() as u64;
        self.waiting.clear();
        self.resting = Some(why);
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests;
