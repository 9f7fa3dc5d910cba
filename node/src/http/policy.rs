//! The C2SP `tlog-policy` of each member's log: which witnesses, and how many of them, make
//! its checkpoints good in this federation. For the own log below the path of its origin, for
//! the others below `/mirror/<origin hash>`, beside their tiles.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use huren_core::checkpoint::Origin;

use super::tiles::origin_hash;
use crate::engine::Engine;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The routes; `own_path` is the path of the own origin, without a slash at its end.
pub fn routes(engine: Arc<Engine>, own_path: &str) -> Router {
    Router::new()
        .route(&format!("{own_path}/policy"), get(own))
        .route("/mirror/{origin_hash}/policy", get(mirrored))
        .with_state(engine)
}

async fn own(State(engine): State<Arc<Engine>>) -> Response {
    policy(&engine, Some(engine.origin().clone()))
}

async fn mirrored(State(engine): State<Arc<Engine>>, Path(hash): Path<String>) -> Response {
    let watched = engine.watched().into_iter();
    let origin = watched.into_iter().find(|log| origin_hash(log) == hash);
    policy(&engine, origin)
}

/// As the newest trust list has it; logs from outside of the federation have none.
fn policy(engine: &Engine, origin: Option<Origin>) -> Response {
    let chain = engine.trust();
    let list = &chain.newest().list;
    let policy = origin
        .filter(|origin| list.log_of(origin).is_some())
        .and_then(|origin| list.policy(&origin).ok());
    // It changes with the trust list, which nobody can foresee.
    let headers = [
        (header::CONTENT_TYPE, TEXT),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    match policy {
        Some(policy) => (headers, policy.to_bytes()).into_response(),
        None => (StatusCode::NOT_FOUND, headers, "not found\n").into_response(),
    }
}
