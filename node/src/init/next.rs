//! The next key of a role: made beside the one in use, and described for the federation.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use huren_core::trust::{LogKey, Member, RecordKey};
use rand::CryptoRng;

use super::{InitError, MEMBER};
use crate::{
    config::Config,
    keys::{self, Purpose, SecretKey},
    tls::{self, SpkiSha256},
};

/// Makes the next key of a role and gives the member's description with all next keys that there
/// are. The node signs with it from where the trust list says so.
///
/// # Errors
/// If the role has a next key already, or the files cannot be read or written.
pub fn next_key(
    config: &Config,
    folder: &Path,
    purpose: Purpose,
    rng: &mut dyn CryptoRng,
) -> Result<Member, InitError> {
    keys::create(&purpose.next_file_in(&config.keys_dir), purpose, rng)?;
    describe(config, folder)
}

/// The member's description with the key of a certificate that is to follow the one in use.
///
/// # Errors
/// If the certificate or the description cannot be read.
pub fn next_certificate(
    config: &Config,
    folder: &Path,
    certificate: &Path,
    authority: Option<&Path>,
) -> Result<Member, InitError> {
    let chain = tls::load_certificates(certificate)?;
    let mut member = describe(config, folder)?;
    // `load_certificates` refuses a file without one.
    member.tls_keys = vec![SpkiSha256::of(&chain[0])?.to_string()];
    if let Some(path) = authority {
        let read = std::fs::read_to_string(path);
        member.tls_ca = read.map_err(|source| super::io_error(path, source))?;
    }
    Ok(member)
}

fn describe(config: &Config, folder: &Path) -> Result<Member, InitError> {
    let path = folder.join(MEMBER);
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|source| super::io_error(&path, source))?;
    let mut member: Member = serde_json::from_str(&text)?;
    let origin = &config.origin;
    let bad_origin = |_| InitError::Origin {
        origin: origin.to_string(),
    };
    let next = |purpose: Purpose| -> Result<Option<SecretKey>, InitError> {
        match keys::load(&purpose.next_file_in(&config.keys_dir), purpose) {
            Ok(key) => Ok(Some(key)),
            Err(keys::KeyError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    if let Some(key) = next(Purpose::Log)? {
        let signer = key.note_signer(origin).map_err(bad_origin)?;
        member.log_keys = vec![LogKey {
            key: signer.verifier_key().to_string(),
            from_index: 0,
            until_index: None,
        }];
    }
    if let Some(key) = next(Purpose::Record)? {
        let first = member.record_keys.into_iter().next();
        let public_key = STANDARD.encode(key.record_signer().public_key());
        member.record_keys = first
            .map(|first| RecordKey {
                public_key,
                ..first
            })
            .into_iter()
            .collect();
    }
    if let Some(key) = next(Purpose::Witness)? {
        let cosigner = key.cosigner(origin).map_err(bad_origin)?;
        member.witness_key = cosigner.verifier_key().to_string();
    }
    if let Some(key) = next(Purpose::Mirror)? {
        let cosigner = key.cosigner(origin).map_err(bad_origin)?;
        member.mirror_key = cosigner.verifier_key().to_string();
    }
    if let Some(key) = next(Purpose::Answer)? {
        let signer = key.note_signer(origin).map_err(bad_origin)?;
        member.answer_keys = vec![signer.verifier_key().to_string()];
    }
    Ok(member)
}
