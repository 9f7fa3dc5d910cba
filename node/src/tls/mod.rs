//! TLS 1.3 with rustls: configurations that can be replaced while connections are open, and
//! peers that are known by the key of their certificate.
//!
//! A peer is identified by the SHA-256 of its SubjectPublicKeyInfo rather than by names in the
//! certificate: that is what the trust list and the list of callers name, and a certificate
//! can be renewed over the same key without anybody else having to change anything.

mod client;
mod issue;
mod server;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

pub use client::{ChannelError, ClientTls, PinMismatch, channel, check_server, connect};
pub use issue::{Authority, IssueError, Issued};
pub use server::{Clients, Remote, ServerTls, TlsStream, incoming};
pub(crate) use server::{connections, handshakes};

/// Bytes of one HTTP/2 stream that a sender may have on its way before the receiver took them.
/// Fixed, as windows that grow with what is sent let a fast peer fill the memory of a slow one;
/// at 15 ms from one province to another a stream still moves 35 MB/s.
pub(crate) const STREAM_WINDOW: u32 = 512 << 10;

/// The same for all streams of a connection together.
pub(crate) const CONNECTION_WINDOW: u32 = 2 << 20;

/// SHA-256 of a certificate's SubjectPublicKeyInfo (DER).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiSha256(pub [u8; 32]);

impl SpkiSha256 {
    /// That of a certificate.
    ///
    /// # Errors
    /// If the bytes are no X.509 certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let parsed = parse(certificate)?;
        Ok(Self(Sha256::digest(parsed.public_key().raw).into()))
    }
}

impl fmt::Display for SpkiSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SpkiSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpkiSha256 {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash)?;
        Ok(Self(hash))
    }
}

/// When a certificate ends to be valid.
pub fn not_after(certificate: &CertificateDer<'_>) -> Result<SystemTime, NotACertificate> {
    let seconds = parse(certificate)?.validity().not_after.timestamp();
    let seconds = u64::try_from(seconds).map_err(|_| NotACertificate)?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .ok_or(NotACertificate)
}

/// The bytes are no X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotACertificate;

fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<x509_parser::certificate::X509Certificate<'a>, NotACertificate> {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(NotACertificate),
    }
}

/// A certificate chain, end entity first, with the end entity's private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    spki_sha256: SpkiSha256,
}

impl Identity {
    /// Reads a chain and a key from PEM files. The key file must be its owner's alone.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path, source| TlsError::File {
            path: path.to_owned(),
            source,
        };
        let chain = load_certificates(certificate)?;
        let mode = {
            use std::os::unix::fs::MetadataExt;
            std::fs::metadata(key)
                .map_err(|source| file(key, source))?
                .mode()
                & 0o777
        };
        if mode & 0o077 != 0 {
            return Err(TlsError::Exposed {
                path: key.to_owned(),
                mode,
            });
        }
        let pem = zeroize::Zeroizing::new(std::fs::read(key).map_err(|source| file(key, source))?);
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|source| TlsError::Pem {
            path: key.to_owned(),
            source,
        })?;
        Self::new(chain, private)
    }

    /// Takes a chain, end entity first, and its key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let end_entity = chain.first().ok_or(NotACertificate)?;
        let spki_sha256 = SpkiSha256::of(end_entity)?;
        Ok(Self {
            chain,
            key,
            spki_sha256,
        })
    }

    /// The end entity's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        // `new` refuses an empty chain.
        &self.chain[0]
    }

    /// By what peers know this identity.
    pub fn spki_sha256(&self) -> SpkiSha256 {
        self.spki_sha256
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, key redacted)", self.spki_sha256)
    }
}

/// Reads one or more certificates from a PEM file.
pub fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem {
            path: path.to_owned(),
            source,
        })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// Reads CA certificates from a PEM text and checks that each can be used as one.
///
/// # Errors
/// [`TlsError::NotACertificate`], [`TlsError::Rustls`].
pub fn parse_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let roots = roots.map_err(|_| NotACertificate)?;
    root_store(&roots)?;
    Ok(roots)
}

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A private key that others can get at.
    #[error("the private key {} has mode {mode:03o}, so that others can get at it: run `chmod 600` on it, and replace the key if they did", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is not the PEM that it should be.
    #[error("{} is not a PEM file of the expected kind", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file without a certificate.
    #[error("{} holds no certificate", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// What should be a certificate is none.
    #[error(transparent)]
    NotACertificate(#[from] NotACertificate),
    /// rustls refuses certificate, key or root: they do not belong together, for instance.
    #[error("the TLS certificate, key or CA certificates cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The CA certificates cannot verify clients.
    #[error("the CA certificates cannot be used to verify clients")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// aws-lc-rs with the hybrid post-quantum key exchange first: what members exchange (salts,
/// occupations, names of subsidies) stays personal for longer than elliptic curves may last.
fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    Arc::new(CryptoProvider {
        kx_groups,
        ..aws_lc_rs::default_provider()
    })
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<rustls::RootCertStore, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
