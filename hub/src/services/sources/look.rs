//! Looking at what a pasted address leads to, before anything is loaded: its name, size and digest as the site tells
//! them, what it is by its header, which is read by ranges, and whether the same content is here already.

mod remote_file;

use lookups::{Address, AddressError, Ask, Claim, Finder as _, Found, Offer, Origin, Sites};
use model_header::{Description, describe};
use serde::Serialize;
use shared_protocol::{RelPath, Sha256, SourceUrl};

use self::remote_file::RemoteFile;
use super::Sources;
use super::probe::fetch_range;
use crate::config::Config;
use crate::domain::described::Sha256Text;
use crate::domain::model_place::usual_folder;
use crate::domain::root::Root;
use crate::domain::sources::verdict::{ProbeAnswer, Wanted, judge_answer};
use crate::domain::sources::{CheckStatus, SourceVerdict};
use crate::services::{ErrorKind, ServiceError};
use crate::storage::lookups as stored;

/// Bytes that are asked for at once; most headers fit.
const PIECE: u64 = 256 << 10;

/// Files of a repository that are named where one has to be chosen.
const MOST_NAMED: usize = 12;

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LookView {
    /// The address of the file itself, without a token or a signature: what a download is asked for with.
    pub url: String,
    /// The host that hands it out, after all redirects.
    pub resolved_url_host: Option<String>,
    /// What it is called there, made storable.
    pub file_name: Option<String>,
    pub size_bytes: Option<u64>,
    /// Its SHA-256, as the site tells it.
    #[schema(value_type = Option<Sha256Text>)]
    pub sha256: Option<Sha256>,
    /// What it is, by its header; null where that can't be read.
    pub kind: Option<&'static str>,
    pub base: Option<&'static str>,
    pub precision: Option<String>,
    /// The folder in which ComfyUI looks for its kind.
    pub folder: Option<&'static str>,
    /// Whether the site asks for a token, or for its terms to be accepted there.
    pub needs_token: bool,
    /// Files here that have the same content, by the digest that the site tells.
    pub have: Vec<HaveView>,
}

/// The file that an address means.
struct Meant {
    url: SourceUrl,
    file_name: Option<String>,
    sha256: Option<Sha256>,
    size_bytes: Option<u64>,
}

impl From<Claim> for Meant {
    fn from(claim: Claim) -> Self {
        let Claim { url, file_name, sha256, size_bytes, .. } = claim;
        Self { url, file_name, sha256, size_bytes }
    }
}

/// A file that has the same content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HaveView {
    pub root: Root,
    #[schema(value_type = String)]
    pub path: RelPath,
}

impl Sources {
    /// Looks at what a pasted address leads to. Its site is asked because a person pasted it.
    ///
    /// # Errors
    /// It is no address of a file, leads to nothing, or its site does not answer; the error says what to do.
    pub async fn look_at_pasted(&self, pasted: &str) -> Result<LookView, ServiceError> {
        let config = self.settings.current();
        let sites = &config.lookups.sites;
        let address = Address::parse(pasted, sites).map_err(|error| refused(&error))?;
        let meant = self.meant(&address, sites, &config).await?;
        let name = meant.file_name.clone().or_else(|| address.file_name());
        let looked = fetch_range(&self.outbound, &config, &meant.url, 0..=PIECE - 1).await;
        let (answer, start) = looked.map_err(|verdict| impossible(&verdict))?;
        let needs_token = answer.is_login || matches!(answer.status, 401 | 403);
        if !needs_token && !matches!(answer.status, 200 | 206) {
            return Err(impossible(&nothing_there(&answer)));
        }
        let is_page = answer.content_type.as_deref().is_some_and(|kind| kind.trim_start().starts_with("text/html"));
        if !needs_token && is_page {
            let text = "A page comes instead of a file. Paste the address of the download itself.";
            return Err(ServiceError::said(ErrorKind::Impossible, text));
        }
        // Of a page that asks for a login nothing is taken.
        let told = if needs_token { None } else { answer.linked_size.or(answer.total_bytes) };
        let size_bytes = meant.size_bytes.or(told);
        let sha256 = meant.sha256.or(answer.linked_sha256);
        let described = match (size_bytes, name.clone()) {
            (Some(size), Some(name)) if !start.is_empty() => {
                self.describe_remote(RemoteFile::new(self, &meant.url, size, start), name).await
            }
            _ => None,
        };
        let kind = described.as_ref().map(|description| description.kind);
        let have = match sha256 {
            Some(sha256) => self.database.read(move |connection| stored::files_of(connection, &sha256)).await?,
            None => Vec::new(),
        };
        Ok(LookView {
            url: meant.url.as_str().to_owned(),
            resolved_url_host: answer.host,
            file_name: name,
            size_bytes,
            sha256,
            kind: kind.map(model_header::Kind::id),
            base: described.as_ref().and_then(|description| description.base).map(model_header::Base::id),
            precision: described.as_ref().and_then(|description| description.precision.clone()),
            folder: kind.and_then(usual_folder),
            needs_token,
            have: have.into_iter().map(|(root, path)| HaveView { root, path }).collect(),
        })
    }

    /// Which file an address means, as its site tells it.
    async fn meant(&self, address: &Address, sites: &Sites, config: &Config) -> Result<Meant, ServiceError> {
        let download = address.download(sites);
        let asked = Ask::about(address).and_then(|ask| ask.request(sites).map(|request| (ask, request)));
        let Some((ask, request)) = asked else {
            let text = "This address does not say which file is meant.";
            let url = download.ok_or_else(|| ServiceError::said(ErrorKind::Impossible, text))?;
            return Ok(Meant { url, file_name: address.file_name(), sha256: None, size_bytes: None });
        };
        let site = ask.site().label();
        let answered =
            self.outbound.ask(&request, sites, config).await.map_err(|error| {
                ServiceError::said(ErrorKind::Unavailable, format!("{site} does not answer: {error}."))
            })?;
        let found = ask
            .read(&answered.answer, sites)
            .map_err(|error| ServiceError::said(ErrorKind::Impossible, format!("{site} was asked, and {error}.")))?;
        chosen(found, download.as_ref())
    }

    async fn describe_remote(&self, mut file: RemoteFile, name: String) -> Option<Description> {
        let size = file.size();
        // Not awaited by the end of the program: a site may be slow.
        let reading = tokio::task::spawn_blocking(move || describe(&mut file, size, &name));
        reading.await.ok()?.inspect_err(|error| tracing::info!(%error, "a header can't be read from afar")).ok()
    }
}

/// The file that is meant among those that a site tells of.
fn chosen(found: Found, download: Option<&SourceUrl>) -> Result<Meant, ServiceError> {
    let said = |text: String| Err(ServiceError::said(ErrorKind::Impossible, text));
    let mut claims = found.claims;
    if let Some(at) = claims.iter().position(|claim| Some(&claim.url) == download) {
        return Ok(claims.swap_remove(at).into());
    }
    let mut open: Vec<Claim> = claims.into_iter().filter(|claim| claim.offer != Offer::Deleted).collect();
    match (open.len(), download) {
        (0, _) => said("There is no file at this address, or not any more.".to_owned()),
        // A version of a model: its first file is its main one.
        (_, None) if open.iter().all(|claim| claim.origin == Origin::Civitai) => Ok(open.swap_remove(0).into()),
        (1, _) => Ok(open.swap_remove(0).into()),
        (n, _) => {
            let names: Vec<String> = open.into_iter().filter_map(|claim| claim.file_name).take(MOST_NAMED).collect();
            said(format!("There are {n} files at this address. Paste that of one of them: {}.", names.join(", ")))
        }
    }
}

fn nothing_there(answer: &ProbeAnswer) -> SourceVerdict {
    judge_answer(answer, &Wanted::default())
}

fn impossible(verdict: &SourceVerdict) -> ServiceError {
    let kind = if verdict.status == CheckStatus::Unreachable { ErrorKind::Unavailable } else { ErrorKind::Impossible };
    let text = verdict.detail.clone().unwrap_or_else(|| "There is nothing at this address".to_owned());
    ServiceError::said(kind, format!("{text}."))
}

fn refused(error: &AddressError) -> ServiceError {
    ServiceError::said(ErrorKind::Impossible, format!("This address can't be used: {error}."))
}
