//! The own log's status lists, as they are asked for.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use flate2::{Compression, write::GzEncoder};
use huren_core::{
    codes::Date,
    status_list::{LIST_LEN, Purpose, StatusList},
};
use huren_store::Error as StoreError;

use super::Engine;

/// A list that was signed is given again for so long, in seconds, if nothing has changed.
const FRESH: u64 = 300;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum StatusListError {
    /// The log has no leaf that would be in it.
    #[error("the log has no such list")]
    Beyond,
    /// The register is being built anew, or the log contradicted itself: nothing can be said.
    #[error("the register of this log cannot be relied on at present")]
    Doubtful,
    /// The trust list names no answer key of this node.
    #[error("this node has no answer key that the trust list names")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists that were signed: at most two for each 131,072 leaves.
#[derive(Default)]
pub(super) struct StatusLists(Mutex<BTreeMap<(Purpose, u64), Signed>>);

struct Signed {
    basis: Basis,
    at: u64,
    token: String,
}

/// What a list follows from.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Basis {
    size: u64,
    day: Date,
}

impl StatusLists {
    fn held(&self, list: (Purpose, u64), basis: Basis, now: u64) -> Option<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = held.get(&list)?;
        let is_good = signed.basis == basis && now.saturating_sub(signed.at) < FRESH;
        is_good.then(|| signed.token.clone())
    }

    fn keep(&self, list: (Purpose, u64), signed: Signed) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(list, signed);
    }
}

impl Engine {
    /// A status list of the own log, signed with the answer key: see [`huren_core::status_list`].
    ///
    /// # Errors
    /// Why there is none, now or at all.
    pub async fn status_list(
        &self,
        purpose: Purpose,
        number: u64,
    ) -> Result<String, StatusListError> {
        let log = self.store.log(&self.origin).await?;
        let log = log.ok_or(StatusListError::Beyond)?;
        let first = number.checked_mul(LIST_LEN);
        let first = first.filter(|first| *first < log.head.size);
        let first = first.ok_or(StatusListError::Beyond)?;
        if log.frozen.is_some() || log.folded < log.head.size {
            return Err(StatusListError::Doubtful);
        }
        let now = self.clock.now();
        let basis = Basis {
            size: log.folded,
            day: Date::today_in_shanghai(now.cast_signed()),
        };
        if let Some(token) = self.status_lists.held((purpose, number), basis, now) {
            return Ok(token);
        }
        let range = first..first.saturating_add(LIST_LEN);
        // It may hold changes that came since: then it says less than it could.
        let mut changes = self.store.statuses(&self.origin, range).await?;
        changes.retain(|change| change.index < basis.size);
        let list = StatusList {
            origin: &self.origin,
            purpose,
            number,
            size: basis.size,
            day: basis.day,
            now,
        };
        let (signing, chain) = (self.signing(), self.trust());
        let signer = signing.answer(&chain, &self.origin);
        let signer = signer.ok_or(StatusListError::NoKey)?;
        let token = list.sign(&compressed(&list.bits(&changes)), signer);
        let signed = Signed {
            basis,
            at: now,
            token: token.clone(),
        };
        self.status_lists.keep((purpose, number), signed);
        Ok(token)
    }
}

fn compressed(bits: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(bits).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use flate2::read::GzDecoder;

    use super::*;

    fn decompressed(compressed: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut bits).unwrap();
        bits
    }

    /// Section 3.2 of the standard shows this list, of which no bit is set.
    #[test]
    fn the_example_of_the_standard_is_a_list_of_ours() {
        let example = "H4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
        let none = vec![0; 16_384];
        let example = BASE64_URL_SAFE_NO_PAD.decode(example).unwrap();
        assert_eq!(decompressed(&example), none);
        assert_eq!(decompressed(&compressed(&none)), none);
    }
}
