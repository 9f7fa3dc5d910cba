//! The operations that move a log. Each begins with the comparison that the contract asks
//! for, in the statement that also takes the new values.

use std::ops::Range;

use huren_core::{checkpoint::Origin, register::Changes};

use super::{
    cells,
    db::{Db, values},
    disclosures, entries, logs,
    place::integer,
    register, submissions,
    tree::{self, NewTile},
};
use crate::{Advance, Append, Bundle, DisclosureRow, Erased, Error, Head, Mending, Package};

pub(super) async fn append(db: &mut Db, origin: &Origin, append: &Append) -> Result<(), Error> {
    if append.head.size < append.expected.size {
        return Err(Error::Conflict);
    }
    let (old, new) = (append.expected, append.head);
    let moved = logs::moved(
        db,
        "UPDATE logs SET size = $4, root = $5, checkpoint = $6, folded = $4, disclosed = $4 \
         WHERE origin = $1 AND role = 0 AND size = $2 AND root = $3 \
         AND folded = $2 AND disclosed = $2 RETURNING id",
        values![
            origin,
            integer(old.size)?,
            old.root,
            integer(new.size)?,
            new.root,
            &append.checkpoint[..]
        ],
    );
    let log = moved.await?;

    let bundles: Vec<&Bundle> = append.bundles.iter().collect();
    entries::put(db, log, &bundles).await?;
    let tiles: Vec<NewTile<'_>> = append
        .tiles
        .iter()
        .map(|(id, hashes)| (id.level(), id.index(), &hashes[..]))
        .collect();
    tree::put_tiles(db, log, &tiles).await?;
    register::put(db, log, &append.changes).await?;
    disclosures::put(db, log, &append.disclosures).await?;
    // Behind the disclosures: an erasure may be of a certificate of this very batch.
    disclosures::reseal(db, log, &append.erased.resealed).await?;
    cells::put(db, &append.erased.cells).await?;
    submissions::put(db, &append.submissions).await
}

pub(super) async fn put_packages(
    db: &mut Db,
    origin: &Origin,
    packages: &[Package],
) -> Result<(), Error> {
    let log = logs::id(db, origin).await?;
    let bundles: Vec<&Bundle> = packages.iter().map(|package| &package.bundle).collect();
    entries::put(db, log, &bundles).await?;
    let tiles: Vec<NewTile<'_>> = packages
        .iter()
        .map(|package| (0, package.bundle.number, &package.leaves[..]))
        .collect();
    tree::put_tiles(db, log, &tiles).await
}

pub(super) async fn advance(db: &mut Db, origin: &Origin, advance: &Advance) -> Result<(), Error> {
    let (old, new) = (advance.expected, advance.head);
    if new.size < old.size || (new.size == old.size && new.root != old.root) {
        return Err(Error::Conflict);
    }
    let moved = logs::moved(
        db,
        "UPDATE logs SET size = $4, root = $5, checkpoint = $6 \
         WHERE origin = $1 AND size = $2 AND root = $3 RETURNING id",
        values![
            origin,
            integer(old.size)?,
            old.root,
            integer(new.size)?,
            new.root,
            &advance.checkpoint[..]
        ],
    );
    let log = moved.await?;

    let tiles: Vec<NewTile<'_>> = advance
        .tiles
        .iter()
        .map(|(id, hashes)| (id.level(), id.index(), &hashes[..]))
        .collect();
    tree::put_tiles(db, log, &tiles).await
}

pub(super) async fn mend(db: &mut Db, origin: &Origin, mending: &Mending) -> Result<(), Error> {
    if !mending.fits() {
        return Err(Error::Conflict);
    }
    let Head { size, root } = mending.tree;
    // Nothing moves: the comparison holds until the transaction ends.
    let moved = logs::moved(
        db,
        "UPDATE logs SET size = size WHERE origin = $1 AND size = $2 AND root = $3 RETURNING id",
        values![origin, integer(size)?, root],
    );
    let log = moved.await?;

    let bundles = mending.packages.iter().map(|package| &package.bundle);
    let bundles: Vec<&Bundle> = bundles.collect();
    entries::remove(db, log, &bundles).await?;
    entries::put(db, log, &bundles).await?;
    let leaves = mending
        .packages
        .iter()
        .map(|package| (0, package.bundle.number, &package.leaves[..]));
    let above = mending
        .tiles
        .iter()
        .map(|(id, hashes)| (id.level(), id.index(), &hashes[..]));
    let tiles: Vec<NewTile<'_>> = leaves.chain(above).collect();
    tree::remove_tiles(db, log, &tiles).await?;
    tree::put_tiles(db, log, &tiles).await
}

pub(super) async fn apply(
    db: &mut Db,
    origin: &Origin,
    range: Range<u64>,
    changes: &Changes,
    erased: &Erased,
) -> Result<(), Error> {
    if range.end < range.start {
        return Err(Error::Conflict);
    }
    let sql = "UPDATE logs SET folded = $3 \
         WHERE origin = $1 AND folded = $2 AND size >= $3 RETURNING id";
    let range = values![origin, integer(range.start)?, integer(range.end)?];
    let log = logs::moved(db, sql, range).await?;

    register::put(db, log, changes).await?;
    disclosures::reseal(db, log, &erased.resealed).await?;
    cells::put(db, &erased.cells).await
}

pub(super) async fn put_disclosures(
    db: &mut Db,
    origin: &Origin,
    range: Range<u64>,
    rows: &[DisclosureRow],
) -> Result<(), Error> {
    if range.end < range.start {
        return Err(Error::Conflict);
    }
    let sql = "UPDATE logs SET disclosed = $3 WHERE origin = $1 AND disclosed = $2 RETURNING id";
    let range = values![origin, integer(range.start)?, integer(range.end)?];
    let log = logs::moved(db, sql, range).await?;

    disclosures::put(db, log, rows).await
}
