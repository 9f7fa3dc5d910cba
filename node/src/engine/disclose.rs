//! Disclosures: given to members, and taken from them after checking every one against its
//! leaf. They travel apart from the leaves and never hold up replication.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    pin::Pin,
};

use futures::{
    StreamExt as _,
    stream::{BoxStream, Peekable},
};
use huren_core::{
    checkpoint::Origin,
    disclosure::{self, Group, GroupDigests, Opening},
    merkle::{Hash, decode_bundle},
    record::{Body, UnverifiedRecord},
    replicate::PACKAGE,
    trust::Refusal,
};
use huren_proto::v1;
use huren_store::{DisclosureRow, Error as StoreError, Tag};
use tokio::sync::RwLockReadGuard;

use super::{
    Engine,
    book::Book,
    clock::random,
    fold::{Progress, Sealing},
    peers::{Peer, PeerError},
    prepare::WriterKeys,
};

/// Leaves in one page.
const PAGE: u64 = 2 * PACKAGE;
/// Leaves in one transaction at most, where the fold is that far ahead: as many as it takes itself.
const TOGETHER: u64 = 8 * PAGE;
/// Quarantined leaves that are looked through at a time.
const QUARANTINED: u32 = 256;
/// What an erasure is quarantined with whose key had the right to it until a list took it away.
const TAKEN_AWAY: [Refusal; 3] = [
    Refusal::KeyOutsideWindow,
    Refusal::KeyKind,
    Refusal::KeyRegion,
];

/// What a member needs of every certificate.
const NEEDED: [Group; 3] = [Group::Certificate, Group::HolderName, Group::HolderId];

/// Why disclosures are not taken.
#[derive(Debug, thiserror::Error)]
pub enum DiscloseError {
    /// The member did not send them.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// They do not open the digests of their leaves.
    #[error("disclosures do not open the digests of their leaves")]
    Wrong,
    /// Some are missing.
    #[error("disclosures of a certificate are missing")]
    Missing,
    /// Some are missing, and an erasure names them that counted until its key was found stolen:
    /// whoever folded it in good faith has nothing to give any more.
    #[error("disclosures were erased by a key that was closed later")]
    Spoiled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DiscloseError {
    /// The stable reason code.
    pub fn code(&self) -> &str {
        match self {
            Self::Peer(error) => error.code(),
            Self::Wrong => "DISCLOSURE_WRONG",
            Self::Missing => "DISCLOSURE_MISSING",
            Self::Spoiled => "DISCLOSURE_SPOILED",
            Self::Store(_) => "STORE",
        }
    }
}

impl Engine {
    /// Leaves in one page of disclosures.
    pub const DISCLOSURE_PAGE: u64 = PAGE;

    /// A page of a log's disclosures for another member.
    ///
    /// # Errors
    /// If the store fails; `Conflict` beyond what is given to members ([`super::Entry::disclosed`]).
    pub async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<v1::GetDisclosuresResponse, StoreError> {
        let given = self.book.entry(origin).map_or(0, |entry| entry.disclosed());
        if range.end > given {
            return Err(StoreError::Conflict);
        }
        page(&self.sealing(), &self.keys, origin, range).await
    }
}

/// A page of a log's disclosures as another member may have them.
///
/// # Errors
/// If the store fails.
async fn page(
    sealing: &Sealing<'_>,
    keys: &WriterKeys,
    origin: &Origin,
    range: Range<u64>,
) -> Result<v1::GetDisclosuresResponse, StoreError> {
    let rows = sealing.store.disclosures(origin, range.clone()).await?;
    let hashes = sealing.reader.leaf_hashes(origin, range.clone()).await?;
    let leaves: BTreeMap<u64, &Hash> = range.clone().zip(&hashes).collect();
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(hash) = leaves.get(&row.index) else {
            continue;
        };
        let openings = (sealing.at_rest.unseal((origin, hash), &row.sealed))
            .map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))?;
        let given: Vec<Opening> = openings.iter().filter_map(Opening::for_members).collect();
        let tag = |tag: Tag| v1::HolderTag {
            key_id: keys.holder.id().to_vec(),
            tag: tag.0.to_vec(),
        };
        records.push(v1::RecordDisclosures {
            index: row.index,
            disclosures: disclosure::to_proto(&given),
            holder_tags: row.holder_tag.map(tag).into_iter().collect(),
        });
    }
    Ok(v1::GetDisclosuresResponse {
        first_index: range.start,
        end_index: range.end,
        records,
    })
}

/// Takes disclosures of a log from a member.
pub(super) struct Taking<'a> {
    /// Where they go.
    pub sealing: &'a Sealing<'a>,
    /// What they are tagged with.
    pub keys: &'a WriterKeys,
    /// Whose they are.
    pub origin: &'a Origin,
    /// Where it is seen how far they have come.
    pub book: &'a Book,
    /// The fold that goes ahead.
    pub folding: &'a Progress,
    /// Accepts missing ones: a province that has lost its database takes back what is left.
    pub partial: bool,
    /// Accepts that those are missing which a stolen key erased, as nobody here has them.
    pub excusing: bool,
}

/// Pages as a member sends them.
type Pages = Peekable<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>>;

/// Pages that are checked and sealed.
struct Checked<'a> {
    range: Range<u64>,
    rows: Vec<DisclosureRow>,
    /// Why the page behind them is not taken.
    failed: Option<DiscloseError>,
    /// Until the rows are kept, no erasure is applied.
    _erasing: RwLockReadGuard<'a, ()>,
}

impl Taking<'_> {
    /// Takes the disclosures of `range`, page by page, behind the fold: without failing it ends
    /// where the fold does. What is taken stays taken when a later page fails.
    ///
    /// # Errors
    /// [`DiscloseError`].
    pub(super) async fn take(
        &self,
        peer: &dyn Peer,
        range: Range<u64>,
    ) -> Result<(), DiscloseError> {
        let pages = peer.disclosures(self.origin, range.clone()).await?;
        let mut pages = pages.peekable();
        let mut checked = self.next(&mut pages, range.clone()).await?;
        while let Some(mut some) = checked {
            let rest = some.range.end..range.end;
            if let Some(failed) = some.failed.take() {
                self.keep(some).await?;
                return Err(failed);
            }
            // While the database keeps some pages, the processor checks the next ones.
            let (kept, ahead) = futures::join!(self.keep(some), self.next(&mut pages, rest));
            kept?;
            checked = ahead?;
        }
        Ok(())
    }

    /// The next pages, as far as the fold comes; `None` at the end.
    async fn next(
        &self,
        pages: &mut Pages,
        rest: Range<u64>,
    ) -> Result<Option<Checked<'_>>, DiscloseError> {
        if rest.is_empty() || self.folding.reach(rest.start + 1).await <= rest.start {
            return Ok(None);
        }
        let given = self.gather(pages, &rest).await?;
        let end = given.last().map_or(rest.start, |page| page.end_index);
        let end = end.min(self.folding.reach(end).await);
        // From here on nothing is waited for that the fold could be waiting behind.
        let mut checked = Checked {
            range: rest.start..rest.start,
            rows: Vec::new(),
            failed: None,
            _erasing: self.folding.erasing.read().await,
        };
        for mut page in given {
            page.records.retain(|record| record.index < end);
            let range = page.first_index..page.end_index.min(end);
            match self.check(range.clone(), page.records).await {
                Ok(rows) => checked.rows.extend(rows),
                Err(error) if checked.range.is_empty() => return Err(error),
                Err(error) => {
                    checked.failed = Some(error);
                    break;
                }
            }
            checked.range.end = range.end;
            if range.end == end {
                break;
            }
        }
        Ok(Some(checked))
    }

    /// A page, and those behind it that the fold has passed already, up to [`TOGETHER`] leaves.
    async fn gather(
        &self,
        pages: &mut Pages,
        rest: &Range<u64>,
    ) -> Result<Vec<v1::GetDisclosuresResponse>, DiscloseError> {
        let fits = |page: &v1::GetDisclosuresResponse, next| {
            page.first_index == next
                && page.end_index > next
                && page.end_index <= rest.end
                && page.end_index - next <= PAGE
        };
        let mut given = Vec::new();
        let mut next = rest.start;
        loop {
            let page = pages.next().await.ok_or(DiscloseError::Missing)??;
            if !fits(&page, next) {
                return Err(PeerError::Malformed.into());
            }
            next = page.end_index;
            given.push(page);
            let has_room = next + PAGE <= rest.start + TOGETHER;
            if !has_room || next >= rest.end.min(self.folding.reached()) {
                return Ok(given);
            }
            // What is wrong behind these pages is found when it is its turn.
            match Pin::new(&mut *pages).peek().await {
                Some(Ok(page)) if fits(page, next) => {}
                _ => return Ok(given),
            }
        }
    }

    /// Checks a page against the leaves and seals it.
    async fn check(
        &self,
        range: Range<u64>,
        records: Vec<v1::RecordDisclosures>,
    ) -> Result<Vec<DisclosureRow>, DiscloseError> {
        let Self {
            sealing,
            keys,
            origin,
            ..
        } = *self;
        let leaves = leaves(sealing, origin, range.clone()).await?;
        let hashes: Vec<Hash> = leaves.values().map(|(hash, _)| *hash).collect();
        let registered = sealing.store.targets(origin, &hashes).await?;
        let mut erased: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (index, groups) in sealing.store.erased(origin, range.clone()).await? {
            erased.entry(index).or_default().extend(groups);
        }
        let mut given: BTreeMap<u64, v1::RecordDisclosures> = BTreeMap::new();
        for record in records {
            if !range.contains(&record.index) || given.insert(record.index, record).is_some() {
                return Err(PeerError::Malformed.into());
            }
        }
        let mut rows = Vec::new();
        let mut lacking: BTreeMap<Hash, BTreeSet<Group>> = BTreeMap::new();
        for (index, (hash, record)) in &leaves {
            let Some((digests, is_certificate)) = digests(record.as_ref()) else {
                continue;
            };
            let gone = erased.get(index).map(Vec::as_slice).unwrap_or_default();
            let is_gone = |group: Group| gone.contains(&group.number().unsigned_abs());
            let record = given.remove(index).unwrap_or_default();
            let openings =
                disclosure::from_proto(&record.disclosures).ok_or(DiscloseError::Wrong)?;
            disclosure::check(&openings, digests).map_err(|_| DiscloseError::Wrong)?;
            let openings: Vec<Opening> = openings
                .into_iter()
                .filter(|opening| !is_gone(opening.group))
                .collect();
            // A certificate's leaf appended again is not in the register: nobody needs to open it.
            let is_registered = registered
                .get(hash)
                .is_some_and(|certificate| certificate.index == *index);
            if is_certificate && !self.partial && is_registered {
                let has = |group: &Group| {
                    is_gone(*group)
                        || openings.iter().any(|opening| {
                            opening.group == *group
                                && (opening.values.is_some() || !group.travels_with_values())
                        })
                };
                let mut needed = BTreeSet::from(NEEDED);
                needed.retain(|group| !has(group));
                if !needed.is_empty() {
                    lacking.insert(*hash, needed);
                }
            }
            if openings.is_empty() {
                continue;
            }
            let number = openings
                .iter()
                .find(|opening| opening.group == Group::Certificate)
                .and_then(|opening| opening.values.as_ref()?.get("number"));
            let number_tag = number
                .filter(|_| is_certificate)
                .map(|number| Tag(disclosure::number_tag(keys.index.current(), number)));
            let holder_tag = record
                .holder_tags
                .iter()
                .filter(|tag| tag.key_id == keys.holder.id() && !is_gone(Group::HolderId))
                .find_map(|tag| tag.tag.as_slice().try_into().ok().map(Tag));
            let nonce = random(sealing.random);
            let sealed = (sealing.at_rest.seal(nonce, (origin, hash), &openings))
                .map_err(|_| StoreError::Corrupt("sealing failed"))?;
            rows.push(DisclosureRow {
                index: *index,
                number_tag,
                holder_tag,
                sealed,
            });
        }
        match (lacking.is_empty(), self.excusing) {
            (true, _) => Ok(rows),
            (false, _) if !self.are_spoiled(lacking).await? => Err(DiscloseError::Missing),
            (false, true) => Ok(rows),
            (false, false) => Err(DiscloseError::Spoiled),
        }
    }

    /// Whether erasures that do not count any more name everything that is lacking.
    async fn are_spoiled(
        &self,
        mut lacking: BTreeMap<Hash, BTreeSet<Group>>,
    ) -> Result<bool, StoreError> {
        let Sealing { store, reader, .. } = self.sealing;
        let mut next = 0;
        loop {
            let (_, rows) = (store.quarantined(self.origin, next, QUARANTINED)).await?;
            let Some(last) = rows.last() else {
                return Ok(false);
            };
            next = last.index + 1;
            let was_right = |code: &str| TAKEN_AWAY.iter().any(|refusal| refusal.code() == code);
            for row in rows.iter().filter(|row| was_right(&row.code)) {
                let leaf = reader.leaf(self.origin, row.index).await?;
                let record = leaf.and_then(|leaf| UnverifiedRecord::read(&leaf).ok());
                let Some((Body::Erasure(groups), Some(target))) = record
                    .as_ref()
                    .map(|record| (record.body(), record.envelope().target))
                else {
                    continue;
                };
                if let Some(left) = lacking.get_mut(&target) {
                    left.retain(|group| !groups.contains(group));
                }
            }
            lacking.retain(|_, left| !left.is_empty());
            if lacking.is_empty() {
                return Ok(true);
            }
        }
    }

    async fn keep(&self, checked: Checked<'_>) -> Result<(), StoreError> {
        let Checked { range, rows, .. } = checked;
        let store = self.sealing.store;
        store.put_disclosures(self.origin, range, rows).await?;
        // Who has been away for long answers with what it has taken until now.
        self.book.reload(self.origin).await?;
        Ok(())
    }
}

/// The digests that disclosures of a record can open, and whether it is a certificate.
pub(super) fn digests(record: Option<&UnverifiedRecord>) -> Option<(&GroupDigests, bool)> {
    match record?.body() {
        Body::Certificate(digests) => Some((digests, true)),
        Body::StatusChange { replaced, .. } if !replaced.is_empty() => Some((replaced, false)),
        _ => None,
    }
}

/// The leaves of a range by index, with their hashes; `None` for what is no record.
async fn leaves(
    sealing: &Sealing<'_>,
    origin: &Origin,
    range: Range<u64>,
) -> Result<BTreeMap<u64, (Hash, Option<UnverifiedRecord>)>, StoreError> {
    let mut leaves = BTreeMap::new();
    for number in range.start / PACKAGE..range.end.div_ceil(PACKAGE) {
        let entries = sealing.reader.bundle(origin, number).await?;
        let entries = entries.ok_or(StoreError::Corrupt("a bundle is missing"))?;
        let entries = decode_bundle(&entries).map_err(|_| StoreError::Corrupt("entry bundle"))?;
        for (index, leaf) in (number * PACKAGE..).zip(entries) {
            if range.contains(&index) {
                let hash = huren_core::merkle::leaf_hash(leaf);
                leaves.insert(index, (hash, UnverifiedRecord::read(leaf).ok()));
            }
        }
    }
    Ok(leaves)
}
