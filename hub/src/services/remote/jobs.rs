//! Making jobs, and what people do to them.

use std::collections::HashSet;

use serde::Serialize;
use shared_protocol::facts::Facts;
use shared_protocol::job::ComfyGitClone;
use shared_protocol::source_url::SourceUrl;
use shared_protocol::{AgentId, Allowed, JobId, RelPath};

use super::job_view::JobView;
use super::{Remote, linked};
use crate::domain::described::UuidText;
use crate::domain::exclusion::{self, NameKind};
use crate::domain::remote_job::{Dropped, JobEvent, JobState, step};
use crate::domain::root::Root;
use crate::services::hasher::{HashKind, HashScope};
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index::{self, FileRow};
use crate::storage::jobs::{self, JobFile, JobFilter, JobTask, NewJob};
use crate::storage::views::named;
use crate::storage::views::page::{Page, PageRequest};
use crate::storage::{StorageError, agents};

/// Files of one request. More would be a mirror of the library, and nobody meant that.
const MOST_FILES: usize = 10_000;

/// Paths of one request that are told as skipped.
const MOST_SKIPPED: usize = 1_000;

/// A path that no job was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SkippedJobPath)]
pub struct Skipped {
    /// The path as it was named or found.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Jobs that were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct JobsMade {
    /// Their ids, in the order in which they will be assigned.
    #[schema(value_type = Vec<UuidText>)]
    pub job_ids: Vec<JobId>,
    /// What no job was made of.
    pub skipped: Vec<Skipped>,
}

/// What machines still have to do, in a few numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RemoteLoad {
    /// Jobs that a machine works on.
    pub n_running: u64,
    /// Jobs whose turn has not come.
    pub n_queued: u64,
    /// How fast all of them go together.
    pub bytes_per_second: u64,
}

/// A repository to clone or update.
#[derive(Debug, Clone, Default)]
pub struct CloneRequest {
    /// The repository; `COMFY_REPO_URL` if none.
    pub url: Option<String>,
    /// Branch, tag or full commit id.
    pub reference: Option<String>,
    /// Below `ComfyUI`'s folder; that folder itself if none.
    pub dir: Option<RelPath>,
    /// Commits of history.
    pub depth: Option<u32>,
}

/// Files that a request names, and what is left out.
#[derive(Default)]
pub(super) struct AskedFile {
    pub(super) files: Vec<FileRow>,
    pub(super) skipped: Vec<Skipped>,
}

impl Remote {
    /// Asks an agent for files: one job each. A file without a hash is hashed first.
    pub async fn send_files(&self, agent: AgentId, root: Root, paths: Vec<RelPath>) -> Result<JobsMade, ServiceError> {
        let row = self.known_agent(agent).await?;
        let mut named = self.named(root, paths).await?;
        named.leave_out_linked(&row.facts);
        let _turn = self.inner.turn.lock().await;
        let open = self.inner.database.read(move |c| jobs::open(c, Some(agent))).await?;
        let taken: HashSet<String> =
            open.iter().filter_map(|job| job.task.file()).map(|file| file.path.match_key()).collect();
        let mut skipped = std::mem::take(&mut named.skipped);
        named.files.retain(|file| {
            let is_new = !taken.contains(&file.path.match_key());
            if !is_new && skipped.len() < MOST_SKIPPED {
                let why = "another job of this agent to the same place has not ended yet".to_owned();
                skipped.push(Skipped { path: file.path.to_string(), why });
            }
            is_new
        });
        named.files.retain(|file| {
            if file.rotted.is_some() && skipped.len() < MOST_SKIPPED {
                let why = "its bytes changed though nothing wrote to it: heal it first, see Hashes".to_owned();
                skipped.push(Skipped { path: file.path.to_string(), why });
            }
            file.rotted.is_none()
        });
        let unhashed: Vec<RelPath> =
            named.files.iter().filter(|file| file.hash.is_none()).map(|file| file.path.clone()).collect();
        let hash_job = if unhashed.is_empty() {
            None
        } else {
            Some(self.inner.hasher.start(root, HashScope::Paths(unhashed), HashKind::Missing).await?)
        };
        let file = move |file: FileRow| JobFile {
            root,
            path: file.path,
            size_bytes: file.size_bytes,
            modified: file.modified,
            hash: file.hash,
            hash_job: hash_job.filter(|_| file.hash.is_none()),
        };
        let new: Vec<NewJob> =
            named.files.into_iter().map(|row| NewJob { agent, task: JobTask::AssetDownload(file(row)) }).collect();
        Ok(JobsMade { job_ids: self.store(new).await?, skipped })
    }

    /// Asks an agent to clone or update a repository.
    pub async fn send_clone(&self, agent: AgentId, request: CloneRequest) -> Result<JobsMade, ServiceError> {
        self.known_agent(agent).await?;
        let config = self.inner.settings.current();
        let allow_private = config.remote.allow_private_sources;
        let text = request.url.unwrap_or_else(|| config.remote.comfy_repo_url.clone());
        let url = SourceUrl::parse(&text, Allowed::with_private(allow_private))
            .map_err(|error| impossible(format!("\"url\" can't be cloned: {error}")))?;
        if let Some(reference) = &request.reference
            && !is_reference(reference)
        {
            return Err(impossible("\"ref\" has to be the name of a branch or tag, or a full commit id".to_owned()));
        }
        if request.depth == Some(0) {
            return Err(impossible("\"depth\" has to be 1 or more".to_owned()));
        }
        let clone = ComfyGitClone {
            url: url.as_str().to_owned(),
            reference: request.reference,
            dir: request.dir,
            depth: request.depth,
            allow_private,
        };
        let job = NewJob { agent, task: JobTask::ComfyGitClone(clone) };
        let _turn = self.inner.turn.lock().await;
        Ok(JobsMade { job_ids: self.store(vec![job]).await?, skipped: Vec::new() })
    }

    async fn store(&self, new: Vec<NewJob>) -> Result<Vec<JobId>, ServiceError> {
        let stored = self.inner.database.write(move |tx| {
            new.iter().map(|job| Ok(jobs::insert(tx, job)?.id)).collect::<Result<Vec<_>, StorageError>>()
        });
        let ids = stored.await?;
        for id in &ids {
            self.inner.events.send(Event::JobChanged(*id));
        }
        self.inner.wake.notify_one();
        Ok(ids)
    }

    pub(super) async fn known_agent(&self, id: AgentId) -> Result<agents::AgentRow, ServiceError> {
        let agent = self.inner.database.read(move |c| agents::show(c, id)).await?;
        agent.filter(|agent| agent.removed_at.is_none()).ok_or_else(|| ServiceError::not_found("agent"))
    }

    /// The files that paths name, folders expanded.
    pub(super) async fn named(&self, root: Root, paths: Vec<RelPath>) -> Result<AskedFile, ServiceError> {
        if paths.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file or folder in \"paths\"."));
        }
        let live = self.inner.roots.live(root)?;
        let (asked, n_asked) = (paths.clone(), paths.len());
        let missing = self.inner.database.read(move |c| named::not_indexed(c, live.row, &asked)).await?;
        ServiceError::refuse_if_all(&missing, n_asked, named::NOT_INDEXED)?;
        let named = self.inner.database.read(move |connection| {
            let mut named = AskedFile::default();
            let mut seen = HashSet::new();
            for path in &paths {
                let before = named.files.len() + named.skipped.len();
                let mut add = |file: FileRow| -> Result<(), StorageError> {
                    named.add(file, &mut seen);
                    Ok(())
                };
                match index::file_at(connection, live.row, path)? {
                    Some(file) => add(file)?,
                    None => index::for_each_below(connection, live.row, Some(path), add)?,
                }
                if named.files.len() + named.skipped.len() == before {
                    let is_folder = index::has_folder(connection, live.row, path)?;
                    let excluded = exclusion::of_path(path, NameKind::Either).map(|found| found.to_string());
                    let why = match &excluded {
                        Some(why) => why,
                        None if is_folder => "nothing new is in the folder",
                        None => "it is not in the index: scan, then try again",
                    };
                    named.skip(path, why);
                }
            }
            Ok(named)
        });
        let named = named.await?;
        if named.files.len() > MOST_FILES {
            return Err(impossible(format!(
                "These are {} files, and one request sends at most {MOST_FILES}: name fewer folders",
                named.files.len()
            )));
        }
        Ok(named)
    }

    /// A page of jobs, newest first.
    pub async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<JobView>, ServiceError> {
        let found = self.inner.database.read(move |c| jobs::list(c, filter, &page)).await?;
        Ok(found.map(|job| self.view(job)))
    }

    /// The jobs that have not ended, oldest first.
    pub async fn open_jobs(&self) -> Result<Vec<JobView>, ServiceError> {
        let open = self.inner.database.read(|c| jobs::open(c, None)).await?;
        Ok(open.into_iter().map(|job| self.view(job)).collect())
    }

    /// The jobs that have not ended, in a few numbers.
    pub async fn load(&self) -> Result<RemoteLoad, ServiceError> {
        let counts = self.inner.database.read(jobs::open_counts).await?;
        let of = |wanted: fn(JobState) -> bool| counts.iter().filter(|(state, _)| wanted(*state)).map(|(_, n)| n).sum();
        let moments = self.inner.moments.lock();
        Ok(RemoteLoad {
            n_running: of(JobState::is_with_agent),
            n_queued: of(|state| !state.is_with_agent()),
            bytes_per_second: moments.values().filter_map(|moment| moment.bytes_per_second).sum(),
        })
    }

    /// One job with its lines.
    pub async fn show_job(&self, id: JobId) -> Result<JobView, ServiceError> {
        let found = self.inner.database.read(move |c| Ok((jobs::show(c, id)?, jobs::lines(c, id)?))).await?;
        let (Some(job), lines) = found else { return Err(ServiceError::not_found("job")) };
        Ok(JobView { log: Some(lines), ..self.view(job) })
    }

    fn view(&self, job: jobs::JobRow) -> JobView {
        let moment = self.inner.moments.lock().get(&job.id).cloned();
        let waiting = self.inner.waiting.lock().get(&job.id).cloned();
        let is_away = !job.life.state.is_with_agent() && !self.inner.connections.lock().contains_key(&job.agent);
        let waiting = if is_away { Some("Its agent is not connected".to_owned()) } else { waiting };
        JobView::of(job, moment.as_ref(), waiting)
    }

    /// Drops a job: at once if its agent has not got it, else as soon as the agent has stopped.
    pub async fn cancel_job(&self, id: JobId) -> Result<JobView, ServiceError> {
        self.ask(id, JobEvent::Cancel).await
    }

    /// Tries a job again that failed or was dropped.
    pub async fn retry_job(&self, id: JobId) -> Result<JobView, ServiceError> {
        self.ask(id, JobEvent::Retry).await
    }

    async fn ask(&self, id: JobId, event: JobEvent) -> Result<JobView, ServiceError> {
        let turn = self.inner.turn.lock().await;
        let job = self.inner.database.read(move |c| jobs::show(c, id)).await?;
        let job = job.ok_or_else(|| ServiceError::not_found("job"))?;
        if let Err(Dropped::Refused(state)) = step(job.life, event) {
            let text = format!("The job is {} and can't do that.", state.as_str());
            return Err(ServiceError::said(ErrorKind::Conflict, text));
        }
        let connection = self.inner.connections.lock().get(&job.agent).cloned();
        if let Some(happened) = self.apply(id, None, event, None).await? {
            self.make_durable().await?;
            for effect in happened.effects {
                // The agent of a job that was never sent has nothing to stop.
                if let Some(connection) = connection.as_ref().filter(|_| happened.job.life.attempt > 0) {
                    self.carry_out(connection, &happened.job, effect).await;
                }
            }
        }
        drop(turn);
        self.inner.wake.notify_one();
        self.show_job(id).await
    }
}

impl AskedFile {
    /// Leaves out what would go through a link that its agent does not go through.
    pub(super) fn leave_out_linked(&mut self, facts: &Facts) {
        for file in std::mem::take(&mut self.files) {
            match linked::in_the_way(facts, &file.path) {
                Some(link) => self.skip(&file.path, &linked::why(link)),
                None => self.files.push(file),
            }
        }
    }

    fn skip(&mut self, path: &RelPath, why: &str) {
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(Skipped { path: path.to_string(), why: why.to_owned() });
        }
    }

    fn add(&mut self, file: FileRow, seen: &mut HashSet<RelPath>) {
        if !seen.insert(file.path.clone()) {
            return;
        }
        if file.placeholder {
            self.skip(&file.path, "its content lies in a cloud and is not on this disk");
        } else if file.conflict {
            self.skip(&file.path, "another name here differs only in case: rename one of them first");
        } else {
            self.files.push(file);
        }
    }
}

fn impossible(text: String) -> ServiceError {
    ServiceError::said(ErrorKind::Impossible, text)
}

/// What git takes for the name of a branch or tag (`git check-ref-format`), or a commit.
fn is_reference(text: &str) -> bool {
    let is_wrong = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !text.is_empty()
        && text.len() <= 255
        && !text.contains(is_wrong)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains("//")
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && text.split('/').all(|part| {
            !part.starts_with('.') && std::path::Path::new(part).extension().is_none_or(|end| end != "lock")
        })
        && text != "@"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_or_a_shell_would_take_for_something_else_are_refused() {
        for good in ["master", "v0.3.10", "feature/x-1", "0123456789012345678901234567890123456789"] {
            assert!(is_reference(good), "{good}");
        }
        let bad = [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "a\nb",
            "x.lock",
            "/a",
            "a/",
            ".a",
            "a/.b",
            "a~1",
            "@",
            "a@{1}",
        ];
        for bad in bad {
            assert!(!is_reference(bad), "{bad}");
        }
    }
}
