//! Status lists: W3C Bitstring Status List v1.0 (<https://www.w3.org/TR/vc-bitstring-status-list/>),
//! secured as VC-JOSE-COSE says (<https://www.w3.org/TR/vc-jose-cose/>).
//!
//! Whoever checks a credential with other software than ours fetches the list that its certificate
//! is in, of 131,072 leaves, and looks at one bit: nobody learns about whom. A certificate's list
//! is its leaf index divided by that number, its place in the list the remainder. What a list says
//! is in the public log anyway; that a certificate's own term is over is not in it, as the day is
//! in a salted digest.

use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    checkpoint::Origin,
    codes::Date,
    note::NoteSigner,
    register::StatusRow,
    verdict::{Verdict, fold_statuses},
};

/// Leaves of one list: the least that section 3.2 asks for, so that nobody is alone in one.
pub const LIST_LEN: u64 = 131_072;

/// For how long a list may be kept, in milliseconds (`ttl`).
const TTL: u64 = 300_000;

/// For how long a list is good at all, in seconds: as evidence for a verdict is.
const LIFE: u64 = 24 * 60 * 60;

/// What a set bit means (`statusPurpose`, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// For good: revoked, void, or another took its place.
    Revocation,
    /// Not to be relied on at present: suspended, or changed by a record that this program does not
    /// understand.
    Suspension,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Revocation, Self::Suspension];

    /// Its name in the standard.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Suspension => "suspension",
        }
    }

    const fn is_set(self, verdict: Verdict) -> bool {
        match self {
            Self::Revocation => matches!(
                verdict,
                Verdict::Revoked | Verdict::Void | Verdict::Superseded
            ),
            Self::Suspension => matches!(verdict, Verdict::Suspended | Verdict::Unknown),
        }
    }
}

/// A list, and what it rests on.
#[derive(Clone, Copy, Debug)]
pub struct StatusList<'a> {
    /// The log.
    pub origin: &'a Origin,
    /// What a set bit means.
    pub purpose: Purpose,
    /// Which list: it is about the leaves from `number * LIST_LEN` on.
    pub number: u64,
    /// Size of the log up to which changes count.
    pub size: u64,
    /// The day, of which changes that take effect later do not count.
    pub day: Date,
    /// Now, in seconds since 1970.
    pub now: u64,
}

impl StatusList<'_> {
    /// Makes it of the status changes of its certificates, ascending by certificate and index, and
    /// signs it: a JWS in compact form, of media type `application/vc+jwt`.
    pub fn sign(&self, changes: &[StatusRow], signer: &NoteSigner) -> String {
        let key = did(signer);
        let header = json!({ "alg": "EdDSA", "typ": "vc+jwt", "kid": format!("{key}#0") });
        let credential = self.credential(&key, &encoded(&self.bits(changes)));
        let [header, payload] =
            [header, credential].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        // No note and no cosignature is ever of these characters alone, so the key says nothing
        // else by it.
        let signed = format!("{header}.{payload}");
        let signature = signer.sign(&signed);
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.signature());
        format!("{signed}.{signature}")
    }

    /// Section 3.3: the first leaf's is the first byte's highest bit.
    fn bits(&self, changes: &[StatusRow]) -> Vec<u8> {
        let mut bits = vec![0; usize::try_from(LIST_LEN / 8).unwrap_or_default()];
        let first = self.number.saturating_mul(LIST_LEN);
        for rows in changes.chunk_by(|a, b| a.target_index == b.target_index) {
            let (verdict, _) = fold_statuses(rows.iter(), self.day);
            let place = rows[0].target_index.wrapping_sub(first);
            let byte = usize::try_from(place / 8).ok();
            if let Some(byte) = byte.and_then(|byte| bits.get_mut(byte))
                && self.purpose.is_set(verdict)
            {
                *byte |= 0x80 >> (place % 8);
            }
        }
        bits
    }

    fn credential(&self, issuer: &str, encoded: &str) -> Value {
        let (purpose, number) = (self.purpose.name(), self.number);
        let id = format!("https://{}/status/{purpose}/{number}", self.origin);
        json!({
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                // For `asOf`, which is ours.
                "https://www.w3.org/ns/credentials/undefined-terms/v2",
            ],
            "id": id,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": issuer,
            "validFrom": rfc3339(self.now),
            "validUntil": rfc3339(self.now.saturating_add(LIFE)),
            "credentialSubject": {
                "id": format!("{id}#list"),
                "type": "BitstringStatusList",
                "statusPurpose": purpose,
                "encodedList": encoded,
                "ttl": TTL,
                "asOf": {
                    "origin": self.origin.as_str(),
                    "size": self.size,
                    "date": self.day.to_string(),
                },
            },
        })
    }
}

/// Section 3.3: compressed with GZIP, in base64url, marked as such by multibase's `u`.
fn encoded(bits: &[u8]) -> String {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let written = compressed
        .write_all(bits)
        .and_then(|()| compressed.finish());
    format!(
        "u{}",
        BASE64_URL_SAFE_NO_PAD.encode(written.unwrap_or_default())
    )
}

/// The issuer: `did:jwk` of the key that signs, which the trust list names as an answer key.
fn did(signer: &NoteSigner) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(signer.verifier_key().public_key().as_bytes());
    let jwk = json!({ "crv": "Ed25519", "kty": "OKP", "x": x });
    format!("did:jwk:{}", BASE64_URL_SAFE_NO_PAD.encode(jwk.to_string()))
}

fn rfc3339(seconds: u64) -> String {
    let time = Timestamp::from_second(seconds.cast_signed());
    time.map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use ed25519_dalek::{Signature, VerifyingKey};
    use flate2::read::GzDecoder;

    use super::*;
    use crate::{merkle::Hash, register::Effect};

    const DAY: u32 = 20_260_301;

    fn signer() -> NoteSigner {
        NoteSigner::from_seed("huren.test/answer/33".parse().unwrap(), &[7; 32])
    }

    fn origin() -> Origin {
        "huren.test/log/33".parse().unwrap()
    }

    fn change(target_index: u64, effect: Effect, effective_date: u32) -> StatusRow {
        StatusRow {
            index: target_index + 1,
            leaf: Hash([0; 32]),
            target_index,
            effect,
            reason: 1,
            effective_date,
        }
    }

    fn bits(encoded: &str) -> Vec<u8> {
        let encoded = encoded.strip_prefix('u').unwrap();
        let compressed = BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap();
        let mut bits = Vec::new();
        GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut bits)
            .unwrap();
        bits
    }

    /// Which certificates a list of that number and purpose has set.
    fn set(purpose: Purpose, number: u64, changes: &[StatusRow]) -> Vec<u64> {
        let (origin, day) = (origin(), Date::from_yyyymmdd(DAY).unwrap());
        let list = StatusList {
            origin: &origin,
            purpose,
            number,
            size: 300_000,
            day,
            now: 1_772_323_200,
        };
        let token = list.sign(changes, &signer());
        let parts: Vec<Vec<u8>> = token
            .split('.')
            .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
            .collect();
        let credential: Value = serde_json::from_slice(&parts[1]).unwrap();
        let subject = &credential["credentialSubject"];
        assert_eq!(subject["statusPurpose"], purpose.name());
        let bits = bits(subject["encodedList"].as_str().unwrap());
        assert_eq!(bits.len() as u64 * 8, LIST_LEN);
        let is_set = |place: &u64| {
            let byte = bits[usize::try_from(place / 8).unwrap()];
            byte & (0x80 >> (place % 8)) != 0
        };
        (0..LIST_LEN).filter(is_set).collect()
    }

    #[test]
    fn a_bit_is_set_for_what_holds_on_the_day() {
        let changes = [
            change(0, Effect::Revoke, DAY),
            change(1, Effect::Suspend, DAY),
            change(2, Effect::Void, DAY + 1), // tomorrow
            change(9, Effect::Correct, DAY),
            change(131_071, Effect::Supersede, DAY),
        ];
        assert_eq!(set(Purpose::Revocation, 0, &changes), [0, 131_071]);
        assert_eq!(set(Purpose::Suspension, 0, &changes), [1]);
        // The same certificate, suspended, released and revoked.
        let several = [
            change(131_075, Effect::Suspend, DAY),
            change(131_075, Effect::Resume, DAY),
            change(131_076, Effect::Newer, 0),
        ];
        assert_eq!(set(Purpose::Suspension, 1, &several), [4]);
        assert_eq!(set(Purpose::Revocation, 1, &several), []);
    }

    /// Section 3.2 of the standard shows this list, of which no bit is set.
    #[test]
    fn the_example_of_the_standard_is_a_list_of_ours() {
        let example = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
        let none = vec![0; 16_384];
        assert_eq!(bits(example), none);
        assert_eq!(bits(&encoded(&none)), none);
    }

    #[test]
    fn the_issuer_is_the_key_that_signed() {
        let (origin, day) = (origin(), Date::from_yyyymmdd(DAY).unwrap());
        let list = StatusList {
            origin: &origin,
            purpose: Purpose::Revocation,
            number: 3,
            size: 400_000,
            day,
            now: 1_772_323_200,
        };
        let token = list.sign(&[], &signer());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let read = |part: &str| -> Value {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        let (header, payload) = (read(header), read(payload));
        let issuer = payload["issuer"].as_str().unwrap();
        assert_eq!(header["kid"], format!("{issuer}#0"));
        assert_eq!(
            payload["id"],
            "https://huren.test/log/33/status/revocation/3"
        );
        assert_eq!(payload["validFrom"], "2026-03-01T00:00:00Z");
        assert_eq!(payload["validUntil"], "2026-03-02T00:00:00Z");
        let jwk = read(issuer.strip_prefix("did:jwk:").unwrap());
        let x = BASE64_URL_SAFE_NO_PAD
            .decode(jwk["x"].as_str().unwrap())
            .unwrap();
        let key = VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        key.verify_strict(signed.as_bytes(), &signature).unwrap();
    }
}
