//! What only the inside can provoke.

use huren_core::{checkpoint::Origin, merkle::empty_root, register::Changes};

use super::*;
use crate::{DisclosureRow, Head, Notes, Resealed, Role, Store as _, Tag};

async fn store() -> (tempfile::TempDir, Sqlite, Origin) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.sqlite");
    let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
    let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
    store.create_log(&origin, Role::Own).await.unwrap();
    (directory, store, origin)
}

/// Disclosures of `count` leaves behind `start`, a kilobyte each.
async fn grow(store: &Sqlite, origin: &Origin, start: u64, count: u64) -> Result<(), Error> {
    let row = |index| DisclosureRow {
        index,
        number_tag: Some(Tag([7; 32])),
        holder_tag: None,
        sealed: vec![1; 1_000],
    };
    let range = start..start + count;
    let rows = range.clone().map(row).collect();
    store.put_disclosures(origin, range, rows).await
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_goes_on_when_there_is_room() {
    let (_directory, store, origin) = store().await;
    grow(&store, &origin, 0, 10).await.unwrap();
    let before = store.log(&origin).await.unwrap();
    // Stands for a disk without room: the database may not grow by more than a few pages.
    sqlx::query("PRAGMA max_page_count = 60")
        .execute(&store.writer)
        .await
        .unwrap();
    let refused = grow(&store, &origin, 10, 10_000).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    assert_eq!(store.log(&origin).await.unwrap(), before);
    assert_eq!(store.disclosures(&origin, 0..99).await.unwrap().len(), 10);

    sqlx::query("PRAGMA max_page_count = 1000000")
        .execute(&store.writer)
        .await
        .unwrap();
    grow(&store, &origin, 10, 10_000).await.unwrap();
    let log = store.log(&origin).await.unwrap().unwrap();
    assert_eq!(log.disclosed, 10_010);
}

#[tokio::test]
async fn a_broken_off_transaction_does_not_block_the_writer() {
    let (_directory, store, origin) = store().await;
    // SQLite has ended the transaction, the roll-back behind it fails.
    let mut tx = store.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
    drop(tx);
    // The caller went away in the middle of a write.
    let mut tx = store.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("UPDATE logs SET pending = x'00'")
        .execute(&mut *tx)
        .await
        .unwrap();
    drop(tx);
    grow(&store, &origin, 0, 1).await.unwrap();
    let log = store.log(&origin).await.unwrap().unwrap();
    assert_eq!((log.notes, log.disclosed), (Notes::default(), 1));
}

#[tokio::test]
async fn what_gathers_in_the_wal_is_copied_behind_the_commits() {
    const PAGES: u32 = 100;
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        checkpoint_pages: PAGES,
        ..SqliteOptions::default()
    };
    let store = Sqlite::open(directory.path().join("huren.sqlite"), options);
    let store = store.await.unwrap();
    let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
    store.create_log(&origin, Role::Own).await.unwrap();
    let mut all = 0;
    for start in (0..2_000).step_by(100) {
        grow(&store, &origin, start, 100).await.unwrap();
        let look = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)");
        let (_, written, copied): (i64, i64, i64) = look.fetch_one(&store.writer).await.unwrap();
        assert!(
            written < PAGES.into() || written == copied,
            "{written} {copied}"
        );
        all = all.max(written);
    }
    assert!(all >= PAGES.into(), "something had to be copied");
}

#[tokio::test]
async fn what_the_schema_rules_out_is_named_as_damage() {
    let (_directory, store, origin) = store().await;
    sqlx::query("UPDATE logs SET origin = ''")
        .execute(&store.writer)
        .await
        .unwrap();
    let damage = store.logs().await;
    assert!(matches!(damage, Err(Error::Corrupt(_))), "{damage:?}");
    assert_eq!(store.log(&origin).await.unwrap(), None);
}

#[tokio::test]
async fn numbers_that_a_place_cannot_hold_are_refused_whole() {
    let (_directory, store, origin) = store().await;
    let too_far = grow(&store, &origin, 0, 1).await;
    too_far.unwrap();
    let row = DisclosureRow {
        index: 1 << 40,
        number_tag: None,
        holder_tag: None,
        sealed: Vec::new(),
    };
    let refused = store.put_disclosures(&origin, 1..2, vec![row]).await;
    assert!(matches!(refused, Err(Error::Corrupt(_))));
    let log = store.log(&origin).await.unwrap().unwrap();
    assert_eq!(log.disclosed, 1);
    assert_eq!(
        log.head,
        Head {
            size: 0,
            root: empty_root()
        }
    );
}

#[tokio::test]
async fn a_long_read_holds_up_erasures_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.sqlite");
    let busy_timeout = Duration::from_millis(1);
    let options = SqliteOptions {
        busy_timeout,
        ..SqliteOptions::default()
    };
    let store = Sqlite::open(&path, options).await.unwrap();
    let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
    store.create_log(&origin, Role::Own).await.unwrap();
    grow(&store, &origin, 0, 10).await.unwrap();
    // As a backup does.
    let Pool::Sqlite(readers) = &store.readers else {
        panic!("not SQLite");
    };
    let mut reading = readers.begin().await.unwrap();
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM disclosures");
    count.fetch_one(&mut *reading).await.unwrap();

    let gone = vec![Resealed {
        index: 3,
        row: None,
    }];
    let erased = store
        .apply(&origin, 0..0, Changes::default(), gone.into())
        .await;
    assert!(matches!(erased, Err(Error::Unavailable(_))), "{erased:?}");
    let left = store.disclosures(&origin, 0..99).await.unwrap();
    assert_eq!(left.len(), 9, "it is erased for every later read");
    grow(&store, &origin, 10, 10).await.unwrap();
    assert!(store.unscrubbed.load(Ordering::Acquire));

    reading.rollback().await.unwrap();
    grow(&store, &origin, 20, 10).await.unwrap();
    assert!(!store.unscrubbed.load(Ordering::Acquire));
    let wal = directory.path().join("huren.sqlite-wal");
    assert_eq!(std::fs::metadata(wal).unwrap().len(), 0);
    let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout")
        .fetch_one(&store.writer)
        .await
        .unwrap();
    assert_eq!(u128::try_from(timeout).unwrap(), busy_timeout.as_millis());
}
