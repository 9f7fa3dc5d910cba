//! Notes, checkpoints, verifier keys and policies.

use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::{Note, VerifierKey},
    policy::Policy,
};

use crate::{
    known::{RECEIPT, TRUST},
    text,
};

/// A signed note has one spelling, and only its signers' text verifies.
pub fn note(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else {
        return;
    };
    assert_eq!(note.to_string().as_bytes(), bytes);
    let roots = &TRUST.chain.lists()[0].list.root.keys;
    let keys: Vec<VerifierKey> = roots.iter().flat_map(|key| key.parse()).collect();
    if note.verify(&keys).is_ok() {
        let signed = |known: &String| Note::parse(known).is_ok_and(|n| n.text() == note.text());
        assert!(TRUST.notes.iter().any(signed), "signed by nobody");
    }
}

/// A checkpoint has one spelling, and a log's key speaks for what the log signed alone.
pub fn checkpoint(bytes: &[u8]) {
    if let Some(checkpoint) = text(bytes).and_then(|text| Checkpoint::parse(text).ok()) {
        assert_eq!(checkpoint.to_text().as_bytes(), bytes);
    }
    let Ok(signed) = SignedCheckpoint::parse(bytes) else {
        return;
    };
    assert_eq!(signed.to_string().as_bytes(), bytes);
    assert_eq!(signed.checkpoint().to_text(), signed.note().text());
    if signed.verify_log(&RECEIPT.log_key()).is_ok() {
        assert_eq!(signed.checkpoint(), RECEIPT.proof.checkpoint.checkpoint());
    }
}

/// A verifier key has one spelling.
pub fn verifier_key(bytes: &[u8]) {
    if let Some(key) = text(bytes).and_then(|text| text.parse::<VerifierKey>().ok()) {
        assert_eq!(key.to_string().as_bytes(), bytes);
    }
}

/// A policy is written in a form that is read as the same policy.
pub fn policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse(bytes) else {
        return;
    };
    let written = policy.to_bytes();
    let again = Policy::parse(&written).expect("what was written");
    assert_eq!(again, policy);
    assert_eq!(again.to_bytes(), written);
    // A checkpoint of a log that is not in it is never enough, whatever the quorum.
    let is_known = |log: &VerifierKey| policy.logs().iter().any(|own| own.key() == log);
    if !is_known(&RECEIPT.log_key()) {
        assert!(policy.evaluate(&RECEIPT.proof.checkpoint).is_err());
    }
}
