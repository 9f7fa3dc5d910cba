//! The Ed25519 edge cases of C2SP/CCTV: what a strict verifier must refuse.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use huren_core::note::{NoteSignature, SignatureType, VerifierKey};
use serde::Deserialize;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/cctv-ed25519/ed25519vectors.json"
));

#[derive(Deserialize)]
struct Vector {
    number: u64,
    key: String,
    sig: String,
    msg: String,
    flags: Option<Vec<String>>,
}

impl Vector {
    /// As the vectors' README says of `verify_strict`: every flag is refused, except
    /// that a point with a low-order component may be accepted if it is not itself of
    /// low order.
    fn acceptable(&self) -> bool {
        let harmless = ["low_order_component_A", "low_order_component_R"];
        self.flags
            .iter()
            .flatten()
            .all(|flag| harmless.contains(&flag.as_str()))
    }

    /// Through the same doors as a key and a signature from outside.
    fn accepted(&self) -> bool {
        let key: [u8; 32] = hex::decode(&self.key).unwrap().try_into().unwrap();
        let Ok(key) = VerifyingKey::from_bytes(&key) else {
            return false;
        };
        let name = "vectors.example".parse().unwrap();
        let Ok(key) = VerifierKey::new(name, SignatureType::Ed25519, key) else {
            return false;
        };
        let signature = hex::decode(&self.sig).unwrap();
        let bytes = [&key.key_id().to_be_bytes()[..], &signature].concat();
        let line = format!("— vectors.example {}", STANDARD.encode(bytes));
        let signature: NoteSignature = line.parse().unwrap();
        key.verify(&self.msg, &signature).is_ok()
    }
}

#[test]
fn all_914_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 914);
    for vector in &vectors {
        assert_eq!(vector.accepted(), vector.acceptable(), "{}", vector.number);
    }
    assert_eq!(
        vectors.iter().filter(|vector| vector.acceptable()).count(),
        43
    );
}
