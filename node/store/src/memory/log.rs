//! One log and its register.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TILE_WIDTH, TileId, decode_bundle, empty_root},
    register::{
        Changes, DirectoryRow, Effect, InstitutionKeyRow, InstitutionKeys, KeysWanted,
        QuarantineRow, StatusRow, TargetState, Targets,
    },
};

use crate::{
    Advance, Append, Bundle, DisclosureRow, Error, Found, FoundStatus, Head, LogState, Mending,
    Notes, Release, Resealed, Role,
};

pub(super) struct Log {
    pub(super) state: LogState,
    pub(super) releases: Vec<Release>,
    /// Everything folded so far: rows are in index order, as each step's are.
    pub(super) register: Changes,
    /// By level and number.
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    /// By number.
    bundles: BTreeMap<u64, Bundle>,
    /// By index.
    disclosures: BTreeMap<u64, DisclosureRow>,
}

impl Log {
    pub(super) fn empty(origin: Origin, role: Role) -> Self {
        Self {
            state: LogState {
                origin,
                role,
                head: Head {
                    size: 0,
                    root: empty_root(),
                },
                checkpoint: Vec::new(),
                notes: Notes::default(),
                folded: 0,
                disclosed: 0,
                frozen: None,
                restored: None,
            },
            releases: Vec::new(),
            register: Changes::default(),
            tiles: BTreeMap::new(),
            bundles: BTreeMap::new(),
            disclosures: BTreeMap::new(),
        }
    }

    // ---- writes: each checks first, so that a refused one changes nothing ---------------

    pub(super) fn append(&mut self, append: Append) -> Result<(), Error> {
        let state = &mut self.state;
        let expected = append.expected;
        if state.role != Role::Own
            || state.head != expected
            || (state.folded, state.disclosed) != (expected.size, expected.size)
            || append.head.size < expected.size
        {
            return Err(Error::Conflict);
        }
        state.head = append.head;
        state.checkpoint = append.checkpoint;
        state.folded = append.head.size;
        state.disclosed = append.head.size;
        for bundle in append.bundles {
            self.put_bundle(bundle);
        }
        for (id, hashes) in append.tiles {
            self.put_tile(id.level(), id.index(), hashes);
        }
        self.extend_register(append.changes);
        for row in append.disclosures {
            self.disclosures.insert(row.index, row);
        }
        self.reseal(append.erased.resealed);
        Ok(())
    }

    pub(super) fn advance(&mut self, advance: Advance) -> Result<(), Error> {
        let (old, new) = (advance.expected, advance.head);
        if self.state.head != old
            || new.size < old.size
            || (new.size == old.size && new.root != old.root)
        {
            return Err(Error::Conflict);
        }
        self.state.head = new;
        self.state.checkpoint = advance.checkpoint;
        for (id, hashes) in advance.tiles {
            self.put_tile(id.level(), id.index(), hashes);
        }
        Ok(())
    }

    pub(super) fn mend(&mut self, mending: Mending) -> Result<(), Error> {
        if self.state.head != mending.tree || !mending.fits() {
            return Err(Error::Conflict);
        }
        for package in mending.packages {
            let number = package.bundle.number;
            self.tiles.insert((0, number), package.leaves);
            self.bundles.insert(number, package.bundle);
        }
        for (id, hashes) in mending.tiles {
            self.tiles.insert((id.level(), id.index()), hashes);
        }
        Ok(())
    }

    pub(super) fn apply(
        &mut self,
        range: Range<u64>,
        changes: Changes,
        resealed: Vec<Resealed>,
    ) -> Result<(), Error> {
        let state = &mut self.state;
        if state.folded != range.start || range.end < range.start || range.end > state.head.size {
            return Err(Error::Conflict);
        }
        state.folded = range.end;
        self.extend_register(changes);
        self.reseal(resealed);
        Ok(())
    }

    pub(super) fn put_disclosures(
        &mut self,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error> {
        if self.state.disclosed != range.start || range.end < range.start {
            return Err(Error::Conflict);
        }
        self.state.disclosed = range.end;
        for row in rows {
            self.disclosures.insert(row.index, row);
        }
        Ok(())
    }

    pub(super) fn drop_register(&mut self) {
        self.register = Changes::default();
        self.state.folded = 0;
    }

    pub(super) fn put_tile(&mut self, level: u8, number: u64, hashes: Vec<Hash>) {
        let held = self.tiles.entry((level, number)).or_default();
        if hashes.len() > held.len() {
            *held = hashes;
        }
    }

    pub(super) fn put_bundle(&mut self, bundle: Bundle) {
        let held = self
            .bundles
            .get(&bundle.number)
            .map_or(0, |held| held.width);
        if bundle.width > held {
            self.bundles.insert(bundle.number, bundle);
        }
    }

    fn extend_register(&mut self, changes: Changes) {
        let register = &mut self.register;
        register.certificates.extend(changes.certificates);
        register.statuses.extend(changes.statuses);
        register.directory.extend(changes.directory);
        register.institution_keys.extend(changes.institution_keys);
        register.erasures.extend(changes.erasures);
        register.adoptions.extend(changes.adoptions);
        register.quarantined.extend(changes.quarantined);
    }

    fn reseal(&mut self, resealed: Vec<Resealed>) {
        for one in resealed {
            match one.row {
                Some(row) => self.disclosures.insert(one.index, row),
                None => self.disclosures.remove(&one.index),
            };
        }
    }

    // ---- reads ------------------------------------------------------------------------

    pub(super) fn held(&self, range: Range<u64>) -> Vec<(u64, u16)> {
        let width = |(number, bundle): (&u64, &Bundle)| (*number, bundle.width);
        let within = |(number, _): &(&u64, &Bundle)| range.contains(number);
        self.bundles.iter().filter(within).map(width).collect()
    }

    pub(super) fn tiles(&self, ids: &[TileId]) -> HashMap<TileId, Vec<Hash>> {
        let wide_enough = |id: &TileId| {
            let hashes = self.tiles.get(&(id.level(), id.index()))?;
            (hashes.len() >= usize::from(id.width())).then(|| (*id, hashes.clone()))
        };
        ids.iter().filter_map(wide_enough).collect()
    }

    pub(super) fn bundle(&self, number: u64) -> Option<Bundle> {
        self.bundles.get(&number).cloned()
    }

    /// Rows as long as those that are held for the same leaves.
    pub(super) fn replace_in_place(&mut self, rows: Vec<DisclosureRow>) -> Result<(), Error> {
        let fits = |row: &DisclosureRow| {
            self.disclosures.get(&row.index).is_some_and(|held| {
                held.sealed.len() == row.sealed.len()
                    && held.number_tag.is_some() == row.number_tag.is_some()
                    && held.holder_tag.is_some() == row.holder_tag.is_some()
            })
        };
        if !rows.iter().all(fits) {
            return Err(Error::Conflict);
        }
        let rows = rows.into_iter().map(|row| (row.index, row));
        self.disclosures.extend(rows);
        Ok(())
    }

    pub(super) fn disclosures(&self, range: Range<u64>) -> Vec<DisclosureRow> {
        let within = |row: &&DisclosureRow| range.contains(&row.index);
        self.disclosures.values().filter(within).cloned().collect()
    }

    pub(super) fn find(&self, matches: impl Fn(&DisclosureRow) -> bool) -> Vec<Found> {
        let found = |row: &DisclosureRow| Found {
            origin: self.state.origin.clone(),
            index: row.index,
            leaf: self.leaf(row.index),
            entry: self.entry(row.index),
            holder_tag: row.holder_tag,
            sealed: row.sealed.clone(),
            statuses: self
                .statuses(row.index..row.index + 1)
                .map(|status| FoundStatus {
                    row: status.clone(),
                    entry: self.entry(status.index),
                    sealed: {
                        let own = self.disclosures.get(&status.index);
                        own.map(|row| row.sealed.clone())
                    },
                })
                .collect(),
        };
        let matching = self.disclosures.values().filter(|row| matches(row));
        matching.map(found).collect()
    }

    fn leaf(&self, index: u64) -> Option<Hash> {
        let certificates = &self.register.certificates;
        let position = certificates.binary_search_by_key(&index, |row| row.index);
        position.ok().map(|position| certificates[position].leaf)
    }

    fn entry(&self, index: u64) -> Option<Vec<u8>> {
        let width = u64::from(TILE_WIDTH);
        let bundle = self.bundles.get(&(index / width))?;
        let entries = decode_bundle(&bundle.entries).ok()?;
        let position = usize::try_from(index % width).ok()?;
        entries.get(position).map(|entry| entry.to_vec())
    }

    pub(super) fn statuses(
        &self,
        targets: Range<u64>,
    ) -> impl DoubleEndedIterator<Item = &StatusRow> {
        let of_targets = move |row: &&StatusRow| targets.contains(&row.target_index);
        self.register.statuses.iter().filter(of_targets)
    }

    pub(super) fn targets(&self, leaves: &[Hash]) -> Targets {
        let asked: HashSet<&Hash> = leaves.iter().collect();
        let mut targets = Targets::new();
        for row in &self.register.certificates {
            if asked.contains(&row.leaf) {
                targets.entry(row.leaf).or_insert_with(|| TargetState {
                    index: row.index,
                    writer_region: row.writer_region,
                    last_status: self
                        .statuses(row.index..row.index + 1)
                        .rfind(|status| status.effect != Effect::Newer)
                        .map(|last| last.leaf),
                });
            }
        }
        targets
    }

    pub(super) fn erased(&self, targets: Range<u64>) -> Vec<(u64, Vec<u32>)> {
        let rows = self.register.erasures.iter();
        rows.filter(|row| targets.contains(&row.target_index))
            .map(|row| (row.target_index, row.groups.clone()))
            .collect()
    }

    pub(super) fn directory(&self, kind: u32, key: &str) -> Vec<(Origin, DirectoryRow)> {
        let rows = self.register.directory.iter();
        rows.filter(|row| row.kind == kind && row.key == key)
            .map(|row| (self.state.origin.clone(), row.clone()))
            .collect()
    }

    /// Entries under keys with a prefix that come behind a key.
    pub(super) fn directory_behind(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
    ) -> Vec<(Origin, DirectoryRow)> {
        let is_behind = |row: &&DirectoryRow| {
            row.kind == kind && row.key.as_str() > after && row.key.starts_with(prefix)
        };
        let rows = self.register.directory.iter().filter(is_behind);
        rows.map(|row| (self.state.origin.clone(), row.clone()))
            .collect()
    }

    pub(super) fn directory_from(&self, kind: u32) -> Option<u32> {
        let rows = self.register.directory.iter();
        let rows = rows.filter(|row| row.kind == kind);
        rows.map(|row| row.effective_date).min()
    }

    pub(super) fn directory_end(&self) -> u64 {
        let newest = self.register.directory.last();
        newest.map_or(0, |row| row.index + 1)
    }

    pub(super) fn directory_has(&self, kinds: &[u32], from: u64) -> bool {
        let mut rows = self.register.directory.iter();
        rows.any(|row| row.index >= from && kinds.contains(&row.kind))
    }

    pub(super) fn institution_keys(&self, wanted: &KeysWanted, before: u64) -> InstitutionKeys {
        let is_newest = |row: &InstitutionKeyRow| {
            let entries = self.register.directory.iter();
            let newest = entries
                .filter(|entry| entry.kind == InstitutionKeyRow::DIRECTORY && entry.key == row.code)
                .rfind(|entry| entry.index < before);
            newest.is_some_and(|entry| entry.index == row.index)
        };
        let is_wanted = |row: &&InstitutionKeyRow| {
            wanted.ids.contains(&row.key_id) || wanted.codes.contains(&row.code)
        };
        let rows = self.register.institution_keys.iter().filter(is_wanted);
        rows.filter(|row| is_newest(row))
            .map(|row| (row.key_id, row.clone()))
            .collect()
    }

    pub(super) fn quarantined(&self, from: u64, limit: u32) -> (u64, Vec<QuarantineRow>) {
        let rows = &self.register.quarantined;
        let wanted = rows.iter().filter(|row| row.index >= from);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        (rows.len() as u64, wanted.take(limit).cloned().collect())
    }
}
