//! Reaching witnesses outside of the federation: the client of C2SP `tlog-witness`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use huren_core::{trust::ForeignWitness, witness::MAX_ANSWER_LEN};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;

use crate::{
    engine::{PeerError, Witness, Witnesses},
    tls::{self, ClientTls},
};

/// How long a witness may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A witness behind its submission prefix. One connection for each submission: there is one in
/// a minute or so.
pub struct HttpWitness {
    uri: Uri,
    tls: ClientTls,
}

impl HttpWitness {
    /// The witness of an entry of the trust list.
    ///
    /// # Errors
    /// What is wrong with its address or its authority.
    pub fn new(entry: &ForeignWitness) -> Result<Self, String> {
        let address = format!("{}/add-checkpoint", entry.url.trim_end_matches('/'));
        let uri = address.parse().map_err(|_| "not an address")?;
        let roots = tls::parse_roots(entry.tls_ca.as_bytes()).map_err(|e| e.to_string())?;
        let tls = ClientTls::of_visitor(&roots).map_err(|error| error.to_string())?;
        Ok(Self { uri, tls })
    }

    async fn post(&self, body: String) -> Result<(u16, Vec<u8>), PeerError> {
        let unreachable = |_| PeerError::Unreachable;
        let stream = tls::connect(&self.uri, &self.tls)
            .await
            .map_err(unreachable)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|_| PeerError::Unreachable)?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        let request = Request::post(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| PeerError::Malformed)?;
        let answer = async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|_| PeerError::Unreachable)?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), MAX_ANSWER_LEN)
                .collect()
                .await;
            let body = body.map_err(|_| PeerError::Malformed)?;
            Ok((status, body.to_bytes().to_vec()))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // It may end together with the answer, which then was read already; without one
            // this ends in an error at once.
            _ = connection => answer.await,
        }
    }
}

#[async_trait]
impl Witness for HttpWitness {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, Vec<u8>), PeerError> {
        let answered = tokio::time::timeout(PATIENCE, self.post(body)).await;
        answered.unwrap_or(Err(PeerError::Unreachable))
    }
}

/// How witnesses outside of the federation are reached, kept in step with the trust list.
#[derive(Default)]
pub struct WitnessLinks {
    links: BTreeMap<String, (ForeignWitness, Arc<dyn Witness>)>,
}

impl WitnessLinks {
    /// The witnesses of a list that have an address. One whose entry cannot be used is left out
    /// with a warning.
    pub fn follow(&mut self, list: &[ForeignWitness]) -> Witnesses {
        let mut before = std::mem::take(&mut self.links);
        for entry in list.iter().filter(|entry| !entry.url.is_empty()) {
            let known = before.remove(&entry.name);
            let link = match known.filter(|(known, _)| known == entry) {
                Some((_, witness)) => Ok(witness),
                None => HttpWitness::new(entry).map(|made| Arc::new(made) as Arc<dyn Witness>),
            };
            match link {
                Ok(witness) => {
                    let link = (entry.clone(), witness);
                    self.links.insert(entry.name.clone(), link);
                }
                Err(error) => tracing::warn!(witness = entry.name, error, "witness left out"),
            }
        }
        let links = self.links.iter();
        links
            .map(|(name, (_, witness))| (name.clone(), Arc::clone(witness)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use axum::{Router, http::StatusCode, routing::post};
    use rustls::pki_types::UnixTime;
    use tokio::net::TcpListener;
    use tokio_util::{
        sync::{CancellationToken, DropGuard},
        task::TaskTracker,
    };

    use super::*;
    use crate::tls::{Authority, Clients, ServerTls};

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(UnixTime::now().as_secs())
    }

    fn pem(authority: &Authority) -> String {
        authority.own().certificate_pem().to_owned()
    }

    fn entry(name: &str, url: &str, authority: &Authority) -> ForeignWitness {
        ForeignWitness {
            name: name.into(),
            key: String::new(),
            url: url.into(),
            tls_ca: pem(authority),
            counts: true,
        }
    }

    /// A witness behind `/w` that answers each body in its own way.
    async fn serve(authority: &Authority) -> (String, DropGuard) {
        let issued = authority.node("w", &[], &[[127, 0, 0, 1].into()], now());
        let identity = issued.unwrap().identity().unwrap();
        let tls = Arc::new(ServerTls::new(&identity, &Clients::Any).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/w/", listener.local_addr().unwrap());
        let answer = |body: String| async move {
            let connection = if body == "last" {
                "close"
            } else {
                "keep-alive"
            };
            let (status, said) = match body.as_str() {
                "conflict" => (StatusCode::CONFLICT, "7\n".to_owned()),
                "endless" => (StatusCode::OK, "x".repeat(MAX_ANSWER_LEN + 1)),
                other => (StatusCode::OK, format!("{other}\n")),
            };
            (status, [(header::CONNECTION, connection)], said)
        };
        let routes = Router::new().route("/w/add-checkpoint", post(answer));
        let stop = CancellationToken::new();
        let serving = crate::http::serve(listener, routes, Some(tls), stop.clone());
        TaskTracker::new().spawn(serving);
        (url, stop.drop_guard())
    }

    #[tokio::test]
    async fn a_body_goes_to_the_prefix_and_what_is_said_comes_back() {
        let (own, other) = (
            Authority::new("own", now()).unwrap(),
            Authority::new("other", now()).unwrap(),
        );
        let (url, _stop) = serve(&own).await;
        let witness = HttpWitness::new(&entry("w", &url, &own)).unwrap();
        let ask = async |body: &str| witness.add_checkpoint(body.to_owned()).await;
        assert_eq!(ask("old 0").await, Ok((200, b"old 0\n".to_vec())));
        assert_eq!(ask("conflict").await, Ok((409, b"7\n".to_vec())));
        assert_eq!(ask("endless").await, Err(PeerError::Malformed));
        // Many a server ends the connection with its answer.
        assert_eq!(ask("last").await, Ok((200, b"last\n".to_vec())));
        // Nobody there, and somebody else.
        let stranger = HttpWitness::new(&entry("w", &url, &other)).unwrap();
        let refused = stranger.add_checkpoint("old 0".into()).await;
        assert_eq!(refused, Err(PeerError::Unreachable));
        let elsewhere = entry("w", &format!("{url}none"), &own);
        let missing = HttpWitness::new(&elsewhere).unwrap();
        let (status, _) = missing.add_checkpoint("old 0".into()).await.unwrap();
        assert_eq!(status, 404);
    }

    #[test]
    fn a_connection_stays_as_long_as_its_entry() {
        let authority = Authority::new("own", now()).unwrap();
        let a = entry("a", "https://a.example/w", &authority);
        let mut links = WitnessLinks::default();
        let first = links.follow(&[a.clone(), entry("b", "", &authority)]);
        assert_eq!(first.keys().collect::<Vec<_>>(), ["a"]);
        let same = links.follow(std::slice::from_ref(&a));
        assert!(Arc::ptr_eq(&first["a"], &same["a"]));
        let moved = ForeignWitness {
            url: "https://a.example/v".into(),
            ..a
        };
        let other = links.follow(&[moved]);
        assert!(!Arc::ptr_eq(&first["a"], &other["a"]));
        let bad = ForeignWitness {
            tls_ca: "none".into(),
            ..entry("c", "https://c.example", &authority)
        };
        assert!(links.follow(&[bad]).is_empty());
    }
}
