//! One question to one site, and what its answer says.

use shared_protocol::Sha256;

use crate::address::Address;
use crate::answer::{Answer, AnswerError};
use crate::claim::Claim;
use crate::request::Request;
use crate::sites::{Site, Sites};

/// A question that can be asked and whose answer can be read.
pub trait Finder {
    /// Who is asked.
    fn site(&self) -> Site;

    /// What to send; `None` if the site's base address is none, or nothing is asked for.
    fn request(&self, sites: &Sites) -> Option<Request>;

    /// Reads the answer. That there is nothing is an answer, where the question was by a digest or a path.
    ///
    /// # Errors
    ///
    /// If the answer says nothing about what was asked; the error says whether to ask again.
    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError>;
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Addresses with what is said about the files there, the site's first choice first. None is judged yet.
    pub claims: Vec<Claim>,
    /// Digests that were asked for and are known there. Details may be had by another question.
    pub known: Vec<Sha256>,
    /// Digests that were asked for and are not known there.
    pub unknown: Vec<Sha256>,
    /// Files that were asked for by name and are not there.
    pub absent: Vec<Address>,
    /// Entries of the answer that were not of the form.
    pub n_unreadable: usize,
}
