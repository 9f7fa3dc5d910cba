//! The contract over a database.

use std::{collections::HashMap, ops::Range, sync::Arc};

use async_trait::async_trait;
use huren_core::{
    audit::ChainHead,
    checkpoint::Origin,
    merkle::{Hash, TileId, empty_root},
    register::{
        AdoptionRow, Changes, DirectoryRow, InstitutionKeys, KeysWanted, QuarantineRow, StatusRow,
        Targets,
    },
};
use tracing::Instrument as _;

use super::{
    audit, cells, cosigned, data_keys,
    db::{Db, Pool},
    disclosures, entries, find, institution_keys, logs, register, submissions, tokens, tree, write,
};
use crate::{
    Advance, Append, AuditQuery, AuditRow, Bundle, Cosigned, DataKey, DisclosureRow, Erased, Error,
    Found, Head, KeptCell, Leaves, LogState, Mending, Notes, Package, Rekey, Rekeyed, Release,
    Role, Store, Tag, TokenRow, postgres::PATIENCE,
};

/// What a transaction writes, where several processes share a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// The logs and what follows from them: one process at a time is in charge of that.
    Logs,
    /// What every process writes, each behind what the others have written.
    Beside,
}

/// A database with the tables of the schema: a [`Store`].
#[async_trait]
pub(crate) trait Database: Send + Sync + 'static {
    /// Connections for reads, each of which sees all that was committed before it began.
    fn readers(&self) -> &Pool;

    /// The same for answers, see [`Store::answering`].
    fn answering(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Connections for look-ups for answers, where they are not those of [`Self::readers`]. What
    /// is seen there is no older than what this process has read of the logs and written.
    fn replica(&self) -> Option<&Pool> {
        None
    }

    /// What became of a look-up there; `None` if there was none at that time.
    fn looked_up(&self, _outcome: Option<Result<(), &Error>>) {}

    /// What was read of the logs, which the caller will go by.
    async fn has_read(&self, _logs: &[LogState]) {}

    /// Begins a transaction that writes. There is one at a time.
    ///
    /// # Errors
    /// `Unavailable` if what it writes is for another process to write.
    async fn begin(&self, what: Writes) -> Result<Db, Error>;

    /// Makes a transaction last that was begun for that; with `erased`, what it took away is in no file afterwards.
    async fn commit(&self, transaction: Db, what: Writes, erased: bool) -> Result<(), Error>;
}

/// `look_up!(self.operation, db => read)`: from the replica, where there is one that has come far
/// enough; from the database itself where there is none, or it fails. So it is for what is told to
/// others by the sizes of logs: certificates and what became of them, registers, the tree; of two
/// look-ups the second may be of an older state. Everything else is read from the database: what the logs are, which says how new a
/// replica has to be; what is compared before it is written (packages, submissions, what was
/// cosigned, erased or put under other keys); what counts from now on (tokens, keys, trust lists,
/// releases, the audit trail); and disclosures by themselves, which members are given.
macro_rules! look_up {
    ($self:ident.$operation:ident, $db:ident => $read:expr) => {{
        let span = |db: &Pool| db.span(stringify!($operation));
        let outcome = match $self.replica() {
            Some($db) => Some(
                match tokio::time::timeout(PATIENCE, $read.instrument(span($db))).await {
                    Ok(looked_up) => looked_up,
                    Err(late) => Err(Error::Unavailable(late.into())),
                },
            ),
            None => None,
        };
        $self.looked_up(outcome.as_ref().map(|outcome| outcome.as_ref().map(drop)));
        match outcome {
            Some(Ok(found)) => Ok(found),
            Some(Err(_)) | None => {
                let $db = $self.readers();
                $read.instrument(span($db)).await
            }
        }
    }};
}

#[async_trait]
impl<D: Database> Store for D {
    fn answering(&self) -> Option<Arc<dyn Store>> {
        Database::answering(self)
    }

    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error> {
        let empty = Head {
            size: 0,
            root: empty_root(),
        };
        let mut tx = self.begin(Writes::Logs).await?;
        logs::create(&mut tx, origin, role, empty).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error> {
        let log = logs::one(self.readers(), origin).await?;
        self.has_read(log.as_slice()).await;
        Ok(log)
    }

    async fn logs(&self) -> Result<Vec<LogState>, Error> {
        let logs = logs::all(self.readers()).await?;
        self.has_read(&logs).await;
        Ok(logs)
    }

    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_notes(&mut tx, origin, notes).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::freeze(&mut tx, origin, evidence).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn release(&self, origin: &Origin, release: Release) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::release(&mut tx, origin, &release).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn releases(&self, origin: &Origin) -> Result<Vec<Release>, Error> {
        logs::releases(self.readers(), origin).await
    }

    async fn put_restored(&self, origin: &Origin, restored: Option<u64>) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_restored(&mut tx, origin, restored).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::append(&mut tx, origin, &append).await?;
            let erased = !append.erased.resealed.is_empty();
            self.commit(tx, Writes::Logs, erased).await
        };
        written.instrument(self.readers().span("append")).await
    }

    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error> {
        submissions::first_indexes(self.readers(), tags)
            .instrument(self.readers().span("submissions"))
            .await
    }

    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::put_packages(&mut tx, origin, &packages).await?;
            self.commit(tx, Writes::Logs, false).await
        };
        written
            .instrument(self.readers().span("put_packages"))
            .await
    }

    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error> {
        entries::held(self.readers(), origin, range).await
    }

    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::advance(&mut tx, origin, &advance).await?;
            self.commit(tx, Writes::Logs, false).await
        };
        written.instrument(self.readers().span("advance")).await
    }

    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        erased: Erased,
    ) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::apply(&mut tx, origin, range, &changes, &erased).await?;
            let erased = !erased.resealed.is_empty();
            self.commit(tx, Writes::Logs, erased).await
        };
        written.instrument(self.readers().span("apply")).await
    }

    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::put_disclosures(&mut tx, origin, range, &rows).await?;
            self.commit(tx, Writes::Logs, false).await
        };
        written
            .instrument(self.readers().span("put_disclosures"))
            .await
    }

    async fn data_keys(&self) -> Result<Vec<DataKey>, Error> {
        data_keys::all(self.readers()).await
    }

    async fn put_data_keys(
        &self,
        expected: &[DataKey],
        keys: &[DataKey],
        walk_again: bool,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        data_keys::put(&mut tx, expected, keys, walk_again).await?;
        self.commit(tx, Writes::Beside, false).await
    }

    async fn rekeyed(&self) -> Result<HashMap<Origin, Rekeyed>, Error> {
        data_keys::rekeyed(self.readers()).await
    }

    async fn rekey(&self, origin: &Origin, rekey: Rekey) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        data_keys::rekey(&mut tx, origin, &rekey).await?;
        self.commit(tx, Writes::Logs, true).await
    }

    async fn drop_register(&self, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        register::drop_all(&mut tx, origin).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
        look_up!(self.targets, db => register::targets(db, origin, leaves))
    }

    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error> {
        look_up!(self.find_by_number, db => find::certificates(db, find::By::Number, tags, Leaves::With))
    }

    async fn find_by_holders(
        &self,
        tags: &[Tag],
        leaves: Leaves,
    ) -> Result<Vec<Vec<Found>>, Error> {
        look_up!(self.find_by_holders, db => find::certificates(db, find::By::Holder, tags, leaves))
    }

    async fn find_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, Error> {
        look_up!(self.find_at, db => find::at(db, origin, indexes, leaves))
    }

    async fn counted(&self) -> Result<HashMap<Origin, u64>, Error> {
        look_up!(self.counted, db => cells::counted(db))
    }

    async fn put_counts(
        &self,
        origin: &Origin,
        range: Range<u64>,
        cells: Vec<KeptCell>,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        cells::count(&mut tx, origin, range, &cells).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn cells(&self, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
        look_up!(self.cells, db => cells::of_keys(db, keys))
    }

    async fn cells_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptCell>, Error> {
        look_up!(self.cells_page, db => cells::page(db, prefix, after, limit))
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error> {
        disclosures::range(self.readers(), origin, range).await
    }

    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error> {
        register::erased(self.readers(), origin, targets).await
    }

    async fn directory(&self, kind: u32, key: &str) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        look_up!(self.directory, db => register::directory(db, kind, key))
    }

    async fn directory_page(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
        keys: u32,
    ) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        look_up!(self.directory_page, db => register::directory_page(db, kind, prefix, after, keys))
    }

    async fn directory_from(&self, origin: &Origin, kind: u32) -> Result<Option<u32>, Error> {
        look_up!(self.directory_from, db => register::directory_from(db, origin, kind))
    }

    async fn directory_end(&self, origin: &Origin) -> Result<u64, Error> {
        look_up!(self.directory_end, db => register::directory_end(db, origin))
    }

    async fn directory_has(
        &self,
        origin: &Origin,
        kinds: &[u32],
        from: u64,
    ) -> Result<bool, Error> {
        look_up!(self.directory_has, db => register::directory_has(db, origin, kinds, from))
    }

    async fn institution_keys(
        &self,
        origin: &Origin,
        wanted: &KeysWanted,
        before: u64,
    ) -> Result<InstitutionKeys, Error> {
        look_up!(self.institution_keys, db => institution_keys::held(db, origin, wanted, before))
    }

    async fn statuses(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<StatusRow>, Error> {
        look_up!(self.statuses, db => register::statuses(db, origin, &targets))
    }

    async fn adoptions(&self, origin: &Origin) -> Result<Vec<AdoptionRow>, Error> {
        register::adoptions(self.readers(), origin).await
    }

    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), Error> {
        look_up!(self.quarantined, db => register::quarantined(db, origin, from, limit))
    }

    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
        look_up!(self.tiles, db => tree::tiles(db, origin, ids))
    }

    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error> {
        look_up!(self.bundle, db => entries::bundle(db, origin, number))
    }

    async fn mend(&self, origin: &Origin, mending: Mending) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        write::mend(&mut tx, origin, &mending).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn put_cosigned(
        &self,
        origin: &Origin,
        expected: Option<Head>,
        cosigned: Cosigned,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        cosigned::put(&mut tx, origin, expected, &cosigned).await?;
        self.commit(tx, Writes::Beside, false).await
    }

    async fn cosigned(&self, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
        cosigned::all(self.readers(), origin).await
    }

    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_trust_list(&mut tx, version, note).await?;
        self.commit(tx, Writes::Logs, false).await
    }

    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error> {
        logs::trust_lists(self.readers()).await
    }

    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        audit::append(&mut tx, expected, &rows).await?;
        self.commit(tx, Writes::Beside, false).await
    }

    async fn audit_head(&self) -> Result<ChainHead, Error> {
        audit::head(self.readers()).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        audit::find(self.readers(), query).await
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        tokens::put(&mut tx, &token).await?;
        self.commit(tx, Writes::Beside, false).await
    }

    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        tokens::revoke(&mut tx, id, time).await?;
        self.commit(tx, Writes::Beside, false).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        tokens::all(self.readers()).await
    }
}
