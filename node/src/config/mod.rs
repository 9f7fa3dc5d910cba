//! The node's configuration: a TOML file, overridden by the environment, checked once.
//!
//! There is no secret in it, only paths of files with secrets, so that it can be shown, logged
//! and kept in version control.

mod database;
mod file;
mod limits;
mod template;
mod traces;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use huren_core::{
    access::{Kinds, Rights},
    checkpoint::Origin,
    codes::Region,
    note::{SignatureType, VerifierKey},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::rpc::Caller;
use file::{CallerTable, ConfigFile, ReplicationTable, WitnessTable};

pub use database::{Database, NotAFile, Shared};
pub use limits::Limits;
pub use template::{Values, example, render};
pub use traces::Traces;

/// First parts of HTTP paths that are the node's own, and therefore no log's.
const RESERVED_PATHS: [&str; 8] = [
    "api", "mirror", "witness", "metrics", "livez", "readyz", "console", "assets",
];

/// A checked configuration. All paths are absolute or relative to the working directory, no
/// more to the configuration file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The province.
    pub region: Region,
    /// Its name as people read it.
    pub name: String,
    /// The log's origin.
    pub origin: Origin,
    /// Folder of the database, if it is a file.
    pub data_dir: PathBuf,
    /// Where everything is kept.
    pub database: Database,
    /// The high-water file, outside of `data_dir`.
    pub high_water: PathBuf,
    /// Where gRPC is served.
    pub grpc_listen: SocketAddr,
    /// Where HTTP is served.
    pub http_listen: SocketAddr,
    /// Whether HTTP is served over TLS.
    pub http_tls: bool,
    /// Reverse proxies that are believed whom they ask for.
    pub http_proxies: Vec<IpNet>,
    /// TLS files.
    pub tls: TlsFiles,
    /// Folder of the key files.
    pub keys_dir: PathBuf,
    /// Files about the federation.
    pub trust: TrustFiles,
    /// Limits.
    pub limits: Limits,
    /// How other members' logs are followed.
    pub replication: Replication,
    /// For whom backups are encrypted.
    pub backup: Backup,
    /// Whom this node witnesses and mirrors over HTTP.
    pub witness: Witness,
    /// Who may call the gRPC port besides members.
    pub callers: Vec<Caller>,
    /// How the node logs.
    pub log: Log,
    /// Where its traces go; `None` if it keeps none.
    pub traces: Option<Traces>,
    /// The audit trail.
    pub audit: AuditTable,
    /// SHA-256 of what the file and the environment say, for the audit trail.
    pub digest: [u8; 32],
}

/// Paths of the TLS files (PEM).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The node's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of the node's and its callers' certificates.
    pub ca: PathBuf,
}

/// Paths of the files about the federation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFiles {
    /// Root keys and their threshold.
    pub roots: PathBuf,
    /// The chain of trust lists, oldest first.
    pub lists: PathBuf,
    /// The key that members share to look up holders.
    pub holder_key: PathBuf,
}

/// How backups are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// age recipients whose private keys open the backups.
    pub recipients: Vec<String>,
}

/// How other members' logs are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Time between two timed pulls.
    pub poll: Duration,
    /// Packages fetched from one member at the same time.
    pub packages_in_flight: usize,
    /// Time after which an unchanged head is cosigned again.
    pub recosign: Duration,
    /// How long a checkpoint waits for cosignatures before it is published.
    pub hold_publish: Duration,
}

/// Whom a node witnesses and mirrors over HTTP (C2SP tlog-witness, tlog-mirror).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Whether it does at all.
    pub enabled: bool,
    /// Keys of logs outside of the federation; each one's name is its log's origin.
    pub logs: Vec<VerifierKey>,
    /// Requests of one address in a minute.
    pub rate_per_minute: u32,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditTable {
    /// Seconds after which an entry is anchored in the own log: 1 to 604,800.
    pub anchor_seconds: u64,
}

impl Default for AuditTable {
    fn default() -> Self {
        Self {
            anchor_seconds: 24 * 60 * 60,
        }
    }
}

/// How the node logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// What is logged (tracing's `EnvFilter`).
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on a line.
    Json,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: give its path with --config", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not TOML, a key too many, too few or of the wrong type.
    #[error("the configuration has a wrong form: {0}; compare it with `huren-node config example`")]
    Form(Box<figment::Error>),
    /// A key has a value that it cannot have.
    #[error("{key} = {value}: {remedy}")]
    Value {
        /// The key with its table.
        key: String,
        /// Its value.
        value: String,
        /// What to write instead.
        remedy: String,
    },
}

impl ConfigError {
    fn value(key: impl Into<String>, value: impl ToString, remedy: impl Into<String>) -> Self {
        Self::Value {
            key: key.into(),
            value: value.to_string(),
            remedy: remedy.into(),
        }
    }
}

impl Config {
    /// Reads and checks a file. `HUREN_*` environment variables override its values.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::check(file::read(path)?, folder)
    }

    /// Checks a text as if it were a file in `folder`, without the environment.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        Self::check(file::parse(text)?, folder)
    }

    /// The path below which the own log is served over HTTP, without a slash at its end: what
    /// follows the host in the origin.
    pub fn log_path(&self) -> &str {
        path_of(self.origin.as_str())
    }

    fn check(file: ConfigFile, folder: &Path) -> Result<Self, ConfigError> {
        let said = serde_json::to_vec(&file).unwrap_or_default();
        let region = parse_region("region", &file.region)?;
        if region != region.province() {
            return Err(ConfigError::value(
                "region",
                &file.region,
                "a node is a province's: give its two digits, such as \"33\"",
            ));
        }
        let data_dir = folder.join(file.data_dir);
        let high_water = folder.join(file.high_water);
        if lies_in(&high_water, &data_dir) {
            return Err(ConfigError::value(
                "high_water",
                high_water.display(),
                "choose a place outside data_dir, which a restored backup does not overwrite",
            ));
        }
        limits::check(&file.limits)?;
        let origin = parse_origin(file.origin)?;
        let anchoring = file.audit.anchor_seconds;
        in_range("audit.anchor_seconds", anchoring, 1, 7 * 24 * 60 * 60)?;
        Ok(Self {
            region,
            name: file.name,
            witness: check_witness(file.witness, &origin)?,
            origin,
            database: database::check(file.database, &data_dir)?,
            data_dir,
            high_water,
            grpc_listen: parse_listen("grpc.listen", &file.grpc.listen)?,
            http_listen: parse_listen("http.listen", &file.http.listen)?,
            http_tls: file.http.tls,
            http_proxies: parse_networks("http.proxies", &file.http.proxies)?,
            tls: TlsFiles {
                certificate: folder.join(file.tls.certificate),
                key: folder.join(file.tls.key),
                ca: folder.join(file.tls.ca),
            },
            keys_dir: folder.join(file.keys.dir),
            trust: TrustFiles {
                roots: folder.join(file.trust.roots),
                lists: folder.join(file.trust.lists),
                holder_key: folder.join(file.trust.holder_key),
            },
            limits: file.limits,
            replication: check_replication(&file.replication)?,
            backup: check_backup(file.backup)?,
            callers: check_callers(file.callers)?,
            log: file.log,
            traces: traces::check(file.traces, folder)?,
            audit: file.audit,
            digest: Sha256::digest(said).into(),
        })
    }
}

fn path_of(origin: &str) -> &str {
    origin.find('/').map_or("", |slash| &origin[slash..])
}

/// By names alone: what does not exist yet cannot be resolved. Climbing out with `..` is taken
/// into account.
fn lies_in(path: &Path, directory: &Path) -> bool {
    plain(path).starts_with(plain(directory))
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn parse_region(key: &str, text: &str) -> Result<Region, ConfigError> {
    Region::parse(text).map_err(|error| {
        ConfigError::value(
            key,
            text,
            format!("{error}; write a GB/T 2260 code such as \"33\""),
        )
    })
}

fn parse_origin(text: String) -> Result<Origin, ConfigError> {
    let remedy = "write the log's public address without scheme and without a slash at its end, \
                  such as huren.zj.example/log/33";
    let path = path_of(&text);
    // Origins may hold more, but this one is an address that HTTP clients build paths from.
    let unusual = |byte: u8| !(byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte));
    let segments_are_plain = path
        .split('/')
        .skip(1)
        .all(|segment| !matches!(segment, "" | "." | ".."));
    if text.bytes().any(unusual) || text.starts_with('/') || !segments_are_plain {
        return Err(ConfigError::value("origin", text, remedy));
    }
    if path
        .split('/')
        .nth(1)
        .is_some_and(|first| RESERVED_PATHS.contains(&first))
    {
        let remedy = format!("its path must not begin with any of {RESERVED_PATHS:?}");
        return Err(ConfigError::value("origin", text, remedy));
    }
    text.parse()
        .map_err(|_| ConfigError::value("origin", text, remedy))
}

fn parse_listen(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let remedy = "write an IP address and a port, such as 0.0.0.0:4433 or [::]:4433";
    text.parse()
        .map_err(|_| ConfigError::value(key, text, remedy))
}

fn parse_networks(key: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let remedy = "write IP addresses or networks, such as \"10.0.0.5\" or \"10.0.0.0/24\"";
    let network = |text: &String| {
        let alone = || text.parse().ok().map(|address: IpAddr| address.into());
        let network = text.parse().ok().or_else(alone);
        // Everybody is no proxy.
        let network = network.filter(|network: &IpNet| network.prefix_len() > 0);
        network.ok_or_else(|| ConfigError::value(key, text, remedy))
    };
    texts.iter().map(network).collect()
}

fn check_replication(table: &ReplicationTable) -> Result<Replication, ConfigError> {
    in_range("replication.poll_seconds", table.poll_seconds, 1, 3600)?;
    in_range(
        "replication.packages_in_flight",
        table.packages_in_flight as u64,
        1,
        64,
    )?;
    in_range(
        "replication.recosign_seconds",
        table.recosign_seconds,
        1,
        3600,
    )?;
    in_range(
        "replication.hold_publish_ms",
        table.hold_publish_ms,
        0,
        60_000,
    )?;
    Ok(Replication {
        poll: Duration::from_secs(table.poll_seconds),
        packages_in_flight: table.packages_in_flight,
        recosign: Duration::from_secs(table.recosign_seconds),
        hold_publish: Duration::from_millis(table.hold_publish_ms),
    })
}

fn check_backup(backup: Backup) -> Result<Backup, ConfigError> {
    for recipient in &backup.recipients {
        if recipient.parse::<age::x25519::Recipient>().is_err() {
            let remedy = "write age recipients, such as age-keygen prints: age1...";
            return Err(ConfigError::value("backup.recipients", recipient, remedy));
        }
    }
    Ok(backup)
}

fn check_witness(table: WitnessTable, own: &Origin) -> Result<Witness, ConfigError> {
    let rate = table.rate_per_minute;
    in_range("witness.rate_per_minute", rate.into(), 1, 1 << 20)?;
    let mut logs: Vec<VerifierKey> = Vec::with_capacity(table.logs.len());
    for text in table.logs {
        let refused = |remedy: &str| ConfigError::value("witness.logs", &text, remedy);
        let key: VerifierKey = text
            .parse()
            .map_err(|_| refused("write the log's verifier key, name+id+key"))?;
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(refused("not a key that signs checkpoints of a log"));
        }
        if key.name().as_str() == own.as_str() {
            return Err(refused("a node does not witness its own log"));
        }
        if logs.iter().any(|log| log.public_key() == key.public_key()) {
            return Err(refused("listed twice"));
        }
        logs.push(key);
    }
    Ok(Witness {
        enabled: table.enabled,
        logs,
        rate_per_minute: table.rate_per_minute,
    })
}

fn in_range(key: &str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::value(
        key,
        value,
        format!("must be {least} to {most}"),
    ))
}

fn check_callers(tables: Vec<CallerTable>) -> Result<Vec<Caller>, ConfigError> {
    let mut callers: Vec<Caller> = Vec::with_capacity(tables.len());
    for table in tables {
        let caller = check_caller(table)?;
        if let Some(other) = callers.iter().find(|c| c.tls_key == caller.tls_key) {
            let remedy = format!("{} has the same key: give each caller its own", other.name);
            return Err(ConfigError::value(
                format!("callers.{}.tls_key", caller.name),
                caller.tls_key,
                remedy,
            ));
        }
        if callers.iter().any(|other| other.name == caller.name) {
            let remedy = "two callers have this name: audits could not tell them apart";
            return Err(ConfigError::value("callers.name", caller.name, remedy));
        }
        callers.push(caller);
    }
    Ok(callers)
}

fn check_caller(table: CallerTable) -> Result<Caller, ConfigError> {
    let key = |name: &str| format!("callers.{}.{name}", table.name);
    let tls_key = table.tls_key.parse().map_err(|_| {
        ConfigError::value(
            key("tls_key"),
            &table.tls_key,
            "write 64 hexadecimal digits",
        )
    })?;
    let regions = table
        .regions
        .iter()
        .map(|text| parse_region(&key("regions"), text));
    let regions = regions.collect::<Result<_, _>>()?;
    let kinds = Kinds::from_names(table.kinds.iter().map(String::as_str)).map_err(|name| {
        let remedy = "no such kind: write for instance \"certificate\", or \"*\" for all";
        ConfigError::value(key("kinds"), name, remedy)
    })?;
    if table.roles.is_empty() {
        let remedy = "name at least one of \"issuer\", \"verifier\", \"statistician\", \
                      \"auditor\", \"operator\"";
        return Err(ConfigError::value(key("roles"), "[]", remedy));
    }
    let is_plain = !table.name.chars().any(char::is_control);
    if !is_plain || !(1..=64).contains(&table.name.chars().count()) {
        let remedy = "write a name of 1 to 64 characters: audits show it";
        return Err(ConfigError::value("callers.name", table.name, remedy));
    }
    Ok(Caller {
        tls_key,
        rights: Rights {
            roles: table.roles,
            kinds,
            regions,
        },
        name: table.name,
    })
}

#[cfg(test)]
mod tests;
