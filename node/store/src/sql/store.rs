//! The contract over a database.

use std::{collections::HashMap, ops::Range};

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
    Role, Store, Tag, TokenRow,
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

    /// Begins a transaction that writes. There is one at a time.
    ///
    /// # Errors
    /// `Unavailable` if what it writes is for another process to write.
    async fn begin(&self, what: Writes) -> Result<Db, Error>;

    /// Makes a transaction last; with `erased`, what it took away is in no file afterwards.
    async fn commit(&self, transaction: Db, erased: bool) -> Result<(), Error>;
}

#[async_trait]
impl<D: Database> Store for D {
    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error> {
        let empty = Head {
            size: 0,
            root: empty_root(),
        };
        let mut tx = self.begin(Writes::Logs).await?;
        logs::create(&mut tx, origin, role, empty).await?;
        self.commit(tx, false).await
    }

    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error> {
        logs::one(self.readers(), origin).await
    }

    async fn logs(&self) -> Result<Vec<LogState>, Error> {
        logs::all(self.readers()).await
    }

    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_notes(&mut tx, origin, notes).await?;
        self.commit(tx, false).await
    }

    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::freeze(&mut tx, origin, evidence).await?;
        self.commit(tx, false).await
    }

    async fn release(&self, origin: &Origin, release: Release) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::release(&mut tx, origin, &release).await?;
        self.commit(tx, false).await
    }

    async fn releases(&self, origin: &Origin) -> Result<Vec<Release>, Error> {
        logs::releases(self.readers(), origin).await
    }

    async fn put_restored(&self, origin: &Origin, restored: Option<u64>) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_restored(&mut tx, origin, restored).await?;
        self.commit(tx, false).await
    }

    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error> {
        let written = async {
            let mut tx = self.begin(Writes::Logs).await?;
            write::append(&mut tx, origin, &append).await?;
            let erased = !append.erased.resealed.is_empty();
            self.commit(tx, erased).await
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
            self.commit(tx, false).await
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
            self.commit(tx, false).await
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
            self.commit(tx, erased).await
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
            self.commit(tx, false).await
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
        self.commit(tx, false).await
    }

    async fn rekeyed(&self) -> Result<HashMap<Origin, Rekeyed>, Error> {
        data_keys::rekeyed(self.readers()).await
    }

    async fn rekey(&self, origin: &Origin, rekey: Rekey) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        data_keys::rekey(&mut tx, origin, &rekey).await?;
        self.commit(tx, true).await
    }

    async fn drop_register(&self, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        register::drop_all(&mut tx, origin).await?;
        self.commit(tx, false).await
    }

    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
        register::targets(self.readers(), origin, leaves)
            .instrument(self.readers().span("targets"))
            .await
    }

    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error> {
        find::certificates(self.readers(), find::By::Number, tags, Leaves::With)
            .instrument(self.readers().span("find_by_number"))
            .await
    }

    async fn find_by_holders(
        &self,
        tags: &[Tag],
        leaves: Leaves,
    ) -> Result<Vec<Vec<Found>>, Error> {
        find::certificates(self.readers(), find::By::Holder, tags, leaves)
            .instrument(self.readers().span("find_by_holders"))
            .await
    }

    async fn find_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, Error> {
        find::at(self.readers(), origin, indexes, leaves).await
    }

    async fn counted(&self) -> Result<HashMap<Origin, u64>, Error> {
        cells::counted(self.readers()).await
    }

    async fn put_counts(
        &self,
        origin: &Origin,
        range: Range<u64>,
        cells: Vec<KeptCell>,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        cells::count(&mut tx, origin, range, &cells).await?;
        self.commit(tx, false).await
    }

    async fn cells(&self, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
        cells::of_keys(self.readers(), keys).await
    }

    async fn cells_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptCell>, Error> {
        cells::page(self.readers(), prefix, after, limit).await
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
        register::directory(self.readers(), kind, key).await
    }

    async fn directory_page(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
        keys: u32,
    ) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        register::directory_page(self.readers(), kind, prefix, after, keys).await
    }

    async fn directory_from(&self, origin: &Origin, kind: u32) -> Result<Option<u32>, Error> {
        register::directory_from(self.readers(), origin, kind).await
    }

    async fn directory_end(&self, origin: &Origin) -> Result<u64, Error> {
        register::directory_end(self.readers(), origin).await
    }

    async fn directory_has(
        &self,
        origin: &Origin,
        kinds: &[u32],
        from: u64,
    ) -> Result<bool, Error> {
        register::directory_has(self.readers(), origin, kinds, from).await
    }

    async fn institution_keys(
        &self,
        origin: &Origin,
        wanted: &KeysWanted,
        before: u64,
    ) -> Result<InstitutionKeys, Error> {
        institution_keys::held(self.readers(), origin, wanted, before).await
    }

    async fn statuses(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<StatusRow>, Error> {
        register::statuses(self.readers(), origin, &targets).await
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
        register::quarantined(self.readers(), origin, from, limit).await
    }

    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
        tree::tiles(self.readers(), origin, ids).await
    }

    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error> {
        entries::bundle(self.readers(), origin, number).await
    }

    async fn mend(&self, origin: &Origin, mending: Mending) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        write::mend(&mut tx, origin, &mending).await?;
        self.commit(tx, false).await
    }

    async fn put_cosigned(
        &self,
        origin: &Origin,
        expected: Option<Head>,
        cosigned: Cosigned,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        cosigned::put(&mut tx, origin, expected, &cosigned).await?;
        self.commit(tx, false).await
    }

    async fn cosigned(&self, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
        cosigned::all(self.readers(), origin).await
    }

    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Logs).await?;
        logs::put_trust_list(&mut tx, version, note).await?;
        self.commit(tx, false).await
    }

    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error> {
        logs::trust_lists(self.readers()).await
    }

    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        audit::append(&mut tx, expected, &rows).await?;
        self.commit(tx, false).await
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
        self.commit(tx, false).await
    }

    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error> {
        let mut tx = self.begin(Writes::Beside).await?;
        tokens::revoke(&mut tx, id, time).await?;
        self.commit(tx, false).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        tokens::all(self.readers()).await
    }
}
