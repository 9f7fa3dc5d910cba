//! What a trust list must satisfy: by itself, and as the successor of another.
//!
//! A later list may close and narrow what an earlier one allowed, and may add keys; it never
//! takes a key of a log out and never gives one back what it lost. So the newest list alone
//! says what a key was worth at any place of a log, and says it to everybody alike.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    checkpoint::Origin,
    codes::Region,
    keys::{Algorithm, RecordVerifier},
    note::{SignatureType, VerifierKey},
};

use super::{Member, RecordKey, SignedTrustList, TrustError, TrustList};

/// Whether a list comes right behind the newest one held.
pub(super) fn check_place(
    last: Option<&SignedTrustList>,
    list: &TrustList,
) -> Result<(), TrustError> {
    let (held, predecessor) = match last {
        None => (0, String::new()),
        Some(last) => (last.list.version, last.digest.to_hex()),
    };
    if list.version != held + 1 {
        return Err(TrustError::NotNext {
            got: list.version,
            held,
        });
    }
    if list.previous != predecessor {
        return Err(TrustError::OtherPredecessor);
    }
    Ok(())
}

/// Whether a list leaves of every log what its predecessor said of it, or takes away.
pub(super) fn check_succession(old: &TrustList, new: &TrustList) -> Result<(), TrustError> {
    for before in old.logs() {
        let origin = || before.origin.clone();
        let now = new.logs().find(|now| now.origin == before.origin);
        let now = now
            .filter(|now| now.region == before.region)
            .ok_or_else(|| TrustError::LogDropped(origin()))?;
        for key in &before.log_keys {
            let found = now.log_keys.iter().find(|found| found.key == key.key);
            let found = found.ok_or_else(|| TrustError::KeyDropped(origin()))?;
            if !found.window().is_within(&key.window()) {
                return Err(TrustError::WindowOpened(origin()));
            }
        }
        for key in &before.record_keys {
            let is_it = |found: &&RecordKey| found.is_same_key(key);
            let found = now.record_keys.iter().find(is_it);
            let found = found.ok_or_else(|| TrustError::KeyDropped(origin()))?;
            if !found.window().is_within(&key.window()) {
                return Err(TrustError::WindowOpened(origin()));
            }
            if !signs_no_more(found, key) {
                return Err(TrustError::KeyWidened(origin()));
            }
        }
    }
    Ok(())
}

/// Whether a key may sign no other kinds and for no other regions than it could.
fn signs_no_more(now: &RecordKey, before: &RecordKey) -> bool {
    let all = before.kinds.iter().any(|kind| kind == "*");
    let kinds = all || now.kinds.iter().all(|kind| before.kinds.contains(kind));
    let within = |region: &String| {
        before.regions.contains(region)
            || Region::parse(region).is_ok_and(|region| before.writes_for(&region))
    };
    kinds && now.regions.iter().all(within)
}

/// What a list must satisfy beyond its form.
pub(super) fn check_content(list: &TrustList) -> Result<(), TrustError> {
    rule(list.issued < list.expires, "it expires before it is issued")?;
    rule(
        list.members.is_sorted_by(|a, b| a.region < b.region),
        "members ascend by region, each once",
    )?;
    rule(
        list.quorum < list.members.len().max(1),
        "the quorum is larger than the other members",
    )?;
    rule(
        list.former_members.is_sorted_by(|a, b| a.origin < b.origin),
        "former members ascend by origin, each once",
    )?;
    for former in &list.former_members {
        let closed = former.log_keys.iter().all(|key| key.until_index.is_some())
            && former
                .record_keys
                .iter()
                .all(|key| key.until_index.is_some());
        rule(closed, "all keys of a former member's log are closed")?;
        rule(former.tls_keys.is_empty(), "a former member has no TLS key")?;
    }
    let (mut origins, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut tls_keys = BTreeSet::new();
    for member in list.logs() {
        for key in &member.tls_keys {
            rule(tls_keys.insert(key), "one TLS key names two nodes")?;
        }
        rule(
            member
                .province()
                .is_some_and(|r| r == r.province() && r.to_string() == member.region),
            "a member's region is a province code",
        )?;
        let origin: Origin = member
            .origin
            .parse()
            .map_err(|_| TrustError::Content("an origin is not valid".to_owned()))?;
        rule(
            origins.insert(&member.origin),
            "two members have one origin",
        )?;
        list.policy(&origin)
            .map_err(|error| TrustError::Content(error.to_string()))?;
        for key in member_keys(member)? {
            rule(keys.insert(key), "one key serves two roles")?;
        }
    }
    Ok(())
}

/// The public keys of a member, each of which must have one role only.
fn member_keys(member: &Member) -> Result<Vec<Vec<u8>>, TrustError> {
    rule(!member.log_keys.is_empty(), "a member has no log key")?;
    let mut keys = Vec::new();
    let cosigners = [&member.witness_key, &member.mirror_key];
    let log_keys = member.log_keys.iter().map(|log| &log.key);
    for key in cosigners
        .into_iter()
        .chain(&member.answer_keys)
        .chain(log_keys.clone())
    {
        keys.push(note_key(key)?.public_key().to_bytes().to_vec());
    }
    for key in log_keys {
        // Otherwise no checkpoint of this log would ever verify.
        rule(
            note_key(key)?.name().as_str() == member.origin,
            "a log key's name is the origin",
        )?;
    }
    for key in &member.answer_keys {
        let plain = note_key(key)?.signature_type() == SignatureType::Ed25519;
        rule(plain, "an answer key is of signature type 0x01")?;
    }
    for key in &member.record_keys {
        keys.push(record_key(key)?);
    }
    Ok(keys)
}

fn note_key(key: &str) -> Result<VerifierKey, TrustError> {
    key.parse()
        .map_err(|_| TrustError::Content("a verifier key is not valid".to_owned()))
}

/// The bytes of a record key. Algorithms that this program does not know are taken as they are.
fn record_key(key: &RecordKey) -> Result<Vec<u8>, TrustError> {
    let invalid = || TrustError::Content("a record key is not valid".to_owned());
    let bytes = BASE64_STANDARD
        .decode(&key.public_key)
        .map_err(|_| invalid())?;
    if let Some(algorithm) = Algorithm::from_name(&key.alg) {
        RecordVerifier::new(algorithm, &bytes).map_err(|_| invalid())?;
    }
    Ok(bytes)
}

fn rule(holds: bool, what: &str) -> Result<(), TrustError> {
    if holds {
        Ok(())
    } else {
        Err(TrustError::Content(what.to_owned()))
    }
}
