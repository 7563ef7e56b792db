//! The keys of the configuration: one table for flags, environment, file and the settings page.

use std::fmt;

/// A key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each key is described by its help text below")]
pub enum Key {
    LocalModelsRoot,
    LakeModelsRoot,
    LocalAllowDelete,
    LakeAllowDelete,
    QueueConcurrency,
    QueueRetryCount,
    ScanIntervalMinutes,
    HashSha256,
    LocalHashReaders,
    LakeHashReaders,
    HistoryDays,
    HistoryRows,
    ScrubGbPerDay,
    ScrubHours,
    AppDataDir,
    HubPort,
    RemoteBaseUrl,
    RemoteBind,
    RemoteTlsCert,
    RemoteTlsKey,
    RemoteSessionTtlMinutes,
    RemoteStallTimeoutSeconds,
    RemoteRetryPerSource,
    RemoteMinSpeed,
    RemoteAllowPrivateSources,
    RemoteUploadLimit,
    AgentBinary,
    ComfyRepoUrl,
    HfToken,
    CivitaiToken,
}

/// `(key, name, default, help)`; an empty default means none.
const TABLE: [(Key, &str, &str, &str); 30] = [
    (Key::LocalModelsRoot, "LOCAL_MODELS_ROOT", "", "The fast, small models folder"),
    (Key::LakeModelsRoot, "LAKE_MODELS_ROOT", "", "The big models folder, usually on a NAS"),
    (Key::LocalAllowDelete, "LOCAL_ALLOW_DELETE", "false", "May anything be deleted in Local"),
    (Key::LakeAllowDelete, "LAKE_ALLOW_DELETE", "false", "May anything be deleted in the Lake"),
    (Key::QueueConcurrency, "QUEUE_CONCURRENCY", "1", "Transfers at once"),
    (Key::QueueRetryCount, "QUEUE_RETRY_COUNT", "3", "Tries of one transfer after the first"),
    (Key::ScanIntervalMinutes, "SCAN_INTERVAL_MINUTES", "0", "Minutes between scans by itself, 0 for none"),
    (Key::HashSha256, "HASH_SHA256", "true", "Take SHA-256 beside BLAKE3"),
    (Key::LocalHashReaders, "LOCAL_HASH_READERS", "", "Files of Local hashed at once, guessed if not set"),
    (Key::LakeHashReaders, "LAKE_HASH_READERS", "", "Files of the Lake hashed at once, guessed if not set"),
    (Key::HistoryDays, "HISTORY_DAYS", "90", "Days that history and finished transfers are kept"),
    (Key::HistoryRows, "HISTORY_ROWS", "200000", "Transfers kept at the most; the oldest finished ones go first"),
    (Key::ScrubGbPerDay, "SCRUB_GB_PER_DAY", "0", "GB verified per day in idle hours, 0 for none"),
    (Key::ScrubHours, "SCRUB_HOURS", "", "Hours of that, local time, such as 01:00-06:00"),
    (Key::AppDataDir, "APP_DATA_DIR", "", "Folder of the database, configuration and logs"),
    (Key::HubPort, "HUB_PORT", "8420", "Port of the interface on 127.0.0.1, 0 for any free one"),
    (Key::RemoteBaseUrl, "REMOTE_BASE_URL", "", "Fixed public https address of this hub"),
    (Key::RemoteBind, "REMOTE_BIND", "127.0.0.1:8421", "Address of the remote listener"),
    (Key::RemoteTlsCert, "REMOTE_TLS_CERT", "", "Certificate chain of the remote listener, a PEM file"),
    (Key::RemoteTlsKey, "REMOTE_TLS_KEY", "", "Private key of the remote listener, a PEM file"),
    (Key::RemoteSessionTtlMinutes, "REMOTE_SESSION_TTL_MINUTES", "240", "Minutes that a remote session lives"),
    (Key::RemoteStallTimeoutSeconds, "REMOTE_STALL_TIMEOUT_SECONDS", "30", "Seconds of silence that are a stall"),
    (Key::RemoteRetryPerSource, "REMOTE_RETRY_PER_SOURCE", "3", "Tries of each source of a download"),
    (Key::RemoteMinSpeed, "REMOTE_MIN_SPEED", "10KiB", "Speed per second below which a download stalls"),
    (Key::RemoteAllowPrivateSources, "REMOTE_ALLOW_PRIVATE_SOURCES", "false", "May sources be private addresses"),
    (Key::RemoteUploadLimit, "REMOTE_UPLOAD_LIMIT", "", "Cap of the hub's own upload per second"),
    (Key::AgentBinary, "AGENT_BINARY", "", "The x86_64 Linux agent that the hub hands out"),
    (Key::ComfyRepoUrl, "COMFY_REPO_URL", "https://github.com/comfyanonymous/ComfyUI", "Repository agents clone"),
    (Key::HfToken, "HF_TOKEN", "", "Token for gated models at Hugging Face"),
    (Key::CivitaiToken, "CIVITAI_TOKEN", "", "Token for gated models at Civitai"),
];

impl Key {
    /// Every key, in the order of the settings page.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        static FIRST: &(Key, &str, &str, &str) = &TABLE[0];
        TABLE.iter().find(|row| row.0 == self).unwrap_or(FIRST)
    }

    /// Its name in the environment, and in messages.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its name in `config.toml`.
    pub fn file_name(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// Its name as a flag, without the dashes.
    pub fn flag(self) -> String {
        self.file_name().replace('_', "-")
    }

    /// The value without any setting.
    pub fn default_value(self) -> Option<&'static str> {
        Some(self.row().2).filter(|text| !text.is_empty())
    }

    /// What it means, for `--help` and the settings page.
    pub fn help(self) -> &'static str {
        self.row().3
    }

    /// The key of this name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// Its value must never be shown; it can't be given as a flag, which every process can read.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::HfToken | Self::CivitaiToken)
    }

    /// Takes effect only at the next start.
    pub const fn needs_restart(self) -> bool {
        matches!(self, Self::AppDataDir | Self::HubPort | Self::RemoteBind | Self::RemoteTlsCert | Self::RemoteTlsKey)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_packages_names_only_what_there_is() {
        let example = include_str!("../../../docs/config.example.toml");
        let mut n = 0;
        for line in example.lines().filter_map(|line| line.strip_prefix('#')) {
            if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with(' ')) {
                assert!(Key::from_name(name).is_some(), "{name}");
                n += 1;
            }
        }
        assert!(n > 10, "{n} keys");
    }

    #[test]
    fn the_table_names_every_key_once() {
        for key in Key::all() {
            assert_eq!(Key::from_name(key.name()), Some(key));
            assert_eq!(Key::from_name(&key.file_name()), Some(key));
        }
        let mut names: Vec<_> = Key::all().map(Key::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }
}
