//! Leaves, and what opens them.

use huren_core::{
    disclosure::{self, Opening, SecretKey, check, from_proto, seal, to_proto, unseal},
    keys::{Algorithm, RecordSigner, RecordVerifier},
    merkle::leaf_hash,
    record::{Body, Draft, MAX_LEAF_BYTES, UnverifiedRecord},
};
use huren_proto::v1;
use prost::Message as _;

use crate::known::{OPENINGS, RECORDS};

/// A leaf that is accepted is its own re-encoding, and could have been written here; only what
/// the holder of a key signed verifies under it.
pub fn record(bytes: &[u8]) {
    let strict = UnverifiedRecord::read_strict(bytes);
    let Ok(record) = UnverifiedRecord::read(bytes) else {
        return assert!(strict.is_err());
    };
    assert!(bytes.len() <= MAX_LEAF_BYTES);
    assert_eq!(*record.leaf(), leaf_hash(bytes));
    assert_eq!(strict.is_ok(), *record.body() != Body::Newer);

    let signed = v1::SignedRecord::decode(bytes).expect("it was read");
    let inner = v1::Record::decode(signed.record.as_slice()).expect("it was read");
    if strict.is_ok() {
        assert_eq!(signed.encode_to_vec(), bytes);
        assert_eq!(inner.encode_to_vec(), signed.record);
        let draft = Draft {
            envelope: record.envelope().clone(),
            body: inner.body,
        };
        // Another signature may be longer than what stood there.
        if let Ok(leaf) = draft.sign("huren.test/log/33", &RecordSigner::from_seed(&[5; 32])) {
            let again = v1::SignedRecord::decode(leaf.as_slice()).expect("it was written");
            assert_eq!(again.record, signed.record);
        }
    }
    for known in RECORDS.iter() {
        let key = RecordVerifier::new(Algorithm::Ed25519, &known.public_key).expect("a key");
        if record.clone().verify(&known.origin, &key).is_ok() {
            let is_known = |other: &&crate::known::Record| other.record == signed.record;
            assert!(RECORDS.iter().any(|k| is_known(&k)), "signed by nobody");
        }
    }
}

/// Openings pass the wire and the seal unharmed, and only the true ones open a record.
pub fn disclosure(bytes: &[u8]) {
    let key = SecretKey::new([8; 32]);
    let origin = "huren.test/log/33".parse().expect("an origin");
    let place = (&origin, &leaf_hash(b"leaf"));
    assert!(unseal(&key, place, bytes).is_err(), "sealed by nobody");

    let Ok(message) = v1::RecordDisclosures::decode(bytes) else {
        return;
    };
    let Some(openings) = from_proto(&message.disclosures) else {
        return;
    };
    let again = from_proto(&to_proto(&openings));
    assert_eq!(again.as_deref(), Some(openings.as_slice()));
    let sealed = seal(&key, [1; 24], place, &openings).expect("small openings");
    let opened = unseal(&key, place, &sealed);
    assert_eq!(opened.as_deref(), Ok(openings.as_slice()));

    let (truth, digests) = &*OPENINGS;
    if check(&openings, digests).is_ok() {
        assert!(openings.iter().all(|opening| is_true(truth, opening)));
        assert!(openings.len() <= truth.len(), "a group is there twice");
    }
    for opening in &openings {
        let given = opening.for_members();
        let hides = |given: &Opening| given.group.travels_with_values() || given.values.is_none();
        assert!(given.as_ref().is_none_or(hides));
        assert!(given.is_some() || opening.group == disclosure::Group::Scores);
    }
}

fn is_true(truth: &[Opening], opening: &Opening) -> bool {
    let own = truth.iter().find(|own| own.group == opening.group);
    // A bare salt opens nothing, so it may be any.
    own.is_some_and(|own| opening.values.is_none() || own == opening)
}
