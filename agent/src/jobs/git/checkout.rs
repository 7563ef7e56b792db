//! Clones, and brings clones to the newest, without touching what someone changed in them.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{
    AutotagOption, CheckoutNotificationType, Direction, ErrorCode, FetchOptions, Oid, ProxyOptions, Remote,
    RemoteCallbacks, Repository,
};
use shared_protocol::outcome::How;

use super::merge::{self, Place};
use super::repository::{askable, is_same};
use super::transport::Asker;
use super::{GitFailure, Order, Teller};

/// What the remote's name is in every clone.
const ORIGIN: &str = "origin";

/// Where a commit is kept that was asked for by its id.
const ASKED_FOR: &str = "refs/comfy-agent/asked-for";

/// What a reference turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Branch(String),
    Tag(String),
    Commit(Oid),
}

/// Does an order; tells how it came about, and the commit.
pub(super) fn bring(order: &Order, asker: &Asker, teller: &mut Teller) -> Result<(How, Oid), GitFailure> {
    let (how, repository) = match merge::look(&order.target)? {
        Place::Clone => return update(order, asker, teller),
        Place::Absent(beside) => {
            clone(order, &beside, teller)?;
            merge::place(&beside, &order.target)?;
            (How::Cloned, Repository::open(&order.target)?)
        }
        Place::Open(inside) => {
            clone(order, &inside, teller)?;
            merge::complete(&inside)?;
            merge::merge(&inside, &order.target)?;
            (How::Cloned, Repository::open(&order.target)?)
        }
        Place::Complete(inside) => {
            merge::merge(&inside, &order.target)?;
            (How::Cloned, Repository::open(&order.target)?)
        }
    };
    let commit = repository.head()?.peel_to_commit()?.id();
    Ok((how, commit))
}

fn clone(order: &Order, into: &Path, teller: &mut Teller) -> Result<(), GitFailure> {
    let repository = Repository::init(into)?;
    let mut remote = repository.remote(ORIGIN, &order.url)?;
    let (wanted, commit) = fetch(&repository, &mut remote, order, None, teller)?;
    check_out(&repository, commit, true, teller)?;
    reconcile(&repository, &wanted, commit)
}

/// Brings an existing clone to the newest.
fn update(order: &Order, asker: &Asker, teller: &mut Teller) -> Result<(How, Oid), GitFailure> {
    let target = order.target.display();
    let repository = Repository::open(&order.target)?;
    let origin = repository.find_remote(ORIGIN).ok().and_then(|remote| remote.url().ok().map(str::to_owned));
    let is_same = origin.map_or(Ok(false), |origin| means(&origin, &order.url, asker))?;
    if !is_same {
        let detail = format!("{target} is a clone of something else, and is left as it is");
        return Err(GitFailure::in_the_way(detail));
    }
    // By the address that was asked for: the clone's own may be one of ssh, or of a time before a move.
    let mut remote = repository.remote_anonymous(&order.url)?;
    let head = repository.head().ok().and_then(|head| {
        let commit = head.peel_to_commit().ok()?.id();
        Some((head.is_branch().then(|| head.shorthand().ok().map(str::to_owned)).flatten(), commit))
    });
    let current = head.as_ref().and_then(|(branch, _)| branch.clone());
    let tracked_before = current.as_ref().and_then(|branch| tracked(&repository, branch));
    let (wanted, commit) = fetch(&repository, &mut remote, order, current.as_deref(), teller)?;
    if let Wanted::Branch(branch) = &wanted {
        let local = repository.find_branch(branch, git2::BranchType::Local).ok();
        if let Some(local) = local.and_then(|local| local.get().target()) {
            let is_forward = local == commit || repository.graph_descendant_of(commit, local)?;
            // A shallow clone does not hold what lies between.
            let is_untouched = current.as_ref() == Some(branch) && tracked_before == Some(local);
            let may_move = is_forward || (repository.is_shallow() && is_untouched);
            if !may_move {
                let detail = format!("{target} has commits of its own on {branch}, and is left as it is");
                return Err(GitFailure::git(detail));
            }
        }
    }
    if head.is_some_and(|(branch, at)| at == commit && branch == branch_of(&wanted)) {
        return Ok((How::AlreadyThere, commit));
    }
    check_out(&repository, commit, false, teller)?;
    reconcile(&repository, &wanted, commit)?;
    Ok((How::Updated, commit))
}

fn branch_of(wanted: &Wanted) -> Option<String> {
    match wanted {
        Wanted::Branch(branch) => Some(branch.clone()),
        Wanted::Tag(_) | Wanted::Commit(_) => None,
    }
}

/// Whether the address that a clone came from means the one that is asked for, by its spelling or because its server
/// sends there whoever asks for it.
fn means(origin: &str, asked: &str, asker: &Asker) -> Result<bool, GitFailure> {
    if is_same(origin, asked) {
        return Ok(true);
    }
    let asked_now = where_now(asked, asker);
    let Some(origin_now) = where_now(origin, asker).or_else(|unknown| {
        // A server that is gone for good says nothing; one's own lost network says nothing about it.
        if asked_now.is_ok() { Ok(None) } else { Err(unknown) }
    })?
    else {
        return Ok(false);
    };
    Ok(is_same(&origin_now, asked) || asked_now?.is_some_and(|asked_now| is_same(&origin_now, &asked_now)))
}

/// Where a server sends who asks for a repository; none if it has none, or may not be asked.
fn where_now(address: &str, asker: &Asker) -> Result<Option<String>, GitFailure> {
    let Some(address) = askable(address) else { return Ok(None) };
    match asker.find(&address) {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::PermissionDenied => Ok(None),
            _ => Err(GitFailure::network(format!("it can't be told whether {address} is the same: {error}"))),
        },
    }
}

fn tracked(repository: &Repository, branch: &str) -> Option<Oid> {
    repository.refname_to_id(&format!("refs/remotes/{ORIGIN}/{branch}")).ok()
}

/// Fetches what is wanted, and finds its commit.
fn fetch(
    repository: &Repository,
    remote: &mut Remote<'_>,
    order: &Order,
    current: Option<&str>,
    teller: &mut Teller,
) -> Result<(Wanted, Oid), GitFailure> {
    teller.progress("asking the server", 0, 0, 0);
    let wanted = {
        let connection = remote.connect_auth(Direction::Fetch, None, Some(ProxyOptions::new()))?;
        let names: Vec<String> = connection.list()?.iter().map(|head| head.name().to_owned()).collect();
        let default = connection.default_branch().ok().and_then(|name| name.as_str().ok().map(str::to_owned));
        choose(&names, default.as_deref(), order.reference.as_deref(), current)?
    };
    let (spec, name) = match &wanted {
        Wanted::Branch(branch) => {
            let name = format!("refs/remotes/{ORIGIN}/{branch}");
            (format!("+refs/heads/{branch}:{name}"), name)
        }
        Wanted::Tag(tag) => (format!("+refs/tags/{tag}:refs/tags/{tag}"), format!("refs/tags/{tag}")),
        Wanted::Commit(commit) => (format!("+{commit}:{ASKED_FOR}"), ASKED_FOR.to_owned()),
    };
    if let Wanted::Commit(commit) = &wanted
        && repository.find_commit(*commit).is_ok()
    {
        return Ok((wanted.clone(), *commit));
    }
    if let Err(error) = get(remote, &[&spec], order.depth, teller) {
        let Wanted::Commit(commit) = &wanted else { return Err(error.into()) };
        // Not every server gives a commit by its id: then with all branches.
        get(remote, &["+refs/heads/*:refs/remotes/origin/*"], None, teller)?;
        repository
            .find_commit(*commit)
            .map_err(|_| GitFailure::git(format!("the repository has no commit {commit}")))?;
        return Ok((wanted.clone(), *commit));
    }
    let commit = repository.find_reference(&name)?.peel_to_commit()?.id();
    Ok((wanted, commit))
}

fn get(remote: &mut Remote<'_>, specs: &[&str], depth: Option<u32>, teller: &mut Teller) -> Result<(), git2::Error> {
    // Two of libgit2's callbacks tell by it.
    let teller = RefCell::new(teller);
    let mut callbacks = RemoteCallbacks::new();
    callbacks.sideband_progress(|text| {
        teller.borrow_mut().server_says(text);
        true
    });
    callbacks.transfer_progress(|progress| {
        let mut teller = teller.borrow_mut();
        let bytes = u64::try_from(progress.received_bytes()).unwrap_or(0);
        let (n, n_total) = (progress.received_objects(), progress.total_objects());
        if n < n_total {
            teller.progress("receiving objects", n, n_total, bytes);
        } else {
            let (n, n_total) = (progress.indexed_deltas(), progress.total_deltas());
            teller.progress("resolving deltas", n, n_total, bytes);
        }
        true
    });
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false);
    if let Some(depth) = depth.and_then(|depth| i32::try_from(depth).ok()).filter(|depth| *depth > 0) {
        options.depth(depth);
    }
    remote.fetch(specs, Some(&mut options), None)
}

/// Finds out what a reference means to this remote.
fn choose(
    names: &[String],
    default: Option<&str>,
    reference: Option<&str>,
    current: Option<&str>,
) -> Result<Wanted, GitFailure> {
    let has = |name: &str| names.iter().any(|found| found == name);
    let Some(reference) = reference else {
        let default = default.and_then(|name| name.strip_prefix("refs/heads/"));
        let branch = current.filter(|branch| has(&format!("refs/heads/{branch}"))).or(default);
        return branch
            .map(|branch| Wanted::Branch(branch.to_owned()))
            .ok_or_else(|| GitFailure::git("the repository has no branch".to_owned()));
    };
    if has(&format!("refs/heads/{reference}")) {
        return Ok(Wanted::Branch(reference.to_owned()));
    }
    if has(&format!("refs/tags/{reference}")) {
        return Ok(Wanted::Tag(reference.to_owned()));
    }
    match Oid::from_str(reference) {
        Ok(commit) if reference.len() == 40 => Ok(Wanted::Commit(commit)),
        _ => Err(GitFailure::git(format!("the repository has no branch or tag \"{reference}\""))),
    }
}

/// Writes a commit's files. What someone changed or put there is neither overwritten nor removed: then
/// nothing is written at all.
fn check_out(repository: &Repository, commit: Oid, is_new: bool, teller: &mut Teller) -> Result<(), GitFailure> {
    let mut in_the_way = Vec::new();
    let mut builder = CheckoutBuilder::new();
    if is_new {
        builder.force();
    } else {
        builder.safe();
    }
    builder.notify_on(CheckoutNotificationType::CONFLICT).notify(|_, path, _, _, _| {
        in_the_way.extend(path.map(|path| path.display().to_string()));
        true
    });
    builder.progress(|_, n, n_total| teller.progress("writing files", n, n_total, 0));
    let tree = repository.find_commit(commit)?.into_object();
    let done = repository.checkout_tree(&tree, Some(&mut builder));
    drop(builder);
    match done {
        Err(error) if error.code() == ErrorCode::Conflict => {
            let named = in_the_way.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            let detail = format!("files were changed here ({named}), and are left as they are");
            Err(GitFailure::in_the_way(detail))
        }
        done => Ok(done?),
    }
}

/// Makes the repository stand where its files do.
fn reconcile(repository: &Repository, wanted: &Wanted, commit: Oid) -> Result<(), GitFailure> {
    let Wanted::Branch(branch) = wanted else {
        repository.set_head_detached(commit)?;
        return Ok(());
    };
    let name = format!("refs/heads/{branch}");
    repository.reference(&name, commit, true, "brought to the newest by the agent")?;
    repository.set_head(&name)?;
    let mut local = repository.find_branch(branch, git2::BranchType::Local)?;
    local.set_upstream(Some(&format!("{ORIGIN}/{branch}")))?;
    Ok(())
}
