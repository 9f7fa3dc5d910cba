//! Log lines and metrics. Neither ever carries what tells about a person: names, ID numbers,
//! certificate numbers, and URLs or texts that could hold them, are not logged, and labels of
//! metrics are code names of this program only.

use std::{
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, filter::ParseError, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Upper bounds of the buckets of durations, in seconds.
const DURATION_BUCKETS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Why log lines or metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("log.filter is no filter: write for instance \"info\" or \"info,huren_node=debug\"")]
    Filter(#[from] ParseError),
    /// Something else in this process receives log lines already.
    #[error("log lines go somewhere else already")]
    Log(#[from] tracing_subscriber::util::TryInitError),
    /// Something else in this process receives metrics already.
    #[error("metrics go somewhere else already")]
    Metrics(#[from] BuildError),
}

/// Sends log lines to standard error: for the whole process, once.
pub fn log_to_stderr(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.finish().try_init()?,
        LogFormat::Json => lines.json().finish().try_init()?,
    }
    Ok(())
}

/// Collects the metrics of this process. A second call returns the same collection: several
/// nodes in one process share it, as the recorder is a global of the process.
///
/// The holder must call [`PrometheusHandle::run_upkeep`] every few seconds; durations pile up
/// until then.
pub fn collect_metrics() -> Result<PrometheusHandle, TelemetryError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
        .install_recorder()?;
    Ok(installed.insert(handle).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_collected_once_and_rendered() {
        let first = collect_metrics().unwrap();
        let second = collect_metrics().unwrap();
        metrics::counter!("huren_test_total").increment(2);
        metrics::histogram!("huren_test_seconds").record(0.003);
        for text in [first.render(), second.render()] {
            assert!(text.contains("huren_test_total 2"), "{text}");
            assert!(
                text.contains("huren_test_seconds_bucket{le=\"0.005\"} 1"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_filter_is_named() {
        let log = Log {
            filter: "info,=x=".to_owned(),
            ..Log::default()
        };
        let error = log_to_stderr(&log).unwrap_err();
        assert!(error.to_string().contains("log.filter"), "{error}");
    }
}
