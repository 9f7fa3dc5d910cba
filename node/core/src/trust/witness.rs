//! Witnesses outside of the federation that a trust list names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{TrustError, TrustList};
use crate::{
    note::{SignatureType, VerifierKey},
    policy::PolicyUrl,
};

/// A witness of somebody who is no member (C2SP `tlog-witness`). Its cosignatures are gathered
/// with the members', for every log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignWitness {
    /// What it is called here: ASCII letters, digits, `-`, `.` and `_`.
    pub name: String,
    /// Key of its cosignatures (signed-note type 0x04).
    pub key: String,
    /// Its submission prefix, `https://...`, to which members submit their own logs; empty if
    /// its cosignatures come by other ways.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Certificate authority of its TLS certificates, PEM; needed where there is a `url`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tls_ca: String,
    /// Whether it counts in every log's quorum as one more member does. If not, its
    /// cosignatures are kept for others to judge, and change nothing here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counts: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl ForeignWitness {
    /// Its name in policies, where members' names stand too.
    pub(super) fn policy_name(&self) -> String {
        format!("foreign-{}", self.name)
    }

    /// Its key, which every verified list has right.
    pub fn verifier_key(&self) -> Option<VerifierKey> {
        self.key.parse().ok()
    }
}

/// What the foreign witnesses of a list must satisfy. `keys` are the members', and become
/// theirs too: one key has one role.
pub(super) fn check(list: &TrustList, keys: &mut BTreeSet<Vec<u8>>) -> Result<(), TrustError> {
    let mut names = BTreeSet::new();
    for witness in &list.witnesses {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        rule(
            !witness.name.is_empty() && witness.name.bytes().all(plain),
            "a foreign witness's name is not plain",
        )?;
        rule(names.insert(&witness.name), "two witnesses have one name")?;
        let key = witness
            .verifier_key()
            .filter(|key| key.signature_type() == SignatureType::CosignatureV1);
        let key = key.ok_or_else(|| content("a foreign witness's key is not of type 0x04"))?;
        let is_new = keys.insert(key.public_key().to_bytes().to_vec());
        rule(is_new, "one key serves two roles")?;
        let is_reached = witness.url.starts_with("https://")
            && PolicyUrl::new(witness.url.as_str()).is_ok()
            && !witness.tls_ca.is_empty();
        rule(
            witness.url.is_empty() || is_reached,
            "a foreign witness's address is https, with its authority",
        )?;
    }
    Ok(())
}

fn rule(holds: bool, what: &str) -> Result<(), TrustError> {
    if holds { Ok(()) } else { Err(content(what)) }
}

fn content(what: &str) -> TrustError {
    TrustError::Content(what.to_owned())
}
