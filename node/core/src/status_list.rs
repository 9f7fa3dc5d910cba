//! Status lists: W3C Bitstring Status List v1.0 (<https://www.w3.org/TR/vc-bitstring-status-list/>),
//! secured as VC-JOSE-COSE says (<https://www.w3.org/TR/vc-jose-cose/>).
//!
//! Whoever checks a credential with other software than ours fetches the list that its certificate
//! is in, of 131,072 leaves, and looks at one bit: nobody learns about whom. A certificate's list
//! is its leaf index divided by that number, its place in the list the remainder. What a list says
//! is in the public log anyway; that a certificate's own term is over is not in it, as the day is
//! in a salted digest.
//!
//! How old the evidence is counts for verdicts and not here: the list is the province's own word
//! about its own log, as of the size that it names.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
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
    /// Signs it, its bits being compressed: a JWS in compact form, of media type
    /// `application/vc+jwt`.
    pub fn sign(&self, compressed: &[u8], signer: &NoteSigner) -> String {
        let key = did(signer);
        let header = json!({ "alg": "EdDSA", "typ": "vc+jwt", "kid": format!("{key}#0") });
        // Section 3.3: `u` is multibase's mark of base64url.
        let encoded = format!("u{}", BASE64_URL_SAFE_NO_PAD.encode(compressed));
        let credential = self.credential(&key, &encoded);
        let [header, payload] =
            [header, credential].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        // No note and no cosignature is ever of these characters alone, so the key says nothing
        // else by it.
        let signed = format!("{header}.{payload}");
        let signature = signer.sign(&signed);
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.signature());
        format!("{signed}.{signature}")
    }

    /// Its bits by the status changes of its certificates, ascending by certificate and index, and
    /// by its leaves that take no effect: what a stolen key signed is good for nothing, for good.
    /// Section 3.3: the first leaf's is the first byte's highest bit. They are to be compressed
    /// with GZIP.
    pub fn bits(&self, changes: &[StatusRow], void: &[u64]) -> Vec<u8> {
        let of_certificates = changes.chunk_by(|a, b| a.target_index == b.target_index);
        let changed = of_certificates.filter_map(|rows| {
            let (verdict, _) = fold_statuses(rows.iter(), self.day);
            let is_set = self.purpose.is_set(verdict);
            is_set.then_some(rows[0].target_index)
        });
        let void = void.iter().filter(|_| self.purpose == Purpose::Revocation);
        let mut bits = vec![0; usize::try_from(LIST_LEN / 8).unwrap_or_default()];
        let first = self.number.saturating_mul(LIST_LEN);
        for index in changed.chain(void.copied()) {
            let place = index.wrapping_sub(first);
            let byte = usize::try_from(place / 8).ok();
            if let Some(byte) = byte.and_then(|byte| bits.get_mut(byte)) {
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
    use ed25519_dalek::{Signature, VerifyingKey};

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

    /// Which certificates a list of that number and purpose has set.
    fn set(purpose: Purpose, number: u64, changes: &[StatusRow]) -> Vec<u64> {
        let origin = origin();
        let bits = list(&origin, purpose, number).bits(changes, &[7]);
        assert_eq!(bits.len() as u64 * 8, LIST_LEN);
        let is_set = |place: &u64| {
            let byte = bits[usize::try_from(place / 8).unwrap()];
            byte & (0x80 >> (place % 8)) != 0
        };
        (0..LIST_LEN).filter(is_set).collect()
    }

    fn list(origin: &Origin, purpose: Purpose, number: u64) -> StatusList<'_> {
        StatusList {
            origin,
            purpose,
            number,
            size: 400_000,
            day: Date::from_yyyymmdd(DAY).unwrap(),
            now: 1_772_323_200,
        }
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
        // The seventh takes no effect.
        assert_eq!(set(Purpose::Revocation, 0, &changes), [0, 7, 131_071]);
        assert_eq!(set(Purpose::Suspension, 0, &changes), [1]);
        // The same certificate, suspended, released and revoked.
        let several = [
            change(131_075, Effect::Suspend, DAY),
            change(131_075, Effect::Reinstate, DAY),
            change(131_076, Effect::Newer, 0),
        ];
        assert_eq!(set(Purpose::Suspension, 1, &several), [4]);
        assert!(set(Purpose::Revocation, 1, &several).is_empty());
    }

    #[test]
    fn the_issuer_is_the_key_that_signed() {
        let origin = origin();
        let list = list(&origin, Purpose::Revocation, 3);
        let token = list.sign(b"compressed", &signer());
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
        let subject = &payload["credentialSubject"];
        assert_eq!(subject["statusPurpose"], "revocation");
        assert_eq!(subject["encodedList"], "uY29tcHJlc3NlZA");
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
