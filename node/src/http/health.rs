//! Whether the process lives, whether it can do its work, and its metrics.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

/// Knows what keeps a node from doing its work.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Everything that keeps it; nothing if it is ready.
    async fn obstacles(&self) -> Vec<Obstacle>;

    /// What should be seen to, though the node does its work as yet.
    async fn notices(&self) -> Vec<Obstacle> {
        Vec::new()
    }
}

/// Something that keeps a node from doing its work. Says nothing about persons, as anybody
/// may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Stable reason code.
    pub code: &'static str,
    /// The reason in Chinese.
    pub zh: String,
    /// The reason in English.
    pub en: String,
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn routes(readiness: Arc<dyn Readiness>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { uncached("ok\n") }))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    obstacles: Vec<Obstacle>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<Obstacle>,
}

async fn readyz(State(readiness): State<Arc<dyn Readiness>>) -> impl IntoResponse {
    let obstacles = readiness.obstacles().await;
    let notices = readiness.notices().await;
    let ready = obstacles.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        uncached(Json(Ready {
            ready,
            obstacles,
            notices,
        })),
    )
}

async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    // The Prometheus text format, version 0.0.4.
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        uncached(metrics.render()),
    )
}

fn uncached(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}
