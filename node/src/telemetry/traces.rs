//! Delivering traces to a collector by OTLP over gRPC
//! (<https://opentelemetry.io/docs/specs/otlp/>). Whoever ends a span puts it into a bounded queue
//! and goes on; one task sends what is there. What finds no room, or no collector, is dropped and
//! counted: traces must never cost an answer.

use std::{fs, io, path::Path, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_proto::{
    tonic::{
        collector::trace::v1::{
            ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
        },
        trace::v1::ResourceSpans,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Status,
    metadata::{MetadataKey, MetadataMap},
    transport::{Channel, Endpoint},
};

use crate::{
    config::{Config, Traces},
    engine::{Random, random},
    tls::{self, ClientTls},
};

/// Spans that wait to be sent; each takes some hundred bytes.
const QUEUE: usize = 8192;

/// Spans in one message.
const BATCH: usize = 512;

/// How long a message gathers spans.
const GATHERING: Duration = Duration::from_secs(1);

/// How long the collector may take for one message.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is left may take when the node stops.
const LAST: Duration = Duration::from_secs(5);

/// Why traces cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A file that the configuration names cannot be read.
    #[error("traces.{key}: the file cannot be read")]
    Unreadable {
        /// The key of the configuration.
        key: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no header. Its text is a secret.
    #[error("traces.headers: line {0} is not in the form \"name: value\"")]
    Header(usize),
    /// The authorities are none.
    #[error("traces.ca: no certificates that can be used")]
    Authorities(#[source] tls::TlsError),
    /// It is no address.
    #[error("traces.endpoint is no address that can be reached")]
    Endpoint,
}

/// Where traces go.
struct Collector {
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
}

impl Collector {
    fn new(traces: &Traces) -> Result<Self, TracesError> {
        Ok(Self {
            client: TraceServiceClient::new(channel(traces)?),
            headers: match &traces.headers {
                Some(path) => headers(path)?,
                None => MetadataMap::new(),
            },
        })
    }

    /// How many of these spans it refused.
    async fn take(&mut self, resource_spans: Vec<ResourceSpans>) -> Result<i64, Status> {
        let mut request = tonic::Request::new(ExportTraceServiceRequest { resource_spans });
        *request.metadata_mut() = self.headers.clone();
        let sent = tokio::time::timeout(PATIENCE, self.client.export(request)).await;
        let answer = sent.map_err(|_| Status::deadline_exceeded("no answer in time"))??;
        let refused = answer.into_inner().partial_success.unwrap_or_default();
        Ok(refused.rejected_spans)
    }
}

/// Sends a message without spans, as a node that has traces to deliver would.
///
/// # Errors
/// If it cannot be sent at all; inside, if the collector does not take it.
pub async fn send_none(traces: &Traces) -> Result<Result<(), Status>, TracesError> {
    let sent = Collector::new(traces)?.take(Vec::new()).await;
    Ok(sent.map(drop))
}

/// What goes to a collector.
pub(super) struct Delivery {
    queue: mpsc::Receiver<SpanData>,
    collector: Collector,
    node: ResourceAttributesWithSchema,
    /// Whether the last message did not arrive, which was said then.
    is_away: bool,
}

/// What makes spans, and what delivers them.
pub(super) fn to_collector(
    config: &Config,
    traces: &Traces,
    source: &dyn Random,
) -> Result<(SdkTracer, Delivery), TracesError> {
    let (sender, queue) = mpsc::channel(QUEUE);
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "huren"),
            KeyValue::new("service.name", format!("huren-node-{}", config.region)),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            // Several processes may be one service.
            KeyValue::new("service.instance.id", hex::encode(random::<16>(source))),
        ])
        .build();
    let delivery = Delivery {
        queue,
        collector: Collector::new(traces)?,
        node: ResourceAttributesWithSchema::from(&resource),
        is_away: false,
    };
    let own = Sampler::TraceIdRatioBased(traces.ratio);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(own)))
        .with_resource(resource)
        .with_span_processor(Queue(sender))
        .build();
    Ok((provider.tracer("huren-node"), delivery))
}

fn channel(traces: &Traces) -> Result<Channel, TracesError> {
    let Some(ca) = &traces.ca else {
        let endpoint: Result<Endpoint, _> = traces.endpoint.parse();
        let endpoint = endpoint.map_err(|_| TracesError::Endpoint)?;
        return Ok(endpoint.connect_timeout(PATIENCE).connect_lazy());
    };
    let key = "ca";
    let authorities = fs::read(ca).map_err(|source| TracesError::Unreadable { key, source })?;
    let tls =
        tls::parse_roots(&authorities).and_then(|roots| ClientTls::without_certificate(&roots));
    let tls = tls.map_err(TracesError::Authorities)?;
    tls::channel(&traces.endpoint, tls.into()).map_err(|_| TracesError::Endpoint)
}

fn headers(path: &Path) -> Result<MetadataMap, TracesError> {
    let key = "headers";
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| TracesError::Unreadable { key, source })?;
    let mut headers = MetadataMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = MetadataKey::from_bytes(name.trim().to_lowercase().as_bytes());
            Some((name.ok()?, value.trim().parse().ok()?))
        });
        let (name, value) = header.ok_or(TracesError::Header(number))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Where spans go when they end, which must not wait.
#[derive(Debug)]
struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            count("queue_full", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("huren_spans_total", "outcome" => outcome).increment(spans as u64);
}

/// The task that delivers.
pub struct Delivering {
    task: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

impl Delivering {
    pub(super) fn begin(delivery: Delivery) -> Self {
        let stop = CancellationToken::new();
        // Not among the node's tasks: it delivers what those end with.
        let task = TaskTracker::new().spawn(delivery.run(stop.clone()));
        Self { task, stop }
    }

    /// Sends what is left, as far as that takes no more than [`LAST`].
    pub async fn end(self) {
        self.stop.cancel();
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last traces were not delivered");
        }
    }
}

impl Delivery {
    async fn run(mut self, stop: CancellationToken) {
        while let Some(Some(first)) = stop.run_until_cancelled(self.queue.recv()).await {
            let mut batch = vec![first];
            let gathering = tokio::time::timeout(GATHERING, self.fill(&mut batch));
            // What has gathered is sent, whatever ended it.
            let _ = stop.run_until_cancelled(gathering).await;
            self.deliver(batch).await;
        }
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Ok(span) = self.queue.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.deliver(batch).await;
        }
    }

    async fn fill(&mut self, batch: &mut Vec<SpanData>) {
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            self.queue.recv_many(batch, room).await;
        }
    }

    async fn deliver(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.node);
        // Nothing is tried again: the next message tells whether the collector is back.
        let code = match self.collector.take(resource_spans).await {
            Ok(refused) => {
                let refused = usize::try_from(refused).unwrap_or(0).min(spans);
                count("delivered", spans - refused);
                count("refused", refused);
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("traces are delivered again");
                }
                return;
            }
            Err(status) => status.code(),
        };
        count("not_delivered", spans);
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(
                ?code,
                "traces are not delivered, and dropped until they are"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_text_is_not_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            fs::write(file.path(), text).unwrap();
            headers(file.path())
        };
        let two = read("Authorization: Bearer a:b\nx-scope-orgid: 33\n").unwrap();
        assert_eq!(two.get("authorization").unwrap(), "Bearer a:b");
        assert_eq!(two.len(), 2);
        for secret in ["geheim", "x y: geheim", "x: geheim\u{7f}"] {
            let error = read(&format!("a: b\n{secret}")).unwrap_err().to_string();
            assert!(
                error.contains("line 2") && !error.contains("geheim"),
                "{error}"
            );
        }
    }
}
