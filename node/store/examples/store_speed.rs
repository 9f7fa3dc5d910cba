//! How fast the SQLite store is on this machine, with every commit synced to disk:
//! `cargo run --release -p huren-store --example store_speed -- [records] [batch]`.

use std::time::{Duration, Instant};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId, empty_root},
    register::{CertificateRow, Changes},
};
use huren_store::{
    Advance, Append, Bundle, DisclosureRow, Erased, Head, HighWater, Package, Role, Sqlite,
    SqliteOptions, Store, Tag,
};

/// Bytes of a sealed disclosure and of a leaf.
const SEALED: usize = 500;
const LEAF: usize = 420;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let (records, batch) = (number(100_000u64)?, number(1_000u64)?);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("huren.sqlite");
    let store = Sqlite::open(&path, SqliteOptions::default()).await?;
    let own: Origin = "huren.zj.example/log/33".parse()?;
    let mirror: Origin = "huren.ah.example/log/34".parse()?;
    store.create_log(&own, Role::Own).await?;
    store.create_log(&mirror, Role::Mirror).await?;

    let mut spent = Duration::ZERO;
    for start in (0..records).step_by(usize::try_from(batch)?) {
        let given = own_append(start, start + batch);
        let begin = Instant::now();
        store.append(&own, given).await?;
        spent += begin.elapsed();
    }
    report("append (3 rows a record)", 3 * records, spent);

    let (mut packages, mut folding) = (Duration::ZERO, Duration::ZERO);
    for start in (0..records).step_by(usize::try_from(batch)?) {
        let end = start + batch;
        let (given, advance) = (mirror_packages(start, end), mirror_advance(start, end));
        let rows = disclosures(start, end, 3);
        let changes = certificates(start, end, 2);
        let begin = Instant::now();
        store.put_packages(&mirror, given).await?;
        store.advance(&mirror, advance).await?;
        packages += begin.elapsed();
        let begin = Instant::now();
        store
            .apply(&mirror, start..end, changes, Erased::default())
            .await?;
        store.put_disclosures(&mirror, start..end, rows).await?;
        folding += begin.elapsed();
    }
    report("put_packages + advance (leaves)", records, packages);
    report("apply + put_disclosures (2 rows)", 2 * records, folding);
    println!(
        "database: {} bytes a record",
        std::fs::metadata(&path)?.len() / (2 * records)
    );

    look_ups(&store, &mirror, records).await?;

    let high_water = HighWater::open(directory.path().join("high-water"))?;
    let begin = Instant::now();
    for size in 1..=200 {
        high_water.write(&own, &head(size))?;
    }
    report("high-water writes", 200, begin.elapsed());
    store.close().await;
    Ok(())
}

async fn look_ups(
    store: &Sqlite,
    mirror: &Origin,
    records: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let some = |count: u64| (0..count).map(move |nth| nth * 7_919 % records);
    let begin = Instant::now();
    for index in some(5_000) {
        let found = store.find_by_number(&[Tag(key(1, index))]).await?;
        assert_eq!(found[0].len(), 1);
    }
    report("find_by_number, one by one", 5_000, begin.elapsed());
    let tags: Vec<Tag> = some(20_000).map(|index| Tag(key(1, index))).collect();
    let begin = Instant::now();
    for tags in tags.chunks(1_000) {
        assert!(
            store
                .find_by_number(tags)
                .await?
                .iter()
                .all(|found| found.len() == 1)
        );
    }
    report("find_by_number, by 1,000", 20_000, begin.elapsed());
    let leaves: Vec<Hash> = some(20_000).map(|index| Hash(key(2, index))).collect();
    let begin = Instant::now();
    for leaves in leaves.chunks(1_000) {
        store.targets(mirror, leaves).await?;
    }
    report("targets, by 1,000", 20_000, begin.elapsed());
    Ok(())
}

fn report(what: &str, rows: u64, spent: Duration) {
    let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX).max(1);
    println!("{what}: {} a second", rows * 1_000 / milliseconds);
}

/// 32 bytes as random as tags and hashes are.
fn key(kind: u64, number: u64) -> [u8; 32] {
    let mut state = (kind << 56) ^ number;
    let mut key = [0; 32];
    for word in key.chunks_mut(8) {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        state = mixed;
    }
    key
}

fn head(size: u64) -> Head {
    let root = match size {
        0 => empty_root(),
        _ => Hash(key(9, size)),
    };
    Head { size, root }
}

fn certificates(start: u64, end: u64, kind: u64) -> Changes {
    let row = |index| CertificateRow {
        index,
        leaf: Hash(key(kind, index)),
        writer_region: 330_000,
    };
    Changes {
        certificates: (start..end).map(row).collect(),
        ..Changes::default()
    }
}

fn disclosures(start: u64, end: u64, kind: u64) -> Vec<DisclosureRow> {
    let row = |index| DisclosureRow {
        index,
        number_tag: Some(Tag(key(kind, index))),
        holder_tag: Some(Tag(key(kind + 10, index / 3))),
        sealed: vec![7; SEALED],
    };
    (start..end).map(row).collect()
}

fn bundles(start: u64, end: u64) -> impl Iterator<Item = Bundle> {
    (start / 256..end.div_ceil(256)).map(move |number| {
        let width = (end - number * 256).min(256);
        Bundle {
            number,
            width: u16::try_from(width).unwrap_or(256),
            entries: vec![5; usize::from(u16::try_from(width).unwrap_or(256)) * LEAF].into(),
        }
    })
}

fn leaves(bundle: &Bundle) -> Vec<Hash> {
    vec![Hash([4; 32]); usize::from(bundle.width)]
}

fn own_append(start: u64, end: u64) -> Append {
    let bundles: Vec<Bundle> = bundles(start, end).collect();
    let tiles = bundles.iter().filter_map(|bundle| {
        let id = TileId::new(0, bundle.number, bundle.width)?;
        Some((id, leaves(bundle)))
    });
    Append {
        expected: head(start),
        head: head(end),
        checkpoint: vec![3; 300],
        tiles: tiles.collect(),
        bundles,
        changes: certificates(start, end, 0),
        erased: huren_store::Erased::default(),
        disclosures: disclosures(start, end, 1),
        submissions: (start..end)
            .map(|index| (Tag(key(5, index)), index))
            .collect(),
    }
}

fn mirror_packages(start: u64, end: u64) -> Vec<Package> {
    let package = |bundle: Bundle| Package {
        leaves: leaves(&bundle),
        bundle,
    };
    bundles(start, end).map(package).collect()
}

fn mirror_advance(start: u64, end: u64) -> Advance {
    Advance {
        expected: head(start),
        head: head(end),
        checkpoint: vec![3; 300],
        tiles: Vec::new(),
    }
}
