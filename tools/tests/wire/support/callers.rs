//! Programs with certificates of their own, known to a node or not.

use std::{
    fs::File,
    io::Write as _,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use huren::connect::{Bearer, Calls};
use huren_node::{
    engine::{Clock as _, SystemClock},
    init::CONFIG,
    tls::{Authority, ClientTls, Identity, Issued, SpkiSha256, channel, load_certificates},
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

    /// A certificate and key for a node, to take the place of those that it has, and the
    /// authority beside those that it knows.
    pub(crate) fn renew(&self, node: &Node) -> SpkiSha256 {
        let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now());
        let names = ["localhost".to_owned()];
        let issued = self
            .0
            .node("renewed", &names, &[[127, 0, 0, 1].into()], now);
        let issued = issued.expect("a certificate");
        append(node, "tls/ca.crt", self.0.own().certificate_pem());
        let write = |file: &str, text: &str| {
            std::fs::write(node.dir.join(file), text).expect("a file");
        };
        write("tls/node.key", issued.key_pem());
        write("tls/node.crt", issued.certificate_pem());
        SpkiSha256::of(issued.certificate()).expect("a key")
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

/// Calls to a node without a certificate, with a token or with nothing.
pub(crate) fn calls_with(node: &Node, token: Option<&str>) -> Calls {
    let roots = load_certificates(&node.dir.join("tls/ca.crt")).expect("certificates");
    let tls = ClientTls::without_certificate(&roots).expect("a configuration");
    let channel = channel(&format!("https://{}", node.grpc), Arc::new(tls)).expect("a channel");
    let bearer = token.map(|token| Bearer::new(token).expect("a token"));
    Calls::new(channel, bearer.unwrap_or_default())
}
