//! One question to one site, and what its answer says.

use shared_protocol::Sha256;

use crate::address::Address;
use crate::answer::{Answer, AnswerError};
use crate::claim::Claim;
use crate::finders::{
    CivArchive, CivitaiDetails, CivitaiHash, CivitaiIds, CivitaiModel, CivitaiVersion, HuggingFacePaths,
    HuggingFaceTree, ManagerList, ModelScopeList,
};
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

/// Any of the questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Which of many digests Civitai knows.
    CivitaiIds(CivitaiIds),
    /// What Civitai knows of some digests.
    CivitaiDetails(CivitaiDetails),
    /// What Civitai knows of one digest of any sort.
    CivitaiHash(CivitaiHash),
    /// A version of a model of Civitai.
    CivitaiVersion(CivitaiVersion),
    /// A model of Civitai.
    CivitaiModel(CivitaiModel),
    /// What CivArchive knows of a digest.
    CivArchive(CivArchive),
    /// Files of a repository of Hugging Face.
    HuggingFacePaths(HuggingFacePaths),
    /// All files of a repository of Hugging Face.
    HuggingFaceTree(HuggingFaceTree),
    /// All files of a repository of ModelScope.
    ModelScopeList(ModelScopeList),
    /// ComfyUI-Manager's list.
    ManagerList(ManagerList),
}

impl Ask {
    /// What to ask to learn which file an address means, its size and its digests; `None` where only a look at the file
    /// tells.
    pub fn about(address: &Address) -> Option<Self> {
        match address {
            Address::HuggingFace(file) => {
                let (kind, repo, revision) = (file.kind, file.repo.clone(), file.revision.clone());
                Some(match file.path.clone() {
                    Some(path) => Self::HuggingFacePaths(HuggingFacePaths { kind, repo, revision, paths: vec![path] }),
                    None => Self::HuggingFaceTree(HuggingFaceTree { kind, repo, revision }),
                })
            }
            Address::Civitai(file) => match (file.version_id, file.model_id) {
                (Some(version_id), _) => {
                    Some(Self::CivitaiVersion(CivitaiVersion { version_id, file_id: file.file_id }))
                }
                (None, Some(model_id)) => Some(Self::CivitaiModel(CivitaiModel { model_id })),
                (None, None) => None,
            },
            Address::ModelScope(file) => Some(Self::ModelScopeList(ModelScopeList {
                repo: file.repo.clone(),
                revision: file.revision.clone(),
                paths: file.path.iter().cloned().collect(),
            })),
            Address::Other(_) => None,
        }
    }

    /// The question itself.
    pub fn finder(&self) -> &dyn Finder {
        match self {
            Self::CivitaiIds(finder) => finder,
            Self::CivitaiDetails(finder) => finder,
            Self::CivitaiHash(finder) => finder,
            Self::CivitaiVersion(finder) => finder,
            Self::CivitaiModel(finder) => finder,
            Self::CivArchive(finder) => finder,
            Self::HuggingFacePaths(finder) => finder,
            Self::HuggingFaceTree(finder) => finder,
            Self::ModelScopeList(finder) => finder,
            Self::ManagerList(finder) => finder,
        }
    }
}

impl Finder for Ask {
    fn site(&self) -> Site {
        self.finder().site()
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        self.finder().request(sites)
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        self.finder().read(answer, sites)
    }
}
