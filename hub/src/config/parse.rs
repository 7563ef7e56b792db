//! From texts to values. A wrong one becomes a [`ConfigProblem`] that names key, value and what is
//! expected.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shared_protocol::Secret;

use super::lookups::lookups;
use super::reader::{ConfigReader, folder};
use super::{Config, ConfigProblem, DEMO_FOLDER, DownloadConfig, Key, Layers, RemoteConfig, RootConfig, ScrubConfig};
use crate::domain::hours::Hours;
use crate::domain::root::{PerRoot, Root};
use crate::fs::OwnFolder;
use crate::fs::root_dir::{check_apart, check_outside_data};

impl Layers {
    /// Where database, configuration and logs lie: needed before the file can be read.
    pub fn app_data_dir(&self) -> Result<PathBuf, Vec<ConfigProblem>> {
        let given = self.flags.get(&Key::AppDataDir).or_else(|| self.environment.get(&Key::AppDataDir));
        match given {
            Some(text) => folder(Key::AppDataDir, text).map_err(|problem| vec![problem]),
            None => directories::ProjectDirs::from("", "", "comfy-hub")
                .map(|dirs| dirs.data_local_dir().to_owned())
                .ok_or_else(|| {
                    vec![ConfigProblem::new(Key::AppDataDir, "", "a folder: this user has no home folder to put it in")]
                }),
        }
    }

    /// Validates everything at once; every problem is told.
    pub fn resolve(&self) -> Result<Config, Vec<ConfigProblem>> {
        config(self)
    }
}

/// Validates all values of the layers.
fn config(layers: &Layers) -> Result<Config, Vec<ConfigProblem>> {
    let app_data_dir = layers.app_data_dir()?;
    let mut reader = ConfigReader { layers, problems: Vec::new() };
    let roots = PerRoot::from_fn(|root| match root {
        Root::Local => reader.root(Key::LocalModelsRoot, Key::LocalAllowDelete, Key::LocalHashReaders),
        Root::Lake => reader.root(Key::LakeModelsRoot, Key::LakeAllowDelete, Key::LakeHashReaders),
    });
    if let (Some(local), Some(lake)) = (&roots.local.dir, &roots.lake.dir)
        && let Err(error) = check_apart(local, lake)
    {
        let expected = format!("a folder apart from LOCAL_MODELS_ROOT \"{}\" ({error})", local.display());
        reader.problems.push(ConfigProblem::new(Key::LakeModelsRoot, &lake.display(), expected));
    }
    let roots = keep_out_data(&mut reader, &roots, &app_data_dir);
    let minutes: u64 = reader.number(Key::ScanIntervalMinutes, "a whole number of minutes, 0 for none").unwrap_or(0);
    let remote = remote(&mut reader);
    let config = Config {
        roots,
        queue_concurrency: NonZeroU16::new(reader.whole(Key::QueueConcurrency)).unwrap_or(NonZeroU16::MIN),
        queue_retry_count: reader.whole(Key::QueueRetryCount),
        hub_port: reader.number(Key::HubPort, "a port from 0 to 65535").unwrap_or(0),
        scan_interval: (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60))),
        hash_sha256: reader.flag(Key::HashSha256),
        history_days: reader.count(Key::HistoryDays),
        history_rows: reader.count(Key::HistoryRows),
        scrub: ScrubConfig {
            bytes_per_day: reader.read(Key::ScrubGbPerDay, gigabytes).unwrap_or(0),
            hours: reader.read(Key::ScrubHours, hours),
        },
        downloads: DownloadConfig {
            limit: reader.read(Key::DownloadLimit, least_bytes),
            hours: reader.read(Key::DownloadHours, hours),
        },
        lookups: lookups(&mut reader, remote.allow_private_sources),
        remote,
        app_data_dir,
    };
    if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
}

/// The data folder is no root, and no part of the library where it lies in one.
fn keep_out_data(reader: &mut ConfigReader<'_>, roots: &PerRoot<RootConfig>, data: &Path) -> PerRoot<RootConfig> {
    for (key, root) in [(Key::LocalModelsRoot, &roots.local), (Key::LakeModelsRoot, &roots.lake)] {
        if let Some(dir) = &root.dir
            && let Err(error) = check_outside_data(dir, data, &data.join(DEMO_FOLDER))
        {
            let expected = format!("a folder outside of APP_DATA_DIR ({error})");
            reader.problems.push(ConfigProblem::new(key, &dir.display(), expected));
        }
    }
    let own = Arc::new(OwnFolder::new(data.to_owned()));
    PerRoot::from_fn(|root| {
        let config = roots.get(root).clone();
        RootConfig { dir: config.dir.map(|dir| dir.keeping_out(Arc::clone(&own))), ..config }
    })
}

fn remote(reader: &mut ConfigReader<'_>) -> RemoteConfig {
    let (cert, key) = (reader.path(Key::RemoteTlsCert), reader.path(Key::RemoteTlsKey));
    for (missing, given, other) in [(Key::RemoteTlsKey, &cert, &key), (Key::RemoteTlsCert, &key, &cert)] {
        if given.is_some() && other.is_none() && reader.text(missing).is_none() {
            reader.problems.push(ConfigProblem::new(missing, "", "a PEM file: certificate and key go together"));
        }
    }
    let min_speed = reader.read(Key::RemoteMinSpeed, bytes).unwrap_or(0);
    let upload_limit = reader.read(Key::RemoteUploadLimit, |text| {
        let limit = bytes(text)?;
        let expected = format!(
            "at least {min_speed} bytes per second, which is REMOTE_MIN_SPEED: with {limit} every download would \
             count as stalled"
        );
        if limit < min_speed { Err(expected) } else { Ok(limit) }
    });
    RemoteConfig {
        base_url: reader.read(Key::RemoteBaseUrl, base_url),
        bind: reader
            .number(Key::RemoteBind, "an address with a port, such as 127.0.0.1:8421")
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        tls: cert.zip(key),
        session_ttl: Duration::from_secs(reader.whole::<u64>(Key::RemoteSessionTtlMinutes) * 60),
        stall_timeout: Duration::from_secs(reader.whole(Key::RemoteStallTimeoutSeconds)),
        retry_per_source: reader.whole(Key::RemoteRetryPerSource),
        source_patience: Duration::from_secs(reader.whole(Key::RemoteSourcePatienceSeconds)),
        min_speed,
        allow_private_sources: reader.flag(Key::RemoteAllowPrivateSources),
        upload_limit,
        agent_binary: reader.path(Key::AgentBinary),
        agent_binary_aarch64: reader.path(Key::AgentBinaryAarch64),
        comfy_repo_url: reader.text(Key::ComfyRepoUrl).unwrap_or_default(),
        hf_token: reader.text(Key::HfToken).map(Secret::new),
        civitai_token: reader.text(Key::CivitaiToken).map(Secret::new),
    }
}

fn hours(text: &str) -> Result<Hours, String> {
    Hours::parse(text).ok_or_else(|| "two times of the day such as 01:00-06:00".to_owned())
}

/// A speed with which something comes at all.
fn least_bytes(text: &str) -> Result<u64, String> {
    let limit = bytes(text)?;
    if limit < 1 << 10 { Err("at least 1KiB per second".to_owned()) } else { Ok(limit) }
}

/// A number of gigabytes such as `20` or `0.5`, in bytes.
fn gigabytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let is_number =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let found = bytes(&format!("{text}GB")).ok().filter(|n| is_number && *n <= 1_000_000_000_000_000);
    found.ok_or_else(|| "a number of gigabytes up to 1000000 such as 20 or 0.5, 0 for none".to_owned())
}

/// A size such as `10KiB`, `2 MB` or `4096`; powers of 1024 with an `i`, else of 1000.
pub fn bytes(text: &str) -> Result<u64, String> {
    let expected = || "a size such as 10KiB, 2MB or 4096".to_owned();
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix("/s").unwrap_or(&unit);
    let factor: u64 = match unit {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" | "k" => 1_000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "tb" | "t" => 1_000_000_000_000,
        _ => return Err(expected()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u64 = format!("{whole}{fraction}").parse().map_err(|_| expected())?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX)).ok_or_else(expected)?;
    digits.checked_mul(factor).map(|n| n / scale).ok_or_else(expected)
}

/// The public address: `https`, or plain `http` on this very machine for trying out.
fn base_url(text: &str) -> Result<String, String> {
    let expected = || "an https address such as https://models.example.org".to_owned();
    let url = text.trim().trim_end_matches('/');
    let local = ["127.0.0.1", "localhost", "[::1]"];
    let host = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    let is_plain = |h: &str| !h.is_empty() && !h.contains(['@', ' ', '\\']);
    if let Some(rest) = url.strip_prefix("https://") {
        return if is_plain(&host(rest)) { Ok(url.to_owned()) } else { Err(expected()) };
    }
    let Some(rest) = url.strip_prefix("http://") else { return Err(expected()) };
    let host = host(rest);
    let name = if host.starts_with('[') {
        host.rsplit_once("]:").map_or(host.clone(), |(n, _)| format!("{n}]"))
    } else {
        host.split_once(':').map_or(host.clone(), |(n, _)| n.to_owned())
    };
    if local.contains(&name.as_str()) { Ok(url.to_owned()) } else { Err(expected()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    fn layers(values: &[(Key, &str)]) -> Layers {
        let mut flags: BTreeMap<_, _> = values.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        flags.entry(Key::AppDataDir).or_insert_with(|| std::env::temp_dir().display().to_string());
        Layers { flags, ..Layers::default() }
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = layers(&[]).resolve().unwrap();
        assert_eq!(config.hub_port, 8420);
        assert_eq!(config.queue_retry_count, 3);
        assert_eq!(config.remote.min_speed, 10_240);
        assert!(config.hash_sha256 && !config.is_set_up() && config.scan_interval.is_none());
    }

    #[rstest]
    #[case(Key::HubPort, "65536")]
    #[case(Key::HubPort, "many")]
    #[case(Key::QueueConcurrency, "0")]
    #[case(Key::LocalAllowDelete, "maybe")]
    #[case(Key::RemoteBaseUrl, "http://example.org")]
    #[case(Key::RemoteBaseUrl, "https://")]
    #[case(Key::RemoteBaseUrl, "http://127.0.0.1.example.org")]
    #[case(Key::RemoteBind, "localhost")]
    #[case(Key::RemoteMinSpeed, "fast")]
    #[case(Key::RemoteTlsCert, "/cert.pem")]
    #[case(Key::LocalModelsRoot, "models")]
    #[case(Key::LakeHashReaders, "0")]
    fn a_wrong_value_names_itself(#[case] key: Key, #[case] value: &str) {
        let problems = layers(&[(key, value)]).resolve().unwrap_err();
        let line = problems.first().unwrap().to_string();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(line.contains("expected ") && !line.contains('\n'), "{line}");
        assert!(line.contains(key.name()) || key == Key::RemoteTlsCert, "{line}");
    }

    #[test]
    fn a_cap_below_the_least_speed_is_refused_with_both_numbers() {
        let problems = layers(&[(Key::RemoteUploadLimit, "8KiB")]).resolve().unwrap_err();
        let line = problems.first().unwrap().to_string();
        for part in ["REMOTE_UPLOAD_LIMIT = \"8KiB\"", "8192", "10240", "REMOTE_MIN_SPEED"] {
            assert!(line.contains(part), "{line}");
        }
        for fine in ["10KiB", "5MiB"] {
            assert!(layers(&[(Key::RemoteUploadLimit, fine)]).resolve().is_ok(), "{fine}");
        }
        let lower = [(Key::RemoteUploadLimit, "8KiB"), (Key::RemoteMinSpeed, "4KiB")];
        assert!(layers(&lower).resolve().is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn one_root_in_the_other_is_refused() {
        for lake in ["/models", "/models/lake", "/models/"] {
            let problems =
                layers(&[(Key::LocalModelsRoot, "/models"), (Key::LakeModelsRoot, lake)]).resolve().unwrap_err();
            assert!(problems.first().unwrap().to_string().contains("LAKE_MODELS_ROOT"), "{problems:?}");
        }
    }

    #[test]
    fn the_data_folder_is_no_root_and_is_kept_out_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (root, data) in [("data", "data"), ("data/models", "data"), ("data/demo", "data")] {
            for key in [Key::LocalModelsRoot, Key::LakeModelsRoot] {
                let problems = layers(&[(Key::AppDataDir, &path(data)), (key, &path(root))]).resolve().unwrap_err();
                let line = problems.first().unwrap().to_string();
                assert!(line.contains(key.name()) && line.contains("outside of APP_DATA_DIR"), "{line}");
            }
        }
        for root in ["models", "data/demo/local", "database"] {
            let layers = layers(&[(Key::AppDataDir, &path("data")), (Key::LocalModelsRoot, &path(root))]);
            assert!(layers.resolve().is_ok(), "{root}");
        }
        let config = layers(&[(Key::AppDataDir, &path("models/data")), (Key::LocalModelsRoot, &path("models"))])
            .resolve()
            .unwrap();
        std::fs::create_dir_all(folder.path().join("models/data")).unwrap();
        let dir = config.roots.local.dir.unwrap();
        let inside = shared_protocol::RelPath::parse("data/hub.db").unwrap();
        assert!(crate::fs::ensure_no_links(&dir, &inside).is_err(), "no part of the library");
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("10KiB"), Ok(10_240));
        assert_eq!(bytes("1.5 MB"), Ok(1_500_000));
        assert_eq!(bytes("4096"), Ok(4096));
        assert!(bytes("KiB").is_err() && bytes("-1").is_err() && bytes("99999999999TB").is_err());
    }

    #[test]
    fn a_secret_stays_out_of_messages() {
        assert!(!ConfigProblem::new(Key::HfToken, "hf_secret", "x").to_string().contains("hf_secret"));
        assert!(!format!("{:?}", Secret::new("hf_secret".into())).contains("hf_secret"));
    }
}
