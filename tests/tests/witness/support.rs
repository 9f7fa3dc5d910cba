//! A node of a federation, and requests to its submission and monitoring prefixes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    codes::Region,
    cosign::{Cosigner, verify_cosignature},
    merkle::Hash,
    note::NoteSignature,
};
pub(crate) use huren_node::http::witness::SubmitLimits;
use huren_node::{
    engine::Clock,
    http::{
        tiles::{self, origin_hash},
        witness,
    },
};
use huren_store::Store;
use huren_tests::{Federation, History, Honest, Lie, origin, outside_signer};
use tower::ServiceExt as _;

/// Whose witness and mirror are asked.
pub(crate) const AT: Region = Region::SHANGHAI;

/// Enough for any test.
pub(crate) const LIMITS: SubmitLimits = SubmitLimits {
    per_minute: 100_000,
    reading: Duration::from_secs(20),
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.transpose().expect("ASCII").unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// That it is a refusal with this code, in words for people.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) {
        let (status_there, text) = (self.status.as_u16(), self.text());
        assert_eq!(
            (status_there, text.lines().next()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(
            self.header(header::CONTENT_TYPE),
            "text/plain; charset=utf-8"
        );
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    /// That it is one cosignature by this key under a checkpoint; gives its line.
    #[track_caller]
    pub(crate) fn cosigns(&self, checkpoint: &SignedCheckpoint, by: &Cosigner) -> NoteSignature {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        let line = self.text().strip_suffix('\n').expect("a line");
        let signature: NoteSignature = line.parse().expect("one signature line");
        let time = verify_cosignature(checkpoint.note().text(), &signature, by.verifier_key());
        assert!(time.expect("a cosignature") > 0, "it states its time");
        signature
    }
}

/// The node at [`AT`] with its routes.
pub(crate) struct Node {
    pub(crate) federation: Federation,
    pub(crate) routes: Router,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(huren_tests::store(), LIMITS).await
    }

    pub(crate) async fn with(store: Arc<dyn Store>, limits: SubmitLimits) -> Self {
        let store = move |region| -> Arc<dyn Store> {
            if region == AT {
                Arc::clone(&store)
            } else {
                huren_tests::store()
            }
        };
        let honest = |_, _| -> Arc<dyn Lie> { Arc::new(Honest) };
        Self::of(Federation::start(store, honest).await, limits)
    }

    pub(crate) fn of(federation: Federation, limits: SubmitLimits) -> Self {
        let engine = Arc::clone(federation.engine(AT));
        let clock = Arc::clone(&federation.clock) as Arc<dyn Clock>;
        let store = Arc::clone(federation.store(AT));
        let routes = tiles::routes(store, origin(AT), "/log", || true)
            .merge(witness::routes(engine, clock, limits));
        Self { federation, routes }
    }

    /// Ends the process and starts another one over its store.
    pub(crate) async fn restart(mut self) -> Self {
        self.federation.restart(AT).await;
        Self::of(self.federation, LIMITS)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.routes, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty());
        self.send(request.expect("a request")).await
    }

    /// Posts `add-checkpoint`.
    pub(crate) async fn add(&self, body: impl Into<Body>) -> Answer {
        let request = Request::post("/witness/add-checkpoint").body(body.into());
        self.send(request.expect("a request")).await
    }

    /// What the witness shows of a log.
    pub(crate) async fn monitored(&self, log: &Origin) -> Answer {
        self.get(&format!("/witness/{}/checkpoint", origin_hash(log)))
            .await
    }
}

pub(crate) async fn send(routes: &Router, mut request: Request<Body>) -> Answer {
    let client = SocketAddr::from(([192, 0, 2, 1], 4000));
    request.extensions_mut().insert(ConnectInfo(client));
    let post = request.method() == Method::POST;
    let answer = routes.clone().oneshot(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    if post {
        let caching = head.headers.get(header::CACHE_CONTROL);
        assert!(caching.is_none_or(|value| value == "no-store"));
    }
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.expect("a body").to_bytes().to_vec(),
    }
}

/// The log outside of the federation.
pub(crate) fn outside() -> Origin {
    let name = outside_signer().name().to_string();
    name.parse().expect("an origin")
}

/// It, with that many leaves; those from `fork` on begin with `tail`.
pub(crate) fn history(size: u64, fork: u64, tail: &str) -> History {
    let leaf = |n: u64| {
        let tail = if n < fork { "" } else { tail };
        format!("{tail}{n}").into_bytes()
    };
    History::signed_by(outside_signer(), (0..size).map(leaf).collect())
}

/// The root of a signed checkpoint.
pub(crate) fn root(signed: &SignedCheckpoint) -> (u64, Hash) {
    (signed.checkpoint().size, signed.checkpoint().root)
}
