//! gRPC: translates between the wire and the engine, and decides nothing.

mod access;
mod caller;
mod client;
mod federation;
mod forward;
mod gate;
mod health;
mod issuance;
mod monitoring;
mod operator;
mod passing;
mod purpose;
mod recognition;
mod refuse;
mod registers;
mod statistics;
mod streams;
mod traced;
mod verification;
mod watching;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use futures::Stream;
use huren_core::access::Need;
use huren_proto::v1::{
    federation_service_server::FederationServiceServer,
    issuance_service_server::IssuanceServiceServer,
    monitoring_service_server::MonitoringServiceServer,
    operator_service_server::OperatorServiceServer,
    recognition_service_server::RecognitionServiceServer,
    registry_service_server::RegistryServiceServer,
    statistics_service_server::StatisticsServiceServer,
    verification_service_server::VerificationServiceServer,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, body::Body, service::Routes, transport::Server};
use tonic_health::server::HealthReporter;
use tower::{
    ServiceBuilder,
    util::{BoxCloneSyncService, MapResponseLayer},
};

use crate::{
    engine::{Engine, RateLimit},
    tls::{self, TlsStream},
};

pub use caller::Caller;
pub use client::{Links, RemotePeer, channel_to};
pub use forward::Forward;

/// The largest message that a member may send: a package of 256 leaves of the largest size.
pub(crate) const MAX_PACKAGE_BYTES: usize = 256 * (65_535 + 2) + 64 * 1024;

/// What the services share.
#[derive(Clone)]
pub(crate) struct Context {
    engine: Arc<Engine>,
    callers: Arc<[Caller]>,
    /// To the process in charge of the logs, if there can be another one.
    forward: Option<Arc<Forward>>,
    /// What goes on beside the stream that it belongs to.
    tasks: TaskTracker,
    /// Streams end on it, so that a node can stop while members listen.
    stop: CancellationToken,
    /// Questions of one stream under way at once.
    questions: usize,
    /// Submissions of one stream under way at once: enough to fill a batch while another commits.
    submissions: usize,
    /// How often each member, caller and token calls.
    known_rate: Arc<RateLimit>,
    /// How often each address calls that is nobody known.
    unknown_rate: Arc<RateLimit>,
}

/// Bounds of the gRPC port.
#[derive(Clone, Copy, Debug)]
pub struct RpcLimits {
    /// Longest message from a caller, in bytes.
    pub message_bytes: usize,
    /// Questions of one stream under way at once.
    pub questions: usize,
    /// Submissions of one stream under way at once.
    pub submissions: usize,
    /// Requests of one connection under way at once.
    pub streams: u32,
    /// Calls and messages of one member, caller or token in a second.
    pub calls_per_second: u32,
    /// Calls of one unknown address in a minute.
    pub unknown_calls_per_minute: u32,
}

/// The services behind their gate, for calls from within this process: they are judged, bounded
/// and written down as those that come over the wire.
pub type Local = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// All services of the node.
pub struct Services {
    context: Context,
    limits: RpcLimits,
    routes: Routes,
    reporter: HealthReporter,
}

impl Services {
    /// The services of a node, until `stop`.
    pub async fn new(
        (engine, forward): (Arc<Engine>, Option<Arc<Forward>>),
        callers: Vec<Caller>,
        limits: RpcLimits,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let context = Context {
            engine,
            callers: callers.into(),
            forward,
            tasks,
            stop,
            questions: limits.questions,
            submissions: limits.submissions,
            known_rate: Arc::new(RateLimit::new(limits.calls_per_second, 1)),
            unknown_rate: Arc::new(RateLimit::new(limits.unknown_calls_per_minute, 60)),
        };
        let (reporter, health_service) = tonic_health::server::health_reporter();
        health::report_all(&reporter).await;
        let longest = limits.message_bytes;
        let issuance = IssuanceServiceServer::new(issuance::Service(context.clone()));
        let verification = VerificationServiceServer::new(verification::Service(context.clone()));
        let recognition = RecognitionServiceServer::new(recognition::Service(context.clone()));
        let mut routes = Routes::new(health_service)
            .add_service(issuance.max_decoding_message_size(longest))
            .add_service(verification.max_decoding_message_size(longest))
            .add_service(recognition.max_decoding_message_size(longest))
            .add_service(FederationServiceServer::new(federation::Service(
                context.clone(),
            )))
            .add_service(RegistryServiceServer::new(registers::Service(
                context.clone(),
            )))
            .add_service(StatisticsServiceServer::new(statistics::Service(
                context.clone(),
            )))
            .add_service(MonitoringServiceServer::new(monitoring::Service(
                context.clone(),
            )))
            .add_service(OperatorServiceServer::new(operator::Service(
                context.clone(),
            )));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(huren_proto::DESCRIPTORS)
            .build_v1();
        match reflection {
            Ok(reflection) => routes = routes.add_service(reflection),
            Err(error) => tracing::error!(%error, "no reflection"),
        }
        Self {
            context,
            limits,
            routes: routes.prepare(),
            reporter,
        }
    }

    /// What calls from within this process go to.
    pub fn local(&self) -> Local {
        let services = ServiceBuilder::new()
            .layer(gate::Gate(self.context.clone()))
            .layer(MapResponseLayer::new(explained))
            .service(self.routes.clone());
        BoxCloneSyncService::new(services)
    }

    /// Serves the gRPC port until the node stops, then lets calls under way finish.
    ///
    /// # Errors
    /// If the transport fails as a whole.
    pub async fn serve(
        self,
        incoming: impl Stream<Item = io::Result<TlsStream>>,
    ) -> Result<(), tonic::transport::Error> {
        let context = self.context;
        let writable = context.engine.writability();
        let nowhere = || watch::Sender::default().subscribe();
        let forward = context.forward.as_ref();
        let elsewhere = forward.map_or_else(nowhere, |forward| forward.elsewhere());
        let stop = context.stop.clone();
        let mut server = Server::builder()
            // Outermost, so that it sees what all others refuse.
            .layer(gate::Gate(context))
            .layer(MapResponseLayer::new(explained))
            .max_concurrent_streams(self.limits.streams)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .initial_stream_window_size(tls::STREAM_WINDOW)
            .initial_connection_window_size(tls::CONNECTION_WINDOW);
        let serving = server
            .add_routes(self.routes)
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
        tokio::select! {
            served = serving => served,
            never = health::follow_issuance(&self.reporter, writable, elsewhere) => match never {},
        }
    }
}

/// What a call needs, by its path such as `/huren.v1.VerificationService/Verify`.
pub(crate) fn need(path: &str) -> Option<Need> {
    let call = access::CALLS.iter().find(|(method, _)| *method == path);
    call.map(|(_, need)| *need)
}

/// The answer to a call that ended before it reached its service tells why, as all others do.
fn explained(response: http::Response<Body>) -> http::Response<Body> {
    let status = Status::from_header_map(response.headers());
    match status.and_then(|status| refuse::by_transport(&status)) {
        Some(refusal) => refusal.into_http(),
        None => response,
    }
}
