//! The write APIs of C2SP `tlog-witness` and `tlog-mirror`, for whoever may reach this port.
//!
//! Submission prefixes are `/witness` and `/mirror`; `add-checkpoint` is the same below both,
//! as the witness's memory is the mirror's pending checkpoint. The witness's monitoring prefix
//! is `/witness`, the mirror's is served by [`super::tiles`]. `sign-subtree` is not offered:
//! it needs a cosignature format that supports subtrees, which Ed25519's does not.

mod upload;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{self, Body},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::LengthLimitError;
use huren_core::{
    note::NoteSignature,
    witness::{AddCheckpoint, MAX_REQUEST_LEN, Refusal},
};
use tokio::sync::Semaphore;

use super::tiles::origin_hash;
use crate::engine::{Clock, Engine, RateLimit, WitnessError, network};

/// Uploads that are read at the same time. Each holds one package, of 16 MiB at most.
const UPLOADS: usize = 8;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// `tlog-witness`, "add-checkpoint".
const SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");
/// Of all answers: they are others a moment later.
const MUTABLE: HeaderValue = HeaderValue::from_static("no-store");

/// What bounds those who submit.
#[derive(Clone, Copy, Debug)]
pub struct SubmitLimits {
    /// Requests of one address in a minute.
    pub per_minute: u32,
    /// Time in which an upload is read. What arrived whole by then is kept, and the client told
    /// to go on from there.
    pub reading: Duration,
}

/// The routes.
pub fn routes(engine: Arc<Engine>, clock: Arc<dyn Clock>, limits: SubmitLimits) -> Router {
    let submit = Submit {
        engine,
        uploads: Arc::new(Semaphore::new(UPLOADS)),
        reading: limits.reading,
    };
    let rate = Rate {
        limit: Arc::new(RateLimit::new(limits.per_minute, 60)),
        clock,
    };
    Router::new()
        .route("/witness/add-checkpoint", post(add_checkpoint))
        .route("/mirror/add-checkpoint", post(add_checkpoint))
        .route("/mirror/add-entries", post(upload::add_entries))
        .layer(middleware::from_fn_with_state(rate, bound))
        .route("/witness/{origin_hash}/checkpoint", get(checkpoint))
        .with_state(submit)
}

#[derive(Clone)]
struct Submit {
    engine: Arc<Engine>,
    uploads: Arc<Semaphore>,
    reading: Duration,
}

#[derive(Clone)]
struct Rate {
    limit: Arc<RateLimit>,
    clock: Arc<dyn Clock>,
}

async fn bound(
    State(rate): State<Rate>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match rate.limit.take(&network(client.ip()), rate.clock.now()) {
        Ok(()) => next.run(request).await,
        Err(seconds) => Denial::TOO_MANY.after(seconds),
    }
}

async fn add_checkpoint(State(submit): State<Submit>, body: Body) -> Response {
    match cosign(&submit.engine, body).await {
        Ok(cosignature) => signature_line(&cosignature),
        Err(error) => refused(&error),
    }
}

async fn cosign(engine: &Engine, body: Body) -> Result<NoteSignature, WitnessError> {
    let body = body::to_bytes(body, MAX_REQUEST_LEN).await;
    let body = body.map_err(|error| match error.into_inner().is::<LengthLimitError>() {
        true => Refusal::Oversize,
        false => Refusal::Malformed,
    })?;
    let body = std::str::from_utf8(&body).map_err(|_| Refusal::Malformed)?;
    let request: AddCheckpoint = body.parse()?;
    engine.add_checkpoint(&request).await
}

/// `tlog-witness`, "Monitor Retrieval Mechanism".
async fn checkpoint(State(submit): State<Submit>, Path(hash): Path<String>) -> Response {
    let mut watched = submit.engine.watched().into_iter();
    let Some(origin) = watched.find(|log| origin_hash(log) == hash) else {
        return Denial::NOT_FOUND.into_response();
    };
    match submit.engine.cosigned_checkpoint(&origin).await {
        Ok(Some(note)) => answer(StatusCode::OK, TEXT, note),
        Ok(None) => Denial::NOT_FOUND.into_response(),
        Err(error) => unavailable(&error),
    }
}

/// The one match from the engine's errors to answers.
fn refused(error: &WitnessError) -> Response {
    let refusal = match error {
        WitnessError::Refused(refusal) => *refusal,
        WitnessError::Frozen => return Denial::FROZEN.into_response(),
        WitnessError::Clock(_) | WitnessError::Store(_) => return unavailable(error),
    };
    let status = match refusal {
        Refusal::Conflict { size } => {
            return answer(StatusCode::CONFLICT, SIZE, format!("{size}\n"));
        }
        Refusal::Malformed | Refusal::OldSize => StatusCode::BAD_REQUEST,
        Refusal::Oversize => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::UnknownLog => StatusCode::NOT_FOUND,
        Refusal::Signature => StatusCode::FORBIDDEN,
        Refusal::EmptyRoot | Refusal::Proof | Refusal::OtherRoot => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    };
    denied(status, refusal.code(), refusal.zh(), &refusal)
}

/// A refusal that is not of the specifications' own.
struct Denial {
    status: StatusCode,
    code: &'static str,
    zh: &'static str,
    en: &'static str,
}

impl Denial {
    const TOO_MANY: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "RATE_LIMITED",
        zh: "请求过于频繁，请稍后再试",
        en: "too many requests from this address; try again later",
    };
    const BUSY: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "UPLOADS_BUSY",
        zh: "正在进行的上传过多，请稍后再试",
        en: "too many uploads are under way; try again later",
    };
    const UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "UNAVAILABLE",
        zh: "本节点暂时无法处理，请稍后再试",
        en: "this node cannot do it at present; try again later",
    };
    const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        code: "NOT_FOUND",
        zh: "没有此资源",
        en: "there is no such resource",
    };
    const FROZEN: Self = Self {
        status: StatusCode::FORBIDDEN,
        code: "LOG_FROZEN",
        zh: "该日志出现自相矛盾，已被冻结",
        en: "that log contradicted itself and is frozen",
    };
    const MEDIA_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: "MEDIA_TYPE",
        zh: "请以 application/octet-stream 上传，可用 gzip 压缩",
        en: "send application/octet-stream, compressed with gzip or not at all",
    };

    fn after(&self, seconds: u64) -> Response {
        let response = denied(self.status, self.code, self.zh, &self.en);
        ([(header::RETRY_AFTER, seconds.to_string())], response).into_response()
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        denied(self.status, self.code, self.zh, &self.en)
    }
}

fn denied(status: StatusCode, code: &str, zh: &str, en: &dyn std::fmt::Display) -> Response {
    answer(status, TEXT, format!("{code}\n{zh} / {en}\n"))
}

/// Nothing internal reaches the client.
fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a submission could not be handled");
    Denial::UNAVAILABLE.after(5)
}

fn signature_line(cosignature: &NoteSignature) -> Response {
    answer(StatusCode::OK, TEXT, format!("{cosignature}\n"))
}

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, MUTABLE),
    ];
    (status, headers, body.into()).into_response()
}
