//! What SQLite adds to the contract: files.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{fs, path::Path};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId, empty_root, encode_bundle},
    register::{CertificateRow, Changes, Effect, StatusRow},
};
use huren_store::{
    Append, Bundle, DisclosureRow, Error, Head, Notes, Rekey, Rekeyed, Resealed, Role, Sqlite,
    SqliteOptions, Store, Tag, newest_schema, schema,
};

fn own() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

fn mirror() -> Origin {
    "huren.ah.example/log/34".parse().unwrap()
}

async fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, SqliteOptions::default()).await.unwrap()
}

/// Disclosures of different lengths, with a text that can be searched for.
fn marked(log: &str, index: u64) -> DisclosureRow {
    let marker = format!("<{log}-{index}>");
    let sealed = marker.repeat(1 + usize::try_from(index * 37 % 90).unwrap());
    DisclosureRow {
        index,
        number_tag: Some(Tag([1; 32])),
        holder_tag: Some(Tag([2; 32])),
        sealed: sealed.into_bytes(),
    }
}

/// Every byte that the database has on disk.
fn on_disk(directory: &Path) -> Vec<u8> {
    let files = fs::read_dir(directory).unwrap();
    files
        .flat_map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// Markers `<log-index>` in the bytes.
fn markers(bytes: &[u8], log: &str) -> std::collections::BTreeSet<u64> {
    let start = format!("<{log}-");
    let positions = bytes.windows(start.len()).enumerate();
    positions
        .filter(|(_, window)| *window == start.as_bytes())
        .filter_map(|(at, _)| {
            let digits = bytes[at + start.len()..]
                .split(|byte| *byte == b'>')
                .next()?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        })
        .collect()
}

/// Two logs whose disclosures came in turns, so that pages split in the middle of the table.
async fn two_logs_in_turns(store: &Sqlite, size: u64) {
    for origin in [own(), mirror()] {
        store.create_log(&origin, Role::Mirror).await.unwrap();
    }
    for start in (0..size).step_by(50) {
        for (origin, log) in [(own(), "own"), (mirror(), "mirror")] {
            let range = start..start + 50;
            let rows = range.clone().map(|index| marked(log, index)).collect();
            store.put_disclosures(&origin, range, rows).await.unwrap();
        }
    }
}

#[tokio::test]
async fn erased_bytes_are_in_no_file() {
    const SIZE: u64 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("huren.sqlite")).await;
    two_logs_in_turns(&store, SIZE).await;
    assert_eq!(markers(&on_disk(directory.path()), "own").len(), 2_000);

    let (mut gone, mut kept) = ((0..SIZE).collect::<Vec<_>>(), Vec::new());
    // First a few here and there, then nearly everything: pages shrink, merge, are freed.
    for stride in [97, 11, 3, 1] {
        let (erased, left): (Vec<u64>, Vec<u64>) = gone
            .into_iter()
            .partition(|index| index % stride == 0 && index % 7 != 6);
        gone = left;
        let resealed = erased.iter().map(|index| Resealed {
            index: *index,
            row: (index % 5 == 0).then(|| DisclosureRow {
                holder_tag: None,
                sealed: b"what is left".to_vec(),
                ..marked("own", *index)
            }),
        });
        let resealed: Vec<Resealed> = resealed.collect();
        let origin = own();
        let applied = store.apply(&origin, 0..0, Changes::default(), resealed.into());
        applied.await.unwrap();
        let found = markers(&on_disk(directory.path()), "own");
        let stale: Vec<_> = erased
            .iter()
            .filter(|index| found.contains(index))
            .collect();
        assert!(
            stale.is_empty(),
            "stride {stride}: {} of {} still there",
            stale.len(),
            erased.len()
        );
        kept = gone.clone();
    }
    let found = markers(&on_disk(directory.path()), "own");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), kept);
    assert_eq!(markers(&on_disk(directory.path()), "mirror").len(), 2_000);
    store.close().await;
}

#[tokio::test]
async fn what_another_key_sealed_is_in_no_file() {
    const SIZE: u64 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("huren.sqlite")).await;
    two_logs_in_turns(&store, SIZE).await;
    for start in (0..SIZE).step_by(500) {
        let rows = (start..start + 500).map(|index| {
            let row = marked("own", index);
            DisclosureRow {
                number_tag: Some(Tag([3; 32])),
                sealed: String::from_utf8(row.sealed)
                    .unwrap()
                    .replace("own", "new")
                    .into(),
                ..row
            }
        });
        let at = |up_to| Rekeyed { up_to, kept: 0 };
        let rekey = Rekey {
            from: at(start),
            to: at(start + 500),
            rows: rows.collect(),
            submissions: Vec::new(),
        };
        store.rekey(&own(), rekey).await.unwrap();
        let found = markers(&on_disk(directory.path()), "own");
        assert!(found.into_iter().eq(start + 500..SIZE));
    }
    assert_eq!(markers(&on_disk(directory.path()), "new").len(), 2_000);
    assert_eq!(markers(&on_disk(directory.path()), "mirror").len(), 2_000);
    store.close().await;
}

#[tokio::test]
async fn a_crash_before_the_scrub_is_made_good_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("huren.sqlite")).await;
    two_logs_in_turns(&store, 50).await;
    // A process that was killed leaves the files as they are now, with a WAL.
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), crashed.path().join(file.file_name())).unwrap();
    }
    let log = crashed.path().join("huren.sqlite-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let again = open(&crashed.path().join("huren.sqlite")).await;
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    let rows = again.disclosures(&own(), 0..50).await.unwrap();
    assert_eq!(rows.len(), 50);
    again.close().await;
    store.close().await;
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.sqlite");
    let store = open(&path).await;
    store.create_log(&own(), Role::Own).await.unwrap();
    store.create_log(&mirror(), Role::Mirror).await.unwrap();
    let leaf = Hash([5; 32]);
    let append = Append {
        expected: Head {
            size: 0,
            root: empty_root(),
        },
        head: Head {
            size: 2,
            root: Hash([6; 32]),
        },
        checkpoint: b"checkpoint".to_vec(),
        bundles: vec![Bundle {
            number: 0,
            width: 2,
            entries: encode_bundle([[7; 2_000].as_slice(); 2]).unwrap().into(),
        }],
        tiles: vec![(TileId::new(0, 0, 2).unwrap(), vec![leaf, leaf])],
        changes: Changes {
            certificates: vec![CertificateRow {
                index: 0,
                leaf,
                writer_region: 330_206,
            }],
            statuses: vec![StatusRow {
                index: 1,
                leaf: Hash([8; 32]),
                target_index: 0,
                effect: Effect::Revoke,
                reason: 2,
                effective_date: 20_260_401,
            }],
            ..Changes::default()
        },
        erased: huren_store::Erased::default(),
        disclosures: vec![marked("own", 0)],
        submissions: vec![(Tag([4; 32]), 0)],
    };
    store.append(&own(), append).await.unwrap();
    let notes = Notes {
        published: b"note".to_vec(),
        ..Notes::default()
    };
    store.put_notes(&own(), notes).await.unwrap();
    store.freeze(&mirror(), b"evidence").await.unwrap();
    store.put_trust_list(1, b"list").await.unwrap();

    let state = async |store: &Sqlite| {
        (
            store.logs().await.unwrap(),
            store.find_by_number(&[Tag([1; 32])]).await.unwrap(),
            store.targets(&own(), &[leaf]).await.unwrap(),
            store.bundle(&own(), 0).await.unwrap(),
            store.submissions(&[Tag([4; 32])]).await.unwrap(),
            store.trust_lists().await.unwrap(),
        )
    };
    let before = state(&store).await;
    store.close().await;
    assert!(matches!(store.logs().await, Err(Error::Unavailable(_))));
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "the WAL is gone after an orderly end");

    let again = open(&path).await;
    assert_eq!(state(&again).await, before);
    again.close().await;
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.sqlite");
    fs::write(&path, "no database at all, ".repeat(1_000)).unwrap();
    let opened = Sqlite::open(&path, SqliteOptions::default()).await;
    assert!(matches!(opened.err(), Some(Error::Corrupt(_))));
    let missing = directory.path().join("missing/huren.sqlite");
    let opened = Sqlite::open(&missing, SqliteOptions::default()).await;
    assert!(matches!(opened.err(), Some(Error::Unavailable(_))));
}

/// Who looks while another one writes sees what was committed; afterwards the file is as it was,
/// with what lies in the write-ahead log still to be moved there.
#[tokio::test]
async fn who_looks_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.db");
    let store = open(&path).await;
    store.create_log(&own(), Role::Own).await.unwrap();
    let before = fs::read(&path).unwrap();

    // As a crash leaves it: nobody empties the write-ahead log.
    let crashed = tempfile::tempdir().unwrap();
    for file in ["huren.db", "huren.db-wal"] {
        fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
    }
    for folder in [directory.path(), crashed.path()] {
        let path = folder.join("huren.db");
        assert_eq!(schema(&path).await.unwrap(), newest_schema());
        let options = SqliteOptions::default();
        let looking = Sqlite::look_at(&path, options.clone()).await.unwrap();
        assert!(looking.log(&own()).await.unwrap().is_some());
        looking
            .create_log(&mirror(), Role::Mirror)
            .await
            .unwrap_err();
        looking.close().await;
        assert_eq!(fs::read(&path).unwrap(), before);
        let missing = folder.join("nothing.db");
        assert!(Sqlite::look_at(&missing, options).await.is_err() && !missing.exists());
    }
    store.close().await;
}
