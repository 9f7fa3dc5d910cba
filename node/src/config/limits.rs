//! What bounds memory and work, and within which bounds that may be set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, in_range};

/// What bounds memory and work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest message, in bytes: 1 KiB to 64 MiB.
    pub max_message_bytes: usize,
    /// Records waiting for their place in the log: at least 1.
    pub submissions_in_flight: usize,
    /// Records that one checkpoint adds at most: 1 to 65,536.
    pub batch_max_records: usize,
    /// Questions that one address may ask on the public page in a minute: at least 1.
    pub page_rate_per_minute: u32,
    /// Memory for tiles, in bytes.
    pub cache_bytes: u64,
    /// Verifications at the same time: at least 1.
    pub verify_in_flight: usize,
    /// Time for one request: 1 to 600 seconds.
    pub request_timeout_seconds: u64,
    /// Calls and messages of streams that one member, caller or token may send in a second: 1 to
    /// 1,000,000.
    pub calls_per_second: u32,
    /// Calls that one address may make in a minute without being known: 1 to 1,000,000.
    pub unknown_calls_per_minute: u32,
}

impl Limits {
    /// Time for one request.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 4 << 20,
            submissions_in_flight: 8192,
            batch_max_records: 4096,
            page_rate_per_minute: 30,
            cache_bytes: 32 << 20,
            verify_in_flight: 64,
            request_timeout_seconds: 30,
            calls_per_second: 100_000,
            unknown_calls_per_minute: 60,
        }
    }
}

/// Whether every limit is within its bounds.
///
/// # Errors
/// The first that is not.
pub(super) fn check(limits: &Limits) -> Result<(), ConfigError> {
    let bounded = [
        (
            "max_message_bytes",
            limits.max_message_bytes as u64,
            1 << 10,
            64 << 20,
        ),
        (
            "submissions_in_flight",
            limits.submissions_in_flight as u64,
            1,
            1 << 20,
        ),
        (
            "batch_max_records",
            limits.batch_max_records as u64,
            1,
            1 << 16,
        ),
        (
            "page_rate_per_minute",
            limits.page_rate_per_minute.into(),
            1,
            1 << 20,
        ),
        (
            "verify_in_flight",
            limits.verify_in_flight as u64,
            1,
            1 << 16,
        ),
        (
            "request_timeout_seconds",
            limits.request_timeout_seconds,
            1,
            600,
        ),
        (
            "calls_per_second",
            limits.calls_per_second.into(),
            1,
            1_000_000,
        ),
        (
            "unknown_calls_per_minute",
            limits.unknown_calls_per_minute.into(),
            1,
            1_000_000,
        ),
    ];
    for (key, value, least, most) in bounded {
        in_range(&format!("limits.{key}"), value, least, most)?;
    }
    Ok(())
}
