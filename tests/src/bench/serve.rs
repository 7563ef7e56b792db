//! The hub's range server against nginx: the same content from the cache, to the same client.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use shared_protocol::hub_to_agent::HubToAgent;

use super::download::{BIG_MIB, Content, load};
use super::process::{memory_mib, processor_time, wait_until_idle};
use super::table::Table;
use super::{BenchPlan, timed};
use crate::ca::TestCa;
use crate::fake_agent::FakeAgent;
use crate::hub::HubSetup;
use crate::nginx::Nginx;
use crate::remote::{Session, begin_session, free_address, send};
use crate::wait::{SOON, wait_until};

/// Where the content lies on the Lake.
const PATH: &str = "checkpoints/content.safetensors";

/// Parts that are fetched at once.
const PARTS: u64 = 4;

/// Measures without TLS and with it.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let content = Content::make(plan, BIG_MIB)?;
    let ca = TestCa::new()?;
    // Beside the content, so that a link to it will do.
    let roots = tempfile::tempdir_in(&plan.folder)?;
    let [local, lake] = ["local", "lake"].map(|name| roots.path().join(name));
    fs::create_dir_all(lake.join(PATH).parent().context("a folder")?)?;
    fs::hard_link(&content.file, lake.join(PATH)).context("cannot link the content")?;
    fs::create_dir(&local)?;
    fs::write(local.join("mine.safetensors"), b"mine")?;
    let listener = free_address()?;
    let setup = HubSetup::on(&local, &lake)?.set("REMOTE_BIND", listener.to_string()).set("HASH_SHA256", "false");
    let setup = setup.set("REMOTE_BASE_URL", format!("http://{listener}"));
    let session = open_job(&setup, listener)?;
    table.tell("load average before serving", load()?);
    let digits = content.list.root().to_string().trim_start_matches("blake3:").to_owned();
    let served = Served { content: &content, ca: &ca, session, listener, digits };
    served.measure(plan, &setup, None, table)?;
    let base = format!("https://{listener}");
    let setup = setup.set("REMOTE_TLS_CERT", ca.certificate()).set("REMOTE_TLS_KEY", ca.key());
    served.measure(plan, &setup.set("REMOTE_BASE_URL", base), Some(&ca), table)?;
    table.tell("load average after serving", load()?);
    Ok(())
}

/// Has the content indexed, hashed, and named in a job that stays open: nobody does it. Both outlive the hub.
fn open_job(setup: &HubSetup, listener: SocketAddr) -> Result<Session> {
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;
    let session = begin_session(&api)?;
    let mut agent = FakeAgent::connect(listener, &session.key)?;
    send(&api, &agent.id().to_string(), &[PATH])?;
    agent.wait_for("the job", |said| matches!(said, HubToAgent::JobAssign(_)).then_some(()))?;
    Ok(session)
}

struct Served<'a> {
    content: &'a Content,
    ca: &'a TestCa,
    session: Session,
    listener: SocketAddr,
    digits: String,
}

impl Served<'_> {
    fn measure(&self, plan: &BenchPlan, setup: &HubSetup, tls: Option<&TestCa>, table: &mut Table) -> Result<()> {
        let nginx = Nginx::start(self.content.file.parent().context("a folder")?, tls)?;
        let hub = setup.start()?;
        wait_until("the remote listener", SOON, || Ok(std::net::TcpStream::connect(self.listener).is_ok()))?;
        wait_until_idle(hub.process())?;
        let (scheme, over, goal) = if tls.is_some() { ("https", "TLS", 0.9) } else { ("http", "plain HTTP", 0.8) };
        let urls = [format!("{scheme}://{}/remote/v1/blobs/{}", self.listener, self.digits), nginx.url("content")];
        for (n_parts, what) in [(1, "whole".to_owned()), (PARTS, format!("in {PARTS} parts at once"))] {
            let mut times: [Vec<Duration>; 2] = Default::default();
            let spent = || Ok::<_, anyhow::Error>([processor_time(hub.process())?, nginx.processor_time()?]);
            let before = spent()?;
            // In turn, so that both find the same machine.
            for _ in 0..plan.n_runs.max(1) {
                for (times, url) in times.iter_mut().zip(&urls) {
                    times.push(self.fetch(url, n_parts)?);
                }
            }
            let [ours, theirs] = times.map(|mut times| {
                times.sort();
                times[times.len() / 2]
            });
            let after = spent()?;
            let n_runs = u32::try_from(plan.n_runs.max(1))?;
            let each = [0, 1].map(|n| after[n].saturating_sub(before[n]) / n_runs);
            let work = format!("serve {BIG_MIB} MiB {what}, {over}");
            table.speed(&work, self.content.size_bytes, ours, ("nginx", theirs), Some(goal));
            let [ours, theirs] = each.map(|spent| spent.as_secs_f64());
            table.tell("processor time of hub and nginx with it", format!("{ours:.2} s, {theirs:.2} s"));
        }
        table.tell("most memory of the hub with it", format!("{:.0} MiB", memory_mib(hub.process(), "VmHWM:")?));
        Ok(())
    }

    /// Fetches it in equal parts at once, each with a client of its own, and throws it away.
    fn fetch(&self, url: &str, n_parts: u64) -> Result<Duration> {
        let part = self.content.size_bytes / n_parts;
        let (time, ()) = timed(|| {
            let clients = (0..n_parts).map(|n| self.client(url, (n_parts > 1).then(|| n * part..(n + 1) * part)));
            for client in clients.collect::<Result<Vec<_>>>()? {
                let output = client.wait_with_output()?;
                let moved = String::from_utf8_lossy(&output.stdout).into_owned();
                ensure!(output.status.success() && moved == part.to_string(), "{url}: {} {moved}", output.status);
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn client(&self, url: &str, part: Option<std::ops::Range<u64>>) -> Result<Child> {
        let mut command = Command::new("curl");
        command.args(["-sf", "--noproxy", "*", "-w", "%{size_download}", "-o", "/dev/null", "--cacert"]);
        command.arg(self.ca.authority()).arg("-H").arg(format!("Authorization: Bearer {}", self.session.key));
        if let Some(part) = part {
            command.arg("-r").arg(format!("{}-{}", part.start, part.end - 1));
        }
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().context("cannot run curl")
    }
}
