//! The accepting side: handshakes run concurrently, bounded in number and in time.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::{Stream, StreamExt, stream};
use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{Identity, SpkiSha256, TlsError, provider, root_store};

/// A peer that is not through with its handshake by then is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes under way at once; further connections wait in the kernel's queue.
const HANDSHAKES: usize = 256;

/// Pause after `accept` failed: without it, being out of file descriptors is a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Clients {
    /// Anybody: pages and public data, HTTP/2 and HTTP/1.1.
    Any,
    /// gRPC, HTTP/2 only: holders of a certificate that chains to one of these CA certificates,
    /// and who presents none and has to come with something else. One that does not chain to
    /// them ends the handshake.
    CertifiedBy(Vec<CertificateDer<'static>>),
}

/// What a port presents and whom it lets in. Can be replaced at any time: connections that are
/// open go on as they are, later handshakes use the new one.
pub struct ServerTls {
    config: ArcSwap<ServerConfig>,
}

impl ServerTls {
    /// Presents `identity` to `clients`.
    pub fn new(identity: &Identity, clients: &Clients) -> Result<Self, TlsError> {
        Ok(Self {
            config: ArcSwap::new(server_config(identity, clients)?),
        })
    }

    /// Replaces identity and clients for handshakes from now on.
    ///
    /// # Errors
    /// Then the old ones stay in force.
    pub fn replace(&self, identity: &Identity, clients: &Clients) -> Result<(), TlsError> {
        self.config.store(server_config(identity, clients)?);
        Ok(())
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls(redacted)")
    }
}

fn server_config(identity: &Identity, clients: &Clients) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier: Arc<dyn ClientCertVerifier> = match clients {
        Clients::Any => Arc::new(NoClientAuth),
        Clients::CertifiedBy(roots) => {
            let roots = Arc::new(root_store(roots)?);
            WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build()?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = match clients {
        Clients::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Clients::CertifiedBy(_) => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Who is at the other end of a connection. Request handlers find it in the request's
/// extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The key of the peer's certificate, which has been verified; `None` if it presented none.
    pub key: Option<SpkiSha256>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct TlsStream {
    inner: server::TlsStream<TcpStream>,
    remote: Remote,
}

impl TlsStream {
    fn new(inner: server::TlsStream<TcpStream>, address: IpAddr) -> io::Result<Self> {
        let certificate = inner.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let key = certificate.map(SpkiSha256::of).transpose();
        let key = key.map_err(io::Error::other)?;
        Ok(Self {
            inner,
            remote: Remote { key, address },
        })
    }
}

impl Connected for TlsStream {
    type ConnectInfo = Remote;

    fn connect_info(&self) -> Remote {
        self.remote
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Connections of peers that are certified or present no certificate, until `shutdown`. `tls`
/// must be for [`Clients::CertifiedBy`].
///
/// The items are never errors, as one would end tonic's loop over them: what fails to accept
/// or to shake hands is logged and left out.
pub fn incoming(
    listener: TcpListener,
    tls: Arc<ServerTls>,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<TlsStream>> + Send {
    handshakes(listener, tls, shutdown).filter_map(|(stream, address)| async move {
        match TlsStream::new(stream, address.ip()) {
            Ok(stream) => Some(Ok(stream)),
            Err(error) => {
                tracing::warn!(peer = %address, %error, "connection refused");
                None
            }
        }
    })
}

/// Connections after their handshake, until `shutdown`.
pub(crate) fn handshakes(
    listener: TcpListener,
    tls: Arc<ServerTls>,
    shutdown: CancellationToken,
) -> impl Stream<Item = (server::TlsStream<TcpStream>, SocketAddr)> + Send {
    connections(listener)
        .map(move |(tcp, address)| {
            let acceptor = TlsAcceptor::from(tls.config.load_full());
            async move {
                let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp));
                let error = match handshake.await {
                    Ok(Ok(stream)) => return Some((stream, address)),
                    Ok(Err(error)) => error,
                    Err(_) => io::ErrorKind::TimedOut.into(),
                };
                tracing::debug!(peer = %address, %error, "handshake failed");
                metrics::counter!("huren_tls_handshakes_failed_total").increment(1);
                None
            }
        })
        .buffer_unordered(HANDSHAKES)
        .filter_map(std::future::ready)
        .take_until(shutdown.cancelled_owned())
}

/// Connections as they are accepted; a failing `accept` is tried again.
pub(crate) fn connections(
    listener: TcpListener,
) -> impl Stream<Item = (TcpStream, SocketAddr)> + Send {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((tcp, address)) => {
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!(peer = %address, %error, "no TCP_NODELAY");
                    }
                    return Some(((tcp, address), listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}
