//! The gate before all services, as a layer: no service can forget it.

use std::task::{Context as TaskContext, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use super::{
    Context,
    traced::{self, Side},
};
use crate::http::{
    request_id::{HEADER, RequestId},
    trace_context::{self, ANSWER, Caller},
};

/// Puts every call before [`Context::authorise`], and what is refused into the audit trail.
#[derive(Clone)]
pub(super) struct Gate(pub(super) Context);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            inner,
            context: self.0.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Gated<S> {
    inner: S,
    context: Context,
}

impl<S, B> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = self.context.clone();
        // What came in by the JSON API has one already.
        let named = request.extensions().get().copied();
        let id = named.unwrap_or_else(|| RequestId::new(context.engine.random()));
        let judged = context.authorise(
            request.uri().path(),
            request.headers(),
            request.extensions(),
        );
        let (method, caller) = match &judged {
            Ok(who) if who.member.is_some() => (who.method, Caller::Member),
            Ok(who) => (who.method, Caller::Stranger),
            Err(refusal) => (refusal.method, Caller::Stranger),
        };
        let span = match named {
            Some(_) => traced::incoming(method, Side::Within),
            None => traced::incoming(method, Side::Server),
        };
        if named.is_none() {
            trace_context::continue_from(&span, request.headers(), caller);
        }
        let name = move |response: &mut Response<Body>, span: &Span| {
            response.headers_mut().insert(HEADER, id.value());
            if let Some(answer) = trace_context::answer(span) {
                response.headers_mut().insert(ANSWER, answer);
            }
        };
        let who = match judged {
            Ok(who) => who,
            Err(refusal) => {
                context.note_refusal(&refusal.actor, refusal.method, &refusal.status);
                let mut response = refusal.status.into_http();
                name(&mut response, &span);
                let response = traced::followed(response, span, traced::is_ours);
                return async move { Ok(response) }.boxed();
            }
        };
        let actor = who.actor.clone();
        request.extensions_mut().insert(who);
        let answer = span.in_scope(|| self.inner.call(request));
        let trace_id = trace_context::trace_id(&span).map(field::display);
        let within = span.clone();
        let answering = async move {
            let mut response = answer.await?;
            name(&mut response, &span);
            // There at once if nothing else was answered; a stream has it at its end, and says
            // itself what it refused.
            if let Some(status) = Status::from_header_map(response.headers()) {
                context.note_refusal(&actor, method, &status);
            }
            Ok(traced::followed(response, span, traced::is_ours))
        };
        answering
            .instrument(tracing::info_span!("call", %id, method, trace_id))
            .instrument(within)
            .boxed()
    }
}
