//! Gathering the cosignatures of one checkpoint that arrive on different ways.

use crate::{
    checkpoint::SignedCheckpoint,
    cosign::{stated_time, verify_cosignature},
    note::NoteSignature,
    policy::Policy,
};

/// Whether a witness of the policy states a time later than `latest`: one of the clocks is wrong.
pub fn is_ahead(policy: &Policy, notes: &[SignedCheckpoint], latest: u64) -> bool {
    let mut witnesses = policy.witnesses();
    witnesses.any(|witness| {
        notes.iter().any(|note| {
            let (text, signatures) = (note.note().text(), note.note().signatures());
            signatures
                .iter()
                .filter(|signature| signature.is_by(witness.key()))
                // What is not ahead need not be verified, which takes longer.
                .filter(|signature| stated_time(signature).is_some_and(|time| time > latest))
                .any(|signature| verify_cosignature(text, signature, witness.key()).is_ok())
        })
    })
}

/// The checkpoint of `notes` (all of the same one) under its log's signature and, of every
/// witness that the policy knows, the newest cosignature that verifies and is not later than
/// `latest` (seconds since 1970). Everything else is dropped, so that notes stay small
/// whatever peers send. `None` if there is no note.
pub fn gather(
    policy: &Policy,
    notes: &[&SignedCheckpoint],
    latest: u64,
) -> Option<SignedCheckpoint> {
    let base = *notes.first()?;
    let text = base.note().text();
    let all = || {
        let same = notes.iter().filter(|note| note.note().text() == text);
        same.flat_map(|note| note.note().signatures())
    };
    let mut kept: Vec<NoteSignature> = Vec::new();
    for log in policy.logs() {
        let valid = all().find(|s| s.is_by(log.key()) && log.key().verify(text, s).is_ok());
        kept.extend(valid.cloned());
    }
    for witness in policy.witnesses() {
        let newest = all()
            .filter(|signature| signature.is_by(witness.key()))
            .filter_map(|signature| {
                let time = verify_cosignature(text, signature, witness.key()).ok()?;
                (time <= latest).then_some((time, signature))
            })
            .max_by_key(|(time, _)| *time);
        kept.extend(newest.map(|(_, signature)| signature.clone()));
    }
    base.with_signatures(kept).ok()
}
