//! A collector of traces, as far as nodes see one: it takes what they deliver, and keeps it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::{Request, Response, Status, transport::Server};

use super::nodes::until;

/// Serves until it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Taken,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

/// A span, and the process that it is of.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// `service.name` of that process.
    pub(crate) service: String,
    /// `service.instance.id` of that process.
    pub(crate) process: String,
    /// What it says.
    pub(crate) span: Span,
}

impl Kept {
    /// The id of its trace, as headers and log lines have it.
    pub(crate) fn trace(&self) -> String {
        hex::encode(&self.span.trace_id)
    }

    /// An attribute; a number with a sign before it.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(format!("{number:+}")),
        other => panic!("{key}: {other:?}"),
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Taken::default();
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(taken.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = TaskTracker::new().spawn(async { serving.await.expect("a server") });
        Self {
            address,
            taken,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// The address of it as a node's configuration has it.
    pub(crate) fn endpoint(&self) -> String {
        endpoint(self.address)
    }

    /// All that was delivered until now.
    pub(crate) fn delivered(&self) -> Vec<ExportTraceServiceRequest> {
        let taken = self.taken.0.lock();
        taken.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All spans until now.
    pub(crate) fn spans(&self) -> Vec<Kept> {
        let mut spans = Vec::new();
        for of_process in self.delivered().into_iter().flat_map(|d| d.resource_spans) {
            let resource = of_process.resource.expect("a resource").attributes;
            let of = |key| text(&resource, key).expect(key);
            let (service, process) = (of("service.name"), of("service.instance.id"));
            let all = of_process.scope_spans.into_iter().flat_map(|s| s.spans);
            spans.extend(all.map(|span| Kept {
                service: service.clone(),
                process: process.clone(),
                span,
            }));
        }
        spans
    }

    /// The spans of a trace, once spans of these names are among them.
    pub(crate) async fn trace(&self, id: &str, names: &[&str]) -> Trace {
        let mut found = Trace::default();
        until("the spans of a trace", async || {
            let spans = self.spans().into_iter().filter(|kept| kept.trace() == id);
            let by_id = spans.map(|kept| (kept.span.span_id.clone(), kept));
            found = Trace(by_id.collect());
            let holds = |name: &&str| found.0.values().any(|kept| kept.span.name == **name);
            names.iter().all(holds)
        })
        .await;
        found
    }
}

/// Where a node delivers to, as its configuration has it.
pub(crate) fn endpoint(address: SocketAddr) -> String {
    format!("\"http://{address}\"")
}

/// The spans of one trace by their ids.
#[derive(Debug, Default)]
pub(crate) struct Trace(BTreeMap<Vec<u8>, Kept>);

impl Trace {
    /// The way to the span of that name from the one that the trace began with, of which there
    /// must be one: each is the parent of the next.
    pub(crate) fn way_to(&self, name: &str, service: &str) -> Vec<&Kept> {
        let is_it = |kept: &&Kept| kept.span.name == name && kept.service == service;
        let mut at = self.0.values().find(is_it);
        let mut way = Vec::new();
        while let Some(kept) = at {
            way.push(kept);
            at = self.0.get(&kept.span.parent_span_id);
            assert!(
                at.is_some() || kept.span.parent_span_id.is_empty(),
                "{name}: the parent of {} is missing",
                kept.span.name
            );
        }
        way.reverse();
        way
    }
}

#[tonic::async_trait]
impl TraceService for Taken {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
