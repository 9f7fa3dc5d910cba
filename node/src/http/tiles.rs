//! The read API of C2SP `tlog-tiles` for every log that is held: the own one below the path of
//! its origin, mirrored ones (`tlog-mirror`, "Introduction") below `/mirror/<origin hash>`.
//!
//! What is served never reaches beyond the published checkpoint, although more may be held:
//! a leaf that nobody can tie to a signed root must not be seen.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    merkle::{Hash, TileId, TilePath},
};
use huren_store::{LogState, Role, Store};
use sha2::{Digest, Sha256};

/// `tlog-tiles`, "Checkpoints": no caching beyond a few seconds. The same for answers that
/// may be others a moment later, such as "not found".
const MUTABLE: HeaderValue = HeaderValue::from_static("no-store");

/// `tlog-tiles`, "Merkle Tree" and "Log entries": immutable. A year is the longest that
/// caches are meant to keep anything.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The routes of the own log and of the mirrored ones. `own_path` is the path of the own
/// origin, without a slash at its end. Nothing is served of the own log until it `is_proven` that
/// the database is the one that was signed.
pub fn routes(
    store: Arc<dyn Store>,
    own: Origin,
    own_path: &str,
    is_proven: impl Fn() -> bool + Send + Sync + 'static,
) -> Router {
    let logs = Logs {
        answers: store.answering().unwrap_or_else(|| Arc::clone(&store)),
        store,
        own,
        own_path: own_path.into(),
        is_proven: Arc::new(is_proven),
    };
    Router::new()
        .route(&format!("{own_path}/checkpoint"), get(own_checkpoint))
        .route(&format!("{own_path}/tile/{{*path}}"), get(own_tile))
        .route("/mirror/{origin_hash}/checkpoint", get(mirror_checkpoint))
        .route("/mirror/{origin_hash}/tile/{*path}", get(mirror_tile))
        .with_state(logs)
}

/// The hash by which a mirrored log is found: lowercase hex SHA-256 of its origin.
pub fn origin_hash(origin: &Origin) -> String {
    hex::encode(Sha256::digest(origin.as_str()))
}

#[derive(Clone)]
struct Logs {
    store: Arc<dyn Store>,
    /// The same for tiles and bundles, which never change: a replica may have them.
    answers: Arc<dyn Store>,
    own: Origin,
    own_path: Arc<str>,
    is_proven: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Logs {
    async fn own(&self) -> Result<Option<LogState>, Failure> {
        if !(self.is_proven)() {
            return Err(Failure::Unproven);
        }
        Ok(self.store.log(&self.own).await?)
    }

    async fn mirrored(&self, hash: &str) -> Result<Option<LogState>, Failure> {
        let logs = self.store.logs().await?;
        Ok(logs
            .into_iter()
            .find(|log| log.role == Role::Mirror && origin_hash(&log.origin) == hash))
    }

    /// Answers for `path`, relative to the log's prefix, in its only spelling: as it came,
    /// before any percent-decoding.
    async fn tile(&self, log: Option<LogState>, path: &str) -> Result<Response, Failure> {
        let Some(log) = log else {
            return Ok(not_found());
        };
        let Ok(path) = path.parse::<TilePath>() else {
            return Ok(not_found());
        };
        let Some(size) = published_size(&log)? else {
            return Ok(not_found());
        };
        let content = match path {
            TilePath::Tile(id) => self.hashes(&log.origin, id, size).await?,
            TilePath::Entries { index, width } => {
                self.entries(&log.origin, index, width, size).await?
            }
        };
        let Some(content) = content else {
            return Ok(not_found());
        };
        Ok((
            [
                (header::CONTENT_TYPE, BYTES),
                (header::CACHE_CONTROL, IMMUTABLE),
            ],
            content,
        )
            .into_response())
    }

    async fn hashes(
        &self,
        origin: &Origin,
        id: TileId,
        size: u64,
    ) -> Result<Option<Bytes>, Failure> {
        if !in_tree(id, size) {
            return Ok(None);
        }
        let tiles = self.answers.tiles(origin, &[id]).await?;
        let held = tiles
            .iter()
            .find(|(held, _)| (held.level(), held.index()) == (id.level(), id.index()));
        let hashes = held.and_then(|(_, hashes)| hashes.get(..usize::from(id.width())));
        // It lies under a published checkpoint: not to hold it is damage, not absence.
        let hashes = hashes.ok_or(Failure::Incomplete)?;
        Ok(Some(
            hashes
                .iter()
                .flat_map(Hash::as_bytes)
                .copied()
                .collect::<Vec<_>>()
                .into(),
        ))
    }

    async fn entries(
        &self,
        origin: &Origin,
        index: u64,
        width: u16,
        size: u64,
    ) -> Result<Option<Bytes>, Failure> {
        // An entry bundle has the place and the width of the level 0 tile of its hashes.
        if !TileId::new(0, index, width).is_some_and(|id| in_tree(id, size)) {
            return Ok(None);
        }
        let bundle = self
            .answers
            .bundle(origin, index)
            .await?
            .ok_or(Failure::Incomplete)?;
        let end = end_of(&bundle.entries, width).ok_or(Failure::Incomplete)?;
        // Not compressed: entries are digests and signatures for the most part, which do not
        // shrink.
        Ok(Some(bundle.entries.slice(..end)))
    }
}

/// Whether a tree of `size` leaves has all the hashes of this tile.
fn in_tree(id: TileId, size: u64) -> bool {
    TileId::in_tree(id.level(), id.index(), size).is_some_and(|whole| id.width() <= whole.width())
}

/// Length in bytes of the first `width` entries of a bundle.
fn end_of(entries: &[u8], width: u16) -> Option<usize> {
    let mut end = 0;
    for _ in 0..width {
        let length = entries.get(end..)?.first_chunk()?;
        end += 2 + usize::from(u16::from_be_bytes(*length));
    }
    (end <= entries.len()).then_some(end)
}

fn published_size(log: &LogState) -> Result<Option<u64>, Failure> {
    let note = &log.notes.published;
    if note.is_empty() {
        return Ok(None);
    }
    let signed = SignedCheckpoint::parse(note).map_err(|_| Failure::Incomplete)?;
    Ok(Some(signed.checkpoint().size))
}

async fn own_checkpoint(State(logs): State<Logs>) -> Result<Response, Failure> {
    Ok(checkpoint(logs.own().await?))
}

async fn mirror_checkpoint(
    State(logs): State<Logs>,
    Path(hash): Path<String>,
) -> Result<Response, Failure> {
    Ok(checkpoint(logs.mirrored(&hash).await?))
}

async fn own_tile(State(logs): State<Logs>, uri: Uri) -> Result<Response, Failure> {
    let path = uri
        .path()
        .strip_prefix(&*logs.own_path)
        .and_then(|path| path.strip_prefix('/'));
    logs.tile(logs.own().await?, path.unwrap_or_default()).await
}

async fn mirror_tile(
    State(logs): State<Logs>,
    Path((hash, _)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Failure> {
    let path = uri
        .path()
        .strip_prefix("/mirror/")
        .and_then(|path| path.split_once('/'));
    logs.tile(
        logs.mirrored(&hash).await?,
        path.map_or("", |(_, path)| path),
    )
    .await
}

fn checkpoint(log: Option<LogState>) -> Response {
    match log.map(|log| log.notes.published) {
        Some(note) if !note.is_empty() => (
            [
                (header::CONTENT_TYPE, TEXT),
                (header::CACHE_CONTROL, MUTABLE),
            ],
            note,
        )
            .into_response(),
        _ => not_found(),
    }
}

fn not_found() -> Response {
    let headers = [
        (header::CONTENT_TYPE, TEXT),
        (header::CACHE_CONTROL, MUTABLE),
    ];
    (StatusCode::NOT_FOUND, headers, "not found\n").into_response()
}

/// Why nothing can be said about what was asked for.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] huren_store::Error),
    #[error("something under a published checkpoint is missing or damaged")]
    Incomplete,
    #[error("the own database has not been found to be what was signed")]
    Unproven,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // Recovery has said why, and anybody may ask again and again.
        if !matches!(self, Self::Unproven) {
            tracing::error!(
                error = &self as &dyn std::error::Error,
                "cannot serve from a log"
            );
        }
        let headers = [
            (header::CONTENT_TYPE, TEXT),
            (header::CACHE_CONTROL, MUTABLE),
            (header::RETRY_AFTER, HeaderValue::from_static("5")),
        ];
        (
            StatusCode::SERVICE_UNAVAILABLE,
            headers,
            "temporarily unavailable\n",
        )
            .into_response()
    }
}

#[cfg(test)]
mod tests;
