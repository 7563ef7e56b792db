//! Any of the questions, and which one an address leads to.

use crate::address::Address;
use crate::answer::{Answer, AnswerError};
use crate::finder::{Finder, Found};
use crate::finders::{
    CivArchive, CivitaiDetails, CivitaiHash, CivitaiIds, CivitaiModel, CivitaiVersion, HuggingFacePaths,
    HuggingFaceTree, ManagerList, ModelScopeList,
};
use crate::request::Request;
use crate::sites::{Site, Sites};

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
