//! Requests as a browser or a monitor of the log sends them.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// Fetches a path.
pub(crate) async fn get(node: SocketAddr, path: &str) -> Response<Bytes> {
    let request = Request::get(path).body(Full::default()).expect("a request");
    send(node, request).await.expect("an answer")
}

/// Posts a form as browsers do.
pub(crate) async fn post(node: SocketAddr, path: &str, form: &[(&str, &str)]) -> Response<Bytes> {
    send(node, filled(path, form)).await.expect("an answer")
}

/// A form as browsers post it.
pub(crate) fn filled(path: &str, form: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(body))
        .expect("a request")
}

/// Posts bytes as logs and their helpers do.
pub(crate) async fn post_bytes(
    node: SocketAddr,
    path: &str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(Full::from(body.into()))
        .expect("a request");
    send(node, request).await.expect("an answer")
}

/// Opens an answer that goes on and on. What it is on is served until it is dropped.
pub(crate) async fn open(
    node: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> Response<Incoming> {
    let host = node.to_string().parse().expect("a header");
    request.headers_mut().insert(header::HOST, host);
    let stream = TcpStream::connect(node).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    TaskTracker::new().spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

/// Sends a request of any kind.
pub(crate) async fn send(
    node: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> io::Result<Response<Bytes>> {
    let host = node.to_string().parse().map_err(io::Error::other)?;
    request.headers_mut().insert(header::HOST, host);
    let stream = TcpStream::connect(node).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    let answer = tokio::select! {
        answer = answer => answer,
        // Only if it ends before the answer is there.
        Err(error) = connection => Err(error),
    };
    answer.map_err(|error: hyper::Error| io::Error::other(error))
}

/// A value in the form of `application/x-www-form-urlencoded`, every byte encoded that may be.
pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
