//! Log lines, metrics and traces. None ever carries what tells about a person: names, ID numbers,
//! certificate numbers, and URLs or texts that could hold them, are not logged, and labels of
//! metrics are code names of this program only.

mod traces;

use std::{
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{ParseError, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    config::{Config, LogFormat},
    engine::SystemRandom,
};
use traces::Delivering;

pub use traces::{TracesError, send_none};

/// Upper bounds of the buckets of durations, in seconds.
const DURATION_BUCKETS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Why log lines, metrics or traces cannot be set up.
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
    /// Traces cannot be delivered.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

/// Sends log lines to standard error, and traces to where the configuration says, if it does: for
/// the whole process, once. Within a runtime, which traces are delivered on.
pub fn set_up(config: &Config) -> Result<Option<Delivering>, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log.filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
    let Some(traces) = &config.traces else {
        lines.try_init()?;
        return Ok(None);
    };
    let (tracer, delivery) = traces::to_collector(config, traces, &SystemRandom)?;
    // Spans that are meant for traces, of this program's own crates: what libraries record may hold
    // anything, and log lines go elsewhere.
    let ours = filter_fn(|metadata| {
        let is_ours = metadata.target().starts_with("huren");
        metadata.is_span() && is_ours && *metadata.level() == Level::TRACE
    });
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(ours.with_max_level_hint(LevelFilter::TRACE));
    lines.with(spans).try_init()?;
    Ok(Some(Delivering::begin(delivery)))
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
    use std::path::Path;

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
        let example = crate::config::example();
        let wrong = example.replacen("filter = \"info\"", "filter = \"info,=x=\"", 1);
        let config = Config::parse(&wrong, Path::new("")).unwrap();
        let error = set_up(&config).err().unwrap();
        assert!(error.to_string().contains("log.filter"), "{error}");
    }
}
