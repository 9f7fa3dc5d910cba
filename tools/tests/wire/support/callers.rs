//! Programs with certificates of their own, known to a node or not.

use std::{
    fs::File,
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use huren_node::{
    engine::{Clock as _, SystemClock},
    init::CONFIG,
    tls::{Authority, ClientTls, Identity, Issued, SpkiSha256, channel, load_certificates},
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::Channel;

use super::nodes::Node;

/// Issues certificates.
pub(crate) struct Callers(Authority);

impl Callers {
    /// An authority that no node knows.
    pub(crate) fn unknown() -> Self {
        let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now());
        Self(Authority::new("Huren test", now).expect("an authority"))
    }

    /// An authority whose certificates a node accepts from its next start on.
    pub(crate) fn known_to(node: &Node) -> Self {
        let callers = Self::unknown();
        append(node, "tls/ca.crt", callers.0.own().certificate_pem());
        callers
    }

    /// A program that a node knows from its next start on. `rights` are the lines of its
    /// entry in the configuration.
    pub(crate) fn registered(&self, node: &Node, name: &str, rights: &str) -> Identity {
        let issued = self.issue(name);
        let key = SpkiSha256::of(issued.certificate()).expect("a key");
        let entry = format!("\n[[callers]]\nname = \"{name}\"\ntls_key = \"{key}\"\n{rights}\n");
        append(node, CONFIG, &entry);
        issued.identity().expect("an identity")
    }

    /// A program with a certificate and no entry.
    pub(crate) fn stranger(&self) -> Identity {
        self.issue("stranger").identity().expect("an identity")
    }

    fn issue(&self, name: &str) -> Issued {
        let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now());
        self.0.client(name, now).expect("a certificate")
    }
}

fn append(node: &Node, file: &str, text: &str) {
    let file = File::options().append(true).open(node.dir.join(file));
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a longer file");
}

/// A channel to a node as that program.
pub(crate) fn channel_as(node: &Node, identity: &Identity) -> Channel {
    let roots = load_certificates(&node.dir.join("tls/ca.crt")).expect("certificates");
    let tls = ClientTls::new(identity, &roots, None).expect("a configuration");
    channel(&format!("https://{}", node.grpc), Arc::new(tls)).expect("a channel")
}

/// What becomes of a connection to the gRPC port without any certificate.
pub(crate) async fn without_certificate(node: &Node) -> io::Error {
    let mut roots = RootCertStore::empty();
    for certificate in load_certificates(&node.dir.join("tls/ca.crt")).expect("certificates") {
        roots.add(certificate).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(node.grpc).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    // In TLS 1.3 the client is done before the server has seen its certificate.
    let mut stream = connector
        .connect(name, tcp)
        .await
        .expect("its half of a handshake");
    let exchange = async {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    exchange.await.expect_err("a refusal")
}
