//! The own log's status lists, below the path of its origin: for other people's software, which
//! asks for a list and not about a person.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use huren_core::status_list::Purpose;

use crate::engine::{Engine, StatusListError};

/// VC-JOSE-COSE, section 6.1.
const VC: HeaderValue = HeaderValue::from_static("application/vc+jwt");
/// As long as the list itself says that it may be kept, at most.
const A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=60");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// The routes; `own_path` is the path of the own origin, without a slash at its end.
pub fn routes(engine: Arc<Engine>, own_path: &str) -> Router {
    let path = format!("{own_path}/status/{{purpose}}/{{number}}");
    Router::new().route(&path, get(list)).with_state(engine)
}

async fn list(
    State(engine): State<Arc<Engine>>,
    Path((purpose, number)): Path<(String, String)>,
) -> Response {
    let purpose = Purpose::ALL.into_iter().find(|one| one.name() == purpose);
    // In the one form that a list's own address has.
    let number = number
        .parse()
        .ok()
        .filter(|n: &u64| n.to_string() == number);
    let Some((purpose, number)) = purpose.zip(number) else {
        return refused(&StatusListError::Beyond);
    };
    match engine.status_list(purpose, number).await {
        Ok(token) => {
            let headers = [(header::CONTENT_TYPE, VC), (header::CACHE_CONTROL, A_WHILE)];
            (headers, token).into_response()
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &StatusListError) -> Response {
    let (status, said) = match error {
        StatusListError::Beyond => (StatusCode::NOT_FOUND, "没有此状态列表 no such list\n"),
        StatusListError::Doubtful | StatusListError::NoKey => (
            StatusCode::SERVICE_UNAVAILABLE,
            "暂时无法给出状态列表，请稍后再试 no list at present: try again later\n",
        ),
        StatusListError::Store(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "no status list");
            let said = "数据库暂不可用 the database is not available at present\n";
            (StatusCode::SERVICE_UNAVAILABLE, said)
        }
    };
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, NEVER)];
    (status, headers, said).into_response()
}
