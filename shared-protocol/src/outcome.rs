//! How a job ended, with enough to tell a person where each byte came from.

use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// Done and verified.
    Succeeded {
        /// How it came about.
        how: How,
        /// From the start of the work, in milliseconds.
        duration_ms: u64,
        /// What each source did, in the order they were tried.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sources: Vec<SourceReport>,
        /// Of a git job: the commit that is checked out, 40 hexadecimal digits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// Given up.
    Failed {
        /// Why.
        code: FailureCode,
        /// For a person: what was tried, on what, why it failed.
        detail: String,
        /// From the start of the work, in milliseconds.
        duration_ms: u64,
        /// What each source did, in the order they were tried.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sources: Vec<SourceReport>,
    },
    /// Stopped because the hub said so.
    Cancelled {},
}

/// How a success came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Fetched.
    Downloaded,
    /// It was there.
    AlreadyThere,
    /// The same content was elsewhere below the root: hard link.
    Linked,
    /// The same content was elsewhere below the root: copy.
    Copied,
    /// A new clone.
    Cloned,
    /// An existing clone brought to the newest.
    Updated,
    /// A way of a later version.
    #[serde(other)]
    Other,
}

/// Why a job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Every source was tried, none had it.
    NoSource,
    /// No room, and it does not look as if there would be.
    DiskFull,
    /// The destination or the address is not allowed.
    Policy,
    /// Something else lies where it should go.
    InTheWay,
    /// The disk failed.
    Disk,
    /// Git failed.
    Git,
    /// A fault of the agent.
    Internal,
    /// A code of a later version.
    #[serde(other)]
    Other,
}

/// What one source did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// The address without its query, or `hub`.
    pub source: String,
    /// Bytes of the content that came from it and were verified.
    pub bytes: u64,
    /// Bytes that came from it and were thrown away.
    pub wasted_bytes: u64,
    /// Attempts made.
    pub attempts: u32,
    /// Time spent on it, in milliseconds.
    pub duration_ms: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// Why attempts ended, each reason once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What became of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It gave what it was asked for.
    Used,
    /// Nothing was asked of it.
    NotTried,
    /// It could not, and was left.
    GaveUp,
    /// It sent wrong bytes, and is not asked again.
    Banned,
    /// A verdict of a later version.
    #[serde(other)]
    Other,
}

/// Why attempts at a source ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word: `stalled`, `truncated`, `reset`, `refused`, `dns`, `tls`, `status`, `not_a_file`,
    /// `wrong_size`, `wrong_range`, `wrong_bytes`, `changed`, `redirects`, `private_address`, `rate_limited` …
    pub code: String,
    /// For a person.
    pub detail: String,
    /// How often.
    pub n: u32,
}
