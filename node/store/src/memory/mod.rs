//! The back end for tests and demonstrations: maps under one lock, nothing on disk.

mod audit;
mod cells;
mod log;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
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

use crate::{
    Advance, Append, AuditQuery, AuditRow, Bundle, COSIGNED_KEPT, Cosigned, DataKey, DisclosureRow,
    Erased, Error, Found, Head, KeptCell, Leaves, LogState, Mending, Notes, Package, Rekey,
    Rekeyed, Release, Role, Store, Tag, TokenRow,
};
use cells::Cells;
use log::Log;

/// A store that keeps the contract for as long as the process lives.
#[derive(Default)]
pub struct Memory {
    /// Every operation takes the lock once, checks before it changes, and is thereby whole.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<Origin, Log>,
    submissions: HashMap<Tag, u64>,
    /// Of each log ascending by size.
    cosigned: BTreeMap<Origin, Vec<Cosigned>>,
    data_keys: Vec<DataKey>,
    rekeyed: HashMap<Origin, Rekeyed>,
    cells: Cells,
    /// Version 1 first.
    trust_lists: Vec<Vec<u8>>,
    audit: audit::Trail,
    tokens: BTreeMap<String, TokenRow>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Operations do not panic between two changes, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one log.
    fn write(
        &self,
        origin: &Origin,
        work: impl FnOnce(&mut Log) -> Result<(), Error>,
    ) -> Result<(), Error> {
        work(self.state().logs.get_mut(origin).ok_or(Error::Conflict)?)
    }

    /// Reads one log; nothing of one that does not exist.
    fn read<T: Default>(&self, origin: &Origin, work: impl FnOnce(&Log) -> T) -> T {
        self.state().logs.get(origin).map(work).unwrap_or_default()
    }

    fn find(&self, matches: impl Fn(&DisclosureRow) -> bool) -> Vec<Found> {
        let state = self.state();
        let of_log = |log: &Log| log.find(&matches);
        state.logs.values().flat_map(of_log).collect()
    }
}

fn forget_leaves(found: &mut [Found]) {
    for found in found {
        found.entry = None;
        found.statuses.iter_mut().for_each(|s| s.entry = None);
    }
}

#[async_trait]
impl Store for Memory {
    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error> {
        let mut state = self.state();
        let fresh = || Log::empty(origin.clone(), role);
        let log = state.logs.entry(origin.clone()).or_insert_with(fresh);
        if log.state.role == role {
            Ok(())
        } else {
            Err(Error::Conflict)
        }
    }

    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error> {
        Ok(self.read(origin, |log| Some(log.state.clone())))
    }

    async fn logs(&self) -> Result<Vec<LogState>, Error> {
        let state = self.state();
        Ok(state.logs.values().map(|log| log.state.clone()).collect())
    }

    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error> {
        self.write(origin, |log| {
            log.state.notes = notes;
            Ok(())
        })
    }

    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error> {
        self.write(origin, |log| {
            log.state.frozen.get_or_insert_with(|| evidence.to_vec());
            Ok(())
        })
    }

    async fn release(&self, origin: &Origin, release: Release) -> Result<(), Error> {
        self.write(origin, |log| {
            if log.state.frozen.as_ref() != Some(&release.evidence) {
                return Err(Error::Conflict);
            }
            log.state.frozen = None;
            log.releases.push(release);
            Ok(())
        })
    }

    async fn put_restored(&self, origin: &Origin, restored: Option<u64>) -> Result<(), Error> {
        self.write(origin, |log| {
            log.state.restored = restored;
            Ok(())
        })
    }

    async fn releases(&self, origin: &Origin) -> Result<Vec<Release>, Error> {
        Ok(self.read(origin, |log| log.releases.clone()))
    }

    async fn append(&self, origin: &Origin, mut append: Append) -> Result<(), Error> {
        let mut state = self.state();
        let submissions = std::mem::take(&mut append.submissions);
        let cells = std::mem::take(&mut append.erased.cells);
        let log = state.logs.get_mut(origin).ok_or(Error::Conflict)?;
        log.append(append)?;
        state.cells.put(cells);
        for (tag, index) in submissions {
            state.submissions.entry(tag).or_insert(index);
        }
        Ok(())
    }

    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error> {
        let state = self.state();
        let held = |tag: &Tag| Some((*tag, *state.submissions.get(tag)?));
        Ok(tags.iter().filter_map(held).collect())
    }

    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error> {
        self.write(origin, |log| {
            for package in packages {
                log.put_tile(0, package.bundle.number, package.leaves);
                log.put_bundle(package.bundle);
            }
            Ok(())
        })
    }

    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error> {
        Ok(self.read(origin, |log| log.held(range)))
    }

    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error> {
        self.write(origin, |log| log.advance(advance))
    }

    async fn mend(&self, origin: &Origin, mending: Mending) -> Result<(), Error> {
        self.write(origin, |log| log.mend(mending))
    }

    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        erased: Erased,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let log = state.logs.get_mut(origin).ok_or(Error::Conflict)?;
        log.apply(range, changes, erased.resealed)?;
        state.cells.put(erased.cells);
        Ok(())
    }

    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error> {
        self.write(origin, |log| log.put_disclosures(range, rows))
    }

    async fn data_keys(&self) -> Result<Vec<DataKey>, Error> {
        Ok(self.state().data_keys.clone())
    }

    async fn put_data_keys(
        &self,
        expected: &[DataKey],
        keys: &[DataKey],
        walk_again: bool,
    ) -> Result<(), Error> {
        let mut state = self.state();
        if state.data_keys != expected {
            return Err(Error::Conflict);
        }
        state.data_keys = keys.to_vec();
        if walk_again {
            state.rekeyed.clear();
        }
        Ok(())
    }

    async fn rekeyed(&self) -> Result<HashMap<Origin, Rekeyed>, Error> {
        Ok(self.state().rekeyed.clone())
    }

    async fn rekey(&self, origin: &Origin, rekey: Rekey) -> Result<(), Error> {
        let mut state = self.state();
        let held = state.rekeyed.get(origin).copied().unwrap_or_default();
        if held != rekey.from || rekey.to.up_to < held.up_to {
            return Err(Error::Conflict);
        }
        let log = state.logs.get_mut(origin).ok_or(Error::Conflict)?;
        log.replace_in_place(rekey.rows)?;
        for (old, new, index) in rekey.submissions {
            if state.submissions.get(&old) == Some(&index) {
                state.submissions.remove(&old);
                let first = state.submissions.entry(new).or_insert(index);
                *first = index.min(*first);
            }
        }
        state.rekeyed.insert(origin.clone(), rekey.to);
        Ok(())
    }

    async fn drop_register(&self, origin: &Origin) -> Result<(), Error> {
        let mut state = self.state();
        let log = state.logs.get_mut(origin).ok_or(Error::Conflict)?;
        log.drop_register();
        state.cells = Cells::default();
        Ok(())
    }

    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
        Ok(self.read(origin, |log| log.targets(leaves)))
    }

    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error> {
        let of_tag = |tag: &Tag| self.find(|row| row.number_tag == Some(*tag));
        Ok(tags.iter().map(of_tag).collect())
    }

    async fn find_by_holders(
        &self,
        tags: &[Tag],
        leaves: Leaves,
    ) -> Result<Vec<Vec<Found>>, Error> {
        let of_tag = |tag: &Tag| self.find(|row| row.holder_tag == Some(*tag));
        let mut all: Vec<Vec<Found>> = tags.iter().map(of_tag).collect();
        if leaves == Leaves::Without {
            all.iter_mut().for_each(|found| forget_leaves(found));
        }
        Ok(all)
    }

    async fn find_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, Error> {
        let asked = |row: &DisclosureRow| indexes.contains(&row.index);
        let mut found = self.read(origin, |log| log.find(asked));
        if leaves == Leaves::Without {
            forget_leaves(&mut found);
        }
        Ok(found)
    }

    async fn counted(&self) -> Result<HashMap<Origin, u64>, Error> {
        Ok(self.state().cells.counted.clone())
    }

    async fn put_counts(
        &self,
        origin: &Origin,
        range: Range<u64>,
        cells: Vec<KeptCell>,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let log = &state.logs.get(origin).ok_or(Error::Conflict)?.state;
        let there = log.folded.min(log.disclosed);
        let up_to = state.cells.counted.get(origin).copied().unwrap_or_default();
        if up_to != range.start || range.end < range.start || range.end > there {
            return Err(Error::Conflict);
        }
        state.cells.counted.insert(origin.clone(), range.end);
        state.cells.put(cells);
        Ok(())
    }

    async fn cells(&self, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
        let state = self.state();
        let of_key = |key: &String| state.cells.of_key(key);
        Ok(keys.iter().filter_map(of_key).collect())
    }

    async fn cells_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptCell>, Error> {
        Ok(self.state().cells.page(prefix, after, limit))
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error> {
        Ok(self.read(origin, |log| log.disclosures(range)))
    }

    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error> {
        Ok(self.read(origin, |log| log.erased(targets)))
    }

    async fn directory(&self, kind: u32, key: &str) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        let state = self.state();
        let entries = |log: &Log| log.directory(kind, key);
        Ok(state.logs.values().flat_map(entries).collect())
    }

    async fn directory_page(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
        keys: u32,
    ) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        let state = self.state();
        let of_log = |log: &Log| log.directory_behind(kind, prefix, after);
        let mut found: Vec<_> = state.logs.values().flat_map(of_log).collect();
        found.sort_by(|(a, one), (b, other)| {
            (&one.key, a.as_str(), one.index).cmp(&(&other.key, b.as_str(), other.index))
        });
        let mut named: Vec<String> = found.iter().map(|(_, row)| row.key.clone()).collect();
        named.dedup();
        named.truncate(usize::try_from(keys).unwrap_or(usize::MAX));
        found.retain(|(_, row)| named.contains(&row.key));
        Ok(found)
    }

    async fn directory_from(&self, origin: &Origin, kind: u32) -> Result<Option<u32>, Error> {
        Ok(self.read(origin, |log| log.directory_from(kind)))
    }

    async fn directory_end(&self, origin: &Origin) -> Result<u64, Error> {
        Ok(self.read(origin, |log| log.directory_end()))
    }

    async fn directory_has(
        &self,
        origin: &Origin,
        kinds: &[u32],
        from: u64,
    ) -> Result<bool, Error> {
        Ok(self.read(origin, |log| log.directory_has(kinds, from)))
    }

    async fn institution_keys(
        &self,
        origin: &Origin,
        wanted: &KeysWanted,
        before: u64,
    ) -> Result<InstitutionKeys, Error> {
        Ok(self.read(origin, |log| log.institution_keys(wanted, before)))
    }

    async fn statuses(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<StatusRow>, Error> {
        Ok(self.read(origin, |log| {
            let mut rows: Vec<StatusRow> = log.statuses(targets).cloned().collect();
            rows.sort_by_key(|row| (row.target_index, row.index));
            rows
        }))
    }

    async fn adoptions(&self, origin: &Origin) -> Result<Vec<AdoptionRow>, Error> {
        Ok(self.read(origin, |log| log.register.adoptions.clone()))
    }

    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), Error> {
        Ok(self.read(origin, |log| log.quarantined(from, limit)))
    }

    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
        Ok(self.read(origin, |log| log.tiles(ids)))
    }

    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error> {
        Ok(self.read(origin, |log| log.bundle(number)))
    }

    async fn put_cosigned(
        &self,
        origin: &Origin,
        expected: Option<Head>,
        cosigned: Cosigned,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let held = state.cosigned.entry(origin.clone()).or_default();
        let (old, new) = (held.last().map(|last| last.head), cosigned.head);
        let contradicts =
            |old: Head| new.size < old.size || (new.size == old.size && new.root != old.root);
        if old != expected || old.is_some_and(contradicts) {
            return Err(Error::Conflict);
        }
        held.retain(|one| one.head.size < new.size);
        held.push(cosigned);
        let extra = held.len().saturating_sub(COSIGNED_KEPT);
        held.drain(..extra);
        Ok(())
    }

    async fn cosigned(&self, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
        Ok(self
            .state()
            .cosigned
            .get(origin)
            .cloned()
            .unwrap_or_default())
    }

    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error> {
        let lists = &mut self.state().trust_lists;
        let position = version
            .checked_sub(1)
            .and_then(|position| usize::try_from(position).ok())
            .ok_or(Error::Conflict)?;
        match lists.get(position) {
            Some(held) if held == note => Ok(()),
            None if lists.len() == position => {
                lists.push(note.to_vec());
                Ok(())
            }
            _ => Err(Error::Conflict),
        }
    }

    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.state().trust_lists.clone())
    }

    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        self.state().audit.append(expected, rows)
    }

    async fn audit_head(&self) -> Result<ChainHead, Error> {
        Ok(self.state().audit.head())
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        Ok(self.state().audit.find(query))
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), Error> {
        let tokens = &mut self.state().tokens;
        if tokens.contains_key(&token.id) {
            return Err(Error::Conflict);
        }
        tokens.insert(token.id.clone(), token);
        Ok(())
    }

    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error> {
        let mut state = self.state();
        let token = state.tokens.get_mut(id).ok_or(Error::Conflict)?;
        token.revoked.get_or_insert(time);
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        let mut tokens: Vec<TokenRow> = self.state().tokens.values().cloned().collect();
        // Stable: by id where the time is the same.
        tokens.sort_by_key(|token| token.created);
        Ok(tokens)
    }
}
