//! The own log's status lists, as they are asked for.

use std::{
    collections::BTreeMap,
    io::Write as _,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use flate2::{Compression, write::GzEncoder};
use huren_core::{
    checkpoint::SignedCheckpoint,
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
    /// The register is being built anew, the database was restored and has not caught up, or the log
    /// contradicted itself: nothing can be said.
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
pub(super) struct StatusLists {
    signed: Mutex<BTreeMap<(Purpose, u64), Signed>>,
    making: tokio::sync::Mutex<()>,
}

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
    /// A register that was dropped may give another list of the same size.
    doubts: u64,
}

impl StatusLists {
    fn held(&self, list: (Purpose, u64), basis: Basis, now: u64) -> Option<String> {
        let held = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = held.get(&list)?;
        let is_good = signed.basis == basis && now.saturating_sub(signed.at) < FRESH;
        is_good.then(|| signed.token.clone())
    }

    fn keep(&self, list: (Purpose, u64), signed: Signed) {
        let mut held = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
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
        // One at a time: whoever asks for many lists does not keep the node from its work.
        let _one = self.status_lists.making.lock().await;
        loop {
            let doubts = self.book.doubts();
            let list = self.made_list(purpose, number, doubts).await?;
            if self.is_following() {
                // Whoever is in charge may have dropped the register meanwhile.
                self.book.freshen().await?;
            }
            if doubts == self.book.doubts() {
                return Ok(list);
            }
        }
    }

    async fn made_list(
        &self,
        purpose: Purpose,
        number: u64,
        doubts: u64,
    ) -> Result<String, StatusListError> {
        let log = self.store.log(&self.origin).await?;
        let log = log.ok_or(StatusListError::Beyond)?;
        // What nobody has been shown is not told here either.
        let published = SignedCheckpoint::parse(&log.notes.published);
        let size = published.map_or(0, |published| published.checkpoint().size);
        let first = number.checked_mul(LIST_LEN).filter(|first| *first < size);
        let first = first.ok_or(StatusListError::Beyond)?;
        let is_doubtful = log.frozen.is_some() || log.restored.is_some() || log.folded < size;
        if is_doubtful || !self.is_writable() && !self.is_following() {
            return Err(StatusListError::Doubtful);
        }
        let now = self.clock.now();
        let day = Date::today_in_shanghai(now.cast_signed());
        let basis = Basis { size, day, doubts };
        if let Some(token) = self.status_lists.held((purpose, number), basis, now) {
            return Ok(token);
        }
        let range = first..first.saturating_add(LIST_LEN);
        let mut changes = self.answers.statuses(&self.origin, range.clone()).await?;
        changes.retain(|change| change.index < size);
        let void = self.void_leaves(range).await?;
        let list = StatusList {
            origin: &self.origin,
            purpose,
            number,
            size,
            day,
            now,
        };
        let (signing, chain) = (self.signing(), self.trust());
        let signer = signing.answer(&chain, &self.origin);
        let signer = signer.ok_or(StatusListError::NoKey)?;
        let token = list.sign(&compressed(&list.bits(&changes, &void)), signer);
        let signed = Signed {
            basis,
            at: now,
            token: token.clone(),
        };
        self.status_lists.keep((purpose, number), signed);
        Ok(token)
    }

    /// The leaves of a range that take no effect, ascending.
    async fn void_leaves(&self, range: Range<u64>) -> Result<Vec<u64>, StoreError> {
        let (mut void, mut from) = (Vec::new(), range.start);
        loop {
            let (_, rows) = self.answers.quarantined(&self.origin, from, PAGE).await?;
            let within = rows.iter().map(|row| row.index);
            void.extend(within.take_while(|index| range.contains(index)));
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize && range.contains(&last.index) => {
                    from = last.index + 1;
                }
                _ => return Ok(void),
            }
        }
    }
}

/// Entries of the quarantine that are read at once.
const PAGE: u32 = 1000;

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
