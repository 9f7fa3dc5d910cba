//! A store that fails when a script says so.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use huren_core::{
    audit::ChainHead,
    checkpoint::Origin,
    merkle::{Hash, TileId},
    register::{
        AdoptionRow, Changes, DirectoryRow, InstitutionKeys, KeysWanted, QuarantineRow, StatusRow,
        Targets,
    },
};
use huren_store::{
    Advance, Append, AuditQuery, AuditRow, Bundle, Cosigned, DataKey, DisclosureRow, Erased, Error,
    Found, Head, KeptCell, Leaves, LogState, Mending, Notes, Package, Rekey, Rekeyed, Release,
    Role, Store, Tag, TokenRow,
};

macro_rules! operations {
    ($($name:ident,)*) => {
        /// The operations of a store that write. A new one does not compile in [`FaultyStore`]
        /// until it is named here, and then fails the tests until they cover it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the methods of `Store` with these names")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

operations! {
    CreateLog,
    PutNotes,
    Freeze,
    Release,
    PutRestored,
    Append,
    PutPackages,
    Advance,
    Mend,
    Apply,
    PutCounts,
    PutDisclosures,
    DropRegister,
    PutTrustList,
    PutCosigned,
    AppendAudit,
    PutToken,
    RevokeToken,
    PutDataKeys,
    Rekey,
}

/// What a failing call leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the call was not passed on.
    NotPersisted,
    /// All of it, though an error was reported.
    Persisted,
    /// Nothing, because the disk is full.
    Full,
}

/// One failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of this operation
    pub operation: Operation,
    /// the n-th call, counted from 1 and over all logs, failed ones included,
    pub call: u32,
    /// leaves this behind.
    pub outcome: Outcome,
}

/// What befalls the writes of a store.
#[async_trait]
pub(crate) trait Mishaps: Send + Sync + 'static {
    /// Before a write; how it is to fail, if it is.
    async fn before(&self, operation: Operation) -> Option<Outcome>;

    /// Behind a write that did all or a part of what it should, before anybody hears of it.
    async fn behind(&self, _operation: Operation) {}
}

/// A store with faults: those of a script, or what else befalls it.
pub struct FaultyStore<M = Script> {
    inner: Arc<dyn Store>,
    mishaps: M,
    lookups: AtomicU64,
}

/// Faults that happen at calls that are counted.
#[derive(Default)]
pub struct Script(Mutex<Planned>);

#[derive(Default)]
struct Planned {
    calls: HashMap<Operation, u32>,
    /// Those still to come.
    faults: Vec<Fault>,
}

impl FaultyStore {
    /// Wraps a store that does not fail until it is told to.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self::with(inner, Script::default())
    }

    /// Lets these faults happen, once each. Calls are counted from now on.
    pub fn arm(&self, faults: Vec<Fault>) {
        let calls = HashMap::new();
        *self.mishaps.planned() = Planned { calls, faults };
    }

    /// The faults that have not happened yet.
    pub fn outstanding(&self) -> Vec<Fault> {
        self.mishaps.planned().faults.clone()
    }
}

impl Script {
    fn planned(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mishaps for Script {
    /// Counts a call and says how it is to fail, if it is.
    async fn before(&self, operation: Operation) -> Option<Outcome> {
        let mut planned = self.planned();
        let call = planned.calls.entry(operation).or_default();
        *call += 1;
        let call = *call;
        let due = |fault: &Fault| (fault.operation, fault.call) == (operation, call);
        let position = planned.faults.iter().position(due)?;
        Some(planned.faults.remove(position).outcome)
    }
}

#[expect(
    private_bounds,
    reason = "what befalls a store is the harness's own affair"
)]
impl<M: Mishaps> FaultyStore<M> {
    /// Wraps a store whose writes these mishaps befall.
    pub(crate) fn with(inner: Arc<dyn Store>, mishaps: M) -> Self {
        Self {
            inner,
            mishaps,
            lookups: AtomicU64::new(0),
        }
    }

    /// How often certificates were looked up by their numbers.
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    async fn write(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<(), Error>> + Send,
    ) -> Result<(), Error> {
        let outcome = match self.mishaps.before(operation).await {
            None => call.await,
            Some(Outcome::NotPersisted) => Err(Error::Unavailable("not persisted".into())),
            Some(Outcome::Full) => Err(Error::Full("full".into())),
            Some(Outcome::Persisted) => {
                call.await?;
                Err(Error::Unavailable("persisted but reported failed".into()))
            }
        };
        self.mishaps.behind(operation).await;
        outcome
    }
}

#[async_trait]
impl<M: Mishaps> Store for FaultyStore<M> {
    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error> {
        let call = self.inner.create_log(origin, role);
        self.write(Operation::CreateLog, call).await
    }

    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error> {
        let call = self.inner.put_notes(origin, notes);
        self.write(Operation::PutNotes, call).await
    }

    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error> {
        let call = self.inner.freeze(origin, evidence);
        self.write(Operation::Freeze, call).await
    }

    async fn release(&self, origin: &Origin, release: Release) -> Result<(), Error> {
        let call = self.inner.release(origin, release);
        self.write(Operation::Release, call).await
    }

    async fn put_restored(&self, origin: &Origin, restored: Option<u64>) -> Result<(), Error> {
        let call = self.inner.put_restored(origin, restored);
        self.write(Operation::PutRestored, call).await
    }

    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error> {
        let call = self.inner.append(origin, append);
        self.write(Operation::Append, call).await
    }

    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error> {
        let call = self.inner.put_packages(origin, packages);
        self.write(Operation::PutPackages, call).await
    }

    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error> {
        let call = self.inner.advance(origin, advance);
        self.write(Operation::Advance, call).await
    }

    async fn mend(&self, origin: &Origin, mending: Mending) -> Result<(), Error> {
        let call = self.inner.mend(origin, mending);
        self.write(Operation::Mend, call).await
    }

    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        erased: Erased,
    ) -> Result<(), Error> {
        let call = self.inner.apply(origin, range, changes, erased);
        self.write(Operation::Apply, call).await
    }

    async fn put_counts(
        &self,
        origin: &Origin,
        range: Range<u64>,
        cells: Vec<KeptCell>,
    ) -> Result<(), Error> {
        let call = self.inner.put_counts(origin, range, cells);
        self.write(Operation::PutCounts, call).await
    }

    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error> {
        let call = self.inner.put_disclosures(origin, range, rows);
        self.write(Operation::PutDisclosures, call).await
    }

    async fn drop_register(&self, origin: &Origin) -> Result<(), Error> {
        let call = self.inner.drop_register(origin);
        self.write(Operation::DropRegister, call).await
    }

    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error> {
        let call = self.inner.put_trust_list(version, note);
        self.write(Operation::PutTrustList, call).await
    }

    async fn put_cosigned(
        &self,
        origin: &Origin,
        expected: Option<Head>,
        cosigned: Cosigned,
    ) -> Result<(), Error> {
        let call = self.inner.put_cosigned(origin, expected, cosigned);
        self.write(Operation::PutCosigned, call).await
    }

    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        let call = self.inner.append_audit(expected, rows);
        self.write(Operation::AppendAudit, call).await
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), Error> {
        let call = self.inner.put_token(token);
        self.write(Operation::PutToken, call).await
    }

    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error> {
        let call = self.inner.revoke_token(id, time);
        self.write(Operation::RevokeToken, call).await
    }

    async fn put_data_keys(
        &self,
        expected: &[DataKey],
        keys: &[DataKey],
        walk_again: bool,
    ) -> Result<(), Error> {
        let call = self.inner.put_data_keys(expected, keys, walk_again);
        self.write(Operation::PutDataKeys, call).await
    }

    async fn rekey(&self, origin: &Origin, rekey: Rekey) -> Result<(), Error> {
        let call = self.inner.rekey(origin, rekey);
        self.write(Operation::Rekey, call).await
    }

    // ---- reads, passed on -------------------------------------------------------------

    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error> {
        self.inner.log(origin).await
    }

    async fn logs(&self) -> Result<Vec<LogState>, Error> {
        self.inner.logs().await
    }

    async fn releases(&self, origin: &Origin) -> Result<Vec<Release>, Error> {
        self.inner.releases(origin).await
    }

    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error> {
        self.inner.submissions(tags).await
    }

    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error> {
        self.inner.held_packages(origin, range).await
    }

    async fn statuses(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<StatusRow>, Error> {
        self.inner.statuses(origin, targets).await
    }

    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
        self.inner.targets(origin, leaves).await
    }

    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.inner.find_by_number(tags).await
    }

    async fn find_by_holders(
        &self,
        tags: &[Tag],
        leaves: Leaves,
    ) -> Result<Vec<Vec<Found>>, Error> {
        self.inner.find_by_holders(tags, leaves).await
    }

    async fn find_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, Error> {
        self.inner.find_at(origin, indexes, leaves).await
    }

    async fn counted(&self) -> Result<HashMap<Origin, u64>, Error> {
        self.inner.counted().await
    }

    async fn cells(&self, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
        self.inner.cells(keys).await
    }

    async fn cells_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptCell>, Error> {
        self.inner.cells_page(prefix, after, limit).await
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error> {
        self.inner.disclosures(origin, range).await
    }

    async fn data_keys(&self) -> Result<Vec<DataKey>, Error> {
        self.inner.data_keys().await
    }

    async fn rekeyed(&self) -> Result<HashMap<Origin, Rekeyed>, Error> {
        self.inner.rekeyed().await
    }

    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error> {
        self.inner.erased(origin, targets).await
    }

    async fn directory_page(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
        keys: u32,
    ) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        self.inner.directory_page(kind, prefix, after, keys).await
    }

    async fn directory_end(&self, origin: &Origin) -> Result<u64, Error> {
        self.inner.directory_end(origin).await
    }

    async fn directory_has(
        &self,
        origin: &Origin,
        kinds: &[u32],
        from: u64,
    ) -> Result<bool, Error> {
        self.inner.directory_has(origin, kinds, from).await
    }

    async fn directory_from(&self, origin: &Origin, kind: u32) -> Result<Option<u32>, Error> {
        self.inner.directory_from(origin, kind).await
    }

    async fn directory(&self, kind: u32, key: &str) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        self.inner.directory(kind, key).await
    }

    async fn institution_keys(
        &self,
        origin: &Origin,
        wanted: &KeysWanted,
        before: u64,
    ) -> Result<InstitutionKeys, Error> {
        self.inner.institution_keys(origin, wanted, before).await
    }

    async fn adoptions(&self, origin: &Origin) -> Result<Vec<AdoptionRow>, Error> {
        self.inner.adoptions(origin).await
    }

    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), Error> {
        self.inner.quarantined(origin, from, limit).await
    }

    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
        self.inner.tiles(origin, ids).await
    }

    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error> {
        self.inner.bundle(origin, number).await
    }

    async fn cosigned(&self, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
        self.inner.cosigned(origin).await
    }

    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.trust_lists().await
    }

    async fn audit_head(&self) -> Result<ChainHead, Error> {
        self.inner.audit_head().await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        self.inner.audit(query).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        self.inner.tokens().await
    }
}
