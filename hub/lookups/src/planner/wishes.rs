//! From what is wanted to the first questions.

use std::collections::{BTreeMap, BTreeSet};

use shared_protocol::Sha256;

use crate::address::Address;
use crate::ask::Ask;
use crate::claim::Content;
use crate::finders::{
    CivArchive, CivitaiDetails, CivitaiIds, HuggingFacePaths, MAX_DETAILS, MAX_IDS, MAX_PATHS, ManagerList,
    ModelScopeList,
};
use crate::hints::Hint;
use crate::sites::Site;

/// A content whose sources are wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The content. Without a SHA-256 no site is asked for it by digest: hash the file first.
    pub content: Content,
    /// What its files are called, for lists that know names only.
    pub file_names: Vec<String>,
    /// What is said on this disk about where it is from.
    pub hints: Vec<Hint>,
    /// Sites whose last answer about its digest still counts (see [`Remembered`](super::Remembered)). They are not
    /// asked for it by digest.
    pub remembered: Vec<Site>,
}

impl Wish {
    fn is_asked_of(&self, site: Site) -> bool {
        !self.remembered.contains(&site)
    }
}

/// The first questions, by site, in the order in which they are asked.
pub(super) fn first_asks(finders: &BTreeSet<Site>, wishes: &[Wish]) -> Vec<Ask> {
    let mut asks = Vec::new();
    let is_on = |site: Site| finders.contains(&site);
    let digests = |wanted: &dyn Fn(&Wish) -> bool| -> Vec<Sha256> {
        let hashes: BTreeSet<Sha256> =
            wishes.iter().filter(|wish| wanted(wish)).filter_map(|wish| wish.content.sha256).collect();
        hashes.into_iter().collect()
    };
    if is_on(Site::Civitai) {
        asks.extend(civitai_ids(&digests(&|wish| wish.is_asked_of(Site::Civitai))));
    }
    if is_on(Site::CivArchive) {
        // What Civitai is asked for now is asked for here only if it turns out not to be there.
        let is_left = |wish: &Wish| !is_on(Site::Civitai) || !wish.is_asked_of(Site::Civitai);
        asks.extend(civarchive(&digests(&|wish| is_left(wish) && wish.is_asked_of(Site::CivArchive))));
    }
    let hinted = wishes.iter().flat_map(|wish| wish.hints.iter().filter(|hint| hint.fits(&wish.content)));
    let addresses: Vec<&Address> = hinted.filter_map(|hint| hint.address.as_ref()).collect();
    asks.extend(by_name(finders, &addresses));
    if is_on(Site::ManagerList) {
        let names: BTreeSet<&String> = wishes.iter().flat_map(|wish| &wish.file_names).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        asks.extend((!names.is_empty()).then_some(Ask::ManagerList(ManagerList { names })));
    }
    asks
}

fn civitai_ids(hashes: &[Sha256]) -> impl Iterator<Item = Ask> {
    hashes.chunks(MAX_IDS).map(|hashes| Ask::CivitaiIds(CivitaiIds { hashes: hashes.to_vec() }))
}

/// Details for digests that are known.
pub(super) fn civitai_details(hashes: &[Sha256]) -> impl Iterator<Item = Ask> {
    hashes.chunks(MAX_DETAILS).map(|hashes| Ask::CivitaiDetails(CivitaiDetails { hashes: hashes.to_vec() }))
}

/// One question for each digest.
pub(super) fn civarchive(hashes: &[Sha256]) -> impl Iterator<Item = Ask> {
    hashes.iter().map(|hash| Ask::CivArchive(CivArchive { hash: *hash }))
}

/// Questions about files that something names: one for many files of a repository.
pub(super) fn by_name(finders: &BTreeSet<Site>, addresses: &[&Address]) -> Vec<Ask> {
    let mut of_hugging_face = BTreeMap::<_, BTreeSet<String>>::new();
    let mut of_modelscope = BTreeMap::<_, BTreeSet<String>>::new();
    for address in addresses {
        match address {
            Address::HuggingFace(file) => {
                let repo = of_hugging_face.entry((file.kind, file.repo.clone(), file.revision.clone())).or_default();
                repo.extend(file.path.clone());
            }
            Address::ModelScope(file) => {
                let repo = of_modelscope.entry((file.repo.clone(), file.revision.clone())).or_default();
                repo.extend(file.path.clone());
            }
            // By digest, or by a look at the address itself.
            Address::Civitai(_) | Address::Other(_) => {}
        }
    }
    let mut asks = Vec::new();
    if finders.contains(&Site::HuggingFace) {
        for ((kind, repo, revision), paths) in of_hugging_face {
            let paths: Vec<String> = paths.into_iter().collect();
            let ask = |paths: &[String]| {
                let (repo, revision, paths) = (repo.clone(), revision.clone(), paths.to_vec());
                Ask::HuggingFacePaths(HuggingFacePaths { kind, repo, revision, paths })
            };
            asks.extend(paths.chunks(MAX_PATHS).map(ask));
        }
    }
    if finders.contains(&Site::ModelScope) {
        for ((repo, revision), paths) in of_modelscope {
            let paths: Vec<String> = paths.into_iter().collect();
            asks.push(Ask::ModelScopeList(ModelScopeList { repo, revision, paths }));
        }
    }
    asks
}
