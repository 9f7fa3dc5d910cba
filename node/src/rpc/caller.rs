//! Programs that may call besides members: who they are and what each may do.

use huren_core::codes::Region;
use huren_proto::v1::Kind;
use serde::{Deserialize, Serialize};

use crate::tls::SpkiSha256;

/// A program that may call the gRPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, for logs and audits.
    pub name: String,
    /// The key of its certificate.
    pub tls_key: SpkiSha256,
    /// What it may do.
    pub roles: Vec<CallerRole>,
    /// Which kinds of records it may write.
    pub kinds: AllowedKinds,
    /// On whose behalf it may write.
    pub regions: Vec<Region>,
}

impl Caller {
    /// Whether it may write a record of this kind on behalf of this region.
    pub fn may_write(&self, kind: Kind, region: &Region) -> bool {
        let kind_allowed = match &self.kinds {
            AllowedKinds::All => true,
            AllowedKinds::Only(kinds) => kinds.contains(&kind),
        };
        self.roles.contains(&CallerRole::Issuer)
            && kind_allowed
            && self.regions.iter().any(|own| own.contains(region))
    }
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerRole {
    /// Writes records.
    Issuer,
    /// Asks for verdicts.
    Verifier,
    /// Steers the node.
    Operator,
}

/// Kinds of records that a caller may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedKinds {
    /// Every kind, later ones included.
    All,
    /// These.
    Only(Vec<Kind>),
}
