//! The chain of trust lists, verified from root keys.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    checkpoint::Origin,
    keys::{Algorithm, RecordVerifier},
    merkle::Hash,
    note::{Note, SignatureType, VerifierKey},
};

use super::{Authority, Member, RecordKey, RootKeys, TrustList, witness};

/// A list that verified.
#[derive(Clone, Debug)]
pub struct SignedTrustList {
    /// Its content.
    pub list: TrustList,
    /// SHA-256 of its text.
    pub digest: Hash,
    note: Note,
    authority: Authority,
}

impl SignedTrustList {
    /// The signed note, as it came.
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    /// Who may sign which records.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// Versions 1 to the newest one, each verified from the one before.
#[derive(Clone, Debug)]
pub struct TrustChain {
    lists: Vec<SignedTrustList>,
}

/// Why a trust list is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no list.
    #[error("the chain of trust lists is empty")]
    Empty,
    /// Root keys are malformed, repeated, or fewer than the threshold.
    #[error("the root keys or their threshold are not valid")]
    Roots,
    /// Not a signed note with the expected header.
    #[error(
        "not a trust list: expected a signed note that starts with {:?}",
        TrustList::HEADER
    )]
    Format,
    /// Its content breaks a rule, or holds something newer than this program.
    #[error("the content of the trust list is not valid: {0}")]
    Content(String),
    /// A signature by a root key does not verify.
    #[error("a root key's signature does not verify")]
    Signature,
    /// Too few root keys signed.
    #[error("{have} root keys signed, {need} are needed")]
    Threshold {
        /// How many signed.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// It does not follow the newest list held.
    #[error("version {got} does not follow version {held}")]
    NotNext {
        /// Its version.
        got: u64,
        /// The newest version held.
        held: u64,
    },
    /// It names another predecessor.
    #[error("the list names another predecessor than the one held")]
    OtherPredecessor,
}

impl TrustError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "TRUST_EMPTY",
            Self::Roots => "TRUST_ROOTS",
            Self::Format => "TRUST_FORMAT",
            Self::Content(_) => "TRUST_CONTENT",
            Self::Signature => "TRUST_SIGNATURE",
            Self::Threshold { .. } => "TRUST_THRESHOLD",
            Self::NotNext { .. } => "TRUST_NOT_NEXT",
            Self::OtherPredecessor => "TRUST_PREDECESSOR",
        }
    }
}

impl TrustChain {
    /// Verifies a chain of notes, version 1 first.
    ///
    /// # Errors
    /// [`TrustError`] of the first list that does not hold.
    pub fn verify<'a>(
        roots: &RootKeys,
        notes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, TrustError> {
        let mut chain = Self { lists: Vec::new() };
        for note in notes {
            let list = chain.check_next(roots, note)?;
            chain.lists.push(list);
        }
        if chain.lists.is_empty() {
            Err(TrustError::Empty)
        } else {
            Ok(chain)
        }
    }

    /// This chain with one more list, verified from the newest one.
    ///
    /// # Errors
    /// [`TrustError`] if it does not follow.
    pub fn extended(&self, note: &[u8]) -> Result<Self, TrustError> {
        let roots = RootKeys::new(&self.newest().list.root)?;
        let list = self.check_next(&roots, note)?;
        let mut lists = self.lists.clone();
        lists.push(list);
        Ok(Self { lists })
    }

    /// `roots` are those to begin with; behind the first list its predecessor's count.
    fn check_next(&self, roots: &RootKeys, note: &[u8]) -> Result<SignedTrustList, TrustError> {
        let note = Note::parse(note).map_err(|_| TrustError::Format)?;
        let json = note
            .text()
            .strip_prefix(TrustList::HEADER)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(TrustError::Format)?;
        let list: TrustList =
            serde_json::from_str(json).map_err(|error| TrustError::Content(error.to_string()))?;
        let (held, predecessor, authorities) = match self.lists.last() {
            None => (0, String::new(), roots.clone()),
            Some(last) => (
                last.list.version,
                last.digest.to_hex(),
                RootKeys::new(&last.list.root)?,
            ),
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
        authorities.check(&note)?;
        RootKeys::new(&list.root)?.check(&note)?;
        check_content(&list)?;
        let digest = Hash(Sha256::digest(note.text()).into());
        let authority = Authority::compile(&list);
        Ok(SignedTrustList {
            list,
            digest,
            note,
            authority,
        })
    }

    /// The newest list.
    pub fn newest(&self) -> &SignedTrustList {
        &self.lists[self.lists.len() - 1]
    }

    /// A version, if it is held.
    pub fn version(&self, version: u64) -> Option<&SignedTrustList> {
        self.lists
            .get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// All lists, ascending.
    pub fn lists(&self) -> &[SignedTrustList] {
        &self.lists
    }

    /// The chain up to a version.
    pub fn up_to(&self, version: u64) -> &[SignedTrustList] {
        let end = usize::try_from(version)
            .unwrap_or(usize::MAX)
            .min(self.lists.len());
        &self.lists[..end]
    }
}

/// What a list must satisfy beyond its form.
fn check_content(list: &TrustList) -> Result<(), TrustError> {
    rule(list.issued < list.expires, "it expires before it is issued")?;
    rule(
        list.members.is_sorted_by(|a, b| a.region < b.region),
        "members ascend by region, each once",
    )?;
    let counting = list
        .witnesses
        .iter()
        .filter(|witness| witness.counts)
        .count();
    rule(
        list.quorum < list.members.len().max(1) + counting,
        "the quorum is larger than the other members",
    )?;
    let (mut origins, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for member in &list.members {
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
    witness::check(list, &mut keys)
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
