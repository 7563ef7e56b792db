//! nginx as systems set it up: with one folder (a worker per core, and `sendfile`, which only works without TLS), or in
//! front of a hub with nothing but an address to lead to.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bench::process::processor_time;
use crate::ca::TestCa;
use crate::machine;

/// A running nginx, until it goes out of scope.
#[derive(Debug)]
pub struct Nginx {
    base: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Serves a folder, with a certificate if there is one.
    pub fn start(root: &Path, ca: Option<&TestCa>) -> Result<Self> {
        let root = root.display();
        Self::with(ca, &format!("root \"{root}\"; autoindex on;"))
    }

    /// Leads to a hub's remote listener, all else as it is by default. `None`, after a word, where there is no nginx.
    pub fn before(test: &str, hub: SocketAddr, more: &str) -> Result<Option<Self>> {
        if Command::new("nginx").arg("-v").output().is_err() {
            machine::skip(test, "there is no nginx (Debian: nginx-light)");
            return Ok(None);
        }
        Self::with(None, &format!("location / {{ proxy_pass http://{hub}; {more} }}")).map(Some)
    }

    fn with(ca: Option<&TestCa>, server: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let user = if machine::is_root() { "user root;" } else { "" };
        let here = folder.path().display();
        let (scheme, listen) = match ca {
            None => ("http", format!("listen 127.0.0.1:{port};")),
            Some(ca) => {
                let (certificate, key) = (ca.certificate(), ca.key());
                let (certificate, key) = (certificate.display(), key.display());
                let pair = format!("ssl_certificate \"{certificate}\"; ssl_certificate_key \"{key}\";");
                // Old versions leave TLS 1.3 out by default.
                ("https", format!("listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3; {pair}"))
            }
        };
        let text = format!(
            "{user} daemon off; worker_processes auto; pid {here}/pid; error_log {here}/log;
             events {{}}
             http {{ access_log off; sendfile on; client_body_temp_path {here}/b; proxy_temp_path {here}/p;
                fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;
                server {{ {listen} {server} }} }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text)?;
        let process = Command::new("nginx").arg("-p").arg(folder.path()).arg("-c").arg(&file).spawn();
        let process = process.context("cannot run nginx")?;
        let nginx = Self { base: format!("{scheme}://127.0.0.1:{port}"), process, _folder: folder };
        crate::wait::wait_until("nginx", Duration::from_secs(10), || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(nginx)
    }

    /// Where a file of the folder is.
    pub fn url(&self, file: &str) -> String {
        format!("{}/{file}", self.base)
    }

    /// What its workers took so far.
    pub fn processor_time(&self) -> Result<Duration> {
        let master = self.process.id();
        let workers = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        workers.split_whitespace().map(|worker| processor_time(worker.parse()?)).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its worker along when it is asked to end, not when it is killed.
        crate::machine::interrupt(self.process.id()).ok();
        self.process.wait().ok();
    }
}
