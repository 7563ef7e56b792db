//! The keys of the configuration: one table for flags, environment, file, what is read of a value, the
//! settings page and its API.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `true` or `false`.
    Switch,
    /// A whole number from the one to the other.
    Whole(u64, u64),
    /// A text that is never shown; it can't be given as a flag, which every process can read.
    Secret,
    /// What has a form of its own, which reading it looks at.
    Text,
}

/// What is known of a key.
struct KeyRow {
    /// The value without any setting; empty for none.
    default: &'static str,
    kind: KeyKind,
    /// Where it stands on the settings page, and under which label.
    group: &'static str,
    label: &'static str,
    help: &'static str,
}

/// Makes keys and table of one list, so that a key is told once: `Key = "default", kind, "label", "help"`.
macro_rules! keys {
    ($($group:literal: $($key:ident = $default:literal, $kind:expr, $label:literal, $help:literal;)*)*) => {
        /// A key of the configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(Display, EnumString, IntoStaticStr, VariantArray)]
        #[strum(serialize_all = "SCREAMING_SNAKE_CASE", ascii_case_insensitive)]
        #[allow(clippy::enum_variant_names, reason = "keys are called as in the configuration")]
        pub enum Key {
            $($($key,)*)*
        }

        impl Key {
            const fn row(self) -> KeyRow {
                match self {
                    $($(Self::$key => KeyRow {
                        default: $default, kind: $kind, group: $group, label: $label, help: $help,
                    },)*)*
                }
            }
        }
    };
}

use KeyKind::{Secret, Switch, Text, Whole};

keys! {
    "Folders":
    LocalModelsRoot = "", Text, "Local folder", "The fast, small models folder";
    LakeModelsRoot = "", Text, "Lake folder", "The big models folder, usually on a NAS";
    LocalAllowDelete = "false", Switch, "Deleting in Local", "May anything be deleted in Local";
    LakeAllowDelete = "false", Switch, "Deleting in the Lake", "May anything be deleted in the Lake";
    "Queue":
    QueueConcurrency = "1", Whole(1, 64), "Transfers at once", "Transfers at once";
    QueueRetryCount = "3", Whole(0, 100), "Tries after the first", "Tries of one transfer after the first";
    DownloadLimit = "", Text, "Most that is downloaded per second", "Cap of the hub's own downloads per second";
    DownloadHours = "", Text, "Hours of downloads", "Hours in which the hub downloads, local time, such as 01:00-06:00";
    "Scans and hashes":
    ScanIntervalMinutes = "0", Text, "Minutes between scans", "Minutes between scans by itself, 0 for none";
    HashSha256 = "true", Switch, "SHA-256 too", "Take SHA-256 beside BLAKE3";
    LocalHashReaders = "", Text, "Files of Local hashed at once", "Files of Local hashed at once, guessed if not set";
    LakeHashReaders = "", Text, "Files of the Lake hashed at once",
        "Files of the Lake hashed at once, guessed if not set";
    ScrubGbPerDay = "0", Text, "GB verified per day", "GB verified per day in idle hours, 0 for none";
    ScrubHours = "", Text, "Hours of verifying", "Hours of that, local time, such as 01:00-06:00";
    "History":
    HistoryDays = "90", Whole(1, 36_500), "Days that it is kept", "Days that history and finished transfers are kept";
    HistoryRows = "200000", Whole(1, 100_000_000), "Transfers kept",
        "Transfers kept at the most; the oldest finished ones go first";
    "Remote machines":
    RemoteBaseUrl = "", Text, "Public address", "Fixed public https address of this hub";
    RemoteBind = "127.0.0.1:8421", Text, "Where it leads to", "Address of the remote listener";
    RemoteTlsCert = "", Text, "Certificate", "Certificate chain of the remote listener, a PEM file";
    RemoteTlsKey = "", Text, "Key of the certificate", "Private key of the remote listener, a PEM file";
    RemoteSessionTtlMinutes = "240", Whole(1, 525_600), "Minutes of a session", "Minutes that a remote session lives";
    RemoteUploadLimit = "", Text, "Most that is sent per second", "Cap of the hub's own upload per second";
    RemoteStallTimeoutSeconds = "30", Whole(1, 86_400), "Seconds until a download stalls",
        "Seconds of silence that are a stall";
    RemoteMinSpeed = "10KiB", Text, "Slowest speed", "Speed per second below which a download stalls";
    RemoteRetryPerSource = "3", Whole(0, 100), "Tries per source", "Tries of each source of a download";
    RemoteSourcePatienceSeconds = "60", Whole(0, 86_400), "Seconds until a source rests",
        "Seconds over which those tries are spread, before a source rests and others take over";
    RemoteAllowPrivateSources = "false", Switch, "Private sources", "May sources be private addresses";
    ComfyRepoUrl = "https://github.com/Comfy-Org/ComfyUI", Text, "ComfyUI's repository", "Repository agents clone";
    AgentBinary = "", Text, "The agent's program", "The x86_64 Linux agent that the hub hands out";
    AgentBinaryAarch64 = "", Text, "The agent's program for Arm", "The aarch64 Linux agent that the hub hands out";
    "Look-ups":
    Lookups = "", Text, "Sites that may be asked",
        "Sites that may be asked where models can be had: civitai, civarchive, huggingface, modelscope, manager_list";
    CivitaiUrl = "https://civitai.com", Text, "Civitai", "Where Civitai is asked";
    CivarchiveUrl = "https://civarchive.com", Text, "CivArchive", "Where CivArchive is asked";
    HuggingfaceUrl = "https://huggingface.co", Text, "Hugging Face", "Where Hugging Face is asked";
    ModelscopeUrl = "https://modelscope.cn", Text, "ModelScope", "Where ModelScope is asked";
    ManagerList = "", Text, "ComfyUI-Manager's list",
        "Its model-list.json: a file of your ComfyUI, or an address if not the public one";
    "Tokens":
    HfToken = "", Secret, "Hugging Face", "Token for gated models at Hugging Face";
    CivitaiToken = "", Secret, "Civitai", "Token for gated models at Civitai";
    "This hub":
    HubPort = "8420", Text, "Port", "Port of the interface on 127.0.0.1, 0 for any free one";
    AppDataDir = "", Text, "Data folder", "Folder of the database, configuration and logs";
}

impl Key {
    /// Every key, in the order of the settings page.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// Its name in the environment, and in messages.
    pub fn name(self) -> &'static str {
        self.into()
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
        Some(self.row().default).filter(|text| !text.is_empty())
    }

    /// What it means, for `--help` and the settings page.
    pub fn help(self) -> &'static str {
        self.row().help
    }

    /// The key of this name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    pub const fn kind(self) -> KeyKind {
        self.row().kind
    }

    /// Its value must never be shown.
    pub const fn is_secret(self) -> bool {
        matches!(self.kind(), Secret)
    }

    /// Under which title and label it stands on the settings page.
    pub const fn on_page(self) -> (&'static str, &'static str) {
        (self.row().group, self.row().label)
    }

    /// Takes effect only at the next start.
    pub const fn needs_restart(self) -> bool {
        matches!(self, Self::AppDataDir | Self::HubPort | Self::RemoteBind | Self::RemoteTlsCert | Self::RemoteTlsKey)
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
        assert_eq!(names.len(), Key::VARIANTS.len());
    }
}
