//! Cloning `ComfyUI`, and bringing a clone to the newest, from a real git server: by branch, tag and
//! commit, into what was there before, and through everything that can come between.

mod counting;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use end_to_end::agent::{Agent, AgentSetup};
use end_to_end::api::{Api, WORK, number, text};
use end_to_end::ca::TestCa;
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::git_server::{GitServer, git};
use end_to_end::hub::Hub;
use end_to_end::remote::{Remote, begin_session, ended, order, succeeded, wait_for_agent, wait_for_state};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use serde_json::{Value, json};

/// What a clone is made in, beside the folder of models that the agent made.
const UNFINISHED: &str = ".comfy-agent-clone";

/// A hub, an agent that may clone from a git server on this machine, and that server.
struct Cloning {
    git: GitServer,
    machine: AgentSetup,
    agent: Option<Agent>,
    api: Api,
    id: String,
    _hub: Hub,
    _remote: Remote,
    _ca: TestCa,
}

impl Cloning {
    fn begin() -> Result<Self> {
        let ca = TestCa::new()?;
        let git = GitServer::start(&ca)?;
        let remote = Remote::new()?.set("REMOTE_ALLOW_PRIVATE_SOURCES", "true").set("COMFY_REPO_URL", &git.url());
        let (hub, api) = remote.start()?;
        let session = begin_session(&api)?;
        let machine = remote.machine(&session)?.hasty();
        let machine = machine.set("COMFY_AGENT_CA_FILE", ca.authority()).set("COMFY_AGENT_ALLOW_PRIVATE_SOURCES", "1");
        let agent = machine.start()?;
        let id = wait_for_agent(&api)?;
        Ok(Self { git, machine, agent: Some(agent), api, id, _hub: hub, _remote: remote, _ca: ca })
    }

    /// The folder that the agent clones to if nothing else is said.
    fn comfy(&self) -> &Path {
        self.machine.comfy()
    }

    fn order(&self, more: &Value) -> Result<String> {
        let mut request = json!({ "agent_id": self.id, "kind": "comfy_git_clone" });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        order(&self.api, &request)?.into_iter().next().context("no job")
    }

    /// Does an order, which has to succeed, and tells how it came about.
    fn done(&self, more: &Value) -> Result<Value> {
        succeeded(&self.api, &self.order(more)?)
    }

    /// Does an order that has to fail with a code, and tells why it did.
    fn refused(&self, more: &Value, code: &str) -> Result<String> {
        let job = ended(&self.api, &self.order(more)?)?;
        ensure!(text(&job, "state") == "failed" && text(&job["error"], "code") == code, "{job}");
        Ok(text(&job["error"], "detail").to_owned())
    }

    /// Makes the repository so large that its transfer can be caught in the middle, and begins a clone.
    fn caught_in_the_middle(&self) -> Result<String> {
        self.git.commit(&[("web/big.bin", &noise(7, 12 << 20))])?;
        self.git.front().set(Mode::Throttle(3 << 20));
        let there = self.git.front().arm(Trigger::body("git-upload-pack", 3 << 20));
        let job = self.order(&json!({}))?;
        there.wait(WORK)?;
        Ok(job)
    }
}

fn head(clone: &Path) -> Result<String> {
    git(clone, &["rev-parse", "HEAD"])
}

/// Nothing in a clone is other than its commit says.
fn ensure_clean(clone: &Path) -> Result<()> {
    git(clone, &["fsck", "--no-dangling"])?;
    let status = git(clone, &["status", "--porcelain"])?;
    ensure!(status.is_empty(), "{status}");
    Ok(())
}

/// Before a clone is complete, nothing of it lies where it belongs.
fn ensure_nothing_half(comfy: &Path) -> Result<()> {
    ensure!(!comfy.join(".git").exists() && !comfy.join("main.py").exists(), "half a clone has the final name");
    Ok(())
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[test]
fn a_branch_a_tag_and_a_commit_are_each_checked_out() -> Result<()> {
    let up = Cloning::begin()?;
    let old = up.git.commit(&[("main.py", b"old")])?;
    up.git.name_commit("refs/tags/v1")?;
    up.git.annotate("v1-annotated")?;
    let side = up.git.commit(&[("main.py", b"side")])?;
    up.git.name_commit("refs/heads/feature/side")?;
    let new = up.git.commit(&[("main.py", b"new")])?;
    for (reference, dir, commit, branch) in [
        (None, "by-default", &new, "master"),
        (Some("feature/side"), "by-branch", &side, "feature/side"),
        (Some("v1"), "by-tag", &old, "HEAD"),
        (Some("v1-annotated"), "by-annotated-tag", &old, "HEAD"),
        (Some(side.as_str()), "by-commit", &side, "HEAD"),
    ] {
        let job = up.done(&json!({ "ref": reference, "dir": dir }))?;
        ensure!(text(&job, "how") == "cloned" && text(&job, "commit") == commit, "{dir}: {job}");
        let clone = up.comfy().join(dir);
        ensure!(head(&clone)? == *commit, "{dir}");
        ensure!(git(&clone, &["rev-parse", "--abbrev-ref", "HEAD"])? == branch, "{dir}");
        ensure_clean(&clone)?;
    }
    // From a tag to the newest of the default branch, and back to a commit.
    let job = up.done(&json!({ "ref": "master", "dir": "by-tag" }))?;
    ensure!(text(&job, "how") == "updated" && head(&up.comfy().join("by-tag"))? == new, "{job}");
    let job = up.done(&json!({ "ref": old, "dir": "by-tag" }))?;
    ensure!(text(&job, "how") == "updated" && head(&up.comfy().join("by-tag"))? == old, "{job}");

    let why = up.refused(&json!({ "ref": "no-such", "dir": "nothing" }), "git")?;
    ensure!(why.contains("no branch or tag \"no-such\""), "{why}");
    let why = up.refused(&json!({ "ref": "0123456789012345678901234567890123456789", "dir": "nothing" }), "git")?;
    ensure!(why.contains("no commit 0123456789"), "{why}");
    ensure!(!up.comfy().join("nothing").exists(), "what failed leaves nothing under its name");
    Ok(())
}

#[test]
fn a_depth_brings_only_so_much_history_and_can_be_brought_to_the_newest() -> Result<()> {
    let up = Cloning::begin()?;
    up.git.commit(&[("main.py", b"2")])?;
    up.git.commit(&[("main.py", b"3")])?;
    up.done(&json!({ "depth": 1 }))?;
    let n_commits = || git(up.comfy(), &["rev-list", "--count", "HEAD"]);
    ensure!(n_commits()? == "1", "{}", n_commits()?);
    up.git.commit(&[("main.py", b"4")])?;
    let newest = up.git.commit(&[("main.py", b"5")])?;
    let job = up.done(&json!({ "depth": 1 }))?;
    ensure!(text(&job, "how") == "updated" && head(up.comfy())? == newest, "{job}");
    ensure_clean(up.comfy())?;
    let job = up.done(&json!({ "depth": 1 }))?;
    ensure!(text(&job, "how") == "already_there", "{job}");
    Ok(())
}

#[test]
fn a_clone_is_brought_to_the_newest_and_what_is_someones_own_stays() -> Result<()> {
    let up = Cloning::begin()?;
    up.done(&json!({}))?;
    let own = [
        ("custom_nodes/mine/node.py", "mine"),
        ("output/picture.txt", "made"),
        ("models/loras/x.safetensors", "weights"),
        ("comfyui_version.py", "changed by hand, and not by the next commit"),
        ("notes.txt", "unknown to git"),
    ];
    for (path, content) in own {
        write(&up.comfy().join(path), content)?;
    }
    let commit = up.git.commit(&[("main.py", b"newer"), ("web/added.js", b"added")])?;
    let job = up.done(&json!({}))?;
    ensure!(text(&job, "how") == "updated" && text(&job, "commit") == commit, "{job}");
    ensure!(head(up.comfy())? == commit && fs::read(up.comfy().join("main.py"))? == b"newer");
    for (path, content) in own {
        ensure!(fs::read_to_string(up.comfy().join(path))? == content, "{path}");
    }
    let job = up.done(&json!({}))?;
    ensure!(text(&job, "how") == "already_there", "{job}");
    Ok(())
}

#[test]
fn what_was_changed_or_committed_by_hand_is_left_as_it_is() -> Result<()> {
    let up = Cloning::begin()?;
    up.done(&json!({}))?;
    let before = head(up.comfy())?;
    write(&up.comfy().join("main.py"), "by hand")?;
    write(&up.comfy().join("web/added.js"), "also by hand")?;
    up.git.commit(&[("main.py", b"newer"), ("web/added.js", b"added"), ("comfyui_version.py", b"newer")])?;
    let why = up.refused(&json!({}), "in_the_way")?;
    ensure!(why.contains("main.py") && why.contains("web/added.js"), "{why}");
    ensure!(fs::read_to_string(up.comfy().join("main.py"))? == "by hand");
    ensure!(fs::read_to_string(up.comfy().join("web/added.js"))? == "also by hand");
    // All or nothing: the files that nobody changed are not of another commit than the head.
    ensure!(fs::read(up.comfy().join("comfyui_version.py"))? != b"newer" && head(up.comfy())? == before);

    git(up.comfy(), &["checkout", "-q", "main.py"])?;
    git(up.comfy(), &["add", "-A"])?;
    git(up.comfy(), &["commit", "-q", "-m", "Mine"])?;
    let mine = head(up.comfy())?;
    let why = up.refused(&json!({}), "git")?;
    ensure!(why.contains("commits of its own"), "{why}");
    ensure!(head(up.comfy())? == mine);
    ensure_clean(up.comfy())
}

#[test]
fn a_clone_of_something_else_and_a_folder_of_files_are_refused() -> Result<()> {
    let up = Cloning::begin()?;
    git(up.machine.folder(), &["init", "-q", "ComfyUI"])?;
    git(up.comfy(), &["remote", "add", "origin", "https://example.com/other.git"])?;
    let why = up.refused(&json!({}), "in_the_way")?;
    ensure!(why.contains("a clone of something else"), "{why}");
    fs::remove_dir_all(up.comfy())?;
    write(&up.comfy().join("thesis.txt"), "years of work")?;
    let why = up.refused(&json!({}), "in_the_way")?;
    ensure!(why.contains("thesis.txt") && why.contains("left as it is"), "{why}");
    ensure!(end_to_end::roots::all_files(up.comfy())? == ["thesis.txt"]);
    fs::remove_dir_all(up.comfy())?;
    fs::write(up.comfy(), "a file")?;
    let why = up.refused(&json!({}), "in_the_way")?;
    ensure!(why.contains("no folder"), "{why}");

    for url in ["file:///etc", "ssh://git@example.com/x.git", "git@example.com:x.git", "http://8.8.8.8/x.git"] {
        let request = json!({ "agent_id": up.id, "kind": "comfy_git_clone", "url": url });
        up.api.try_post("/api/remote/jobs", &request)?.expect_problem(422)?;
    }
    for dir in ["../beside", "/etc/x", "a/../../b"] {
        let request = json!({ "agent_id": up.id, "kind": "comfy_git_clone", "dir": dir });
        up.api.try_post("/api/remote/jobs", &request)?.expect_problem(400)?;
    }
    Ok(())
}

#[test]
fn models_that_came_first_stay_and_a_merge_that_was_cut_off_is_gone_on_with() -> Result<()> {
    let up = Cloning::begin()?;
    write(&up.comfy().join("models/checkpoints/first.safetensors"), "weights")?;
    write(&up.comfy().join("models/own/kind.bin"), "more weights")?;
    let job = up.done(&json!({}))?;
    ensure!(text(&job, "how") == "cloned", "{job}");
    ensure_clean(up.comfy())?;

    // The same again, as a kill in the middle of the merge leaves it: some files are moved out of the
    // complete clone, the rest and `.git` are not.
    let inside = up.comfy().join(UNFINISHED);
    fs::create_dir_all(inside.join("models/loras"))?;
    fs::rename(up.comfy().join(".git"), inside.join(".git"))?;
    fs::File::create(inside.join(".git/comfy-agent-complete"))?;
    for path in ["main.py", "pyproject.toml", "models/loras/put_loras_here"] {
        fs::rename(up.comfy().join(path), inside.join(path))?;
    }
    let job = up.done(&json!({}))?;
    ensure!(text(&job, "how") == "cloned" && !inside.exists(), "{job}");
    ensure_clean(up.comfy())?;
    ensure!(fs::read_to_string(up.comfy().join("models/checkpoints/first.safetensors"))? == "weights");
    ensure!(fs::read_to_string(up.comfy().join("models/own/kind.bin"))? == "more weights");

    // With someone's file where one of the clone's would go nothing is moved at all.
    fs::create_dir_all(&inside)?;
    fs::rename(up.comfy().join(".git"), inside.join(".git"))?;
    fs::File::create(inside.join(".git/comfy-agent-complete"))?;
    for path in ["main.py", "pyproject.toml"] {
        fs::rename(up.comfy().join(path), inside.join(path))?;
    }
    write(&up.comfy().join("main.py"), "someone's own")?;
    let why = up.refused(&json!({}), "in_the_way")?;
    ensure!(why.contains("main.py"), "{why}");
    ensure!(fs::read_to_string(up.comfy().join("main.py"))? == "someone's own");
    ensure!(!up.comfy().join("pyproject.toml").exists());
    Ok(())
}

#[test]
fn a_connection_that_breaks_off_in_the_middle_of_a_clone_is_made_again() -> Result<()> {
    let up = Cloning::begin()?;
    let job = up.caught_in_the_middle()?;
    up.git.front().cut();
    up.git.front().set(Mode::Pass);
    let job = succeeded(&up.api, &job)?;
    ensure!(job["log"].to_string().contains("trying again"), "{job}");
    ensure_clean(up.comfy())?;
    ensure!(!up.comfy().join(UNFINISHED).exists());
    Ok(())
}

#[test]
fn an_agent_that_is_killed_while_it_clones_begins_anew_and_leaves_no_child() -> Result<()> {
    let mut up = Cloning::begin()?;
    let job = up.caught_in_the_middle()?;
    wait_until("bytes to be told of", SOON, || Ok(number(&end_to_end::remote::job(&up.api, &job)?, "bytes_done") > 0))?;
    let agent = up.agent.take().context("the agent runs")?;
    ensure!(!children(agent.process())?.is_empty(), "the clone is made in a process of its own");
    let children = children(agent.process())?;
    agent.kill()?;
    ensure_nothing_half(up.comfy())?;
    wait_until("the child to end with its agent", SOON, || Ok(children.iter().all(|child| !child.exists())))?;
    up.git.front().set(Mode::Pass);
    up.agent = Some(up.machine.start()?);
    succeeded(&up.api, &job)?;
    ensure_clean(up.comfy())?;
    ensure!(!up.comfy().join(UNFINISHED).exists());
    Ok(())
}

#[test]
fn a_cancel_stops_a_clone_within_seconds() -> Result<()> {
    let up = Cloning::begin()?;
    let job = up.caught_in_the_middle()?;
    let agent = up.agent.as_ref().context("the agent runs")?.process();
    let before = children(agent)?;
    up.api.post(&format!("/api/remote/jobs/{job}/cancel"), &json!({}))?;
    wait_for_state(&up.api, &job, &["cancelled"], SOON)?;
    ensure!(before.iter().all(|child| !child.exists()), "the child is gone before the job is");
    ensure_nothing_half(up.comfy())?;
    up.git.front().set(Mode::Pass);
    up.done(&json!({}))?;
    ensure_clean(up.comfy())
}

/// The processes that one has started, as folders of `/proc`.
fn children(process: u32) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let listed = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(listed.split_whitespace().map(|child| Path::new("/proc").join(child)));
    }
    Ok(found)
}

#[test]
fn a_clone_whose_repository_has_moved_or_is_spelled_otherwise_is_the_same_one() -> Result<()> {
    let up = Cloning::begin()?;
    up.done(&json!({}))?;
    let address = up.git.url();
    let plain = address.trim_end_matches(".git");
    let host = plain.trim_start_matches("https://").split('/').next().context("a host")?;
    let ssh = format!("ssh://git@{}/ComfyUI.git", host.split(':').next().unwrap_or(host));
    let scp = format!("git@{}:ComfyUI.git", host.split(':').next().unwrap_or(host));
    for origin in
        [plain, &format!("{plain}/"), &plain.to_uppercase().replace("HTTPS", "https"), &ssh, &scp, &up.git.old_url()]
    {
        git(up.comfy(), &["remote", "set-url", "origin", origin])?;
        let commit = up.git.commit(&[("main.py", origin.as_bytes())])?;
        let job = up.done(&json!({}))?;
        ensure!(text(&job, "how") == "updated" && head(up.comfy())? == commit, "{origin}: {job}");
        ensure!(git(up.comfy(), &["remote", "get-url", "origin"])? == origin, "it is left as it was");
    }
    // And the other way round: the old name is asked for.
    git(up.comfy(), &["remote", "set-url", "origin", &address])?;
    let job = up.done(&json!({ "url": up.git.old_url() }))?;
    ensure!(text(&job, "how") == "already_there", "{job}");
    git(up.comfy(), &["remote", "set-url", "origin", &address.replace("ComfyUI", "Other")])?;
    up.refused(&json!({}), "in_the_way")?;
    Ok(())
}

#[test]
fn a_folder_that_only_has_the_name_of_an_unfinished_clone_is_left_alone() -> Result<()> {
    let up = Cloning::begin()?;
    let beside = up.comfy().with_file_name(format!(".ComfyUI{UNFINISHED}"));
    let theirs = beside.join("notes.txt");
    write(&theirs, "of days")?;
    fs::remove_dir_all(up.comfy())?;
    let job = up.done(&json!({}))?;
    ensure!(text(&job, "how") == "cloned" && fs::read_to_string(&theirs)? == "of days", "{job}");
    ensure_clean(up.comfy())
}
