//! Sessions, agents and jobs, with an agent in this process.

use serde_json::{Value, json};
use shared_protocol::agent_to_hub::{
    ActiveJob, AgentToHub, InventoryFile, JobProgress, JobRejected, JobResult, Progress, RejectReason,
};
use shared_protocol::envelope::{Frame, Poll};
use shared_protocol::hub_to_agent::{Answer, HubToAgent, JobRef};
use shared_protocol::job::{AssetSource, JobPhase, JobSpec};
use shared_protocol::outcome::{How, Outcome, SourceReport, Verdict};
use shared_protocol::refusal::RefusalCode;
use shared_protocol::{AgentId, RelPath};

use super::fake_agent::{FakeAgent, hello};
use crate::domain::root::Root;
use crate::services::remote::poll::PollEnd;
use crate::services::{Logs, Services};
use crate::storage::Database;
use crate::web::test_hub::TestHub;

const BASE: &str = "https://models.example.org";
const PATH: &str = "loras/a.safetensors";
const CONTENT: &[u8] = b"weights";

async fn hub() -> (TestHub, String) {
    let hub = TestHub::with(&[("remote_base_url", BASE)]).await;
    hub.put(Root::Local, PATH, CONTENT);
    hub.scan().await;
    let started = hub.ask("POST", "/api/remote/session", None).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let key = started.body.get("key").unwrap().as_str().unwrap().to_owned();
    (hub, key)
}

async fn send(hub: &TestHub, agent: AgentId) -> String {
    let body = json!({ "agent_id": agent, "kind": "asset_download", "root": "local", "paths": [PATH, "no/such"] });
    let made = hub.ask("POST", "/api/remote/jobs", Some(body)).await;
    assert_eq!(made.status, 202, "{}", made.body);
    assert_eq!(made.body.pointer("/skipped/0/path").unwrap(), "no/such");
    made.body.pointer("/job_ids/0").unwrap().as_str().unwrap().to_owned()
}

fn succeeded(job: JobRef) -> AgentToHub {
    let source = SourceReport {
        source: "hub".to_owned(),
        bytes: CONTENT.len() as u64,
        wasted_bytes: 3,
        attempts: 2,
        duration_ms: 5,
        verdict: Verdict::Used,
        reasons: Vec::new(),
    };
    let outcome = Outcome::Succeeded { how: How::Downloaded, duration_ms: 9, sources: vec![source], commit: None };
    AgentToHub::JobResult(JobResult { job, outcome })
}

fn progress(job: JobRef, phase: JobPhase, bytes_done: u64) -> AgentToHub {
    let job = JobProgress { job, phase, bytes_done, bytes_total: Some(7), bytes_per_second: Some(2), doing: None };
    AgentToHub::Progress(Progress { jobs: vec![job] })
}

fn state(job: &Value) -> &str {
    job.get("state").unwrap().as_str().unwrap()
}

#[tokio::test]
async fn a_file_is_hashed_sent_and_its_result_counts_once() {
    let (hub, key) = hub().await;
    let id = AgentId::new();
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let path = format!("/api/remote/jobs/{}", send(&hub, id).await);
    let order = agent.next_order().await;
    let JobSpec::AssetDownload(asset) = &order.spec else { panic!("{order:?}") };
    assert_eq!((asset.dest.as_str(), asset.size_bytes), (PATH, 7));
    assert_eq!(asset.blake3.to_hex(), blake3::hash(CONTENT).to_hex().as_str());
    assert_eq!(asset.sources, [AssetSource::Hub]);
    let servable = agent.remote.may_serve(&asset.blake3).await.unwrap().unwrap();
    assert_eq!((servable.root, servable.path.as_str()), (Root::Local, PATH));
    agent.say(AgentToHub::JobAccepted(order.job)).await.unwrap();
    agent.say(progress(order.job, JobPhase::Running, 3)).await.unwrap();
    let job = hub.get(&path).await;
    assert_eq!(
        (state(&job), job.get("bytes_done").unwrap(), job.get("eta_seconds").unwrap()),
        ("running", &json!(3), &json!(2))
    );
    for _ in 0..2 {
        agent.say(succeeded(order.job)).await.unwrap();
        assert_eq!(agent.next().await, HubToAgent::ResultAck(order.job));
    }
    let job = hub.get(&path).await;
    assert_eq!(state(&job), "succeeded");
    assert_eq!(
        job.pointer("/sources/0").unwrap(),
        &json!({
            "source": "hub", "bytes": 7, "wasted_bytes": 3, "attempts": 2, "duration_ms": 5, "outcome": "used", "reasons": []
        })
    );
    assert_eq!(agent.remote.may_serve(&asset.blake3).await.unwrap(), None, "its job has ended");
    let history = hub.get("/api/history").await;
    assert_eq!(history.to_string().matches(&format!("An agent has {PATH}")).count(), 1);
    let there = hub.get("/api/models?where=agent").await;
    assert_eq!(there["total"], 1, "{there}");
    let model = format!("/api/models/{}", there["items"][0]["id"]);
    assert_eq!(hub.get(&model).await["agents"][0]["id"], json!(id));
    let removed = hub.ask("DELETE", &format!("/api/remote/agents/{id}"), None).await;
    assert!(removed.status.is_success(), "{}", removed.body);
    assert_eq!(hub.get("/api/models?where=agent").await["total"], 0);
}

#[tokio::test]
async fn work_on_machines_is_seen_on_top_beside_the_queue_and_on_the_overview() {
    let (hub, key) = hub().await;
    let strip = |page: &Value| {
        page.as_str().unwrap().split("id=\"strip\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned()
    };
    let page = hub.get("/queue").await;
    assert!(!strip(&page).contains("/remote") && !page.as_str().unwrap().contains("On machines"), "{page}");
    let id = AgentId::new();
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    send(&hub, id).await;
    let order = agent.next_order().await;
    agent.say(AgentToHub::JobAccepted(order.job)).await.unwrap();
    agent.say(progress(order.job, JobPhase::Running, 3)).await.unwrap();
    let load = hub.state.services.remote.load().await.unwrap();
    assert_eq!((load.n_running, load.n_queued, load.bytes_per_second), (1, 0, 2));
    for path in ["/", "/queue", "/library"] {
        let page = hub.get(path).await;
        let strip = strip(&page);
        assert!(strip.contains("href=\"/remote\"") && strip.contains("2 B/s"), "{path}: {strip}");
    }
    let queue = hub.get("/queue").await;
    let queue = queue.as_str().unwrap();
    assert!(queue.contains("On machines") && queue.contains("1 under way, 0 waiting · 2 B/s"), "{queue}");
    assert!(queue.contains("3 B of 7 B") && queue.contains("/remote/jobs/"), "{queue}");
    let home = hub.get("/").await;
    let home = home.as_str().unwrap();
    assert!(home.contains("id=\"machines-title\"") && home.contains("pod-7") && home.contains("1 job to do"), "{home}");
    agent.say(succeeded(order.job)).await.unwrap();
    assert!(!strip(&hub.get("/").await).contains("/remote"), "it is done");
}

#[tokio::test]
async fn a_hub_that_was_killed_goes_on_with_the_same_try() {
    let (hub, key) = hub().await;
    let id = AgentId::new();
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let job = send(&hub, id).await;
    let order = agent.next_order().await;
    agent.say(AgentToHub::JobAccepted(order.job)).await.unwrap();
    let generation = agent.welcome.generation;
    // The next run opens the same file; the one before has said nothing more.
    let settings = hub.state.services.settings.clone();
    let database = Database::open(&settings.current().app_data_dir.join("hub.db")).unwrap().0;
    let next = Services::start(settings, database, Logs::new(), &hub.state.tasks, false).await.unwrap();
    let active = ActiveJob { job: order.job, phase: JobPhase::Running, bytes: 5 };
    let foreign = JobRef { job: shared_protocol::JobId::new(), attempt: 1 };
    let stranger = ActiveJob { job: foreign, phase: JobPhase::Running, bytes: 0 };
    let mut agent = FakeAgent::connect(&next.remote, &key, hello(id, 1, vec![active, stranger], vec![])).await.unwrap();
    assert!(agent.welcome.generation > generation);
    let answers: Vec<_> = agent.welcome.jobs.iter().map(|job| job.answer).collect();
    assert_eq!(answers, [Answer::Continue, Answer::Cancel]);
    assert_eq!(agent.next_order().await, order, "the same try, with fresh tokens");
    agent.say(succeeded(order.job)).await.unwrap();
    assert_eq!(agent.next().await, HubToAgent::ResultAck(order.job));
    let view = next.remote.show_job(job.parse().unwrap()).await.unwrap();
    assert_eq!((view.state.as_str(), view.attempt), ("succeeded", 1));
}

#[tokio::test]
async fn an_order_that_was_lost_is_sent_again_and_a_stale_try_is_dropped() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let mut agent = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let path = format!("/api/remote/jobs/{}", send(&hub, id).await);
    let order = agent.next_order().await;
    agent.vanish().await;
    let mut agent = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    assert_eq!(agent.next_order().await, order);
    let stale = JobRef { attempt: order.job.attempt + 1, ..order.job };
    agent.say(succeeded(stale)).await.unwrap();
    assert_eq!(agent.next().await, HubToAgent::ResultAck(stale), "it may be forgotten");
    assert_eq!(state(&hub.get(&path).await), "assigned");
    let busy = JobRejected { job: order.job, reason: RejectReason::Disk, detail: "3 GB are missing".to_owned() };
    agent.say(AgentToHub::JobRejected(busy)).await.unwrap();
    let job = hub.get(&path).await;
    assert_eq!((state(&job), job.pointer("/error/code").unwrap()), ("failed", &json!("disk_full")));
    let retried = hub.ask("POST", &format!("{path}/retry"), None).await;
    assert_eq!(retried.status, 202, "{}", retried.body);
    assert_eq!(agent.next_order().await.job.attempt, 2);
}

#[tokio::test]
async fn a_cancel_reaches_the_agent_and_is_final() {
    let (hub, key) = hub().await;
    let id = AgentId::new();
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let path = format!("/api/remote/jobs/{}", send(&hub, id).await);
    let order = agent.next_order().await;
    agent.say(AgentToHub::JobAccepted(order.job)).await.unwrap();
    let asked = hub.ask("POST", &format!("{path}/cancel"), None).await;
    assert_eq!((asked.status.as_u16(), asked.body.get("cancelling").unwrap()), (202, &json!(true)));
    assert_eq!(agent.next().await, HubToAgent::JobCancel(order.job));
    agent.say(AgentToHub::CancelAck(order.job)).await.unwrap();
    let stopped = JobResult { job: order.job, outcome: Outcome::Cancelled {} };
    agent.say(AgentToHub::JobResult(stopped)).await.unwrap();
    assert_eq!(agent.next().await, HubToAgent::ResultAck(order.job));
    agent.say(succeeded(order.job)).await.unwrap();
    assert_eq!(state(&hub.get(&path).await), "cancelled");
    assert_eq!(hub.ask("POST", &format!("{path}/cancel"), None).await.status, 409);
}

#[tokio::test]
async fn the_newest_connection_wins_and_a_cloned_disk_gets_its_own_id() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let first = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let second = FakeAgent::connect(&remote, &key, hello(id, 2, vec![], vec![])).await.unwrap();
    assert_eq!(first.connection.ended().await.code, RefusalCode::Superseded);
    assert_eq!(second.welcome.agent_id, id);
    // An old transport that ends late takes nothing from the newer one.
    first.vanish().await;
    assert_eq!(hub.get("/api/remote/agents").await.pointer("/items/0/online").unwrap(), &json!(true));
    let clone = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    assert_ne!(clone.welcome.agent_id, id);
    let agents = hub.get("/api/remote/agents").await;
    assert_eq!(agents.get("total").unwrap(), 2);
    assert_eq!(agents.pointer("/items/0/name").unwrap(), "pod-7");
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_connections() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let mut agent = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    hub.ask("POST", "/api/remote/session/extend", Some(json!({ "ttl_minutes": 5 }))).await;
    assert!(matches!(agent.next().await, HubToAgent::SessionUpdate(_)));
    assert_eq!(hub.ask("DELETE", "/api/remote/session", None).await.status, 200);
    assert_eq!(agent.connection.ended().await.code, RefusalCode::Revoked);
    let refused = agent.say(AgentToHub::Pong(shared_protocol::hub_to_agent::Ping { n: 1 })).await.unwrap_err();
    assert_eq!((refused.code, refused.retry), (RefusalCode::Revoked, false));
    let again = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await;
    assert_eq!(again.err().unwrap().code, RefusalCode::Revoked);
}

#[tokio::test]
async fn hostile_frames_end_the_connection_and_touch_nobody_else() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let mut agent = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let path = format!("/api/remote/jobs/{}", send(&hub, id).await);
    let order = agent.next_order().await;
    let mut other = FakeAgent::connect(&remote, &key, hello(AgentId::new(), 9, vec![], vec![])).await.unwrap();
    other.say(progress(order.job, JobPhase::Running, 6)).await.unwrap();
    other.say(succeeded(order.job)).await.unwrap();
    let job = hub.get(&path).await;
    assert_eq!((state(&job), job.get("bytes_done").unwrap()), ("assigned", &json!(0)), "not its job");
    for text in ["garbage", r#"{"t":"job_result","seq":2,"ack":0,"d":{}}"#, r#"{"t":"bye","seq":99,"d":{"reason":""}}"#]
    {
        let bad = FakeAgent::connect(&remote, &key, hello(AgentId::new(), 9, vec![], vec![])).await.unwrap();
        let refused = remote.hear_texts(&bad.connection, &[text]).await.unwrap_err();
        assert_eq!((refused.code, refused.retry), (RefusalCode::Protocol, true), "{text}");
        assert_eq!(bad.connection.ended().await.code, RefusalCode::Protocol);
    }
}

#[tokio::test]
async fn an_agent_that_was_taken_out_stays_out() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let agent = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    assert_eq!(hub.ask("DELETE", &format!("/api/remote/agents/{id}"), None).await.status, 204);
    assert_eq!(agent.connection.ended().await.code, RefusalCode::Revoked);
    let again = FakeAgent::connect(&remote, &key, hello(id, 1, vec![], vec![])).await;
    assert_eq!(again.err().unwrap().code, RefusalCode::Revoked);
    assert_eq!(hub.get("/api/remote/agents").await.get("total").unwrap(), 0);
    assert_eq!(hub.ask("DELETE", &format!("/api/remote/agents/{id}"), None).await.status, 404);
}

#[tokio::test]
async fn an_inventory_comes_in_parts_and_a_preview_leaves_out_what_is_there() {
    let (hub, key) = hub().await;
    let id = AgentId::new();
    let path = format!("/api/remote/agents/{id}/inventory");
    assert_eq!(hub.ask("GET", &path, None).await.status, 404);
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    send(&hub, id).await;
    agent.next_order().await;
    let answer = async {
        let HubToAgent::InventoryRequest(asked) = agent.next().await else { panic!("not asked") };
        let file = |name: &str| InventoryFile {
            path: RelPath::parse(name).unwrap(),
            size_bytes: 7,
            blake3: Some(shared_protocol::Blake3::from_bytes(*blake3::hash(CONTENT).as_bytes())),
        };
        for (name, last) in [("b", false), ("a", true)] {
            let part = shared_protocol::agent_to_hub::Inventory {
                request: asked.request,
                files: vec![file(name)],
                last,
                n_errors: 0,
            };
            agent.say(AgentToHub::Inventory(part)).await.unwrap();
        }
    };
    let body = json!({ "agent_id": id, "root": "local", "paths": ["loras"] });
    let (preview, ()) = tokio::join!(hub.ask("POST", "/api/remote/jobs/preview", Some(body)), answer);
    assert_eq!(preview.status, 200, "{}", preview.body);
    assert_eq!(preview.body.get("there").unwrap(), &json!({ "n_files": 1, "size_bytes": 7 }));
    assert_eq!(preview.body.pointer("/uplink/n_files").unwrap(), &json!(0));
}

#[tokio::test]
async fn the_long_poll_carries_the_same_and_a_newer_turn_ends_the_held_one() {
    let (hub, key) = hub().await;
    let (id, remote) = (AgentId::new(), hub.state.services.remote.clone());
    let session = remote.sessions.authorize(Some(&key)).unwrap();
    let value = |seq: u64, ack: u64, message: AgentToHub| -> Value {
        serde_json::from_str(&Frame { seq: Some(seq), ack, message }.encode().unwrap()).unwrap()
    };
    let first = value(1, 0, AgentToHub::Hello(Box::new(hello(id, 1, vec![], vec![]))));
    let answer = remote.poll(session.clone(), Poll { generation: None, frames: vec![first] }).await.unwrap();
    let generation = answer.generation;
    assert_eq!(answer.frames.first().unwrap().get("t").unwrap(), "welcome");
    let turn = |frames| Poll { generation, frames };
    // Nothing is acknowledged: the welcome comes again.
    let again = remote.poll(session.clone(), turn(vec![])).await.unwrap();
    assert_eq!(again.frames.first().unwrap().get("t").unwrap(), "welcome");
    let ack = value(2, 1, AgentToHub::Facts(Box::default()));
    let acked = remote.poll(session.clone(), turn(vec![ack.clone()])).await.unwrap();
    assert_eq!(acked.frames.len(), 1, "{:?}", acked.frames);
    let carrier = acked.frames.first().unwrap();
    assert_eq!((carrier.get("t").unwrap(), carrier.get("ack").unwrap()), (&json!("ping"), &json!(2)));
    let held = tokio::spawn({
        let (remote, session) = (remote.clone(), session.clone());
        async move { remote.poll(session, Poll { generation, frames: vec![] }).await }
    });
    tokio::task::yield_now().await;
    let newer = tokio::spawn({
        let (remote, session) = (remote.clone(), session.clone());
        async move { remote.poll(session, Poll { generation, frames: vec![] }).await }
    });
    // Nothing is said yet, so only the newer turn ends the held one.
    assert!(held.await.unwrap().unwrap().frames.is_empty());
    send(&hub, id).await;
    let newer = newer.await.unwrap().unwrap();
    assert_eq!(newer.frames.first().unwrap().get("t").unwrap(), "job_assign");
    let unknown = Poll { generation: Some(u64::MAX), frames: vec![] };
    assert!(matches!(remote.poll(session.clone(), unknown).await, Err(PollEnd::UnknownGeneration)));
    remote.sessions.revoke().await.unwrap();
    assert!(remote.poll(session, turn(vec![])).await.is_err());
}

#[tokio::test]
async fn orders_that_could_do_harm_are_refused() {
    let (hub, key) = hub().await;
    let id = AgentId::new();
    let mut agent = FakeAgent::connect(&hub.state.services.remote, &key, hello(id, 1, vec![], vec![])).await.unwrap();
    let clone = |more: Value| {
        let mut body = json!({ "agent_id": id, "kind": "comfy_git_clone" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, status) in [
        (json!({ "url": "http://example.org/x" }), 422),
        (json!({ "url": "ssh://example.org/x" }), 422),
        (json!({ "url": "https://user:pass@example.org/x" }), 422),
        (json!({ "url": "https://127.0.0.1/x" }), 422),
        (json!({ "ref": "--upload-pack=touch x" }), 422),
        (json!({ "depth": 0 }), 422),
        (json!({ "dir": "../x" }), 400),
        (json!({ "dir": "/etc" }), 400),
        (json!({ "command": "sh" }), 400),
    ] {
        let answered = hub.ask("POST", "/api/remote/jobs", Some(clone(more.clone()))).await;
        assert_eq!(answered.status.as_u16(), status, "{more}: {}", answered.body);
    }
    let run = json!({ "agent_id": id, "kind": "run", "command": "sh" });
    assert_eq!(hub.ask("POST", "/api/remote/jobs", Some(run)).await.status, 400);
    let made = hub.ask("POST", "/api/remote/jobs", Some(clone(json!({ "ref": "master", "depth": 1 })))).await;
    assert_eq!(made.status, 202, "{}", made.body);
    let JobSpec::ComfyGitClone(order) = agent.next_order().await.spec else { panic!("another order") };
    assert_eq!((order.url.as_str(), order.depth), ("https://github.com/Comfy-Org/ComfyUI", Some(1)));
}
