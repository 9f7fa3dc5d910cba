//! Putting what the database holds about persons under another key: disclosures are sealed anew,
//! numbers and submissions are tagged anew, in bounded steps beside everything else. A crash
//! loses at most the step under way.
//!
//! Until all is done both keys are needed, and everything is looked up under both.

use std::{collections::BTreeMap, time::Duration};

use huren_core::{
    checkpoint::Origin,
    disclosure::{Group, KeyId, KeyMissing, KeyRing, Opening, Values},
    merkle::Hash,
};
use huren_proto::v1;
use huren_store::{
    DataKey, DataKeyKind, DisclosureRow, Error as StoreError, LogState, Rekey, Rekeyed, Role,
    Store, Tag,
};

use super::{
    Engine,
    clock::random,
    prepare::{self, WriterKeys},
};

/// Leaves in one step: the log is folded and appended to between two of them.
const STEP: u64 = 512;

/// Between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// A log has no more leaves than this: rows up to there are done with.
const EVERYTHING: u64 = 1 << 40;

/// Why the database cannot be used with the keys that are there.
#[derive(Debug, thiserror::Error)]
pub enum DataKeysError {
    /// A key that something is kept under is not among them.
    #[error(
        "DATA_KEY_NEEDED: 数据库中仍有由密钥 {id} 保护的内容，而 {file}.key 与 {file}.old*.key 中都没有它。\
         请从密钥备份取回该文件，放为 keys/{file}.old.key，再启动。 / \
         the database still holds what is kept under the key {id}, which is neither {file}.key nor \
         any {file}.old*.key: put it back from its backup as keys/{file}.old.key, and start again",
        id = hex::encode(missing.id),
        file = file(*kind)
    )]
    Missing {
        /// What it is for.
        kind: DataKeyKind,
        /// Which one.
        missing: KeyMissing,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name of a key's file, without its ending.
const fn file(kind: DataKeyKind) -> &'static str {
    match kind {
        DataKeyKind::AtRest => "at-rest",
        DataKeyKind::Index => "index",
    }
}

/// How a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKeyState {
    /// What it is for.
    pub kind: DataKeyKind,
    /// Which one.
    pub id: KeyId,
    /// Whether it is the one in use.
    pub current: bool,
    /// Whether the node needs it.
    pub needed: bool,
}

impl DataKeyState {
    /// As operators are told.
    pub(super) fn status(&self) -> v1::DataKeyStatus {
        v1::DataKeyStatus {
            kind: file(self.kind).to_owned(),
            id: hex::encode(self.id),
            current: self.current,
            needed: self.needed,
        }
    }
}

/// How far putting everything under new keys has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rekeying {
    /// All keys that are here.
    pub keys: Vec<DataKeyState>,
    /// Leaves that have not been looked at yet.
    pub left: u64,
    /// Numbers that may stay under an earlier index key, as they are erased and known to nobody.
    pub kept: u64,
}

/// Takes the keys that a node starts with, before anything is read or written with them: what
/// was kept under others so far is going to be put under these.
///
/// # Errors
/// [`DataKeysError`].
pub async fn take_data_keys(store: &dyn Store, keys: &WriterKeys) -> Result<(), DataKeysError> {
    let recorded = store.data_keys().await?;
    let (mut next, mut walk_again) = (Vec::new(), false);
    for (kind, ring) in rings(keys) {
        let before = of_kind(&recorded, kind);
        let after = ring
            .taking_over(&before)
            .map_err(|missing| DataKeysError::Missing { kind, missing })?;
        walk_again |= before.first() != after.first() && after.len() > 1;
        next.extend(after.into_iter().map(|id| DataKey { kind, id }));
    }
    if next != recorded {
        store.put_data_keys(&recorded, &next, walk_again).await?;
    }
    Ok(())
}

fn rings(keys: &WriterKeys) -> [(DataKeyKind, &KeyRing); 2] {
    [
        (DataKeyKind::AtRest, &keys.at_rest),
        (DataKeyKind::Index, &keys.index),
    ]
}

fn of_kind(keys: &[DataKey], kind: DataKeyKind) -> Vec<KeyId> {
    let of_kind = keys.iter().filter(|key| key.kind == kind);
    of_kind.map(|key| key.id).collect()
}

impl Engine {
    /// What names the keys of this node, of every role, in public.
    pub fn key_ids(&self) -> Vec<(&'static str, String)> {
        let mut ids = self.signing().ids();
        let data = rings(&self.keys).map(|(kind, ring)| (file(kind), ring.current().id()));
        ids.extend(data.map(|(role, id)| (role, hex::encode(id))));
        ids.push(("holder", hex::encode(self.keys.holder.id())));
        ids
    }

    /// How the keys of the database stand.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn rekeying(&self) -> Result<Rekeying, StoreError> {
        let recorded = self.store.data_keys().await?;
        let mut rekeying = Rekeying::default();
        for (kind, ring) in rings(&self.keys) {
            let needed = of_kind(&recorded, kind);
            for (at, id) in ring.ids().into_iter().enumerate() {
                rekeying.keys.push(DataKeyState {
                    kind,
                    id,
                    current: at == 0,
                    needed: at == 0 || needed.contains(&id),
                });
            }
        }
        if is_under_way(&recorded) {
            let done = self.store.rekeyed().await?;
            for log in self.store.logs().await? {
                let done = done.get(&log.origin).copied().unwrap_or_default();
                rekeying.left += log.disclosed.saturating_sub(done.up_to);
                rekeying.kept += done.kept;
            }
        }
        Ok(rekeying)
    }

    /// Puts everything under the keys in use, then ends.
    pub(super) async fn rekey(&self) {
        let mut delays = self.backoff();
        loop {
            let pause = match self.rekey_some().await {
                Ok(true) => return,
                Ok(false) => {
                    delays = self.backoff();
                    PAUSE
                }
                Err(error) => {
                    tracing::warn!(%error, "a step towards a new key failed and is taken again");
                    delays.next().unwrap_or(super::tasks::MAX_DELAY)
                }
            };
            self.clock.sleep(pause).await;
        }
    }

    /// Takes one step; says whether there is no other.
    async fn rekey_some(&self) -> Result<bool, StoreError> {
        let recorded = self.store.data_keys().await?;
        if !is_under_way(&recorded) {
            return Ok(true);
        }
        let done = self.store.rekeyed().await?;
        let of_log = |log: &LogState| done.get(&log.origin).copied().unwrap_or_default();
        let logs = self.store.logs().await?;
        let next = logs.iter().find(|log| of_log(log).up_to < log.disclosed);
        if let Some(log) = next {
            self.rekey_step(log, of_log(log)).await?;
            return Ok(false);
        }
        // What an erasure left under an earlier index key stays there: nobody knows the number,
        // so the key is needed to know that it is taken. Nothing else is looked at again.
        let kept: u64 = logs.iter().map(|log| of_log(log).kept).sum();
        if kept > 0 {
            for log in logs.iter().filter(|log| of_log(log).up_to < EVERYTHING) {
                let from = of_log(log);
                let to = Rekeyed {
                    up_to: EVERYTHING,
                    ..from
                };
                let rekey = Rekey {
                    from,
                    to,
                    rows: Vec::new(),
                    submissions: Vec::new(),
                };
                self.store.rekey(&log.origin, rekey).await?;
            }
        }
        let mut needed = Vec::new();
        for kind in [DataKeyKind::AtRest, DataKeyKind::Index] {
            let mut ids = of_kind(&recorded, kind);
            if kind == DataKeyKind::AtRest || kept == 0 {
                ids.truncate(1);
            }
            needed.extend(ids.into_iter().map(|id| DataKey { kind, id }));
        }
        if needed != recorded {
            self.store.put_data_keys(&recorded, &needed, false).await?;
            tracing::info!(kept, "everything is under the keys in use");
        }
        Ok(true)
    }

    /// Puts the next rows of a log under the keys in use. Meanwhile nothing is folded, so that no
    /// erasure is undone by what was read before it.
    async fn rekey_step(&self, log: &LogState, from: Rekeyed) -> Result<(), StoreError> {
        let _judging = self.judging.write().await;
        let (origin, end) = (&log.origin, log.disclosed.min(from.up_to + STEP));
        let range = from.up_to..end;
        let hashes = self.reader.leaf_hashes(origin, range.clone()).await?;
        let leaves: BTreeMap<u64, Hash> = range.clone().zip(hashes).collect();
        let void: Vec<u64> = if log.role == Role::Own {
            let (_, void) = self
                .store
                .quarantined(origin, from.up_to, STEP as u32)
                .await?;
            void.into_iter().map(|row| row.index).collect()
        } else {
            Vec::new()
        };
        let mut rekey = Rekey {
            from,
            to: Rekeyed { up_to: end, ..from },
            rows: Vec::new(),
            submissions: Vec::new(),
        };
        for row in self.store.disclosures(origin, range).await? {
            let hash = leaves.get(&row.index);
            let hash = hash.ok_or(StoreError::Corrupt("a leaf is missing"))?;
            let openings = self
                .keys
                .at_rest
                .unseal((origin, hash), &row.sealed)
                .map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))?;
            let number = number(&openings);
            if row.number_tag.is_some() && number.is_none() && self.keys.index.keys().len() > 1 {
                rekey.to.kept += 1;
            }
            if let Some(number) = number.filter(|_| {
                log.role == Role::Own && row.number_tag.is_some() && !void.contains(&row.index)
            }) {
                let moved = self.submission_tags(number, &openings).into_iter();
                let moved = moved.map(|(old, new)| (old, new, row.index));
                rekey.submissions.extend(moved);
            }
            let renewed = self.renewed(&row, (origin, hash), &openings)?;
            if renewed != row {
                rekey.rows.push(renewed);
            }
        }
        metrics::counter!("huren_rekeyed_total").increment(rekey.rows.len() as u64);
        self.store.rekey(origin, rekey).await
    }

    /// A row under the keys in use, as long as it was.
    fn renewed(
        &self,
        row: &DisclosureRow,
        place: (&Origin, &Hash),
        openings: &[Opening],
    ) -> Result<DisclosureRow, StoreError> {
        let keys = &self.keys;
        let number_tag = renewed_number_tag(&keys.index, row.number_tag, openings);
        let sealed = if keys.at_rest.seals(&row.sealed) {
            row.sealed.clone()
        } else {
            let nonce = random(self.random.as_ref());
            let sealed = keys.at_rest.seal(nonce, place, openings);
            sealed.map_err(|_| StoreError::Corrupt("sealing failed"))?
        };
        Ok(DisclosureRow {
            number_tag,
            sealed,
            ..row.clone()
        })
    }

    /// What a certificate's submission is recognised by under each earlier key, and under the one
    /// in use. Where something was erased it is nothing that was ever submitted: then nothing is
    /// found under it, and nothing changes.
    fn submission_tags(&self, number: &str, openings: &[Opening]) -> Vec<(Tag, Tag)> {
        let values = openings
            .iter()
            .filter_map(|opening| Some((opening.group, opening.values.clone()?)));
        let groups: BTreeMap<Group, Values> = values.collect();
        let tags = self.keys.index.keys().iter();
        let mut tags = tags.map(|key| prepare::certificate_tag(key, number, &groups));
        let Some(current) = tags.next() else {
            return Vec::new();
        };
        tags.map(|earlier| (earlier, current)).collect()
    }
}

/// The tag of a number under the index key in use, if what is left of a disclosure tells it.
pub(super) fn renewed_number_tag(
    index: &KeyRing,
    held: Option<Tag>,
    openings: &[Opening],
) -> Option<Tag> {
    let held = held?;
    let tags = number(openings).map(|number| index.number_tags(number));
    let current = tags.and_then(|tags| tags.first().copied());
    Some(current.map_or(held, Tag))
}

fn number(openings: &[Opening]) -> Option<&str> {
    let certificate = openings.iter().find(|o| o.group == Group::Certificate)?;
    certificate.values.as_ref()?.get("number")
}

fn is_under_way(recorded: &[DataKey]) -> bool {
    [DataKeyKind::AtRest, DataKeyKind::Index]
        .into_iter()
        .any(|kind| of_kind(recorded, kind).len() > 1)
}
