//! Spans of gRPC calls, on both sides, by OpenTelemetry's semantic conventions 1.37
//! (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>): names of services, codes and
//! addresses of members, and nothing of what is asked or answered.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::{BoxFuture, Either, FutureExt as _};
use http::{Request, Response, Uri};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::Service;
use tracing::{Instrument as _, Span, field::Empty};

use crate::http::trace_context;

/// Which side of a call a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It came over the wire.
    Server,
    /// It came from within this process, by the JSON API.
    Within,
}

/// The span of a call that came in: `method` is its path, as the table of calls has it, or empty.
pub(super) fn incoming(method: &'static str, side: Side) -> Span {
    let (service, name) = parts(method);
    tracing::trace_span!(
        "call",
        otel.name = if method.is_empty() {
            "unmatched"
        } else {
            &method[1..]
        },
        otel.kind = match side {
            Side::Server => "server",
            Side::Within => "internal",
        },
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = name,
        rpc.grpc.status_code = Empty,
    )
}

/// `/huren.v1.VerificationService/Verify`: the service and the method.
fn parts(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or_default()
}

/// A channel to a member or to the process in charge, whose calls are spans and go on in the trace
/// that they are made in.
#[derive(Clone)]
pub(super) struct Traced {
    channel: Channel,
    /// Host and port.
    server: (String, u16),
}

impl Traced {
    /// A channel to `endpoint` (`https://host:port`).
    pub(super) fn new(channel: Channel, endpoint: &str) -> Self {
        let uri: Uri = endpoint.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(443);
        Self {
            channel,
            server: (host, port),
        }
    }

    fn outgoing(&self, path: &str) -> Span {
        let (service, method) = parts(path);
        tracing::trace_span!(
            "call",
            otel.name = path.strip_prefix('/').unwrap_or(path),
            otel.kind = "client",
            otel.status_code = Empty,
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = Empty,
            server.address = self.server.0,
            // Signed: the layer would write an unsigned number as text.
            server.port = i64::from(self.server.1),
        )
    }
}

type Answer = Result<Response<Body>, tonic::transport::Error>;

impl Service<Request<Body>> for Traced {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Either<<Channel as Service<Request<Body>>>::Future, BoxFuture<'static, Answer>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let span = self.outgoing(request.uri().path());
        if span.is_disabled() {
            return Either::Left(self.channel.call(request));
        }
        trace_context::pass_on(&span, request.headers_mut());
        let answer = self.channel.call(request);
        let within = span.clone();
        let answering = async move {
            match answer.await {
                Ok(response) => Ok(followed(response, span, |code| code != Code::Ok)),
                Err(error) => {
                    end(&span, Code::Unavailable, true);
                    Err(error)
                }
            }
        };
        Either::Right(answering.instrument(within).boxed())
    }
}

/// A response whose span ends where it ends, with its status. What makes a stream's messages does so
/// inside of the span.
pub(super) fn followed(
    response: Response<Body>,
    span: Span,
    is_error: fn(Code) -> bool,
) -> Response<Body> {
    if span.is_disabled() {
        return response;
    }
    if let Some(status) = Status::from_header_map(response.headers()) {
        end(&span, status.code(), is_error(status.code()));
        return response;
    }
    response.map(|body| {
        Body::new(Followed {
            body,
            span,
            is_error,
        })
    })
}

/// What of an answer is this node's failure, and not its caller's.
pub(super) fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn end(span: &Span, code: Code, is_error: bool) {
    span.record("rpc.grpc.status_code", code as i32);
    if is_error {
        span.record("otel.status_code", "ERROR");
    }
}

struct Followed {
    body: Body,
    span: Span,
    is_error: fn(Code) -> bool,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let span = self.span.clone();
        let _entered = span.enter();
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        let trailers = match &frame {
            Some(Ok(frame)) => frame.trailers_ref(),
            _ => None,
        };
        let ended: Option<Status> = match (&frame, trailers) {
            (Some(Err(status)), _) => Some(status.clone()),
            (_, Some(trailers)) => Status::from_header_map(trailers),
            _ => None,
        };
        if let Some(status) = ended {
            end(&span, status.code(), (self.is_error)(status.code()));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
