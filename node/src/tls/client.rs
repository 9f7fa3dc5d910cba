//! The connecting side: a gRPC channel to one peer, whose chain and key are both checked.

use std::{
    error::Error,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

use super::{
    CONNECTION_WINDOW, Identity, STREAM_WINDOW, SpkiSha256, TlsError, provider, root_store,
};

/// For TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that vanished without a word is noticed after this and [`KEEP_ALIVE_TIMEOUT`].
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Names of protocols (RFC 7301; RFC 9113 section 3.2).
const H2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// What is presented to a peer, and how the peer is checked. Can be replaced at any time:
/// connections made later use the new one.
pub struct ClientTls {
    config: ArcSwap<ClientConfig>,
}

impl ClientTls {
    /// Presents `identity`; accepts servers whose chain ends at one of `roots` and, if `pins`
    /// are given, whose key is one of them. An empty list of pins accepts nobody.
    pub fn new(
        identity: &Identity,
        roots: &[CertificateDer<'static>],
        pins: Option<Vec<SpkiSha256>>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            config: ArcSwap::new(client_config(Some(identity), roots, pins, H2)?),
        })
    }

    /// Presents nothing, for who comes with a token; accepts servers whose chain ends at one of
    /// `roots`.
    pub fn without_certificate(roots: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        Ok(Self {
            config: ArcSwap::new(client_config(None, roots, None, H2)?),
        })
    }

    /// Presents nothing and speaks HTTP/1.1; accepts servers whose chain ends at one of `roots`.
    pub fn of_visitor(roots: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        Ok(Self {
            config: ArcSwap::new(client_config(None, roots, None, HTTP_1)?),
        })
    }

    /// Replaces all of it for connections from now on.
    ///
    /// # Errors
    /// Then the old ones stay in force.
    pub fn replace(
        &self,
        identity: &Identity,
        roots: &[CertificateDer<'static>],
        pins: Option<Vec<SpkiSha256>>,
    ) -> Result<(), TlsError> {
        self.config
            .store(client_config(Some(identity), roots, pins, H2)?);
        Ok(())
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientTls(redacted)")
    }
}

/// A channel to `endpoint` (`https://host:port`). It connects when it is first used, and again
/// when a connection was lost; the requests that need it wait or fail meanwhile.
pub fn channel(endpoint: &str, tls: Arc<ClientTls>) -> Result<Channel, ChannelError> {
    let uri: Uri = endpoint.parse().map_err(|_| ChannelError::new(endpoint))?;
    if uri.scheme_str() != Some("https") || server_name(&uri).is_err() || uri.path() != "/" {
        return Err(ChannelError::new(endpoint));
    }
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok(endpoint.connect_with_connector_lazy(Connector { tls }))
}

/// Whether clients that trust `roots` take an identity for the server at `endpoint`
/// (`https://host:port`) at a time: its chain, its names and its validity.
///
/// # Errors
/// [`TlsError::Rustls`], which says what they would not take.
pub fn check_server(
    identity: &Identity,
    (roots, endpoint): (&[CertificateDer<'static>], &str),
    now: SystemTime,
) -> Result<(), TlsError> {
    let unnamed = || rustls::Error::from(CertificateError::NotValidForName);
    let name = endpoint.parse::<Uri>().ok();
    let name = name.and_then(|uri| server_name(&uri).ok());
    let name = name.ok_or_else(unnamed)?;
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH);
    let now = UnixTime::since_unix_epoch(since_1970.unwrap_or_default());
    let roots = Arc::new(root_store(roots)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
    let intermediates = identity.chain.get(1..).unwrap_or_default();
    verifier.verify_server_cert(identity.certificate(), intermediates, &name, &[], now)?;
    Ok(())
}

/// The text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{endpoint}` is no endpoint: write `https://host:port`")]
pub struct ChannelError {
    /// The text.
    pub endpoint: String,
}

impl ChannelError {
    fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
        }
    }
}

/// The server's chain is good, but its key is none of the pinned ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's key {found} is none of those that the trust list names for it")]
pub struct PinMismatch {
    /// The server's key.
    pub found: SpkiSha256,
}

impl PinMismatch {
    /// Finds it among the causes of an error, such as that of a failed call.
    pub fn among_causes_of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) =
                error.downcast_ref()
            {
                return other.0.downcast_ref().copied();
            }
            // `source` of an IO error passes over the error that it wraps.
            next = match error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        None
    }
}

fn client_config(
    identity: Option<&Identity>,
    roots: &[CertificateDer<'static>],
    pins: Option<Vec<SpkiSha256>>,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = Arc::new(root_store(roots)?);
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedServer { chain, pins }));
    let mut config = match identity {
        Some(own) => config.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// Everything that webpki checks, and the pins as well.
#[derive(Debug)]
struct PinnedServer {
    chain: Arc<WebPkiServerVerifier>,
    pins: Option<Vec<SpkiSha256>>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let Some(pins) = &self.pins else {
            return Ok(verified);
        };
        let found = SpkiSha256::of(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if pins.contains(&found) {
            return Ok(verified);
        }
        Err(CertificateError::Other(OtherError(Arc::new(PinMismatch { found }))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn server_name(uri: &Uri) -> io::Result<ServerName<'static>> {
    let host = uri.host().unwrap_or_default();
    // RFC 3986 section 3.2.2 writes IPv6 addresses in brackets, certificates do not.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Connects to the host of an address, and checks it.
///
/// # Errors
/// If it cannot be reached in time, or is not who it should be.
pub async fn connect(uri: &Uri, tls: &ClientTls) -> io::Result<TlsStream<TcpStream>> {
    let name = server_name(uri)?;
    let host = name.to_str();
    let port = uri.port_u16().unwrap_or(443);
    let config = tls.config.load_full();
    let connect = async {
        let tcp = TcpStream::connect((host.as_ref(), port)).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(config).connect(name.clone(), tcp).await
    };
    // tonic's own timeout covers this future too; it is here so that the bound holds wherever
    // this is used.
    tokio::time::timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[derive(Clone)]
struct Connector {
    tls: Arc<ClientTls>,
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = Arc::clone(&self.tls);
        Box::pin(async move { Ok(TokioIo::new(connect(&uri, &tls).await?)) })
    }
}
