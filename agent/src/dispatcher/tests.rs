//! The task with jobs that do what a test wants.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use shared_protocol::hub_to_agent::{Answer, JobAssign, Limits};
use shared_protocol::job::ComfyGitClone;
use shared_protocol::outcome::{FailureCode, How, Outcome};
use shared_protocol::{AgentId, JobId, RelPath};

use super::*;
use crate::inventory::Part;

/// Ends a job when the test says so; `dir` of the order tells what the job is like.
#[derive(Debug, Default)]
struct Puppets(Mutex<BTreeMap<JobId, oneshot::Sender<Outcome>>>);

impl Work for Puppets {
    fn check(&self, spec: &JobSpec) -> Result<(), String> {
        if kind(spec) == "forbidden" { Err("not here".to_owned()) } else { Ok(()) }
    }

    fn run(&self, spec: JobSpec, context: JobContext) -> BoxFuture<'static, Outcome> {
        let (sender, ended) = oneshot::channel();
        self.0.lock().unwrap().insert(context.job.job, sender);
        Box::pin(async move {
            context.report.update(|state| state.phase = JobPhase::Running);
            match kind(&spec) {
                "panicking" => unreachable!("as the test wants"),
                "stubborn" => ended.await.unwrap(),
                _ => tokio::select! {
                    () = context.cancel.cancelled() => Outcome::Cancelled {},
                    ended = ended => ended.unwrap(),
                },
            }
        })
    }

    fn list(&self, part: &mut dyn FnMut(Part) -> bool) {
        part(Part { files: Vec::new(), last: false, n_errors: 0 });
        part(Part { files: Vec::new(), last: true, n_errors: 2 });
    }
}

fn kind(spec: &JobSpec) -> &str {
    let JobSpec::ComfyGitClone(order) = spec else { return "" };
    order.dir.as_ref().map_or("", |dir| dir.as_str())
}

fn order(kind: &str) -> (JobRef, HubToAgent) {
    let job = JobRef { job: JobId::new(), attempt: 1 };
    let spec = JobSpec::ComfyGitClone(ComfyGitClone {
        url: "https://git.example/x".to_owned(),
        reference: None,
        dir: Some(RelPath::parse(kind).unwrap()),
        depth: None,
        allow_private: false,
    });
    (job, HubToAgent::JobAssign(JobAssign { job, spec }))
}

struct Station {
    folder: tempfile::TempDir,
    work: Arc<Puppets>,
    dispatcher: Dispatcher,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

fn start(folder: tempfile::TempDir) -> Station {
    let (work, shutdown, tasks) = (Arc::new(Puppets::default()), CancellationToken::new(), TaskTracker::new());
    let setup = Setup {
        work: Arc::clone(&work),
        journal: Journal::new(folder.path().to_owned()),
        parallel: 1,
        slots: 4,
        timing: Timing {
            cancel_grace: Duration::from_millis(20),
            progress_every: Duration::from_millis(1),
            ..Timing::default()
        },
        board: Board::new(String::new()),
    };
    let dispatcher = Dispatcher::start(setup, &tasks, &shutdown).unwrap();
    Station { folder, work, dispatcher, shutdown, tasks }
}

impl Station {
    async fn welcome(&self, jobs: Vec<shared_protocol::hub_to_agent::Reconciled>) -> mpsc::Receiver<AgentToHub> {
        let (outbox, queue) = mpsc::channel(64);
        let welcome = Welcome {
            proto: 1,
            session: uuid::Uuid::new_v4(),
            generation: 1,
            heartbeat_s: 15,
            lease_s: 120,
            expires_in_s: 100,
            limits: Limits { max_frame_bytes: 1, progress_every_ms: 1 },
            agent_id: AgentId::new(),
            jobs,
        };
        self.dispatcher.welcomed(welcome, outbox).await;
        queue
    }

    /// Ends the work of a job, as soon as it has begun.
    async fn finish(&self, job: JobRef, outcome: Outcome) {
        loop {
            if let Some(sender) = self.work.0.lock().unwrap().remove(&job.job) {
                sender.send(outcome).unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.folder
    }
}

/// The next message that is no progress.
async fn next(queue: &mut mpsc::Receiver<AgentToHub>) -> AgentToHub {
    loop {
        match queue.recv().await.unwrap() {
            AgentToHub::Progress(_) | AgentToHub::JobLog(_) => {}
            message => return message,
        }
    }
}

fn result_of(message: AgentToHub) -> Outcome {
    let AgentToHub::JobResult(result) = message else { unreachable!("a result was expected: {message:?}") };
    result.outcome
}

fn done() -> Outcome {
    Outcome::Succeeded { how: How::Cloned, duration_ms: 1, sources: Vec::new(), commit: None }
}

#[tokio::test]
async fn work_goes_on_without_a_connection_and_its_result_is_told_with_every_one() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let (job, assign) = order("plain");
    stage.dispatcher.said(assign).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(job));
    while !matches!(queue.recv().await.unwrap(), AgentToHub::Progress(told) if told.jobs.iter().any(|p| p.job == job)) {
    }
    drop(queue);
    stage.finish(job, done()).await;
    while stage.dispatcher.holdings().await.unacked_results != [job] {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        let mut queue = stage.welcome(Vec::new()).await;
        assert_eq!(result_of(next(&mut queue).await), done());
    }
    // After a restart, too.
    let stage = start(stage.stop().await);
    assert_eq!(stage.dispatcher.holdings().await.unacked_results, [job]);
    let mut queue = stage.welcome(Vec::new()).await;
    assert_eq!(result_of(next(&mut queue).await), done());
    stage.dispatcher.said(HubToAgent::ResultAck(job)).await;
    assert!(stage.dispatcher.holdings().await.unacked_results.is_empty());
    assert_eq!(Journal::new(stage.stop().await.path().to_owned()).read().unwrap(), []);
}

#[tokio::test]
async fn an_accepted_job_begins_again_after_a_restart() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let (job, assign) = order("plain");
    stage.dispatcher.said(assign).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(job));
    let stage = start(stage.stop().await);
    stage.finish(job, done()).await;
    let mut queue = stage.welcome(Vec::new()).await;
    assert_eq!(result_of(next(&mut queue).await), done());
}

#[tokio::test]
async fn a_job_that_does_not_stop_is_dropped_and_one_that_panics_has_failed() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let (stubborn, assign) = order("stubborn");
    stage.dispatcher.said(assign).await;
    stage.dispatcher.said(HubToAgent::JobCancel(stubborn)).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(stubborn));
    assert_eq!(next(&mut queue).await, AgentToHub::CancelAck(stubborn));
    assert_eq!(result_of(next(&mut queue).await), Outcome::Cancelled {});
    let (panicking, assign) = order("panicking");
    stage.dispatcher.said(assign).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(panicking));
    let outcome = result_of(next(&mut queue).await);
    assert!(matches!(outcome, Outcome::Failed { code: FailureCode::Internal, .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_a_welcome_cancels_stops() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let (job, assign) = order("plain");
    stage.dispatcher.said(assign).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(job));
    let answer = shared_protocol::hub_to_agent::Reconciled { job, answer: Answer::Cancel };
    let mut queue = stage.welcome(vec![answer]).await;
    assert_eq!(result_of(next(&mut queue).await), Outcome::Cancelled {});
}

#[tokio::test]
async fn what_can_not_be_written_down_or_is_not_allowed_is_not_taken() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let (_, assign) = order("forbidden");
    stage.dispatcher.said(assign).await;
    let message = next(&mut queue).await;
    assert!(matches!(&message, AgentToHub::JobRejected(no) if no.detail == "not here"), "{message:?}");
    std::fs::remove_dir_all(stage.folder.path()).unwrap();
    let (job, assign) = order("plain");
    stage.dispatcher.said(assign).await;
    let message = next(&mut queue).await;
    let AgentToHub::JobRejected(rejected) = message else { unreachable!("{message:?}") };
    assert_eq!((rejected.job, rejected.reason), (job, shared_protocol::agent_to_hub::RejectReason::Storage));
    assert!(stage.dispatcher.holdings().await.active.is_empty());
}

#[tokio::test]
async fn the_list_of_files_comes_in_parts() {
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    stage.dispatcher.said(HubToAgent::InventoryRequest(InventoryRequest { request: 7 })).await;
    for last in [false, true] {
        let message = next(&mut queue).await;
        let AgentToHub::Inventory(part) = message else { unreachable!("{message:?}") };
        assert_eq!((part.request, part.last, part.n_errors), (7, last, if last { 2 } else { 0 }));
    }
}

#[tokio::test]
async fn what_a_job_changed_on_the_machine_is_told_right_after_it() {
    use crate::facts::{self, Pace, Places};
    let stage = start(tempfile::tempdir().unwrap());
    let mut queue = stage.welcome(Vec::new()).await;
    let machine = tempfile::tempdir().unwrap();
    let comfy = machine.path().join("ComfyUI");
    let places =
        Places { roots: vec![comfy.clone()], comfy: Some((comfy.clone(), comfy.join("models"))), allow_links: false };
    let (sender, known) = tokio::sync::watch::channel(facts::collect(&places).unwrap());
    // No look is due for an hour.
    let pace = Pace { every: Duration::from_hours(1), apart: Duration::from_millis(1) };
    stage.tasks.spawn(facts::keep(places, sender, stage.dispatcher.clone(), pace, stage.shutdown.clone()));
    let (clone, assign) = order("plain");
    stage.dispatcher.said(assign).await;
    assert_eq!(next(&mut queue).await, AgentToHub::JobAccepted(clone));
    std::fs::create_dir(&comfy).unwrap();
    std::fs::write(comfy.join("main.py"), "").unwrap();
    stage.finish(clone, done()).await;
    assert_eq!(result_of(next(&mut queue).await), done(), "the result first");
    let message = tokio::time::timeout(Duration::from_secs(30), next(&mut queue)).await.unwrap();
    let AgentToHub::Facts(told) = message else { unreachable!("{message:?}") };
    assert!(told.comfyui.as_ref().is_some_and(|comfy| comfy.found));
    assert_eq!(*known.borrow(), *told, "the next hello tells it, too");
    stage.stop().await;
}
