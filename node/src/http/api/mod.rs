//! The JSON API: the calls of gRPC for programs that speak HTTP and JSON.
//!
//! It is a translation and nothing else. A request becomes the message of its gRPC call, in
//! protobuf's own JSON form (<https://protobuf.dev/programming-guides/json/>), and goes through
//! the same gate to the same service; what is refused there is refused here, with the same code
//! (`problem`). One table (`calls`) says which calls there are, and the description of the
//! interface (`openapi`) follows from it and from the messages' own comments.

mod calls;
mod codec;
mod idempotency;
mod openapi;
mod problem;
mod translate;
mod watch;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use axum::{
    Json, Router,
    body::{self, Body},
    extract::{ConnectInfo, Query, Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::PathAndQuery},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, on},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http_body_util::LengthLimitError;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{
    client::Grpc,
    metadata::{Ascii, MetadataValue},
};

use super::request_id::RequestId;
use crate::{engine::Clock, rpc::Local, tls::Remote};
use calls::{CALLS, Call, Given};
use codec::DynamicCodec;
use idempotency::{Idempotency, Key};
use problem::Problem;

/// Where all of it lies.
pub const PREFIX: &str = "/api/v1";

/// Messages in one batch.
const MAX_BATCH: usize = 1000;

/// Batches under way at once: each holds its questions and its answers.
const BATCHES: usize = 16;

/// All calls and their description. Bodies are at most `longest` bytes; watches end on `stop`.
pub fn routes(
    services: Local,
    clock: Arc<dyn Clock>,
    longest: usize,
    stop: CancellationToken,
) -> Router {
    let api = Api {
        services,
        longest,
        idempotency: Arc::new(Idempotency::new(Arc::clone(&clock))),
        batches: Arc::new(Semaphore::new(BATCHES)),
        clock,
        stop,
    };
    let json = [(header::CONTENT_TYPE, problem::value("application/json"))];
    let described = Bytes::from(openapi::describe().to_string());
    let mut routes = Router::new().route("/openapi.json", get(async move || (json, described)));
    for call in CALLS {
        let answer = async move |State(api): State<Api>,
                                 ConnectInfo(client): ConnectInfo<SocketAddr>,
                                 request: Request| {
            api.answer(call, client.ip(), request).await
        };
        routes = routes.route(call.path, on(call.filter(), answer));
    }
    let routes = routes
        .fallback(async || Problem::NO_SUCH_PATH)
        .method_not_allowed_fallback(async || Problem::NO_SUCH_METHOD)
        .layer(middleware::map_response(protect))
        .with_state(api);
    Router::new().nest(PREFIX, routes)
}

/// What is said to a request that was bounded before it came to a call, or while one was under way.
/// `None` if the route is none of these.
pub(super) fn bounded(route: &str, status: StatusCode) -> Option<Response> {
    let problem = match status {
        StatusCode::URI_TOO_LONG => Problem::URI_TOO_LONG,
        _ => Problem::TIMED_OUT,
    };
    route.strip_prefix(PREFIX).map(|_| problem.into_response())
}

/// Nothing of it is kept on the way, or taken for something else.
async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, problem::value("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, problem::value("nosniff"));
    response
}

#[derive(Clone)]
struct Api {
    services: Local,
    longest: usize,
    idempotency: Arc<Idempotency>,
    batches: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

/// Who asks, as far as the gate looks at it.
#[derive(Clone)]
struct Caller {
    remote: Remote,
    token: Option<MetadataValue<Ascii>>,
    id: Option<RequestId>,
}

impl Caller {
    fn of(request: &Request, address: IpAddr) -> Result<Self, Problem> {
        let token = request.headers().get(header::AUTHORIZATION);
        let token = token.map(|token| MetadataValue::try_from(token.as_bytes()));
        Ok(Self {
            remote: Remote { key: None, address },
            id: request.extensions().get().copied(),
            token: token.transpose().map_err(|_| Problem::HEADER)?,
        })
    }
}

/// What was found out while a request was read, which happens behind the gate.
#[derive(Default)]
struct Reading {
    key: OnceLock<Key>,
    /// How many messages it has.
    count: OnceLock<usize>,
    /// Kept until a batch is answered.
    turn: OnceLock<OwnedSemaphorePermit>,
    problem: OnceLock<Problem>,
}

impl Api {
    /// Passes a request on to its gRPC call.
    async fn answer(
        self,
        call: &'static Call,
        client: IpAddr,
        request: Request,
    ) -> Result<Response, Problem> {
        let method = call.method().ok_or(Problem::INTERNAL)?;
        let caller = Caller::of(&request, client)?;
        if call.given == Given::Watch {
            let asked = translate::from_query(&method.input(), &parameters(request.uri())?)?;
            return self.watch(call, caller, asked, method.output()).await;
        }
        let reading = Arc::new(Reading::default());
        // Nothing is read of a request whose sender may not make it: the gate asks for the first
        // message only once it has let the call in.
        let messages = {
            let (api, reading, input) = (self.clone(), Arc::clone(&reading), method.input());
            let read = async move { api.read(call, &input, request, &reading).await };
            stream::once(read).flat_map(stream::iter)
        };
        let answers = self.pass_on(call, caller, messages, method.output()).await;
        let mut answers = answers.map_err(|problem| {
            // A refusal has done nothing; what failed may be done all the same.
            if let Some(key) = reading.key.get()
                && problem.status.is_client_error()
            {
                self.idempotency.forget(key);
            }
            reading.problem.get().cloned().unwrap_or(problem)
        })?;
        if let Some(problem) = reading.problem.get() {
            return Err(problem.clone());
        }
        let answer = match call.given {
            // The stream ends early, and well, when the node stops.
            Given::Batch if reading.count.get() != Some(&answers.len()) => {
                return Err(Problem::BROKEN_BATCH);
            }
            Given::Batch => json!({ translate::LIST: answers }),
            Given::Query | Given::Body | Given::Watch => answers.pop().ok_or(Problem::INTERNAL)?,
        };
        Ok(Json(answer).into_response())
    }

    async fn pass_on(
        &self,
        call: &Call,
        caller: Caller,
        messages: impl Stream<Item = DynamicMessage> + Send + 'static,
        output: MessageDescriptor,
    ) -> Result<Vec<Value>, Problem> {
        let mut asked = tonic::Request::new(messages);
        asked.extensions_mut().insert(caller.remote);
        if let Some(id) = caller.id {
            asked.extensions_mut().insert(id);
        }
        if let Some(token) = caller.token {
            asked.metadata_mut().insert("authorization", token);
        }
        let mut services = Grpc::new(self.services.clone()).max_decoding_message_size(usize::MAX);
        services
            .ready()
            .await
            .unwrap_or_else(|never| match never {});
        let path = PathAndQuery::from_static(call.rpc);
        let answers = services.streaming(asked, path, DynamicCodec(output));
        let answers = answers.await?.into_inner().map_err(Problem::from);
        let answers = answers.and_then(async |answer| translate::into_value(&answer));
        answers.try_collect().await
    }

    /// The messages of a request; none if it cannot be read.
    async fn read(
        &self,
        call: &Call,
        input: &MessageDescriptor,
        request: Request,
        reading: &Reading,
    ) -> Vec<DynamicMessage> {
        let read = self.try_read(call, input, request, reading).await;
        read.unwrap_or_else(|problem| {
            let _ = reading.problem.set(problem);
            Vec::new()
        })
    }

    async fn try_read(
        &self,
        call: &Call,
        input: &MessageDescriptor,
        request: Request,
        reading: &Reading,
    ) -> Result<Vec<DynamicMessage>, Problem> {
        let (head, body) = request.into_parts();
        if call.given == Given::Query {
            return Ok(vec![translate::from_query(input, &parameters(&head.uri)?)?]);
        }
        if !is_json(&head.headers) {
            return Err(Problem::NOT_JSON);
        }
        if call.given == Given::Batch
            && let Ok(turn) = Arc::clone(&self.batches).acquire_owned().await
        {
            let _ = reading.turn.set(turn);
        }
        let body = self.whole(body).await?;
        let messages = match call.given {
            Given::Batch => translate::from_batch(input, &body)?,
            _ => vec![translate::from_body(input, &body)?],
        };
        if let Some(key) = self.idempotency.take(call, &head.headers, &body)? {
            let _ = reading.key.set(key);
        }
        let _ = reading.count.set(messages.len());
        Ok(messages)
    }

    async fn whole(&self, body: Body) -> Result<Bytes, Problem> {
        let whole = body::to_bytes(body, self.longest).await;
        whole.map_err(|error| match error.into_inner().is::<LengthLimitError>() {
            true => Problem::TOO_LARGE,
            false => Problem::BROKEN_OFF,
        })
    }
}

fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let read = Query::<Vec<(String, String)>>::try_from_uri(uri);
    read.map(|Query(pairs)| pairs)
        .map_err(|_| Problem::malformed("", "the parameters cannot be read".into()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}
