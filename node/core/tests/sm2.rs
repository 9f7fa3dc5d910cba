//! SM2 with SM3: published examples, another implementation, and what must be refused.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

use huren_core::keys::{Algorithm, RecordSigner, RecordVerifier};
use libsm::sm2::signature::{SigCtx, Signature};
use proptest::prelude::*;
use serde::Deserialize;
use sm2::dsa::signature::{Signer as _, hazmat::PrehashVerifier as _};

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/sm2/sm2-sm3.json"
));

/// The order of the curve's group (GB/T 32918.5, 2).
const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

#[derive(Deserialize)]
struct Vectors {
    standard: Vec<Example>,
    digests: Vec<Digest>,
    openssl: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    private_key: String,
    public_key: String,
    message: String,
    signature: String,
}

/// A signature over 32 bytes, without the standard's hash.
#[derive(Deserialize)]
struct Digest {
    public_key: String,
    digest: String,
    signature: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

fn verifier(public_key: &[u8]) -> Option<RecordVerifier> {
    RecordVerifier::new(Algorithm::Sm2Sm3, public_key).ok()
}

/// What the other implementation says of a signature.
fn libsm_accepts(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let context = SigCtx::new();
    let key = context.load_pubkey(public_key).unwrap();
    let signature = Signature::new(&signature[..32], &signature[32..]);
    context.verify(message, &key, &signature).unwrap()
}

/// `n - number`, or with `plus` the sum, big-endian.
fn with_order(number: &[u8], plus: bool) -> Option<[u8; 32]> {
    let (mut out, mut carry) = ([0u8; 32], 0i32);
    for (place, order) in bytes(N).iter().enumerate().rev() {
        let (a, b) = (i32::from(*order), i32::from(number[place]));
        let sum = if plus { a + b } else { a - b } + carry;
        out[place] = sum.rem_euclid(256).try_into().unwrap();
        carry = sum.div_euclid(256);
    }
    (carry == 0).then_some(out)
}

#[test]
fn published_examples_verify() {
    let Vectors {
        standard,
        digests,
        openssl,
    } = vectors();
    assert_eq!((standard.len(), digests.len(), openssl.len()), (1, 2, 5));
    for example in standard.iter().chain(&openssl) {
        let signer = RecordSigner::new(Algorithm::Sm2Sm3, &array(&example.private_key)).unwrap();
        assert_eq!(hex::encode(signer.public_key()), example.public_key);
        let key = verifier(&bytes(&example.public_key)).unwrap();
        let (message, signature) = (bytes(&example.message), bytes(&example.signature));
        assert!(key.accepts(&message, &signature));
        assert!(libsm_accepts(&signer.public_key(), &message, &signature));
    }
    for Digest {
        public_key,
        digest,
        signature,
    } in digests
    {
        let id = "1234567812345678";
        let key = sm2::dsa::VerifyingKey::from_sec1_bytes(id, &bytes(&public_key)).unwrap();
        let signature = sm2::dsa::Signature::from_slice(&bytes(&signature)).unwrap();
        key.verify_prehash(&bytes(&digest), &signature).unwrap();
    }
}

#[test]
fn every_changed_bit_is_refused() {
    let Vectors { standard, .. } = vectors();
    let Example {
        public_key,
        message,
        signature,
        ..
    } = &standard[0];
    let (public_key, message, signature) = (bytes(public_key), bytes(message), bytes(signature));
    let flip = |bytes: &[u8], bit: usize| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    };
    let key = verifier(&public_key).unwrap();
    for bit in 0..message.len() * 8 {
        assert!(
            !key.accepts(&flip(&message, bit), &signature),
            "message {bit}"
        );
    }
    for bit in 0..signature.len() * 8 {
        assert!(
            !key.accepts(&message, &flip(&signature, bit)),
            "signature {bit}"
        );
    }
    for bit in 0..public_key.len() * 8 {
        let other = verifier(&flip(&public_key, bit));
        assert!(other.is_none(), "public key {bit}: not on the curve");
    }
}

#[test]
fn a_signature_has_one_form() {
    let Vectors { standard, .. } = vectors();
    let key = verifier(&bytes(&standard[0].public_key)).unwrap();
    let (message, signature) = (bytes(&standard[0].message), bytes(&standard[0].signature));
    let (r, s) = signature.split_at(32);
    let (zero, n) = ([0; 32], bytes(N));
    let accepts = |r: &[u8], s: &[u8]| key.accepts(&message, &[r, s].concat());
    assert!(accepts(r, s));
    for (r, s) in [(&zero[..], s), (r, &zero[..]), (&n[..], s), (r, &n[..])] {
        assert!(!accepts(r, s));
    }
    // The second form that an ECDSA signature has is none of SM2's.
    assert!(!accepts(r, &with_order(s, false).unwrap()));
    assert!(!accepts(&with_order(r, false).unwrap(), s));
    // The same numbers modulo n, where they still fit into 32 bytes.
    assert_eq!(with_order(r, true), None);
    assert_eq!(with_order(s, true), None);
    // r + s = n makes t zero (GB/T 32918.2, 7.1, B5).
    assert!(!accepts(r, &with_order(r, false).unwrap()));
    for length in [0, 1, 63, 65, 72] {
        let mut other = signature.clone();
        other.resize(length, 0);
        assert!(!key.accepts(&message, &other), "{length} bytes");
    }
}

#[test]
fn a_public_key_has_one_form() {
    let Vectors { standard, .. } = vectors();
    let public_key = bytes(&standard[0].public_key);
    let (x, y) = public_key[1..].split_at(32);
    assert!(verifier(&public_key).is_some());
    let compressed = [&[2 + (y[31] & 1)], x].concat();
    // Other programs read it: it is refused for its form.
    assert!(sm2::PublicKey::from_sec1_bytes(&compressed).is_ok());
    let mut largest = [0xff; 64];
    largest[..32].copy_from_slice(x);
    let others = [
        compressed,
        [&[6 + (y[31] & 1)], x, y].concat(),
        [&[4], y, x].concat(),
        [&[4], &largest[..]].concat(),
        [vec![4], vec![0; 64]].concat(),
        vec![0],
        vec![0; 65],
        Vec::new(),
        [x, y].concat(),
        [&public_key[..], &[0]].concat(),
    ];
    for other in others {
        assert!(verifier(&other).is_none(), "{}", hex::encode(other));
    }
    // Ed25519 keys and SM2 keys are not taken for each other.
    assert!(RecordVerifier::new(Algorithm::Ed25519, &public_key).is_err());
    assert!(verifier(&public_key[1..33]).is_none());
}

#[test]
fn private_keys_are_from_1_to_n_minus_2() {
    let n: [u8; 32] = array(N);
    let below = |by: u8| {
        let mut number = n;
        number[31] -= by;
        number
    };
    let mut one = [0; 32];
    one[31] = 1;
    for (secret, is_key) in [
        ([0; 32], false),
        (one, true),
        (below(2), true),
        (below(1), false),
        (n, false),
        ([0xff; 32], false),
    ] {
        let signer = RecordSigner::new(Algorithm::Sm2Sm3, &secret);
        assert_eq!(signer.is_ok(), is_key, "{}", hex::encode(secret));
    }
    // The public key of n-1 is a point of the curve like any other, and refused all the same.
    let minus_g = sm2::SecretKey::from_slice(&below(1)).unwrap().public_key();
    let point = sm2::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&minus_g, false);
    assert!(verifier(point.as_bytes()).is_none());
}

/// A secret key, and what it signs as the crate does it.
fn signed() -> impl Strategy<Value = ([u8; 32], Vec<u8>)> {
    let secret = any::<[u8; 32]>().prop_filter("a private key", |secret| {
        RecordSigner::new(Algorithm::Sm2Sm3, secret).is_ok()
    });
    (secret, prop::collection::vec(any::<u8>(), 0..200))
}

fn sign(secret: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let key = sm2::dsa::SigningKey::from_slice("1234567812345678", secret).unwrap();
    let signature: sm2::dsa::Signature = key.sign(message);
    signature.to_bytes().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn two_implementations_accept_each_other((secret, message) in signed()) {
        let signer = RecordSigner::new(Algorithm::Sm2Sm3, &secret).unwrap();
        let key = verifier(&signer.public_key()).unwrap();
        let signature = sign(&secret, &message);
        prop_assert!(key.accepts(&message, &signature));
        prop_assert!(libsm_accepts(&signer.public_key(), &message, &signature));

        let context = SigCtx::new();
        let other = context.load_seckey(&secret).unwrap();
        let public = context.pk_from_sk(&other).unwrap();
        prop_assert_eq!(context.serialize_pubkey(&public, false).unwrap(), signer.public_key());
        let theirs = context.sign(&message, &other, &public).unwrap();
        let fixed = |number: &[u8]| [&vec![0; 32 - number.len()][..], number].concat();
        let theirs = [fixed(&theirs.get_r().to_bytes_be()), fixed(&theirs.get_s().to_bytes_be())];
        prop_assert!(key.accepts(&message, &theirs.concat()));
    }

    /// Whatever is done to a signature or a message, both say the same of it, and that is no.
    #[test]
    fn two_implementations_refuse_the_same(
        (secret, message) in signed(),
        place in any::<prop::sample::Index>(),
        flip in 1u8..=255,
        in_message in any::<bool>(),
    ) {
        let public_key = RecordSigner::new(Algorithm::Sm2Sm3, &secret).unwrap().public_key();
        let mut message = message;
        let mut signature = sign(&secret, &message);
        if in_message && !message.is_empty() {
            let place = place.index(message.len());
            message[place] ^= flip;
        } else {
            signature[place.index(64)] ^= flip;
        }
        prop_assert!(!verifier(&public_key).unwrap().accepts(&message, &signature));
        prop_assert!(!libsm_accepts(&public_key, &message, &signature));
    }
}
