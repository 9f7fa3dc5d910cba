//! `tlog-mirror`, "add-entries": a body of any length, of which one package is held at a time.

use std::io::Write as _;

use axum::{
    body::{Body, BodyDataStream},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::StreamExt as _;
use huren_core::mirror::{UploadHeader, UploadRefusal};
use tokio::time::{Instant, timeout_at};

use super::{Denial, Submit, answer, denied, signature_line, unavailable};
use crate::engine::{Engine, UploadError, Uploaded};

/// "Processing", of the answers 202 and 409.
const INFO: HeaderValue = HeaderValue::from_static("text/x.tlog.mirror-info");

/// Compressed bytes that are taken at a time: they become a thousand times as many at most.
const SIP: usize = 1024;

pub(super) async fn add_entries(State(submit): State<Submit>, request: Request) -> Response {
    let mut response = upload(&submit, request).await;
    // "mirrors SHOULD send an Accept-Encoding header that includes gzip".
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

async fn upload(submit: &Submit, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(encoding) = Encoding::of(&head.headers) else {
        return Denial::MEDIA_TYPE.into_response();
    };
    let Ok(_permit) = submit.uploads.try_acquire() else {
        return Denial::BUSY.after(5);
    };
    let source = Source::new(body, encoding, Instant::now() + submit.reading);
    match take(&submit.engine, source).await {
        Ok(Uploaded::Whole(cosignature)) => signature_line(&cosignature),
        Ok(Uploaded::Partly(info)) => answer(StatusCode::ACCEPTED, INFO, info),
        Err(error) => refused(error),
    }
}

async fn take(engine: &Engine, mut source: Source) -> Result<Uploaded, UploadError> {
    let header = source
        .next(UploadHeader::read)
        .await?
        .ok_or_else(malformed)?;
    let upload = engine.begin_upload(header).await?;
    let mut is_first = true;
    for range in upload.packages() {
        let Some(package) = source.next(|bytes| range.read(bytes)).await? else {
            if is_first {
                return Err(malformed());
            }
            // A part that did not arrive whole is dropped; the client goes on from there.
            break;
        };
        engine.put_uploaded(&upload, &range, package).await?;
        is_first = false;
    }
    engine.end_upload(&upload).await
}

fn malformed() -> UploadError {
    UploadRefusal::Malformed.into()
}

fn refused(error: UploadError) -> Response {
    let (refusal, info) = match error {
        UploadError::Refused { refusal, info } => (refusal, info),
        UploadError::Frozen => return Denial::FROZEN.into_response(),
        UploadError::Sync(_) | UploadError::Store(_) => return unavailable(&error),
    };
    let status = match refusal {
        UploadRefusal::UnknownSize
        | UploadRefusal::BelowHead
        | UploadRefusal::Gap
        | UploadRefusal::HeldAlready => return answer(StatusCode::CONFLICT, INFO, info),
        UploadRefusal::Malformed => StatusCode::BAD_REQUEST,
        UploadRefusal::UnknownLog => StatusCode::NOT_FOUND,
        UploadRefusal::NoPending | UploadRefusal::Proof => StatusCode::UNPROCESSABLE_ENTITY,
    };
    denied(status, refusal.code(), refusal.zh(), &refusal)
}

#[derive(Clone, Copy)]
enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// `None` for what cannot be read.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if value(header::CONTENT_TYPE) != Some("application/octet-stream") {
            return None;
        }
        match headers.get(header::CONTENT_ENCODING) {
            None => Some(Self::Identity),
            Some(name) if name.as_bytes().eq_ignore_ascii_case(b"identity") => Some(Self::Identity),
            Some(name) if name.as_bytes().eq_ignore_ascii_case(b"gzip") => Some(Self::Gzip),
            Some(_) => None,
        }
    }
}

/// The body as it comes in, decompressed.
struct Source {
    frames: BodyDataStream,
    /// What came in and is still compressed.
    compressed: Bytes,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    /// What is not taken yet. Never much more than one package.
    buffer: Vec<u8>,
    until: Instant,
}

impl Source {
    fn new(body: Body, encoding: Encoding, until: Instant) -> Self {
        Self {
            frames: body.into_data_stream(),
            compressed: Bytes::new(),
            gzip: match encoding {
                Encoding::Identity => None,
                Encoding::Gzip => Some(MultiGzDecoder::new(Vec::new())),
            },
            buffer: Vec::new(),
            until,
        }
    }

    /// Takes what `read` finds at the beginning, with its length; `None` if the body ends
    /// before it does, or takes too long.
    async fn next<T>(
        &mut self,
        read: impl Fn(&[u8]) -> Result<Option<(T, usize)>, UploadRefusal>,
    ) -> Result<Option<T>, UploadError> {
        loop {
            if let Some((found, length)) = read(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(Some(found));
            }
            if !self.fill().await {
                return Ok(None);
            }
        }
    }

    /// Brings some more bytes; false at the end.
    async fn fill(&mut self) -> bool {
        while self.compressed.is_empty() {
            match timeout_at(self.until, self.frames.next()).await {
                Ok(Some(Ok(frame))) => self.compressed = frame,
                // It ended, broke off, or is too slow.
                Ok(None | Some(Err(_))) | Err(_) => return false,
            }
        }
        let Some(gzip) = &mut self.gzip else {
            self.buffer.extend_from_slice(&self.compressed);
            self.compressed.clear();
            return true;
        };
        let sip = self.compressed.len().min(SIP);
        let taken = gzip.write(&self.compressed[..sip]);
        // Without flushing the decoder keeps the last part to itself.
        let Ok(taken) = taken.and_then(|taken| gzip.flush().map(|()| taken)) else {
            return false;
        };
        drop(self.compressed.split_to(taken));
        self.buffer.extend_from_slice(gzip.get_ref());
        gzip.get_mut().clear();
        taken > 0
    }
}
