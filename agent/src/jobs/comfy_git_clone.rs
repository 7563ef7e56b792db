//! `comfy_git_clone`: a clone made, or brought to the newest, by a child process that can be killed.
//!
//! Here the order is judged, the child started, listened to, and ended: when the job is cancelled, when
//! nothing comes from it for too long, and when the agent ends. What failed for the network's sake is
//! tried again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use shared_io::ConfinedFolder;
use shared_io::durable::make_folder;
use shared_protocol::job::{ComfyGitClone, JobPhase};
use shared_protocol::outcome::{FailureCode, Outcome};
use shared_protocol::{Allowed, WebUrl};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::dispatcher::work::JobContext;
use crate::jobs::git::{COMMAND, Order, Told};
use crate::key;

/// What the jobs of git need to know.
#[derive(Debug, Clone)]
pub struct GitTools {
    /// This program.
    pub program: PathBuf,
    /// `ComfyUI`'s folder.
    pub comfy_dir: PathBuf,
    /// Whether private addresses may be reached, on this machine's side.
    pub allow_private: bool,
    /// Certificates to believe besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Silence of the child after which it is ended.
    pub stall: Duration,
    /// Tries in all.
    pub tries: u32,
    /// Wait before the second try; it doubles.
    pub retry_first: Duration,
}

/// How one try ended.
enum Try {
    Told(Told),
    /// The child ended or hung without a word.
    Lost(String),
    Cancelled,
}

/// Whether an order may be done here; why not.
pub fn check(order: &ComfyGitClone, tools: &GitTools) -> Result<(), String> {
    let allowed = Allowed::with_private(order.allow_private && tools.allow_private);
    WebUrl::parse(&order.url, allowed).map_err(|error| format!("The repository's address is refused: {error}."))?;
    let names =
        order.reference.as_deref().is_none_or(|name| git2::Reference::is_valid_name(&format!("refs/heads/{name}")));
    if names { Ok(()) } else { Err("The name of the branch or tag is none.".to_owned()) }
}

/// Does the job.
pub async fn comfy_git_clone(order: ComfyGitClone, context: JobContext, tools: GitTools) -> Outcome {
    let begun = Instant::now();
    let elapsed = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let failed = |code, detail| Outcome::Failed { code, detail, duration_ms: elapsed(), sources: Vec::new() };
    if let Err(detail) = check(&order, &tools) {
        return failed(FailureCode::Policy, detail);
    }
    context.report.update(|state| state.phase = JobPhase::Running);
    let target = match find_target(&order, &tools.comfy_dir).await {
        Ok(target) => target,
        Err(detail) => return failed(FailureCode::InTheWay, detail),
    };
    let line = Order {
        url: order.url.clone(),
        reference: order.reference.clone(),
        target,
        depth: order.depth,
        allow_private: order.allow_private && tools.allow_private,
        ca_file: tools.ca_file.clone(),
    };
    let mut wait = tools.retry_first;
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        let (code, detail) = match once(&line, &context, &tools).await {
            Try::Cancelled => return Outcome::Cancelled {},
            Try::Told(Told::Done { how, commit }) => {
                return Outcome::Succeeded { how, duration_ms: elapsed(), sources: Vec::new(), commit: Some(commit) };
            }
            Try::Told(Told::Failed { code, detail, retry }) if !retry => return failed(code, detail),
            Try::Told(Told::Failed { code, detail, .. }) => (code, detail),
            Try::Told(Told::Progress { .. }) => (FailureCode::Internal, "git ended without a word".to_owned()),
            Try::Lost(detail) => (FailureCode::Git, detail),
        };
        if n_tries >= tools.tries {
            return failed(code, format!("{detail} (tried {n_tries} times)"));
        }
        context.report.warn(format!("{detail}; trying again"));
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Outcome::Cancelled {},
            () = tokio::time::sleep(wait) => {}
        }
        wait *= 2;
    }
}

/// Where the clone goes: `ComfyUI`'s folder or one below it, by no link.
async fn find_target(order: &ComfyGitClone, comfy_dir: &Path) -> Result<PathBuf, String> {
    let (dir, comfy_dir) = (order.dir.clone(), comfy_dir.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let Some(dir) = dir else {
            let above = comfy_dir.parent().unwrap_or(&comfy_dir);
            return make_folder(above).map(|()| comfy_dir.clone()).map_err(|error| error.to_string());
        };
        make_folder(&comfy_dir).map_err(|error| error.to_string())?;
        let confined = ConfinedFolder::open(&comfy_dir).map_err(|error| error.to_string())?;
        confined.resolve_folder(&dir).map_err(|error| error.to_string())
    });
    found.await.map_err(|error| error.to_string())?
}

/// One child, from start to end. Dropped, it is killed.
async fn once(order: &Order, context: &JobContext, tools: &GitTools) -> Try {
    let mut child = match start(&tools.program, order).await {
        Ok(child) => child,
        Err(error) => return Try::Lost(format!("cannot start git: {error}")),
    };
    let Some(output) = child.stdout.take() else { return Try::Lost("git has no output".to_owned()) };
    let mut lines = BufReader::new(output).lines();
    let told = loop {
        let line = tokio::select! {
            biased;
            () = context.cancel.cancelled() => break Try::Cancelled,
            line = tokio::time::timeout(tools.stall, lines.next_line()) => line,
        };
        let Ok(line) = line else {
            break Try::Lost(format!("nothing came for {} s", tools.stall.as_secs()));
        };
        match line.ok().flatten().map(|line| serde_json::from_str::<Told>(&line)) {
            Some(Ok(Told::Progress { doing, bytes })) => context.report.update(|state| {
                state.bytes_done = state.bytes_done.max(bytes);
                state.doing = Some(doing);
            }),
            Some(Ok(told)) => break Try::Told(told),
            Some(Err(error)) => break Try::Lost(format!("git said what can't be understood: {error}")),
            None => break Try::Lost("git ended without a word".to_owned()),
        }
    };
    // It has ended, or is to end: with its input closed it does, too.
    child.kill().await.ok();
    told
}

async fn start(program: &Path, order: &Order) -> std::io::Result<Child> {
    let mut child = Command::new(program)
        .arg(COMMAND)
        .env_remove(key::VARIABLE)
        .env_remove(key::FILE_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    if let Some(input) = child.stdin.as_mut() {
        input.write_all(&line).await?;
    }
    Ok(child)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use shared_io::report;
    use shared_protocol::JobId;
    use shared_protocol::hub_to_agent::JobRef;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// One try with a child that does this.
    async fn tried(script: &str, stall: Duration) -> Try {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("child");
        std::fs::write(&program, format!("#!/bin/sh\nread order\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let comfy_dir = folder.path().join("ComfyUI");
        let order = Order {
            url: "https://git.example/ComfyUI.git".to_owned(),
            reference: None,
            target: comfy_dir.clone(),
            depth: None,
            allow_private: false,
            ca_file: None,
        };
        let (report, _reports) = report::channel(Arc::default());
        let job = JobRef { job: JobId::new(), attempt: 1 };
        let context = JobContext { job, cancel: CancellationToken::new(), report };
        let retry_first = Duration::ZERO;
        let tools = GitTools { program, comfy_dir, allow_private: false, ca_file: None, stall, tries: 1, retry_first };
        once(&order, &context, &tools).await
    }

    #[tokio::test]
    async fn a_child_lives_as_long_as_something_comes_from_it() {
        let says = r#"for i in 1 2 3 4 5 6 7 8; do
            echo '{"told":"progress","doing":"the server: Counting objects: 7","bytes":0}'; sleep 0.25
        done
        echo '{"told":"done","how":"cloned","commit":"abc"}'"#;
        assert!(matches!(tried(says, Duration::from_millis(1_500)).await, Try::Told(Told::Done { .. })));
        let Try::Lost(why) = tried("exec sleep 600", Duration::from_millis(50)).await else {
            unreachable!("nothing came");
        };
        assert!(why.contains("nothing came"), "{why}");
    }
}
