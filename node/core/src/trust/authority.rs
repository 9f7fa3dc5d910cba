//! Which key may sign what at which place: a trust list's record keys, ready for use.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    checkpoint::Origin,
    codes::Region,
    keys::{Algorithm, RecordVerifier, key_id},
    merkle::Hash,
};

use super::{RecordKey, TrustList};

/// The record keys of a list, by log and key id.
#[derive(Clone, Debug)]
pub struct Authority {
    logs: HashMap<String, Log>,
}

#[derive(Clone, Debug)]
struct Log {
    region: Region,
    keys: HashMap<Hash, (RecordKey, Option<RecordVerifier>)>,
}

/// Why a key has no authority for a record at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The log is of no member.
    #[error("the log belongs to no member of the trust list")]
    LogUnknown,
    /// The key is not listed for this log.
    #[error("the key is not listed for this log")]
    KeyUnknown,
    /// The key is not valid at this index.
    #[error("the key is not valid at this place of the log")]
    KeyOutsideWindow,
    /// The key may not sign this kind.
    #[error("the key may not sign records of this kind")]
    KeyKind,
    /// The key may not write for this region, or the region is not of the log's province.
    #[error("the key may not write on behalf of this region")]
    KeyRegion,
}

/// The first index at which a key's rights differ between two lists, of which the later one
/// only ever takes away.
fn first_difference(before: &RecordKey, now: &RecordKey) -> Option<u64> {
    if (&before.kinds, &before.regions) != (&now.kinds, &now.regions)
        || before.from_index != now.from_index
    {
        return Some(before.from_index.min(now.from_index));
    }
    if before.until_index == now.until_index {
        return None;
    }
    before.until_index.into_iter().chain(now.until_index).min()
}

impl Refusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LogUnknown => "LOG_UNKNOWN",
            Self::KeyUnknown => "KEY_UNKNOWN",
            Self::KeyOutsideWindow => "KEY_OUTSIDE_WINDOW",
            Self::KeyKind => "KEY_KIND",
            Self::KeyRegion => "KEY_REGION",
        }
    }
}

impl Authority {
    pub(super) fn compile(list: &TrustList) -> Self {
        let mut logs = HashMap::new();
        for member in list.logs() {
            let Some(region) = member.province() else {
                continue;
            };
            let keys = member
                .record_keys
                .iter()
                .filter_map(|key| {
                    let public_key = BASE64_STANDARD.decode(&key.public_key).ok()?;
                    let verifier = Algorithm::from_name(&key.alg)
                        .and_then(|alg| RecordVerifier::new(alg, &public_key).ok());
                    Some((key_id(&key.alg, &public_key), (key.clone(), verifier)))
                })
                .collect();
            logs.insert(member.origin.clone(), Log { region, keys });
        }
        Self { logs }
    }

    /// The key of an id, if it is listed for the log: `None` inside if its algorithm is not
    /// known to this program.
    pub fn verifier(&self, origin: &Origin, key: &Hash) -> Option<Option<&RecordVerifier>> {
        let (_, verifier) = self.logs.get(origin.as_str())?.keys.get(key)?;
        Some(verifier.as_ref())
    }

    /// Whether a key may sign a record of a kind for a region at an index of a log.
    ///
    /// # Errors
    /// [`Refusal`] says what it lacks.
    pub fn check(
        &self,
        origin: &Origin,
        key: &Hash,
        index: u64,
        kind: i32,
        writer: &Region,
    ) -> Result<(), Refusal> {
        let log = self.logs.get(origin.as_str()).ok_or(Refusal::LogUnknown)?;
        let (key, _) = log.keys.get(key).ok_or(Refusal::KeyUnknown)?;
        if !key.window().contains(index) {
            return Err(Refusal::KeyOutsideWindow);
        }
        if !key.signs_kind(kind) {
            return Err(Refusal::KeyKind);
        }
        if !log.region.contains(writer) || !key.writes_for(writer) {
            return Err(Refusal::KeyRegion);
        }
        Ok(())
    }

    /// Whether a key is listed for a log and valid at an index, whatever it may sign there.
    pub fn is_open(&self, origin: &Origin, key: &Hash, index: u64) -> bool {
        let keys = self.logs.get(origin.as_str()).map(|log| &log.keys);
        let key = keys.and_then(|keys| keys.get(key));
        key.is_some_and(|(key, _)| key.window().contains(index))
    }

    /// The first index of a log at which a key has fewer rights by `newer`, the list of a later
    /// version: what was folded from there on has to be folded again. `None` if there is none.
    pub fn narrowed_from(&self, newer: &Self, origin: &Origin) -> Option<u64> {
        let (old, new) = (
            self.logs.get(origin.as_str())?,
            newer.logs.get(origin.as_str())?,
        );
        let shared = old.keys.iter();
        let shared = shared.filter_map(|(id, (before, _))| Some((before, &new.keys.get(id)?.0)));
        shared
            .filter_map(|(before, now)| first_difference(before, now))
            .min()
    }

    /// Whether a key may change a record that was written for `subject`: a county's key
    /// changes that county's records only.
    pub fn may_change(&self, origin: &Origin, key: &Hash, subject: &Region) -> bool {
        self.logs
            .get(origin.as_str())
            .and_then(|log| log.keys.get(key))
            .is_some_and(|(key, _)| key.writes_for(subject))
    }
}
