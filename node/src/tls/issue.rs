//! Making certificates: a small authority for a province that has none of its own.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::{Identity, TlsError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a CA certificate is valid.
const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long other certificates are valid.
const LEAF_VALIDITY: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

/// A certificate with its private key.
pub struct Issued {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_der: Zeroizing<Vec<u8>>,
    key_pem: Zeroizing<String>,
}

impl Issued {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_der: Zeroizing::new(key.serialize_der()),
            key_pem: Zeroizing::new(key.serialize_pem()),
        }
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as PEM (PKCS #8). To be written to files of mode 0600 only.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The identity that this makes.
    pub fn identity(&self) -> Result<Identity, TlsError> {
        let key = PrivatePkcs8KeyDer::from(self.key_der.to_vec());
        Identity::new(vec![self.certificate.clone()], PrivateKeyDer::from(key))
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(key redacted)")
    }
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issued: Issued,
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    /// Makes a new one. Its common name is `name` followed by `CA`: a verifier tells issuer and
    /// subject apart by name, so that an end entity must never be called like its issuer.
    pub fn new(name: &str, now: SystemTime) -> Result<Self, IssueError> {
        let mut params = params(&format!("{name} CA"), now, CA_VALIDITY)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = generate()?;
        let certificate = params.self_signed(&key).map_err(IssueError)?;
        Ok(Self {
            issued: Issued::new(&certificate, &key),
            params,
            key,
        })
    }

    /// The authority's own certificate and key.
    pub fn own(&self) -> &Issued {
        &self.issued
    }

    /// A certificate for a node. It serves under the given DNS names and addresses, and the
    /// node presents the same one when it calls other members.
    pub fn node(
        &self,
        name: &str,
        dns: &[String],
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<Issued, IssueError> {
        let mut params = params(name, now, LEAF_VALIDITY)?;
        for name in dns {
            let name = name.as_str().try_into().map_err(IssueError)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(params)
    }

    /// A certificate for a program that calls nodes.
    pub fn client(&self, name: &str, now: SystemTime) -> Result<Issued, IssueError> {
        let mut params = params(name, now, LEAF_VALIDITY)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Issued, IssueError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = generate()?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(IssueError)?;
        Ok(Issued::new(&certificate, &key))
    }
}

/// A certificate cannot be made: a name has characters that X.509 does not allow, or the
/// cryptographic library failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate")]
pub struct IssueError(#[source] rcgen::Error);

fn generate() -> Result<KeyPair, IssueError> {
    // P-256 because browsers and the TLS stacks of calling systems accept it everywhere,
    // which is not so for Ed25519.
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError)
}

fn params(
    name: &str,
    now: SystemTime,
    validity: Duration,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(IssueError)?;
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name = distinguished_name;
    // A day early: peers' clocks differ.
    params.not_before = (now - DAY).into();
    params.not_after = (now + validity).into();
    Ok(params)
}
