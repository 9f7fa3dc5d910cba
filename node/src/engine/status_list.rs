//! The own log's status lists, as they are asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

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
        let token = list.sign(&changes, signer.ok_or(StatusListError::NoKey)?);
        let signed = Signed {
            basis,
            at: now,
            token: token.clone(),
        };
        self.status_lists.keep((purpose, number), signed);
        Ok(token)
    }
}
