//! The next key of a role: made beside the one in use, and described for the federation.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use huren_core::trust::{LogKey, Member, RecordKey};
use rand::CryptoRng;

use super::{InitError, MEMBER};
use crate::{
    config::Config,
    keys::{self, Purpose},
    tls::{self, SpkiSha256},
};

/// Makes the next key of a role and gives the member's description with that key in the place of
/// the one in use. The node signs with it from where the trust list says so.
///
/// # Errors
/// If the role has a next key already, or a file cannot be read or written.
pub fn next_key(
    config: &Config,
    folder: &Path,
    purpose: Purpose,
    rng: &mut dyn CryptoRng,
) -> Result<Member, InitError> {
    let mut member = described(folder)?;
    let key = keys::create(&purpose.next_file_in(&config.keys_dir), purpose, rng)?;
    let origin = &config.origin;
    let bad_origin = |_| InitError::Origin {
        origin: origin.to_string(),
    };
    let signer = || key.note_signer(origin).map_err(bad_origin);
    let cosigner = || key.cosigner(origin).map_err(bad_origin);
    match purpose {
        Purpose::Log => {
            member.log_keys = vec![LogKey {
                key: signer()?.verifier_key().to_string(),
                from_index: 0,
                until_index: None,
            }];
        }
        Purpose::Answer => member.answer_keys = vec![signer()?.verifier_key().to_string()],
        Purpose::Witness => member.witness_key = cosigner()?.verifier_key().to_string(),
        Purpose::Mirror => member.mirror_key = cosigner()?.verifier_key().to_string(),
        _ => {
            let record = key.record_signer().ok_or(InitError::RecordKey)?;
            member.record_keys = vec![RecordKey {
                alg: record.algorithm().name().to_owned(),
                public_key: STANDARD.encode(record.public_key()),
                kinds: vec!["*".to_owned()],
                regions: vec![member.region.clone()],
                from_index: 0,
                until_index: None,
            }];
        }
    }
    Ok(member)
}

/// The member's description with the key of a certificate that is to follow the one in use.
///
/// # Errors
/// If the certificate or the description cannot be read.
pub fn next_certificate(
    folder: &Path,
    certificate: &Path,
    authority: Option<&Path>,
) -> Result<Member, InitError> {
    let chain = tls::load_certificates(certificate)?;
    let mut member = described(folder)?;
    // `load_certificates` refuses a file without one.
    member.tls_keys = vec![SpkiSha256::of(&chain[0])?.to_string()];
    if let Some(path) = authority {
        member.tls_ca = read(path)?;
    }
    Ok(member)
}

fn described(folder: &Path) -> Result<Member, InitError> {
    Ok(serde_json::from_str(&read(&folder.join(MEMBER))?)?)
}

fn read(path: &Path) -> Result<String, InitError> {
    std::fs::read_to_string(path).map_err(|source| InitError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
