//! What `hub doctor` looks at for sending models to rented machines: the public address, the remote
//! listener, its certificate, and the agents' programs.

use std::io;
use std::net::TcpListener;

use jiff::Timestamp;
use shared_protocol::{Allowed, Target, WebUrl};

use crate::app::remote::tls::{self, Validity};
use crate::app::remote::why_unbound;
use crate::config::RemoteConfig;
use crate::domain::size;
use crate::services::serving::agent_program::{find_blocking, named};
use crate::services::serving::{AgentOrigin, AgentProgramState};

/// Days before its end from which on a certificate is to be renewed.
const RENEW_DAYS: i64 = 14;

/// Where the remote side is not set up.
const NOT_SET: &str = "not set: only needed to send models to rented machines";

/// Whether agents can use the public address.
pub(super) fn public_address(remote: &RemoteConfig) -> Result<String, String> {
    let Some(url) = &remote.base_url else { return Ok(NOT_SET.to_owned()) };
    let wrong = |why: &str| Err(format!("REMOTE_BASE_URL = \"{url}\": {why}"));
    match WebUrl::parse(url, Allowed::PrivateToo) {
        Err(error) => wrong(&error.to_string()),
        Ok(_) if url.contains(['?', '#']) => wrong("agents take it only without ? and #"),
        Ok(parsed) if !parsed.is_encrypted() => Ok(format!("{url}: plain http, to try out on this computer only")),
        Ok(_) => Ok(url.clone()),
    }
}

/// Whether the remote listener's address can be had. `session` is the end of the session that a running
/// hub has: then it is that hub's.
pub(super) fn listener(remote: &RemoteConfig, session: Option<Timestamp>) -> Result<String, String> {
    let address = remote.bind;
    let until = |end: Timestamp| format!("a session of the running hub lives until {}", end.strftime("%F %H:%M UTC"));
    match (TcpListener::bind(address), session) {
        (Ok(_), None) if address.port() == 0 => Ok(format!("{}: any free port", address.ip())),
        (Ok(_), None) => Ok(format!("{address} is free")),
        (Ok(_), Some(end)) => {
            Ok(format!("{address} is free, but {}: its Remote page says where it listens", until(end)))
        }
        (Err(error), Some(end)) if error.kind() == io::ErrorKind::AddrInUse => {
            Ok(format!("{address} is in use: {}", until(end)))
        }
        (Err(error), _) => if_needed(remote, why_unbound(address, &error)),
    }
}

/// Whether the certificate and its key can be used at this time.
pub(super) fn certificate(remote: &RemoteConfig, now: Timestamp) -> Result<String, String> {
    let Some((certificate, key)) = &remote.tls else {
        return Ok("not set: only needed where no tunnel or proxy ends TLS".to_owned());
    };
    let validity = tls::load(certificate, key).and_then(|loaded| loaded.validity());
    judge_validity(validity.map_err(|error| error.to_string())?, now)
}

fn judge_validity(Validity { from, until }: Validity, now: Timestamp) -> Result<String, String> {
    let day = |time: Timestamp| time.strftime("%F");
    let days = (until.as_second() - now.as_second()).div_euclid(24 * 60 * 60);
    if now < from {
        return Err(format!("it counts only from {} on: is the clock of this computer right?", day(from)));
    }
    if now > until {
        return Err(format!("it ended on {}: agents refuse it until it is renewed", day(until)));
    }
    let advice = if days < RENEW_DAYS { ": renew it soon" } else { "" };
    Ok(format!("valid until {}, {days} more days{advice}", day(until)))
}

/// Whether there is an agent to hand out to this kind of machine.
pub(super) fn agent(remote: &RemoteConfig, target: Target) -> Result<String, String> {
    match find_blocking(remote, target) {
        AgentProgramState::Ready { origin, size_bytes, .. } => {
            let place = match origin {
                AgentOrigin::Carried => "in this program".to_owned(),
                AgentOrigin::File(path, _) => path.display().to_string(),
            };
            Ok(format!("{place}: for {} Linux, {}", target.processor(), size::bytes(size_bytes)))
        }
        AgentProgramState::Missing(why) if named(remote, target).is_some() => Err(why),
        // Few machines are of this kind.
        AgentProgramState::Missing(why) if target == Target::Aarch64Linux => {
            Ok(format!("none: only needed for Arm machines ({why})"))
        }
        AgentProgramState::Missing(why) => if_needed(remote, why),
    }
}

/// What is amiss is no failure as long as no session can begin: for that a public address is needed.
fn if_needed(remote: &RemoteConfig, why: String) -> Result<String, String> {
    if remote.base_url.is_some() { Err(why) } else { Ok(format!("not needed without REMOTE_BASE_URL ({why})")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::config::{Key, Layers};

    const HTTPS: (Key, &str) = (Key::RemoteBaseUrl, "https://hub.example");

    fn remote(values: &[(Key, &str)]) -> RemoteConfig {
        let mut flags: BTreeMap<_, _> = values.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        flags.insert(Key::AppDataDir, std::env::temp_dir().display().to_string());
        Layers { flags, ..Layers::default() }.resolve().unwrap().remote
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A certificate for this time, with its key, as the configuration names them.
    fn with_certificate(folder: &Path, years: std::ops::Range<i32>) -> RemoteConfig {
        let mut wanted = rcgen::CertificateParams::new(vec!["hub.example".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let files = ["crt", "key"].map(|ending| folder.join(format!("hub.{ending}")));
        std::fs::write(&files[0], wanted.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        let [certificate, key] = files.map(|file| file.display().to_string());
        remote(&[(Key::RemoteTlsCert, &certificate), (Key::RemoteTlsKey, &key)])
    }

    #[test]
    fn an_address_is_right_if_agents_take_it() {
        let told = |url| public_address(&remote(&[(Key::RemoteBaseUrl, url)]));
        assert_eq!(told("https://hub.example/models").unwrap(), "https://hub.example/models");
        assert!(told("http://127.0.0.1:8421").unwrap().contains("this computer only"));
        for wrong in ["https://hub.example:99999", "https://hub.example/?x=1", "https://hub.example/#x", "https://[x]"]
        {
            assert!(told(wrong).unwrap_err().contains("REMOTE_BASE_URL"), "{wrong}");
        }
        assert_eq!(public_address(&remote(&[])).unwrap(), NOT_SET);
    }

    #[test]
    fn a_listener_can_be_bound_or_is_the_running_hubs() {
        assert!(listener(&remote(&[(Key::RemoteBind, "127.0.0.1:0")]), None).unwrap().contains("any free port"));
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        let bind = (Key::RemoteBind, address.as_str());
        let why = listener(&remote(&[bind, HTTPS]), None).unwrap_err();
        assert!(why.contains(&address) && why.contains("Another program"), "{why}");
        assert!(listener(&remote(&[bind]), None).unwrap().contains("Another program"), "told, but not needed yet");
        let end = at("2026-03-01T10:00:00Z");
        let told = listener(&remote(&[bind, HTTPS]), Some(end)).unwrap();
        assert!(told.contains("in use") && told.contains("2026-03-01 10:00 UTC"), "{told}");
        drop(other);
        assert_eq!(listener(&remote(&[bind, HTTPS]), None).unwrap(), format!("{address} is free"));
        assert!(listener(&remote(&[bind, HTTPS]), Some(end)).unwrap().contains("its Remote page"));
        // An address that no computer has, whoever runs on it.
        let why = listener(&remote(&[(Key::RemoteBind, "192.0.2.1:8421"), HTTPS]), Some(end)).unwrap_err();
        assert!(why.contains("no address"), "{why}");
    }

    #[test]
    fn a_port_that_may_not_be_had_is_told_with_what_to_do() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let why = why_unbound("127.0.0.1:443".parse().unwrap(), &denied);
        assert!(why.contains("127.0.0.1:443") && why.contains("above 1023"), "{why}");
    }

    #[test]
    fn a_certificate_counts_from_its_first_day_to_its_last() {
        let folder = tempfile::tempdir().unwrap();
        let remote = with_certificate(folder.path(), 2020..2021);
        let told = certificate(&remote, at("2020-06-01T00:00:00Z")).unwrap();
        assert_eq!(told, "valid until 2021-01-01, 214 more days");
        assert!(certificate(&remote, at("2020-12-25T00:00:00Z")).unwrap().contains("7 more days: renew it"));
        assert!(certificate(&remote, at("2021-01-02T00:00:00Z")).unwrap_err().contains("ended on 2021-01-01"));
        assert!(certificate(&remote, at("2019-12-31T00:00:00Z")).unwrap_err().contains("clock"));
    }

    #[test]
    fn certificate_and_key_are_read_and_belong_together() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let remote_ = with_certificate(folder.path(), 2020..4000);
        let now = at("2026-01-01T00:00:00Z");
        assert!(certificate(&remote_, now).is_ok());
        let (path, key) = remote_.tls.clone().unwrap();
        let (_, other_key) = with_certificate(other.path(), 2020..4000).tls.unwrap();
        std::fs::copy(other_key, &key).unwrap();
        assert!(certificate(&remote_, now).unwrap_err().contains("does not belong"));
        std::fs::write(&key, "no key").unwrap();
        assert!(certificate(&remote_, now).unwrap_err().contains("REMOTE_TLS_KEY"));
        std::fs::remove_file(&path).unwrap();
        assert!(certificate(&remote_, now).unwrap_err().contains("REMOTE_TLS_CERT"));
        assert!(certificate(&remote(&[]), now).unwrap().starts_with("not set"));
    }

    #[test]
    fn an_agent_is_a_program_for_its_kind_of_machine() {
        let agent = |remote: &RemoteConfig| agent(remote, Target::X86_64Linux);
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("agent");
        let named = remote(&[(Key::AgentBinary, &program.display().to_string())]);
        assert!(agent(&named).unwrap_err().contains("AGENT_BINARY"), "not there");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        assert!(agent(&named).unwrap_err().contains("x86_64 Linux"));
        let mut elf = b"\x7fELF\x02\x01\x01\x00\0\0\0\0\0\0\0\0\x03\x00\x3e\x00".to_vec();
        elf.resize(3 << 20, 0);
        std::fs::write(&program, elf).unwrap();
        assert!(agent(&named).unwrap().ends_with("3.00 MiB"), "{:?}", agent(&named));
        // None lies beside the program of these tests.
        assert!(agent(&remote(&[])).unwrap().contains("not needed"));
        assert!(agent(&remote(&[HTTPS])).unwrap_err().contains("AGENT_BINARY"));

        // One for Arm is asked for only where one is named.
        let arm = |remote: &RemoteConfig| super::agent(remote, Target::Aarch64Linux);
        assert!(arm(&remote(&[HTTPS])).unwrap().contains("AGENT_BINARY_AARCH64"));
        let named = remote(&[(Key::AgentBinaryAarch64, &program.display().to_string())]);
        assert!(arm(&named).unwrap_err().contains("is not a program for aarch64 Linux"));
    }
}
