//! Traces where they enter and leave this process, as W3C Trace Context has them
//! (<https://www.w3.org/TR/trace-context/>). This is the one place where spans of `tracing` meet
//! OpenTelemetry's; who makes them knows `tracing` alone.
//!
//! Spans for traces are made at level TRACE, those for log lines at INFO: without a collector the
//! former are off wherever nobody logs at that level, and cost a comparison.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header of an answer that says in which trace it was made: the draft of Trace Context level 3,
/// <https://w3c.github.io/trace-context/#traceresponse-header>.
pub(crate) const ANSWER: HeaderName = HeaderName::from_static("traceresponse");

/// The header that says from which trace a call comes.
const PARENT: &str = "traceparent";

/// Who calls, as far as it matters to traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A member, or another process of this node.
    Member,
    /// Anybody else.
    Stranger,
}

/// Takes up the trace that a caller says it calls from. To be called before the span is entered.
///
/// What a member calls from goes on here, and is kept here if it is kept there: only so can one
/// verification be one trace across nodes. Anybody else could have everything kept by saying so in
/// every call, and could weave its calls into traces that are none of its own; so theirs begin
/// anew, kept or not as this node decides, and only name the caller's.
pub(crate) fn continue_from(span: &Span, headers: &HeaderMap, caller: Caller) {
    if span.is_disabled() {
        return;
    }
    let theirs = TraceContextPropagator::new().extract(&Given(headers));
    match caller {
        // Fails where nothing keeps traces, which only log at level TRACE.
        Caller::Member => {
            let _ = span.set_parent(theirs);
        }
        Caller::Stranger => span.add_link(theirs.span().span_context().clone()),
    }
}

/// Tells whoever is called from which trace.
pub(crate) fn pass_on(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut Given(headers));
}

/// Which trace a span belongs to, for log lines; `None` without traces.
pub(crate) fn trace_id(span: &Span) -> Option<TraceId> {
    let context = context(span)?;
    Some(context.trace_id())
}

/// The value of [`ANSWER`]; `None` without traces.
pub(crate) fn answer(span: &Span) -> Option<HeaderValue> {
    let context = context(span)?;
    let value = format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags()
    );
    HeaderValue::try_from(value).ok()
}

fn context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Headers as OpenTelemetry reads and writes them.
struct Given<H>(H);

impl Extractor for Given<&HeaderMap> {
    /// `traceparent` alone: `tracestate` is whatever a caller writes, and nothing here reads it.
    fn get(&self, name: &str) -> Option<&str> {
        let given = self.0.get(name).filter(|_| name == PARENT)?;
        given.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Injector for Given<&mut HeaderMap> {
    /// `traceparent` alone: as none is taken, each `tracestate` would be empty, which should not be
    /// sent (section 3.3.1.1).
    fn set(&mut self, name: &str, value: String) {
        if let (PARENT, Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(PARENT, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What is passed on behind a call that says from which trace it comes, and what it keeps of it.
    fn passed_on(caller: Caller) -> HeaderMap {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let spans = tracing_opentelemetry::layer().with_tracer(tracer);
        let subscriber = tracing_subscriber::registry().with(spans);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::trace_span!("passed_on");
            let mut given = HeaderMap::new();
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            given.insert(PARENT, HeaderValue::from_static(parent));
            let state = HeaderValue::from_static("rojo=00f067aa0ba902b7");
            given.insert("tracestate", state);
            continue_from(&span, &given, caller);
            let mut headers = HeaderMap::new();
            pass_on(&span, &mut headers);
            headers
        })
    }

    #[test]
    fn what_a_caller_keeps_of_its_trace_goes_no_further() {
        for (caller, goes_on) in [(Caller::Member, true), (Caller::Stranger, false)] {
            let headers = passed_on(caller);
            let parent = headers[PARENT].to_str().unwrap();
            let is_theirs = parent.contains("0af7651916cd43dd8448eb211c80319c");
            assert_eq!(is_theirs, goes_on, "{parent}");
            assert_eq!(headers.len(), 1, "{headers:?}");
        }
    }
}
