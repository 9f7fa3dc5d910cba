//! Real handshakes on ephemeral ports.

use std::{error::Error, net::SocketAddr};

use axum::{Extension, Router, routing::get};
use http_body_util::BodyExt;
use rustls::{
    AlertDescription, ClientConfig,
    pki_types::{ServerName, UnixTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::transport::{Channel, Server};
use tower::ServiceExt;

use super::*;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(UnixTime::now().as_secs())
}

fn authority(name: &str) -> Authority {
    Authority::new(name, now()).unwrap()
}

fn node(authority: &Authority) -> Identity {
    let issued = authority.node(
        "node",
        &["localhost".to_owned()],
        &[[127, 0, 0, 1].into()],
        now(),
    );
    issued.unwrap().identity().unwrap()
}

fn client(authority: &Authority) -> Identity {
    authority
        .client("client", now())
        .unwrap()
        .identity()
        .unwrap()
}

fn root(authority: &Authority) -> Vec<CertificateDer<'static>> {
    vec![authority.own().certificate().clone()]
}

/// A server that tells every caller by which key it is known.
struct TestServer {
    address: SocketAddr,
    tls: Arc<ServerTls>,
    _stop: DropGuard,
}

impl TestServer {
    async fn start(identity: &Identity, clients: &Clients) -> Self {
        let tls = Arc::new(ServerTls::new(identity, clients).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let whoami = |remote: Extension<Remote>| async move {
            remote.key.map_or("nobody".into(), |key| key.to_string())
        };
        let router = Router::new().route("/whoami", get(whoami));
        let serving = Server::builder().serve_with_incoming_shutdown(
            router,
            incoming(listener, tls.clone(), stop.clone()),
            stop.clone().cancelled_owned(),
        );
        TaskTracker::new().spawn(serving);
        Self {
            address,
            tls,
            _stop: stop.drop_guard(),
        }
    }

    fn channel(
        &self,
        identity: &Identity,
        roots: &[CertificateDer<'static>],
        pins: Option<Vec<SpkiSha256>>,
    ) -> Channel {
        let tls = Arc::new(ClientTls::new(identity, roots, pins).unwrap());
        channel(&format!("https://{}", self.address), tls).unwrap()
    }

    /// Connects without any help of ours and returns the alert that ends the connection.
    async fn alert(&self, config: ClientConfig) -> AlertDescription {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        // In TLS 1.3 the client is done before the server has judged its certificate: the
        // alert comes with the first read.
        let error = match connector.connect(name, tcp).await {
            Ok(mut stream) => loop {
                match stream.read(&mut [0; 1024]).await {
                    Ok(0) => panic!("closed without an alert"),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            },
            Err(error) => error,
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            other => panic!("no alert: {other:?}"),
        }
    }
}

async fn whoami(channel: &Channel) -> Result<String, tonic::transport::Error> {
    let request = http::Request::get("/whoami")
        .body(tonic::body::Body::empty())
        .unwrap();
    let response = channel.clone().oneshot(request).await?;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

fn plain_client(roots: &[CertificateDer<'static>]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(root_store(roots).unwrap())
        .with_no_client_auth()
}

#[tokio::test]
async fn a_certified_peer_is_known_by_its_key() {
    let ours = authority("ours");
    let theirs = authority("theirs");
    let identity = node(&ours);
    let clients = Clients::CertifiedBy([root(&ours), root(&theirs)].concat());
    let server = TestServer::start(&identity, &clients).await;
    for peer in [client(&ours), client(&theirs), node(&theirs)] {
        let channel = server.channel(&peer, &root(&ours), Some(vec![identity.spki_sha256()]));
        assert_eq!(
            whoami(&channel).await.unwrap(),
            peer.spki_sha256().to_string()
        );
    }
}

#[tokio::test]
async fn who_has_no_certificate_is_nobody() {
    let ours = authority("ours");
    let server = TestServer::start(&node(&ours), &Clients::CertifiedBy(root(&ours))).await;
    let tls = Arc::new(ClientTls::without_certificate(&root(&ours)).unwrap());
    let channel = channel(&format!("https://{}", server.address), tls).unwrap();
    assert_eq!(whoami(&channel).await.unwrap(), "nobody");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let ours = authority("ours");
    // Called as ours is, so that only the signature tells them apart.
    let stranger = authority("ours");
    let server = TestServer::start(&node(&ours), &Clients::CertifiedBy(root(&ours))).await;
    let channel = server.channel(&client(&stranger), &root(&ours), None);
    assert!(whoami(&channel).await.is_err());

    let unknown = client(&authority("unknown"));
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(root_store(&root(&ours)).unwrap())
        .with_client_auth_cert(unknown.chain.clone(), unknown.key.clone_key())
        .unwrap();
    assert_eq!(server.alert(config).await, AlertDescription::UnknownCA);
}

#[tokio::test]
async fn a_server_with_another_key_is_refused_by_name() {
    let ours = authority("ours");
    let (identity, other) = (node(&ours), node(&ours));
    let server = TestServer::start(&identity, &Clients::CertifiedBy(root(&ours))).await;
    let found = identity.spki_sha256();
    for pins in [vec![other.spki_sha256()], vec![]] {
        let channel = server.channel(&client(&ours), &root(&ours), Some(pins));
        let error = whoami(&channel).await.unwrap_err();
        assert_eq!(
            PinMismatch::among_causes_of(&error),
            Some(PinMismatch { found })
        );
    }
    // The right key does not help a server whose chain is not trusted.
    let channel = server.channel(&client(&ours), &root(&authority("x")), Some(vec![found]));
    let error = whoami(&channel).await.unwrap_err();
    assert_eq!(PinMismatch::among_causes_of(&error), None);
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let ours = authority("ours");
    let server = TestServer::start(&node(&ours), &Clients::CertifiedBy(root(&ours))).await;
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(&client_hello_of_tls_1_2()).await.unwrap();
    let mut answer = [0; 7];
    tcp.read_exact(&mut answer).await.unwrap();
    // RFC 8446 section 6: an alert record (21), fatal (2), protocol_version (70).
    assert_eq!((answer[0], answer[5], answer[6]), (21, 2, 70));
}

/// RFC 5246 section 7.4.1.2, with the extensions that ECDHE needs and, decisively, without
/// `supported_versions`.
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let extensions = [
        [0, 10, 0, 4, 0, 2, 0, 23].as_slice(), // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],                  // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],            // signature_algorithms: ecdsa_secp256r1_sha256
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.push(0); // session id
    body.extend([0, 2, 0xc0, 0x2b]); // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    body.extend([1, 0]); // no compression
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let handshake = [[1, 0, 0, body.len() as u8].as_slice(), &body].concat();
    [[22, 3, 1, 0, handshake.len() as u8].as_slice(), &handshake].concat()
}

#[tokio::test]
async fn replacing_certificates_leaves_open_connections_alone() {
    let (before, after) = (authority("before"), authority("after"));
    let (old, new) = (node(&before), node(&after));
    let server = TestServer::start(&old, &Clients::CertifiedBy(root(&before))).await;
    let peer = client(&before);
    let open = server.channel(&peer, &root(&before), Some(vec![old.spki_sha256()]));
    assert!(whoami(&open).await.is_ok());

    server
        .tls
        .replace(&new, &Clients::CertifiedBy(root(&after)))
        .unwrap();

    assert_eq!(whoami(&open).await.unwrap(), peer.spki_sha256().to_string());
    let late = server.channel(&peer, &root(&after), None);
    assert!(whoami(&late).await.is_err());
    let welcome = client(&after);
    let channel = server.channel(&welcome, &root(&after), Some(vec![new.spki_sha256()]));
    assert_eq!(
        whoami(&channel).await.unwrap(),
        welcome.spki_sha256().to_string()
    );
}

#[tokio::test]
async fn the_client_side_can_be_replaced_before_it_connects() {
    let ours = authority("ours");
    let identity = node(&ours);
    let server = TestServer::start(&identity, &Clients::CertifiedBy(root(&ours))).await;
    let tls = ClientTls::new(&client(&authority("x")), &root(&ours), Some(vec![])).unwrap();
    let tls = Arc::new(tls);
    let channel = channel(
        &format!("https://localhost:{}", server.address.port()),
        tls.clone(),
    );
    let channel = channel.unwrap();
    assert!(whoami(&channel).await.is_err());
    let peer = client(&ours);
    tls.replace(&peer, &root(&ours), Some(vec![identity.spki_sha256()]))
        .unwrap();
    assert_eq!(
        whoami(&channel).await.unwrap(),
        peer.spki_sha256().to_string()
    );
}

#[tokio::test]
async fn a_renewed_client_certificate_is_for_connections_from_then_on() {
    let ours = authority("ours");
    let identity = node(&ours);
    let server = TestServer::start(&identity, &Clients::CertifiedBy(root(&ours))).await;
    let (old, new) = (client(&ours), client(&ours));
    let pins = || Some(vec![identity.spki_sha256()]);
    let tls = Arc::new(ClientTls::new(&old, &root(&ours), pins()).unwrap());
    let connect = || channel(&format!("https://{}", server.address), tls.clone()).unwrap();
    let open = connect();
    let known = |identity: &Identity| identity.spki_sha256().to_string();
    assert_eq!(whoami(&open).await.unwrap(), known(&old));
    tls.replace(&new, &root(&ours), pins()).unwrap();
    assert_eq!(
        whoami(&open).await.unwrap(),
        known(&old),
        "nothing is dropped"
    );
    assert_eq!(whoami(&connect()).await.unwrap(), known(&new));
}

#[tokio::test]
async fn key_exchange_is_hybrid_and_the_browser_needs_no_certificate() {
    let ours = authority("ours");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Arc::new(ServerTls::new(&node(&ours), &Clients::Any).unwrap());
    let mut accepted = std::pin::pin!(handshakes(listener, tls, CancellationToken::new()));
    let mut config = plain_client(&root(&ours));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(address).await.unwrap();
    let connecting = connector.connect(ServerName::try_from("localhost").unwrap(), tcp);
    let (_server, stream) = tokio::join!(futures::StreamExt::next(&mut accepted), connecting);
    let stream = stream.unwrap();
    let (_, connection) = stream.get_ref();
    let group = connection.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(connection.alpn_protocol(), Some(b"http/1.1".as_slice()));
    assert_eq!(
        connection.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
}

#[test]
fn endpoints_are_https_urls_of_a_host() {
    let ours = authority("ours");
    let tls = Arc::new(ClientTls::new(&client(&ours), &root(&ours), None).unwrap());
    for bad in [
        "",
        "localhost:1",
        "http://localhost:1",
        "https://",
        "https://a/b",
        "https://a b",
    ] {
        assert_eq!(
            channel(bad, tls.clone()).unwrap_err(),
            ChannelError {
                endpoint: bad.to_owned()
            },
            "{bad}"
        );
    }
}

#[test]
fn certificates_tell_their_end_and_files_are_read_back() {
    use std::os::unix::fs::PermissionsExt;
    let ours = authority("ours");
    let issued = ours.client("client", now()).unwrap();
    let left = not_after(issued.certificate())
        .unwrap()
        .duration_since(now())
        .unwrap();
    assert!(
        (729..=730).contains(&(left.as_secs().div_ceil(24 * 60 * 60))),
        "{left:?}"
    );

    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("a.crt"), dir.path().join("a.key"));
    std::fs::write(&certificate, issued.certificate_pem()).unwrap();
    crate::keys::write_new(&key, 0o600, issued.key_pem().as_bytes()).unwrap();
    let identity = Identity::load(&certificate, &key).unwrap();
    assert_eq!(
        identity.spki_sha256(),
        SpkiSha256::of(issued.certificate()).unwrap()
    );
    assert!(matches!(
        load_certificates(&key),
        Err(TlsError::NoCertificate { .. })
    ));
    assert!(!format!("{identity:?}{issued:?}").contains("PRIVATE"));

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Identity::load(&certificate, &key).unwrap_err();
    assert!(matches!(error, TlsError::Exposed { mode: 0o644, .. }));
}

#[test]
fn pins_are_written_in_hex() {
    let pin = SpkiSha256([0xab; 32]);
    assert_eq!(pin.to_string().parse(), Ok(pin));
    assert!("ab".parse::<SpkiSha256>().is_err());
    let error: &dyn Error = &PinMismatch { found: pin };
    assert!(error.to_string().contains(&pin.to_string()));
}
