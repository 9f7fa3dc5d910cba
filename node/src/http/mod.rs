//! HTTP: the listener, what holds for every request, and the routes.

pub mod api;
pub mod check;
pub mod console;
pub mod health;
mod html;
mod language;
pub mod map;
pub mod page;
pub mod policy;
pub mod proxies;
pub(crate) mod request_id;
mod scripted;
pub mod status;
pub mod submit;
pub mod tiles;
pub(crate) mod trace_context;
pub mod witness;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{Instrument as _, Span, field};

use crate::{
    engine::Random,
    tls::{self, ServerTls},
};
use request_id::RequestId;
use trace_context::Caller;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 4096;

/// A client that has not sent the head of its request by then is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests on one HTTP/2 connection at once.
const STREAMS: u32 = 128;

/// An HTTP/2 peer is asked for a sign of life this often, and dropped without one.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Longest path and query, in bytes. The longest of our own is a tile's, below 200.
const MAX_URI_LEN: usize = 2048;

/// What requests under way get when the node stops.
const GRACE: Duration = Duration::from_secs(10);

/// What holds for every request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Longest body, in bytes, of handlers that use axum's extractors.
    pub body_bytes: usize,
    /// Time until the head of the response.
    pub timeout: Duration,
}

/// Bounds, names and records requests to all of `routes`. To be applied once, after merging.
pub fn with_limits(routes: Router, limits: RequestLimits, random: Arc<dyn Random>) -> Router {
    let state = (limits, random);
    routes
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(middleware::from_fn_with_state(state, name))
}

/// Every log line about a request names it as its answer does, and its trace if there is one.
async fn name(
    State((limits, random)): State<(RequestLimits, Arc<dyn Random>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::new(random.as_ref());
    request.extensions_mut().insert(id);
    // The route, never the URL: what a client writes there may tell about a person.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let traced = span(request.method(), route);
    // Nobody presents a certificate here, so nobody is known to be a member.
    trace_context::continue_from(&traced, request.headers(), Caller::Stranger);
    let trace_id = trace_context::trace_id(&traced).map(field::display);
    let answered = bound_and_record(limits, route, request, next);
    let mut response = answered
        .instrument(tracing::info_span!("request", %id, trace_id))
        .instrument(traced.clone())
        .await;
    let status = response.status();
    // Signed: the layer would write an unsigned number as text.
    traced.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        traced.record("otel.status_code", "ERROR");
    }
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.value());
    if let Some(answer) = trace_context::answer(&traced) {
        headers.insert(trace_context::ANSWER, answer);
    }
    response
}

/// The span of a request until the head of its answer, by OpenTelemetry's semantic conventions 1.37
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>) but for what a client writes as
/// it likes: address, query and user agent.
fn span(method: &Method, route: &str) -> Span {
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
        _ => "_OTHER",
    };
    tracing::trace_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    )
}

async fn bound_and_record(
    limits: RequestLimits,
    route: &str,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let too_long = request
        .uri()
        .path_and_query()
        .is_some_and(|uri| uri.as_str().len() > MAX_URI_LEN);
    let refused = |plain: Response| api::bounded(route, plain.status()).unwrap_or(plain);
    let response = if too_long {
        refused(StatusCode::URI_TOO_LONG.into_response())
    } else {
        match tokio::time::timeout(limits.timeout, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let later = [(header::RETRY_AFTER, "5")];
                refused((StatusCode::SERVICE_UNAVAILABLE, later).into_response())
            }
        }
    };
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(%method, route, status, seconds, "request");
    let labels = [("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("huren_http_requests_total", &labels).increment(1);
    metrics::histogram!("huren_http_request_seconds", "route" => route.to_owned()).record(seconds);
    response
}

/// Serves `routes` until `shutdown`, then gives the requests under way ten seconds. Handlers
/// find the client's address as [`ConnectInfo`] of [`SocketAddr`].
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    tls: Option<Arc<ServerTls>>,
    shutdown: CancellationToken,
) {
    let stop = shutdown.clone();
    match tls {
        Some(tls) => {
            let accepted = tls::handshakes(listener, tls, shutdown);
            serve_connections(accepted, routes, stop).await;
        }
        None => {
            let accepted = tls::connections(listener).take_until(shutdown.cancelled_owned());
            serve_connections(accepted, routes, stop).await;
        }
    }
}

async fn serve_connections<IO>(
    connections: impl Stream<Item = (IO, SocketAddr)>,
    routes: Router,
    shutdown: CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connections = std::pin::pin!(connections);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    // The permit first: a connection that cannot be served yet is not accepted either.
    while let Some(Ok(permit)) = shutdown
        .run_until_cancelled(permits.clone().acquire_owned())
        .await
    {
        let Some((io, address)) = connections.next().await else {
            break;
        };
        let serving = serve_connection(io, address, routes.clone(), shutdown.clone());
        tasks.spawn(async move {
            serving.await;
            drop(permit);
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn serve_connection<IO>(
    io: IO,
    address: SocketAddr,
    routes: Router,
    shutdown: CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        routes.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let ended = match shutdown.run_until_cancelled(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::warn!(client = %address, "request cut off by shutdown"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %address, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests;
