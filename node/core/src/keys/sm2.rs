//! SM2 with SM3 (GB/T 32918.2) over sm2p256v1 (GB/T 32918.5), with the standard's default
//! user ID.
//!
//! What is fixed here beyond the standard, so that nothing has two forms:
//! - A public key is the 65 bytes of SEC 1's uncompressed form, `04 || x || y`. The compressed
//!   and hybrid forms, the identity and points that are not on the curve are refused, and so is
//!   the point of the private key n-1, which the standard rules out (32918.1, 6.1): under it
//!   every s would do.
//! - A signature is the 64 bytes `r || s`, both big-endian and in [1, n-1]; no DER. Nobody but
//!   the key's holder can make another signature of a given one: for the same r the only other s
//!   that verifies is -s - 2rd/(1+d), which takes the private key d.
//! - The nonce is that of RFC 6979 with HMAC-SM3, over the message's hash: signing needs no
//!   randomness and gives the same bytes again.

use sm2::{
    dsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer as _, Verifier as _},
    },
    elliptic_curve::sec1::ToSec1Point as _,
};

use super::KeyError;

/// The default user ID (GB/T 35276; GM/T 0009-2012, 10).
const USER_ID: &str = "1234567812345678";

/// Bytes of a public key.
const PUBLIC_KEY_LEN: usize = 65;

/// The first byte of SEC 1's uncompressed form.
const UNCOMPRESSED: u8 = 4;

/// -G, the point of the private key n-1.
const FORBIDDEN: [u8; PUBLIC_KEY_LEN] = *b"\x04\
    \x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\
    \x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7\
    \x43\xc8\xc9\x5c\x0b\x09\x88\x63\xa6\x42\x31\x1c\x94\x96\xde\xac\
    \x2f\x56\x78\x82\x39\xd5\xb8\xc0\xfd\x20\xcd\x1a\xde\xc6\x0f\x5f";

/// A key that checks SM2 signatures.
#[derive(Clone, Debug)]
pub(super) struct Sm2Verifier(VerifyingKey);

impl Sm2Verifier {
    pub(super) fn new(public_key: &[u8]) -> Result<Self, KeyError> {
        let is_uncompressed =
            public_key.len() == PUBLIC_KEY_LEN && public_key.first() == Some(&UNCOMPRESSED);
        if !is_uncompressed || public_key == FORBIDDEN {
            return Err(KeyError);
        }
        VerifyingKey::from_sec1_bytes(USER_ID, public_key)
            .map(Self)
            .map_err(|_| KeyError)
    }

    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl PartialEq for Sm2Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_affine() == other.0.as_affine()
    }
}

impl Eq for Sm2Verifier {}

/// A key that makes SM2 signatures.
pub(super) struct Sm2Signer {
    key: SigningKey,
    pub(super) public_key: [u8; PUBLIC_KEY_LEN],
}

impl Sm2Signer {
    /// The key of a big-endian number in [1, n-2].
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_slice(USER_ID, secret).map_err(|_| KeyError)?;
        let point = key.verifying_key().to_sec1_point(false);
        let public_key = point.as_bytes().try_into().map_err(|_| KeyError)?;
        if public_key == FORBIDDEN {
            return Err(KeyError);
        }
        Ok(Self { key, public_key })
    }

    /// # Errors
    /// [`KeyError`] where the standard would draw another nonce (32918.2, 6.1, A5 and A6): for
    /// one message in 2^255.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.key.try_sign(message).map_err(|_| KeyError)?;
        Ok(signature.to_bytes().into())
    }
}
