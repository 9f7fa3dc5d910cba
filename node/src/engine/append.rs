//! The write path of the own log, read top to bottom. One task owns it.
//!
//! Many submissions become one transaction and one signed checkpoint. Who was answered
//! `DURABLE` finds the record after any crash: see the comments at the points of no return.

mod batch;
mod existing;
mod tail;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    disclosure::{self, SecretKey},
    merkle::Hash,
    record::RecordError,
    register::{Changes, CheckedLeaf, Fold},
    trust::{Refusal, TrustChain},
};
use huren_store::{Append, Error as StoreError, Head, HighWater, Store, Tag};
use tokio::sync::{Mutex, RwLock, mpsc, oneshot, watch};
use tracing::{Instrument as _, Span, instrument};

use self::{
    batch::Batch,
    existing::Existing,
    tail::{Growth, Tail},
};
use super::{
    book::Book,
    clock::{Clock, Random},
    fold,
    prepare::{Prepared, WriterKeys},
    reader::Reader,
    signing::SigningKeys,
    work,
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
    /// A key that the entry names is another institution's.
    #[error("a key of the entry is held by another institution of this log")]
    KeyTaken,
    /// The code of the entry is another institution's.
    #[error("the code was given to another institution before, and is not given again")]
    CodeTaken,
    /// It does not change the state that the certificate is in.
    #[error("the change does not apply to the state that the certificate is in")]
    StatusUnfit,
    /// It cannot be written as a record.
    #[error("the submission does not make a valid record")]
    NotARecord(#[source] RecordError),
    /// The log takes nothing at present: try again.
    #[error("the log takes nothing at present")]
    Unavailable,
    /// The trust list names none of the node's log keys for the next checkpoint.
    #[error("the trust list names none of the node's log keys for the next checkpoint")]
    NoLogKey,
    /// The node's record key may not sign it at its place: every member would quarantine it.
    #[error("the node's record key has no authority for this record at its place in the log")]
    NoAuthority(#[source] Refusal),
    /// The log contradicted itself: nothing is taken until it is released.
    #[error("the log contradicted itself and is frozen: it takes nothing until it is released")]
    Frozen,
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
            Self::KeyTaken => "KEY_TAKEN",
            Self::CodeTaken => "INSTITUTION_CODE_TAKEN",
            Self::StatusUnfit => "STATUS_UNFIT",
            Self::NotARecord(error) => error.code(),
            Self::Unavailable => "LOG_UNAVAILABLE",
            Self::NoLogKey => "LOG_KEY_NOT_LISTED",
            Self::NoAuthority(refusal) => refusal.code(),
            Self::Frozen => "LOG_FROZEN",
            Self::Full => "STORE_FULL",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::NumberTaken => "该证书编号已登记且内容不同；如需修改请使用更正。",
            Self::TargetUnknown => "本省日志中没有该证书。",
            Self::KeyTaken => "签名公钥已属于本省另一评价机构。",
            Self::CodeTaken => {
                "该机构代码此前已编给另一机构（统一社会信用代码不同），代码不得重复使用。"
            }
            Self::StatusUnfit => "该变更不适用于证书的当前状态。",
            Self::NotARecord(_) => "提交内容无法构成合规记录。",
            Self::Unavailable => "日志暂不可写，请稍后重试。",
            Self::NoLogKey => "信任清单未列出本节点可签署下一检查点的日志密钥，请放置新密钥。",
            Self::NoAuthority(_) => {
                "信任清单已不准本节点的记录密钥在该位置签署此记录，请更换密钥。"
            }
            Self::Frozen => "本省日志自相矛盾，已被冻结，解除前不接受提交。",
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
    /// Its span, from the queue to the answer.
    pub queued: Span,
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
    pub(super) signing: watch::Receiver<Arc<SigningKeys>>,
    /// See [`fold::Sealing`].
    pub(super) judging: Arc<RwLock<()>>,
    /// See [`fold::Sealing`].
    pub(super) counting: Arc<Mutex<()>>,
    pub(super) high_water: Arc<HighWater>,
    /// The newest checkpoint that the high-water file has marked: what may be shown to others.
    pub(super) marked: watch::Sender<Vec<u8>>,
    pub(super) batch_max: usize,
    /// What the log ends with; `None` when it must be read again.
    pub(super) tail: Option<Tail>,
}

/// The span of a batch: in the trace of what queued first, and linked to those of the others, as a
/// span has one parent.
fn span_of(works: &[Work]) -> Span {
    let mut queued = works.iter().map(|work| &work.queued);
    let first = queued.next().and_then(Span::id);
    let span = tracing::trace_span!(parent: first, "commit", huren.batch.size = works.len() as i64);
    if !span.is_disabled() {
        for other in queued {
            span.follows_from(other);
        }
    }
    span
}

/// How long after a failure the log is looked at again without a submission.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Writer {
    /// Serves the queue until it closes.
    pub(super) async fn run(&mut self, mut queue: mpsc::Receiver<Work>) {
        let (clock, mut trust) = (Arc::clone(&self.clock), self.trust.clone());
        let mut signing = self.signing.clone();
        // What came since start-up opened the log is followed at once.
        trust.mark_changed();
        let mut works = Vec::new();
        // While a batch commits, the next one gathers: batches grow with the load by themselves.
        loop {
            tokio::select! {
                biased;
                // First: a key that a list closes or brings counts from the adoption on.
                Ok(()) = trust.changed() => self.look_again().await,
                // The key may have come that adopts the list.
                Ok(()) = signing.changed(), if self.is_behind() => self.look_again().await,
                count = queue.recv_many(&mut works, self.batch_max) => match count {
                    0 => return,
                    _ => self.commit(std::mem::take(&mut works)).await,
                },
                () = clock.sleep(LOOK_AGAIN), if self.tail.is_none() => self.look_again().await,
            }
        }
    }

    /// Looks at the log without a submission. A batch that failed may be in it nonetheless: then
    /// it is shown. A newer trust list may have changed what it means: then it is folded again,
    /// and the list adopted; until that is done the store takes nothing more.
    async fn look_again(&mut self) {
        self.tail = None;
        let looked = async {
            self.fold_again().await?;
            self.open().await
        };
        if let Err(error) = looked.await {
            tracing::warn!(%error, "the end of the log cannot be read, or takes no trust list");
        }
    }

    /// Whether the log has not adopted the newest trust list, as no key of this node's could.
    fn is_behind(&self) -> bool {
        let newest = self.trust.borrow().newest().list.version;
        self.tail.as_ref().is_some_and(|tail| tail.adopted < newest)
    }

    async fn fold_again(&self) -> Result<(), StoreError> {
        let chain = self.trust.borrow().clone();
        let state = self.store.log(&self.origin).await?;
        let state = state.ok_or(StoreError::Corrupt("the own log is missing"))?;
        let size = state.head.size;
        if state.folded < size {
            let (sealing, progress) = (self.sealing(), fold::Progress::at(state.folded));
            fold::fold_up_to(&sealing, &chain, &self.origin, size, &progress).await?;
            self.book.reload(&self.origin).await?;
        }
        Ok(())
    }

    fn sealing(&self) -> fold::Sealing<'_> {
        fold::Sealing {
            store: self.store.as_ref(),
            reader: &self.reader,
            random: self.random.as_ref(),
            at_rest: &self.keys.at_rest,
            index: &self.keys.index,
            judging: &self.judging,
            counting: &self.counting,
            trust: &self.trust,
        }
    }

    /// Places a batch and answers each submission.
    async fn commit(&mut self, works: Vec<Work>) {
        let span = span_of(&works);
        let (prepared, waiting): (Vec<Prepared>, Vec<_>) = works
            .into_iter()
            .map(|work| (work.prepared, (work.reply, work.queued)))
            .unzip();
        let outcome = self.place(prepared).instrument(span).await;
        let placed = match outcome {
            Ok(placed) => placed,
            Err(error) => {
                tracing::error!(error = %error, "a batch was not committed");
                metrics::counter!("huren_append_failures_total").increment(1);
                let answer = match error {
                    StoreError::Full(_) => AppendError::Full,
                    _ => AppendError::Unavailable,
                };
                vec![Err(answer); waiting.len()]
            }
        };
        for ((reply, _queued), placed) in waiting.into_iter().zip(placed) {
            // Who does not wait for the answer any more submits again and gets the same index.
            let _ = reply.send(placed);
        }
    }

    /// The write path.
    pub(super) async fn place(
        &mut self,
        works: Vec<Prepared>,
    ) -> Result<Vec<Result<Placed, AppendError>>, StoreError> {
        // A log that was found to contradict itself ends: every further signature would lend
        // weight to one of its histories.
        let own = self.book.entry(&self.origin);
        if own.is_some_and(|own| own.state.frozen.is_some()) {
            return Ok(vec![Err(AppendError::Frozen); works.len()]);
        }

        // No newer trust list comes between judging what is appended and keeping the outcome.
        let judging = Arc::clone(&self.judging);
        let _judging = judging.read().await;

        // 1. The end of the log: from memory, or after any failure from the store, where the
        //    failed batch is either wholly there or not at all.
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.read_tail().await?,
        };
        let first = tail.head.size;
        if self.has_no_log_key(first + 1) {
            self.tail = Some(tail);
            return Ok(vec![Err(AppendError::NoLogKey); works.len()]);
        }

        // 2. What is in the log already, asked in sets.
        let found = Existing::look_up(self.store.as_ref(), &self.origin, &works);
        let ((tags, known), found) = futures::try_join!(self.tags_of_all(&works), found)?;

        // 3. Each submission finds its place, or the reason why it has none.
        let mut batch = Batch::behind(tail.adopted);
        let mut places: HashMap<Tag, u64> = known;
        let mut answers = Vec::with_capacity(works.len());
        for (work, tag) in works.into_iter().zip(tags) {
            if let Some(index) = places.get(&tag) {
                answers.push(Ok((*index, None)));
                continue;
            }
            let index = first + batch.leaves.len() as u64;
            let answer = self.take_in(&mut batch, index, work, &found);
            if answer.is_ok() {
                batch.submissions.push((tag, index));
                places.insert(tag, index);
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

    fn has_no_log_key(&self, size: u64) -> bool {
        let (signing, chain) = (self.signing.borrow().clone(), self.trust.borrow().clone());
        signing.log_at(&chain, &self.origin, size).is_none()
    }

    /// The tag of each submission under the index key in use, and the indexes of those that are in
    /// the log already, under whichever key they are known.
    async fn tags_of_all(
        &self,
        works: &[Prepared],
    ) -> Result<(Vec<Tag>, HashMap<Tag, u64>), StoreError> {
        let (mut current, mut places) = (Vec::new(), HashMap::new());
        for (rank, key) in self.keys.index.keys().iter().enumerate() {
            let of_key = works.iter().filter_map(|work| work.tags.get(rank).copied());
            let (tags, known) = self.tags(key, of_key.collect()).await?;
            if rank == 0 {
                current.clone_from(&tags);
            }
            for (own, tag) in current.iter().zip(&tags) {
                if let Some(index) = known.get(tag) {
                    places.entry(*own).or_insert(*index);
                }
            }
        }
        Ok((current, places))
    }

    /// The tags of submissions under a key, and the indexes of those that are known by them. One
    /// whose leaf has no effect any more, because its key turned out to be stolen when it was
    /// signed, is a new one when it is submitted again, by a tag that follows from the first.
    async fn tags(
        &self,
        key: &SecretKey,
        mut tags: Vec<Tag>,
    ) -> Result<(Vec<Tag>, HashMap<Tag, u64>), StoreError> {
        loop {
            let known = self.store.submissions(&tags).await?;
            let (quarantined, _) = self.store.quarantined(&self.origin, 0, 0).await?;
            if quarantined == 0 || known.is_empty() {
                return Ok((tags, known));
            }
            let mut void: HashSet<Tag> = HashSet::new();
            for (tag, index) in &known {
                let (_, rows) = self.store.quarantined(&self.origin, *index, 1).await?;
                if rows.first().is_some_and(|row| row.index == *index) {
                    void.insert(*tag);
                }
            }
            if void.is_empty() {
                return Ok((tags, known));
            }
            for tag in tags.iter_mut().filter(|tag| void.contains(*tag)) {
                *tag = Tag(disclosure::submission_tag(key, &tag.0));
            }
        }
    }

    /// Appends a batch: one transaction, one checkpoint. After a failure `tail` is of no use.
    async fn write(&self, tail: &mut Tail, batch: Batch) -> Result<(), StoreError> {
        let expected = tail.head;
        let (changes, adopted) = self.fold(tail, batch.checked).await?;
        let sealing = self.sealing();
        let (erased, _counting) = sealing.erase(&self.origin, &changes.erasures).await?;

        let Growth { bundles, tiles } = tail.grow(batch.leaves, &batch.hashes)?;
        let head = tail.head;
        let checkpoint = Checkpoint::new(self.origin.clone(), head.size, head.root);
        let (signing, chain) = (self.signing.borrow().clone(), self.trust.borrow().clone());
        let signer = signing.log_at(&chain, &self.origin, head.size);
        let signer = signer.ok_or(StoreError::Corrupt(
            "the trust list names no log key of this node's for this size",
        ))?;
        let checkpoint = SignedCheckpoint::sign(checkpoint, signer)
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
            erased,
            disclosures: batch.disclosures,
            submissions: batch.submissions,
        };
        self.store.append(&self.origin, append).await?;

        // Point of no return 2: the high-water file. A crash before it leaves the database
        // ahead of the file, which start-up takes as it is; a crash after it leaves both equal.
        // Only now may anybody see the checkpoint: a database that is older than what was
        // seen is thereby always found out.
        self.mark(head, checkpoint).await?;

        tail.adopted = adopted;
        metrics::gauge!("huren_log_size").set(head.size as f64);
        self.book.reload(&self.origin).await?;
        Ok(())
    }

    /// What a batch changes in the register, and the trust-list version adopted behind it.
    async fn fold(
        &self,
        tail: &Tail,
        checked: Vec<CheckedLeaf>,
    ) -> Result<(Changes, u64), StoreError> {
        let chain = self.trust.borrow().clone();
        // What the register knew before this batch; the fold adds the batch's own.
        let refers: Vec<Hash> = checked.iter().flat_map(CheckedLeaf::refers_to).collect();
        let before = self.store.targets(&self.origin, &refers).await?;
        let (store, size) = (self.store.as_ref(), tail.head.size);
        let keys = fold::institution_keys(store, &self.origin, &checked, size).await?;
        let mut folding =
            Fold::new(&chain, &self.origin, size, tail.adopted, before).with_institution_keys(keys);
        for checked in checked {
            folding
                .step(checked)
                .map_err(|_| StoreError::Corrupt("trust list missing"))?;
        }
        let adopted = folding.adopted();
        Ok((folding.finish(), adopted))
    }

    /// Writes the high-water file, and lets the head be shown from then on.
    #[instrument(level = "trace", name = "checkpoint", skip_all)]
    async fn mark(&self, head: Head, checkpoint: Vec<u8>) -> Result<(), StoreError> {
        let (high_water, origin) = (Arc::clone(&self.high_water), self.origin.clone());
        work::aside(move || high_water.write(&origin, &head))
            .await?
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
                Ok((index, None)) => Ok(Placed {
                    index,
                    leaf: self.reader.leaf_hash(&self.origin, index).await?,
                    size: tail.head.size,
                    duplicate: true,
                }),
            });
        }
        Ok(placed)
    }
}
