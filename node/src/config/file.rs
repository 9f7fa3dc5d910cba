//! The configuration as it is written; [`super::Config`] is what it means.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::{Deserialize, Serialize};

use huren_core::access::Role;

use super::ConfigError;

/// Before the name of an environment variable that overrides a key.
pub(super) const ENV_PREFIX: &str = "HUREN_";

/// Between table and key in the name of an environment variable; keys hold single ones.
const ENV_SEPARATOR: &str = "__";

/// The whole file. Each key is documented in `template.toml`, which operators read.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) region: String,
    pub(super) name: String,
    pub(super) origin: String,
    #[serde(default = "data_dir")]
    pub(super) data_dir: PathBuf,
    #[serde(default = "high_water")]
    pub(super) high_water: PathBuf,
    #[serde(default)]
    pub(super) database: DatabaseTable,
    pub(super) grpc: GrpcTable,
    pub(super) http: HttpTable,
    pub(super) tls: super::TlsFiles,
    pub(super) keys: KeysTable,
    pub(super) trust: super::TrustFiles,
    #[serde(default)]
    pub(super) limits: super::Limits,
    #[serde(default)]
    pub(super) replication: ReplicationTable,
    #[serde(default)]
    pub(super) backup: super::Backup,
    #[serde(default)]
    pub(super) witness: WitnessTable,
    #[serde(default)]
    pub(super) callers: Vec<CallerTable>,
    #[serde(default)]
    pub(super) log: super::Log,
    #[serde(default)]
    pub(super) traces: super::traces::TracesTable,
    #[serde(default)]
    pub(super) audit: super::AuditTable,
}

fn data_dir() -> PathBuf {
    "data".into()
}

fn high_water() -> PathBuf {
    "high-water".into()
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DatabaseTable {
    pub(super) url: String,
    pub(super) address: String,
    pub(super) connections: u32,
    pub(super) pooled: bool,
    pub(super) replica_url: String,
    pub(super) replica_lag_max: u64,
}

impl Default for DatabaseTable {
    fn default() -> Self {
        Self {
            url: String::new(),
            address: String::new(),
            connections: 8,
            pooled: false,
            replica_url: String::new(),
            replica_lag_max: 30,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrpcTable {
    pub(super) listen: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpTable {
    pub(super) listen: String,
    #[serde(default = "yes")]
    pub(super) tls: bool,
    #[serde(default)]
    pub(super) proxies: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysTable {
    pub(super) dir: PathBuf,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReplicationTable {
    pub(super) poll_seconds: u64,
    pub(super) packages_in_flight: usize,
    pub(super) recosign_seconds: u64,
    pub(super) hold_publish_ms: u64,
}

impl Default for ReplicationTable {
    fn default() -> Self {
        Self {
            poll_seconds: 10,
            packages_in_flight: 4,
            recosign_seconds: 60,
            hold_publish_ms: 2000,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WitnessTable {
    pub(super) enabled: bool,
    pub(super) logs: Vec<String>,
    pub(super) rate_per_minute: u32,
}

impl Default for WitnessTable {
    fn default() -> Self {
        Self {
            enabled: false,
            logs: Vec::new(),
            rate_per_minute: 120,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerTable {
    pub(super) name: String,
    pub(super) tls_key: String,
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) kinds: Vec<String>,
    #[serde(default)]
    pub(super) regions: Vec<String>,
}

/// Reads a file, with what the environment overrides.
pub(super) fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Read here because figment takes a missing file for an empty one.
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let environment = Env::prefixed(ENV_PREFIX).split(ENV_SEPARATOR);
    extract(Figment::from(Toml::string(&text)).merge(environment))
}

/// Reads a text, without the environment.
pub(super) fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
    extract(Figment::from(Toml::string(text)))
}

fn extract(figment: Figment) -> Result<ConfigFile, ConfigError> {
    figment
        .extract()
        .map_err(|error| ConfigError::Form(Box::new(error)))
}
