//! Programs that may call besides members: who they are and what each may do.

use huren_core::access::Rights;

use crate::tls::SpkiSha256;

/// A program that may call the gRPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, for logs and audits.
    pub name: String,
    /// The key of its certificate.
    pub tls_key: SpkiSha256,
    /// What it may do.
    pub rights: Rights,
}
