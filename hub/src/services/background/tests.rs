//! What the runner promises to every kind of job.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may unwrap, and a job that panics is one of them")]

use serde::{Deserialize, Serialize};

use super::*;
use crate::services::busy::Busy;
use crate::services::{Services, Tasks};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    Well,
    Panic,
    Fail,
    /// What it found can't be stored.
    FailToStore,
    UntilCancelled,
}

#[derive(Clone)]
struct Trial;

impl BackgroundKind for Trial {
    const KIND: &'static str = "trial";
    type Payload = Asked;
    type Report = ();

    fn queue(_: &Asked) -> &'static str {
        ""
    }
}

impl JobWork for Trial {
    const NAME: &'static str = "trial";
    const QUEUES: &'static [&'static str] = &[""];
    type Found = bool;
    type View = BackgroundJobView;

    fn run(&self, job: &Job<Self>) -> Result<bool, ServiceError> {
        match job.row.payload {
            Asked::Panic => panic!("as asked"),
            Asked::Fail => return Err(ServiceError::not_found("file")),
            Asked::UntilCancelled => while !job.progress.cancel.is_cancelled() {},
            Asked::Well | Asked::FailToStore => {}
        }
        Ok(job.row.payload != Asked::FailToStore)
    }

    fn finish(_: &Connection, _: &mut RowOf<Self>, found: Option<&bool>) -> Result<(), StorageError> {
        if found == Some(&false) { Err(StorageError::Missing("trial")) } else { Ok(()) }
    }

    fn history(_: &RowOf<Self>) -> Vec<NewLine> {
        Vec::new()
    }

    fn tell_end(&self, _: &RowOf<Self>) {}

    fn event(id: BackgroundJobId) -> Event {
        Event::HashChanged(id)
    }

    fn view(_: &RowOf<Self>, job: BackgroundJobView) -> BackgroundJobView {
        job
    }
}

async fn context(tasks: &Tasks) -> ServiceContext {
    let services = Services::for_tests(tasks).await;
    ServiceContext {
        settings: services.settings,
        database: services.database,
        roots: services.roots,
        events: services.events,
        history: services.history,
        comparer: services.comparer,
        ends: services.ends,
        tasks: tasks.clone(),
        busy: Busy::new(),
        reading: Busy::new(),
    }
}

async fn until(runner: &Runner<Trial>, id: BackgroundJobId, is: impl Fn(WorkState) -> bool) -> BackgroundJobView {
    loop {
        let job = runner.show(id).await.unwrap();
        if is(job.state) {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_goes_wrong_fails_once_and_the_queue_goes_on() {
    let tasks = Tasks::new();
    let runner = Runner::start(Trial, &context(&tasks).await).await.unwrap();
    for asked in [Asked::Panic, Asked::Fail, Asked::FailToStore] {
        let wrong = runner.add(asked).await.unwrap();
        let next = runner.add(Asked::Well).await.unwrap();
        assert_eq!(until(&runner, next, WorkState::is_final).await.state, WorkState::Complete, "behind {asked:?}");
        let wrong = runner.show(wrong).await.unwrap();
        assert!(wrong.state == WorkState::Failed && wrong.detail.is_some(), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_cancelled_while_it_runs_and_before() {
    let tasks = Tasks::new();
    let runner = Runner::start(Trial, &context(&tasks).await).await.unwrap();
    let running = runner.add(Asked::UntilCancelled).await.unwrap();
    until(&runner, running, |state| state == WorkState::Running).await;
    let waiting = runner.add(Asked::Well).await.unwrap();
    runner.cancel(waiting).await.unwrap();
    runner.cancel(running).await.unwrap();
    for id in [running, waiting] {
        assert_eq!(until(&runner, id, WorkState::is_final).await.state, WorkState::Cancelled);
        assert_eq!(runner.cancel(id).await.unwrap_err().kind(), ErrorKind::Conflict, "it has ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_run_left_is_done() {
    let tasks = Tasks::new();
    let context = context(&tasks).await;
    let left = context.database.write(|tx| {
        let mut row = background::insert::<Trial>(tx, &Asked::Well)?;
        row.state = WorkState::Running;
        background::save::<Trial>(tx, &row).map(|()| row.id)
    });
    let left = left.await.unwrap();
    let runner = Runner::start(Trial, &context).await.unwrap();
    assert_eq!(until(&runner, left, WorkState::is_final).await.state, WorkState::Complete);
}
