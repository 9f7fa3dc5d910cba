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
mod purpose;
mod recognition;
mod refuse;
mod registers;
mod statistics;
mod streams;
mod verification;
mod watching;

use std::{io, sync::Arc, time::Duration};

use futures::Stream;
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
use tonic::{Status, body::Body, transport::Server};
use tower::util::MapResponseLayer;

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

/// Serves the gRPC port until `stop`, then lets calls under way finish.
///
/// # Errors
/// If the transport fails as a whole.
pub async fn serve(
    incoming: impl Stream<Item = io::Result<TlsStream>>,
    (engine, forward): (Arc<Engine>, Option<Arc<Forward>>),
    callers: Vec<Caller>,
    limits: RpcLimits,
    tasks: TaskTracker,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let context = Context {
        engine,
        callers: callers.into(),
        forward: forward.clone(),
        tasks,
        stop: stop.clone(),
        questions: limits.questions,
        submissions: limits.submissions,
        known_rate: Arc::new(RateLimit::new(limits.calls_per_second, 1)),
        unknown_rate: Arc::new(RateLimit::new(limits.unknown_calls_per_minute, 60)),
    };
    let (reporter, health_service) = tonic_health::server::health_reporter();
    health::report_all(&reporter).await;
    let writable = context.engine.writability();
    let nowhere = || watch::Sender::default().subscribe();
    let elsewhere = forward.map_or_else(nowhere, |forward| forward.elsewhere());
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(huren_proto::DESCRIPTORS)
        .build_v1();
    let mut server = Server::builder()
        // Outermost, so that it sees what all others refuse.
        .layer(gate::Gate(context.clone()))
        .layer(MapResponseLayer::new(explained))
        .max_concurrent_streams(limits.streams)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(tls::STREAM_WINDOW)
        .initial_connection_window_size(tls::CONNECTION_WINDOW);
    let mut router = server
        .add_service(health_service)
        .add_service(
            IssuanceServiceServer::new(issuance::Service(context.clone()))
                .max_decoding_message_size(limits.message_bytes),
        )
        .add_service(FederationServiceServer::new(federation::Service(
            context.clone(),
        )))
        .add_service(
            VerificationServiceServer::new(verification::Service(context.clone()))
                .max_decoding_message_size(limits.message_bytes),
        )
        .add_service(
            RecognitionServiceServer::new(recognition::Service(context.clone()))
                .max_decoding_message_size(limits.message_bytes),
        )
        .add_service(RegistryServiceServer::new(registers::Service(
            context.clone(),
        )))
        .add_service(StatisticsServiceServer::new(statistics::Service(
            context.clone(),
        )))
        .add_service(MonitoringServiceServer::new(monitoring::Service(
            context.clone(),
        )))
        .add_service(OperatorServiceServer::new(operator::Service(context)));
    match reflection {
        Ok(reflection) => router = router.add_service(reflection),
        Err(error) => tracing::error!(%error, "no reflection"),
    }
    let serving = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    tokio::select! {
        served = serving => served,
        never = health::follow_issuance(&reporter, writable, elsewhere) => match never {},
    }
}

/// The answer to a call that ended before it reached its service tells why, as all others do.
fn explained(response: http::Response<Body>) -> http::Response<Body> {
    let status = Status::from_header_map(response.headers());
    match status.and_then(|status| refuse::by_transport(&status)) {
        Some(refusal) => refusal.into_http(),
        None => response,
    }
}
