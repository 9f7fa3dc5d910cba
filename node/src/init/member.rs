//! What a federation has to know about a new member.

use base64::{Engine, engine::general_purpose::STANDARD};
use huren_core::trust::{LogKey, Member, RecordKey};

use super::{InitError, InitOptions};
use crate::{keys::SecretKey, tls::SpkiSha256};

/// The keys whose public halves are described.
pub(super) struct MemberKeys {
    pub(super) log: SecretKey,
    pub(super) witness: SecretKey,
    pub(super) mirror: SecretKey,
    pub(super) record: SecretKey,
    pub(super) answer: SecretKey,
}

/// How others reach the node, and how they know that it is the one.
pub(super) struct Reach<'a> {
    pub(super) grpc: String,
    pub(super) http: String,
    pub(super) tls_key: SpkiSha256,
    pub(super) tls_ca: &'a str,
}

pub(super) fn describe(
    options: &InitOptions,
    keys: &MemberKeys,
    reach: &Reach<'_>,
) -> Result<Member, InitError> {
    let InitOptions {
        origin,
        region,
        name,
        ..
    } = options;
    let bad_origin = |_| InitError::Origin {
        origin: origin.to_string(),
    };
    let signer = |key: &SecretKey| {
        key.note_signer(origin)
            .map(|signer| signer.verifier_key().to_string())
            .map_err(bad_origin)
    };
    let cosigner = |key: &SecretKey| {
        key.cosigner(origin)
            .map(|signer| signer.verifier_key().to_string())
            .map_err(bad_origin)
    };
    let record = keys.record.record_signer().ok_or(InitError::RecordKey)?;
    Ok(Member {
        region: region.to_string(),
        name: name.clone(),
        origin: origin.to_string(),
        grpc: reach.grpc.clone(),
        http: reach.http.clone(),
        log_keys: vec![LogKey {
            key: signer(&keys.log)?,
            from_index: 0,
            until_index: None,
        }],
        witness_key: cosigner(&keys.witness)?,
        mirror_key: cosigner(&keys.mirror)?,
        answer_keys: vec![signer(&keys.answer)?],
        record_keys: vec![RecordKey {
            alg: record.algorithm().name().to_owned(),
            public_key: STANDARD.encode(record.public_key()),
            kinds: vec!["*".to_owned()],
            regions: vec![region.to_string()],
            from_index: 0,
            until_index: None,
        }],
        tls_keys: vec![reach.tls_key.to_string()],
        tls_ca: reach.tls_ca.to_owned(),
    })
}
