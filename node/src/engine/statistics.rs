//! Statistics: certificates are counted behind the fold and the disclosures of every log, page by
//! page, and what is erased is taken out of the sums in the transaction that erases it.
//!
//! What is counted of a person is nowhere kept: it follows from the disclosures, the registers
//! and how far each log is counted. So before a page is counted, and before something is erased,
//! what was counted until then can be told, and taken away.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    time::Duration,
};

use huren_core::{
    checkpoint::Origin,
    disclosure::{Group, KeyRing, Opening, Values},
    merkle::{Hash, decode_bundle},
    record::UnverifiedRecord,
    register::StatusRow,
    replicate::PACKAGE,
    statistics::{
        Cell, Change, Deltas, Fact, IssueDay, Life, Months, Query, QueryError, Table, TableBuilder,
    },
};
use huren_store::{Error as StoreError, Found, KeptCell, Leaves, LogState, Store, Tag};

use super::{Engine, Reader, tasks::MAX_DELAY};

/// Leaves that are counted in one transaction: whoever writes meanwhile waits for it.
const PAGE: u64 = 4_096;
/// The same while nobody wants anything: more of them have a cell in common, each of which is read
/// and written once.
const LARGE_PAGE: u64 = 16_384;
/// Persons, or cells, that are read at once.
const AT_ONCE: usize = 512;
/// Between two pages, and between two looks whether others still wait for something.
const PAUSE: Duration = Duration::from_millis(50);
/// How many times others that wait for something come first, before a page is counted nevertheless:
/// a page takes about a second of one core, so that some fifteenth of it goes there meanwhile.
const GIVES_WAY: u32 = 300;
/// How long news are collected before they are counted.
const COLLECTING: Duration = Duration::from_secs(10);

/// Why statistics are not given.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The question.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads what is counted of persons.
pub(super) struct Counting<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) reader: &'a Reader,
    pub(super) at_rest: &'a KeyRing,
}

/// How far each log is counted, and what of it is about to be erased.
struct View<'a> {
    counted: HashMap<Origin, u64>,
    /// Groups by certificate, in one log.
    erased: Option<(&'a Origin, &'a BTreeMap<u64, Vec<u32>>)>,
}

impl View<'_> {
    fn up_to(&self, origin: &Origin) -> u64 {
        self.counted.get(origin).copied().unwrap_or_default()
    }

    fn is_erased(&self, (origin, index): (&Origin, u64), group: Group) -> bool {
        let of_log = self.erased.filter(|(erased, _)| *erased == origin);
        let groups = of_log.and_then(|(_, targets)| targets.get(&index));
        groups.is_some_and(|groups| groups.contains(&group.number().unsigned_abs()))
    }
}

/// What is counted of one certificate.
#[derive(Default)]
struct Counted {
    fact: Option<Fact>,
    day: Option<IssueDay>,
}

/// Whom a change is about.
#[derive(Default)]
struct Touched {
    persons: BTreeSet<Tag>,
    /// Places of certificates of nobody.
    lone: BTreeSet<u64>,
}

impl Touched {
    fn add(&mut self, index: u64, holder: Option<Tag>) {
        match holder {
            Some(tag) => self.persons.insert(tag),
            None => self.lone.insert(index),
        };
    }
}

impl Counting<'_> {
    /// The cells as they are once these groups of certificates of a log are erased.
    pub(super) async fn without(
        &self,
        origin: &Origin,
        groups: &BTreeMap<u64, Vec<u32>>,
    ) -> Result<Vec<KeptCell>, StoreError> {
        let counted = self.store.counted().await?;
        let before = View {
            counted: counted.clone(),
            erased: None,
        };
        let after = View {
            counted,
            erased: Some((origin, groups)),
        };
        let mut touched = Touched::default();
        let targets: Vec<u64> = groups.keys().copied().collect();
        for found in self.found_at(origin, &targets, Leaves::Without).await? {
            // Without the document the holder is nobody.
            touched.lone.insert(found.index);
            touched.add(found.index, found.holder_tag);
        }
        self.changed(origin, touched, (&before, &after)).await
    }

    /// The cells as they are once a page of a log is counted.
    async fn with(
        &self,
        origin: &Origin,
        page: Range<u64>,
        counted: HashMap<Origin, u64>,
    ) -> Result<Vec<KeptCell>, StoreError> {
        let mut touched = Touched::default();
        for row in self.store.disclosures(origin, page.clone()).await? {
            touched.add(row.index, row.holder_tag);
        }
        let mut targets = Vec::new();
        for number in page.start / PACKAGE..page.end.div_ceil(PACKAGE) {
            let bundle = self.reader.bundle(origin, number).await?;
            let bundle = bundle.ok_or(StoreError::Corrupt("a bundle is missing"))?;
            let leaves = decode_bundle(&bundle).map_err(|_| StoreError::Corrupt("entry bundle"))?;
            for (index, leaf) in (number * PACKAGE..).zip(leaves) {
                let record = UnverifiedRecord::read(leaf).ok();
                let record = record.filter(|_| page.contains(&index));
                targets.extend(record.and_then(|record| record.envelope().target));
            }
        }
        let targets = self.store.targets(origin, &targets).await?;
        let targets: Vec<u64> = targets.values().map(|target| target.index).collect();
        for found in self.found_at(origin, &targets, Leaves::Without).await? {
            touched.add(found.index, found.holder_tag);
        }
        let mut further = counted.clone();
        further.insert(origin.clone(), page.end);
        let view = |counted| View {
            counted,
            erased: None,
        };
        let views = (&view(counted), &view(further));
        self.changed(origin, touched, views).await
    }

    async fn changed(
        &self,
        origin: &Origin,
        touched: Touched,
        (before, after): (&View<'_>, &View<'_>),
    ) -> Result<Vec<KeptCell>, StoreError> {
        let mut deltas = Deltas::default();
        let persons: Vec<Tag> = touched.persons.into_iter().collect();
        for some in persons.chunks(AT_ONCE) {
            for certificates in self.found_by(some).await? {
                let mut lives = [before, after].map(|view| (view, Vec::new()));
                for found in &certificates {
                    let mut days = [None, None];
                    for ((view, life), day) in lives.iter_mut().zip(&mut days) {
                        if view.is_erased((&found.origin, found.index), Group::HolderId) {
                            continue;
                        }
                        let counted = self.counted_of(found, view)?;
                        life.extend(counted.fact);
                        *day = counted.day;
                    }
                    let [was, is] = days;
                    deltas.moved(&(found.origin.clone(), found.index), was, is);
                }
                let [was, is] = lives.map(|(_, facts)| Life::of_person(facts));
                Life::change(&was, &is, &mut deltas);
            }
        }
        let lone: Vec<u64> = touched.lone.into_iter().collect();
        for found in self.found_at(origin, &lone, Leaves::Without).await? {
            let has_holder = found.holder_tag.is_some();
            let alone = |view: &View<'_>| {
                let gone = view.is_erased((origin, found.index), Group::HolderId);
                match has_holder && !gone {
                    true => Ok((Life::default(), None)),
                    false => {
                        let counted = self.counted_of(&found, view)?;
                        Ok::<_, StoreError>((Life::of_nobody(counted.fact), counted.day))
                    }
                }
            };
            let ((was, was_on), (is, is_on)) = (alone(before)?, alone(after)?);
            Life::change(&was, &is, &mut deltas);
            deltas.moved(&(found.origin.clone(), found.index), was_on, is_on);
        }
        self.merged(deltas).await
    }

    /// What is counted of a certificate.
    fn counted_of(&self, found: &Found, view: &View<'_>) -> Result<Counted, StoreError> {
        let up_to = view.up_to(&found.origin);
        if found.index >= up_to {
            return Ok(Counted::default());
        }
        let is_erased = |group| view.is_erased((&found.origin, found.index), group);
        let Some(mut values) = self.values(found, up_to, is_erased)? else {
            return Ok(Counted::default());
        };
        let Some(certificate) = values.remove(&Group::Certificate) else {
            return Ok(Counted::default());
        };
        let regions = values.remove(&Group::Statistics).unwrap_or_default();
        let statuses = found.statuses.iter().map(|status| status.row.clone());
        let statuses: Vec<StatusRow> = statuses.filter(|row| row.index < up_to).collect();
        Ok(Counted {
            fact: Fact::read(&certificate, &regions, &statuses),
            day: IssueDay::read(&certificate),
        })
    }

    /// What is disclosed of a certificate, with corrections below an index taken in; `None` if it
    /// is not folded.
    pub(super) fn values(
        &self,
        found: &Found,
        up_to: u64,
        is_erased: impl Fn(Group) -> bool,
    ) -> Result<Option<BTreeMap<Group, Values>>, StoreError> {
        let Some(leaf) = found.leaf else {
            return Ok(None);
        };
        let mut values: BTreeMap<Group, Values> = BTreeMap::new();
        let mut take = |hash, sealed: &[u8]| {
            let openings = self.at_rest.unseal((&found.origin, hash), sealed);
            let openings =
                openings.map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))?;
            for Opening {
                group, values: of, ..
            } in openings
            {
                if let Some(of) = of.filter(|_| !is_erased(group)) {
                    values.insert(group, of);
                }
            }
            Ok::<_, StoreError>(())
        };
        take(&leaf, &found.sealed)?;
        for status in found.statuses.iter().filter(|s| s.row.index < up_to) {
            if let Some(sealed) = &status.sealed {
                take(&status.row.leaf, sealed)?;
            }
        }
        Ok(Some(values))
    }

    /// The certificates of each of some holders, without their leaves.
    pub(super) async fn found_by(&self, holders: &[Tag]) -> Result<Vec<Vec<Found>>, StoreError> {
        self.store.find_by_holders(holders, Leaves::Without).await
    }

    /// The certificates at places of a log, ascending by index.
    pub(super) async fn found_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, StoreError> {
        let mut found = self.store.find_at(origin, indexes, leaves).await?;
        let hashes: Vec<Hash> = found.iter().filter_map(|found| found.leaf).collect();
        let registered = self.store.targets(origin, &hashes).await?;
        // Of a leaf that is there twice the first one counts.
        found.retain(|found| {
            let target = found.leaf.and_then(|leaf| registered.get(&leaf));
            target.is_some_and(|target| target.index == found.index)
        });
        Ok(found)
    }

    /// The cells that change, as they are afterwards.
    async fn merged(&self, deltas: Deltas) -> Result<Vec<KeptCell>, StoreError> {
        let changes: BTreeMap<String, Change> = deltas.into_changes().collect();
        let keys: Vec<String> = changes.keys().cloned().collect();
        let mut held: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for some in keys.chunks(AT_ONCE) {
            let cells = self.store.cells(some).await?.into_iter();
            held.extend(cells.map(|cell| (cell.key, cell.sums)));
        }
        let merge = |(key, change): (String, Change)| {
            let held = held.get(&key).map(Vec::as_slice).unwrap_or_default();
            let sums = change.onto(held);
            let sums = sums.ok_or(StoreError::Corrupt("what a cell holds"))?;
            Ok(KeptCell { key, sums })
        };
        changes.into_iter().map(merge).collect()
    }
}

fn read(sums: &[u8]) -> Result<Months, StoreError> {
    Months::from_bytes(sums).ok_or(StoreError::Corrupt("the sums of a cell"))
}

impl Engine {
    /// Counts whatever comes, for ever.
    pub(super) async fn count_regularly(&self) {
        let mut changes = self.book.changes();
        let mut delays = self.backoff();
        let mut begun = self.load.begun();
        loop {
            changes.mark_unchanged();
            // Nobody has wanted anything since the page before began.
            let before = std::mem::replace(&mut begun, self.load.begun());
            let is_quiet = self.load.is_idle(self.clock.now()) && before == begun;
            let leaves = if is_quiet { LARGE_PAGE } else { PAGE };
            match self.count_page(leaves).await {
                Ok(true) => {
                    delays = self.backoff();
                    self.give_way().await;
                }
                Ok(false) => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                    self.clock.sleep(COLLECTING).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "statistics are not counted and are tried again");
                    let pause = delays.next().unwrap_or(MAX_DELAY);
                    self.clock.sleep(pause).await;
                }
            }
        }
    }

    /// Lets others go first: who asks, who submits, and what is replicated.
    async fn give_way(&self) {
        for _ in 0..GIVES_WAY {
            self.clock.sleep(PAUSE).await;
            if self.load.is_idle(self.clock.now()) {
                return;
            }
        }
    }

    /// Counts the next page of a log that has one, of so many leaves at most; says whether there was one.
    async fn count_page(&self, leaves: u64) -> Result<bool, StoreError> {
        let _judging = self.judging.read().await;
        let _one_at_a_time = self.counting.lock().await;
        let counted = self.store.counted().await?;
        let up_to = |log: &LogState| counted.get(&log.origin).copied().unwrap_or_default();
        let logs = self.store.logs().await?;
        // What was erased since a backup was made is not counted before it is known.
        let mut behind = logs
            .iter()
            .filter(|log| log.restored.is_none())
            .filter(|log| up_to(log) < log.folded.min(log.disclosed));
        let Some(log) = behind.next() else {
            return Ok(false);
        };
        let start = up_to(log);
        let page = start..log.folded.min(log.disclosed).min(start + leaves);
        let counter = self.sealing().counter();
        let cells = counter
            .with(&log.origin, page.clone(), counted.clone())
            .await?;
        self.store.put_counts(&log.origin, page, cells).await?;
        Ok(true)
    }

    /// How far each log is counted, by origin.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn counted(&self) -> Result<BTreeMap<Origin, u64>, StoreError> {
        Ok(self.store.counted().await?.into_iter().collect())
    }

    /// Answers a question to the statistics.
    ///
    /// # Errors
    /// [`StatisticsError`].
    pub async fn statistics(&self, query: &Query) -> Result<Table, StatisticsError> {
        let prefix = query.prefix()?;
        let mut table = TableBuilder::new(query);
        let mut after = String::new();
        loop {
            let page = self.store.cells_page(&prefix, &after, 1000).await?;
            let Some(last) = page.last() else { break };
            last.key.clone_into(&mut after);
            for KeptCell { key, sums } in page {
                let cell = Cell::from_key(&key);
                let cell = cell.ok_or(StoreError::Corrupt("the key of a cell"))?;
                table.add(&cell, &read(&sums)?)?;
            }
        }
        Ok(table.finish())
    }
}
