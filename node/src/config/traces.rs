//! Where traces go, if anywhere.

use std::path::{Path, PathBuf};

use http::Uri;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The table as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TracesTable {
    pub(super) endpoint: String,
    pub(super) ratio: f64,
    pub(super) headers: PathBuf,
    pub(super) ca: PathBuf,
}

impl Default for TracesTable {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            ratio: 0.1,
            headers: PathBuf::new(),
            ca: PathBuf::new(),
        }
    }
}

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// The collector: `http://host:port`, or `https://host:port` if there is a [`Self::ca`].
    pub endpoint: String,
    /// Of the traces that begin here, how many are kept: 0 to 1.
    pub ratio: f64,
    /// File of the headers that the collector asks for.
    pub headers: Option<PathBuf>,
    /// File of the authorities (PEM) that certify the collector.
    pub ca: Option<PathBuf>,
}

/// `None` if there is no collector.
pub(super) fn check(table: TracesTable, folder: &Path) -> Result<Option<Traces>, ConfigError> {
    let TracesTable {
        endpoint,
        ratio,
        headers,
        ca,
    } = table;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(ConfigError::value("traces.ratio", ratio, "must be 0 to 1"));
    }
    if endpoint.is_empty() {
        return Ok(None);
    }
    let file = |path: PathBuf| (path != Path::new("")).then(|| folder.join(path));
    let ca = file(ca);
    let uri = endpoint.parse::<Uri>().ok();
    let scheme = uri.as_ref().and_then(|uri| {
        let is_bare = uri.port().is_some() && uri.path() == "/" && uri.query().is_none();
        uri.scheme_str().filter(|_| is_bare)
    });
    let remedy = match (scheme, &ca) {
        (Some("http"), None) | (Some("https"), Some(_)) => None,
        (Some("http"), Some(_)) => Some("without TLS: leave traces.ca empty, or write https"),
        (Some("https"), None) => Some("say in traces.ca which authority certifies it"),
        _ => Some("write the collector's OTLP/gRPC address, such as http://127.0.0.1:4317"),
    };
    match remedy {
        Some(remedy) => Err(ConfigError::value("traces.endpoint", endpoint, remedy)),
        None => Ok(Some(Traces {
            endpoint,
            ratio,
            headers: file(headers),
            ca,
        })),
    }
}
