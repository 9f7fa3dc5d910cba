//! The write path of the own log, read top to bottom. One task owns it.
//!
//! Many submissions become one transaction and one signed checkpoint. Who was answered
//! `DURABLE` finds the record after any crash: see the comments at the points of no return.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    disclosure::{self, Group},
    merkle::{self, Hash, RightEdge, TileId, Tiles as _, decode_bundle, encode_bundle},
    note::NoteSigner,
    record::{Draft, Envelope},
    register::{CheckedLeaf, Effect, Fold, TargetState, Targets},
    replicate::PACKAGE,
    trust::TrustChain,
};
use huren_proto::v1;
use huren_store::{
    Append, Bundle, DisclosureRow, Error as StoreError, Found, Head, HighWater, Store, Tag,
};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    book::Book,
    clock::{Clock, Random, random},
    fold,
    prepare::{self, ChangeTarget, Content, PendingChange, Prepared, WriterKeys},
    reader::Reader,
};

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Size of the checkpoint that covers it.
    pub size: u64,
    /// Whether it had been submitted before.
    pub duplicate: bool,
}

/// Why a submission that is in order by itself is not placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The number is taken by a certificate with other content.
    #[error("the number is taken by a certificate with other content")]
    NumberTaken,
    /// No such certificate in this log.
    #[error("no such certificate in this log")]
    TargetUnknown,
    /// It does not change the state that the certificate is in.
    #[error("the change does not apply to the state that the certificate is in")]
    StatusUnfit,
    /// The log takes nothing at present: try again.
    #[error("the log takes nothing at present")]
    Unavailable,
    /// The database is full: try again later.
    #[error("no space left")]
    Full,
}

impl AppendError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NumberTaken => "NUMBER_TAKEN",
            Self::TargetUnknown => "TARGET_UNKNOWN",
            Self::StatusUnfit => "STATUS_UNFIT",
            Self::Unavailable => "LOG_UNAVAILABLE",
            Self::Full => "STORE_FULL",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::NumberTaken => "该证书编号已登记且内容不同；如需修改请使用更正。",
            Self::TargetUnknown => "本省日志中没有该证书。",
            Self::StatusUnfit => "该变更不适用于证书的当前状态。",
            Self::Unavailable => "日志暂不可写，请稍后重试。",
            Self::Full => "存储空间不足，请稍后重试并告知管理员。",
        }
    }

    /// Whether the same submission may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Full)
    }
}

/// A submission in the queue.
pub(super) struct Work {
    /// What to place.
    pub prepared: Prepared,
    /// Where to answer.
    pub reply: oneshot::Sender<Result<Placed, AppendError>>,
}

/// Everything that the writer needs.
pub(super) struct Writer {
    pub(super) store: Arc<dyn Store>,
    pub(super) book: Arc<Book>,
    pub(super) reader: Reader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) trust: watch::Receiver<Arc<TrustChain>>,
    pub(super) origin: Origin,
    pub(super) keys: Arc<WriterKeys>,
    pub(super) signer: NoteSigner,
    pub(super) high_water: Arc<HighWater>,
    /// The newest checkpoint that the high-water file has marked: what may be shown to others.
    pub(super) marked: watch::Sender<Vec<u8>>,
    pub(super) batch_max: usize,
    /// What the log ends with; `None` when it must be read again.
    pub(super) tail: Option<Tail>,
}

/// The end of the log, as the store has it.
pub(super) struct Tail {
    head: Head,
    edge: RightEdge,
    /// Leaves of the last bundle while it is not full.
    open: Vec<Vec<u8>>,
    /// Trust-list version that the log has adopted.
    adopted: u64,
}

/// A batch on its way into the log: what it will append, and what later works of the same
/// batch must know of earlier ones.
#[derive(Default)]
struct Batch {
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    checked: Vec<CheckedLeaf>,
    disclosures: Vec<DisclosureRow>,
    submissions: Vec<(Tag, u64)>,
    numbers: HashMap<Tag, Hash>,
    targets: Targets,
    effects: HashMap<Hash, Effect>,
}

impl Writer {
    /// Serves the queue until it closes.
    pub(super) async fn run(&mut self, queue: &mut mpsc::Receiver<Work>) {
        let mut works = Vec::new();
        // While a batch commits, the next one gathers: batches grow with the load by themselves.
        while queue.recv_many(&mut works, self.batch_max).await > 0 {
            let batch = std::mem::take(&mut works);
            self.commit(batch).await;
        }
    }

    /// Places a batch and answers each submission.
    async fn commit(&mut self, works: Vec<Work>) {
        let prepared: Vec<&Prepared> = works.iter().map(|work| &work.prepared).collect();
        let outcome = self.place(&prepared).await;
        let placed = match outcome {
            Ok(placed) => placed,
            Err(error) => {
                tracing::error!(error = %error, "a batch was not committed");
                metrics::counter!("huren_append_failures_total").increment(1);
                let answer = match error {
                    StoreError::Full(_) => AppendError::Full,
                    _ => AppendError::Unavailable,
                };
                vec![Err(answer); works.len()]
            }
        };
        for (work, placed) in works.into_iter().zip(placed) {
            // Who does not wait for the answer any more submits again and gets the same index.
            let _ = work.reply.send(placed);
        }
    }

    /// The write path.
    pub(super) async fn place(
        &mut self,
        works: &[&Prepared],
    ) -> Result<Vec<Result<Placed, AppendError>>, StoreError> {
        // 1. The end of the log: from memory, or after any failure from the store, where the
        //    failed batch is either wholly there or not at all.
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.read_tail().await?,
        };
        let first = tail.head.size;

        // 2. What is in the log already, asked in sets.
        let tags: Vec<Tag> = works.iter().map(|work| work.tag).collect();
        let known = self.store.submissions(&tags).await?;
        let found = self.look_up(works, &known).await?;

        // 3. Each submission finds its place, or the reason why it has none.
        let mut batch = Batch::default();
        let mut places: HashMap<Tag, u64> = known;
        let mut answers = Vec::with_capacity(works.len());
        for work in works {
            if let Some(index) = places.get(&work.tag) {
                answers.push(Ok((*index, None)));
                continue;
            }
            let index = first + batch.leaves.len() as u64;
            let answer = self.take_in(&mut batch, index, work, &found);
            if answer.is_ok() {
                batch.submissions.push((work.tag, index));
                places.insert(work.tag, index);
            }
            answers.push(answer.map(|leaf| (index, Some(leaf))));
        }

        // 4. Tree, register and checkpoint of the batch. Nothing is visible yet.
        if !batch.leaves.is_empty() {
            self.write(&mut tail, batch).await?;
        }
        let answers = self.answers(answers, &tail).await?;
        self.tail = Some(tail);
        Ok(answers)
    }

    /// Looks up what the batch refers to, by number and by leaf.
    async fn look_up(
        &self,
        works: &[&Prepared],
        known: &HashMap<Tag, u64>,
    ) -> Result<Existing, StoreError> {
        let new = works.iter().filter(|work| !known.contains_key(&work.tag));
        let (mut numbers, mut leaves) = (Vec::new(), Vec::new());
        for work in new {
            match &work.content {
                Content::Certificate(certificate) => numbers.push(certificate.number_tag),
                Content::Change(change) => match change.target {
                    ChangeTarget::Number(tag) => numbers.push(tag),
                    ChangeTarget::Leaf(leaf) => leaves.push(leaf),
                },
                Content::Public(_) => {}
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let found = self.store.find_by_number(&numbers).await?;
        let own = |found: Vec<Found>| {
            let own = found
                .into_iter()
                .filter(|f| f.origin == self.origin && f.leaf.is_some());
            own.collect::<Vec<_>>()
        };
        let by_number: HashMap<Tag, Vec<Found>> = numbers
            .into_iter()
            .zip(found.into_iter().map(own))
            .collect();
        let by_leaf = self.store.targets(&self.origin, &leaves).await?;
        Ok(Existing { by_number, by_leaf })
    }

    /// Takes a submission into the batch.
    fn take_in(
        &self,
        batch: &mut Batch,
        index: u64,
        work: &Prepared,
        found: &Existing,
    ) -> Result<Hash, AppendError> {
        match &work.content {
            Content::Certificate(certificate) => {
                let tag = certificate.number_tag;
                if batch.numbers.contains_key(&tag) || found.standing(&tag).next().is_some() {
                    return Err(AppendError::NumberTaken);
                }
                let leaf = merkle::leaf_hash(&certificate.leaf);
                let sealed = self.seal(&leaf, &certificate.openings)?;
                batch.numbers.insert(tag, leaf);
                batch.disclosures.push(DisclosureRow {
                    index,
                    number_tag: Some(tag),
                    holder_tag: certificate.holder_tag,
                    sealed,
                });
                Ok(push(batch, index, certificate.leaf.clone()))
            }
            Content::Public(leaf) => Ok(push(batch, index, leaf.clone())),
            Content::Change(change) => self.take_in_change(batch, index, change, found),
        }
    }

    fn take_in_change(
        &self,
        batch: &mut Batch,
        index: u64,
        change: &PendingChange,
        found: &Existing,
    ) -> Result<Hash, AppendError> {
        let (target, state, effect) = found
            .target(batch, &change.target)
            .ok_or(AppendError::TargetUnknown)?;
        let is_status = change.envelope.kind == v1::Kind::StatusChange as i32;
        let next = is_status.then(|| status_effect(&change.body)).flatten();
        if let Some(next) = next
            && !fits(effect, next)
        {
            return Err(AppendError::StatusUnfit);
        }
        let envelope = Envelope {
            target: Some(target),
            previous: if is_status { state.last_status } else { None },
            ..change.envelope.clone()
        };
        let draft = Draft {
            envelope,
            body: change.body.clone(),
        };
        let leaf = prepare::sign(&draft, self.origin.as_str(), &self.keys)
            .map_err(|_| AppendError::StatusUnfit)?;
        let hash = merkle::leaf_hash(&leaf);
        if !change.openings.is_empty() {
            let sealed = self.seal(&hash, &change.openings)?;
            batch.disclosures.push(DisclosureRow {
                index,
                number_tag: None,
                holder_tag: self.holder_tag(&change.openings),
                sealed,
            });
        }
        let mut state = state;
        if let Some(next) = next {
            state.last_status = Some(hash);
            if !matches!(next, Effect::Correct | Effect::Reissue) {
                batch.effects.insert(target, next);
            }
        }
        batch.targets.insert(target, state);
        Ok(push(batch, index, leaf))
    }

    fn seal(&self, leaf: &Hash, openings: &[disclosure::Opening]) -> Result<Vec<u8>, AppendError> {
        let nonce = random(self.random.as_ref());
        disclosure::seal(&self.keys.at_rest, nonce, (&self.origin, leaf), openings)
            .map_err(|_| AppendError::Unavailable)
    }

    fn holder_tag(&self, openings: &[disclosure::Opening]) -> Option<Tag> {
        let id = openings
            .iter()
            .find(|opening| opening.group == Group::HolderId)?;
        disclosure::holder_tag(&self.keys.holder, id.values.as_ref()?).map(Tag)
    }

    /// Appends a batch: one transaction, one checkpoint.
    async fn write(&self, tail: &mut Tail, batch: Batch) -> Result<(), StoreError> {
        let expected = tail.head;
        let chain = self.trust.borrow().clone();

        // Fold with what the register knew before this batch; the fold adds the batch's own.
        let refers: Vec<Hash> = batch
            .checked
            .iter()
            .flat_map(CheckedLeaf::refers_to)
            .collect();
        let before = self.store.targets(&self.origin, &refers).await?;
        let mut folding = Fold::new(&chain, &self.origin, expected.size, tail.adopted, before);
        for checked in batch.checked {
            folding
                .step(checked)
                .map_err(|_| StoreError::Corrupt("trust list missing"))?;
        }
        let adopted = folding.adopted();
        let changes = folding.finish();
        let sealing = fold::Sealing {
            store: self.store.as_ref(),
            reader: &self.reader,
            random: self.random.as_ref(),
            at_rest: &self.keys.at_rest,
        };
        let resealed = sealing.erase(&self.origin, &changes.erasures).await?;

        let mut edge = tail.edge.clone();
        let tiles = edge.append(&batch.hashes);
        let mut open = std::mem::take(&mut tail.open);
        let mut number = expected.size / PACKAGE;
        let mut bundles = Vec::new();
        for leaf in batch.leaves {
            open.push(leaf);
            if open.len() as u64 == PACKAGE {
                bundles.push(bundle(number, &open)?);
                open.clear();
                number += 1;
            }
        }
        if !open.is_empty() {
            bundles.push(bundle(number, &open)?);
        }
        let head = Head {
            size: edge.size(),
            root: edge.root(),
        };
        let checkpoint = Checkpoint::new(self.origin.clone(), head.size, head.root);
        let checkpoint = SignedCheckpoint::sign(checkpoint, &self.signer)
            .map_err(|_| StoreError::Corrupt("the origin makes no checkpoint"))?;

        // Point of no return 1: the transaction. A crash before it leaves nothing of the
        // batch; nobody was answered and nobody saw its checkpoint. After it the batch is in
        // the log for good, whether or not anybody hears of it now.
        let checkpoint = checkpoint.to_string().into_bytes();
        let append = Append {
            expected,
            head,
            checkpoint: checkpoint.clone(),
            bundles,
            tiles,
            changes,
            resealed,
            disclosures: batch.disclosures,
            submissions: batch.submissions,
        };
        self.store.append(&self.origin, append).await?;

        // Point of no return 2: the high-water file. A crash before it leaves the database
        // ahead of the file, which start-up takes as it is; a crash after it leaves both equal.
        // Only now may anybody see the checkpoint: a database that is older than what was
        // seen is thereby always found out.
        self.mark(head, checkpoint).await?;

        *tail = Tail {
            head,
            edge,
            open,
            adopted,
        };
        metrics::gauge!("huren_log_size").set(head.size as f64);
        self.book.reload(&self.origin).await?;
        Ok(())
    }

    /// Writes the high-water file, and lets the head be shown from then on.
    async fn mark(&self, head: Head, checkpoint: Vec<u8>) -> Result<(), StoreError> {
        let (high_water, origin) = (Arc::clone(&self.high_water), self.origin.clone());
        tokio::task::spawn_blocking(move || high_water.write(&origin, &head))
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        self.marked.send_replace(checkpoint);
        Ok(())
    }

    /// Turns places into answers; a leaf that was there before has its hash looked up.
    async fn answers(
        &self,
        answers: Vec<Result<(u64, Option<Hash>), AppendError>>,
        tail: &Tail,
    ) -> Result<Vec<Result<Placed, AppendError>>, StoreError> {
        let mut placed = Vec::with_capacity(answers.len());
        for answer in answers {
            placed.push(match answer {
                Err(error) => Err(error),
                Ok((index, Some(leaf))) => Ok(Placed {
                    index,
                    leaf,
                    size: tail.head.size,
                    duplicate: false,
                }),
                Ok((index, None)) => {
                    let leaf = self.reader.leaf_hash(&self.origin, index).await?;
                    let leaf = leaf.ok_or(StoreError::Corrupt("level-0 tile"))?;
                    Ok(Placed {
                        index,
                        leaf,
                        size: tail.head.size,
                        duplicate: true,
                    })
                }
            });
        }
        Ok(placed)
    }

    /// Reads the end of the log back, re-hashes it and checks it before anything is signed.
    pub(super) async fn read_tail(&self) -> Result<Tail, StoreError> {
        let state = self
            .store
            .log(&self.origin)
            .await?
            .ok_or(StoreError::Corrupt("the own log is missing"))?;
        let head = state.head;
        let tiles = self
            .store
            .tiles(&self.origin, &RightEdge::tiles(head.size))
            .await?;
        let edge = RightEdge::load(head.size, &tiles)
            .map_err(|_| StoreError::Corrupt("a tile of the right edge is missing"))?;
        if edge.root() != head.root {
            return Err(StoreError::Corrupt(
                "the right edge does not hash to the signed root",
            ));
        }
        let mut open = Vec::new();
        if !head.size.is_multiple_of(PACKAGE) {
            let held = self.store.bundle(&self.origin, head.size / PACKAGE).await?;
            let held = held.ok_or(StoreError::Corrupt("the last bundle is missing"))?;
            open = decode_bundle(&held.entries)
                .map_err(|_| StoreError::Corrupt("the last bundle"))?
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect();
            let hashes: Vec<Hash> = open.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
            let tile = TileId::in_tree(0, head.size / PACKAGE, head.size);
            let tile = tile.and_then(|id| tiles.tile(id).map(|tile| &tile[..id.width().into()]));
            if tile != Some(&hashes) {
                return Err(StoreError::Corrupt(
                    "the last bundle does not hash to its tile",
                ));
            }
        }
        // A crash between the transaction and the high-water file: catch up before going on.
        self.mark(head, state.checkpoint).await?;
        let adopted = self
            .store
            .adoptions(&self.origin)
            .await?
            .last()
            .map_or(0, |a| a.version);
        self.book.reload(&self.origin).await?;
        Ok(Tail {
            head,
            edge,
            open,
            adopted,
        })
    }

    /// Reads the end of the log, and adopts the newest trust list in it unless that has been
    /// adopted.
    pub(super) async fn open(&mut self) -> Result<(), StoreError> {
        if self.tail.is_none() {
            self.tail = Some(self.read_tail().await?);
        }
        let chain = self.trust.borrow().clone();
        let newest = chain.newest();
        let adopted = self
            .store
            .adoptions(&self.origin)
            .await?
            .last()
            .map_or(0, |a| a.version);
        if adopted >= newest.list.version {
            return Ok(());
        }
        let Some(member) = newest.list.member_of(&self.origin) else {
            return Err(StoreError::Corrupt(
                "this node's log is not in the trust list",
            ));
        };
        let today = huren_core::codes::Date::today_in_shanghai(self.clock.now().cast_signed());
        let draft = Draft {
            envelope: Envelope {
                kind: v1::Kind::TrustListAdoption as i32,
                writer_region: member
                    .province()
                    .ok_or(StoreError::Corrupt("member region"))?,
                provenance: v1::Provenance::Issued,
                effective_date: today.as_yyyymmdd(),
                target: None,
                previous: None,
            },
            body: v1::TrustListAdoption {
                version: newest.list.version,
                digest: newest.digest.0.to_vec(),
            }
            .encode_to_vec(),
        };
        let leaf = prepare::sign(&draft, self.origin.as_str(), &self.keys)
            .map_err(|_| StoreError::Corrupt("adoption record"))?;
        let tag = disclosure::submission_tag(&self.keys.index, &newest.digest.0);
        let prepared = Prepared {
            tag: Tag(tag),
            content: Content::Public(leaf),
        };
        self.place(&[&prepared]).await.map(|_| ())
    }
}

/// Puts a leaf at the end of a batch.
fn push(batch: &mut Batch, index: u64, leaf: Vec<u8>) -> Hash {
    let checked = CheckedLeaf::just_signed(&leaf);
    if let Some(row) = checked.certificate(index) {
        let state = TargetState {
            index,
            writer_region: row.writer_region,
            last_status: None,
        };
        batch.targets.insert(row.leaf, state);
    }
    let hash = checked.leaf();
    batch.checked.push(checked);
    batch.hashes.push(hash);
    batch.leaves.push(leaf);
    hash
}

/// What the register holds of the certificates that a batch refers to.
struct Existing {
    by_number: HashMap<Tag, Vec<Found>>,
    by_leaf: Targets,
}

impl Existing {
    /// Certificates under a number that are not void: a voided one gives its number back.
    fn standing(&self, tag: &Tag) -> impl DoubleEndedIterator<Item = &Found> {
        let found = self.by_number.get(tag).into_iter().flatten();
        found.filter(|found| last_effect(found) != Some(Effect::Void))
    }

    /// The certificate that a change names: its leaf, its state and its last effect.
    fn target(
        &self,
        batch: &Batch,
        target: &ChangeTarget,
    ) -> Option<(Hash, TargetState, Option<Effect>)> {
        let (leaf, stored, effect) = match target {
            ChangeTarget::Leaf(leaf) => (*leaf, self.by_leaf.get(leaf).cloned(), None),
            ChangeTarget::Number(tag) => {
                let found = self
                    .standing(tag)
                    .last()
                    .or_else(|| self.by_number.get(tag).and_then(|all| all.last()));
                match (batch.numbers.get(tag), found) {
                    (Some(leaf), _) => (*leaf, None, None),
                    (None, Some(found)) => {
                        let state = TargetState {
                            index: found.index,
                            writer_region: 0,
                            last_status: found.statuses.last().map(|status| status.row.leaf),
                        };
                        (found.leaf?, Some(state), last_effect(found))
                    }
                    (None, None) => return None,
                }
            }
        };
        let state = batch.targets.get(&leaf).cloned().or(stored)?;
        let effect = batch.effects.get(&leaf).copied().or(effect);
        Some((leaf, state, effect))
    }
}

/// The last change that moved a certificate's standing.
fn last_effect(found: &Found) -> Option<Effect> {
    let moves = |effect: &Effect| !matches!(effect, Effect::Correct | Effect::Reissue);
    found
        .statuses
        .iter()
        .map(|status| status.row.effect)
        .rev()
        .find(moves)
}

/// Whether a change makes sense after the last one: what is out of force can be reinstated,
/// what is in force can be taken out of it.
fn fits(last: Option<Effect>, next: Effect) -> bool {
    let in_force = matches!(last, None | Some(Effect::Reinstate));
    match next {
        Effect::Reinstate => !in_force,
        Effect::Revoke | Effect::Void => in_force || last == Some(Effect::Suspend),
        _ => in_force,
    }
}

fn status_effect(body: &[u8]) -> Option<Effect> {
    let change = v1::StatusChange::decode(body).ok()?;
    u8::try_from(change.action)
        .ok()
        .and_then(Effect::from_number)
}

fn bundle(number: u64, leaves: &[Vec<u8>]) -> Result<Bundle, StoreError> {
    let entries = encode_bundle(leaves.iter().map(Vec::as_slice))
        .map_err(|_| StoreError::Corrupt("a leaf is too large"))?;
    let width = u16::try_from(leaves.len()).unwrap_or(u16::MAX);
    Ok(Bundle {
        number,
        width,
        entries: Bytes::from(entries),
    })
}
