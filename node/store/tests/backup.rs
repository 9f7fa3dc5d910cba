//! The database in two parts: one state, nothing erased, and put together again.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, encode_bundle},
    register::{CertificateRow, Changes},
};
use huren_store::{
    Append, Bundle, DisclosureRow, Error, Head, Resealed, Role, Sqlite, SqliteOptions, Store, Tag,
    copy_parts, inspect, join_parts, newest_schema, schema,
};

fn own() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

fn hash(index: u64) -> Hash {
    let mut hash = [9; 32];
    hash[..8].copy_from_slice(&index.to_be_bytes());
    Hash(hash)
}

fn tag(index: u64) -> Tag {
    Tag(hash(index).0)
}

fn marker(index: u64) -> String {
    format!("<sealed-{index}>")
}

/// A certificate of its own bundle: what an append of one leaf writes to every table.
fn append(index: u64) -> Append {
    let head = |size: u64| Head {
        size,
        root: hash(size),
    };
    Append {
        expected: head(index),
        head: head(index + 1),
        checkpoint: b"checkpoint".to_vec(),
        bundles: vec![Bundle {
            number: index,
            width: 1,
            entries: encode_bundle([[7; 300].as_slice()]).unwrap().into(),
        }],
        tiles: Vec::new(),
        changes: Changes {
            certificates: vec![CertificateRow {
                index,
                leaf: hash(index),
                writer_region: 330_206,
            }],
            ..Changes::default()
        },
        erased: huren_store::Erased::default(),
        disclosures: vec![DisclosureRow {
            index,
            number_tag: Some(tag(index)),
            holder_tag: Some(tag(index)),
            sealed: marker(index).repeat(30).into_bytes(),
        }],
        submissions: vec![(tag(index), index)],
    }
}

struct Site {
    folder: tempfile::TempDir,
    store: Sqlite,
    size: u64,
}

impl Site {
    async fn new(leaves: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huren.db");
        let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
        store.create_log(&own(), Role::Own).await.unwrap();
        let mut site = Self {
            folder,
            store,
            size: 0,
        };
        // The root of the empty log is a given one.
        let empty = site.store.log(&own()).await.unwrap().unwrap().head;
        let first = Append {
            expected: empty,
            ..append(0)
        };
        site.store.append(&own(), first).await.unwrap();
        site.size = 1;
        site.grow(leaves).await;
        site
    }

    async fn grow(&mut self, size: u64) {
        while self.size < size {
            self.store.append(&own(), append(self.size)).await.unwrap();
            self.size += 1;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn parts(&self, name: &str) -> (PathBuf, PathBuf) {
        let [public, personal] =
            ["public", "personal"].map(|part| self.path(&format!("{name}.{part}")));
        let copied = copy_parts(&self.path("huren.db"), &public, &personal).await;
        copied.unwrap();
        (public, personal)
    }
}

async fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, SqliteOptions::default()).await.unwrap()
}

/// Every table of an own log has as many rows as the log has leaves.
async fn is_one_state(public: &Path, personal: &Path) -> u64 {
    let (rows, persons) = (
        inspect(public).await.unwrap(),
        inspect(personal).await.unwrap(),
    );
    let counts = [
        rows["certificates"],
        rows["bundles"],
        persons["disclosures"],
        persons["submissions"],
    ];
    assert_eq!((rows["disclosures"], persons["certificates"]), (0, 0));
    join_parts(public, Some(personal)).await.unwrap();
    let store = open(public).await;
    let log = store.log(&own()).await.unwrap().unwrap();
    store.close().await;
    assert_eq!(counts, [log.head.size; 4]);
    log.head.size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_one_state_of_a_database_that_is_being_written() {
    let mut site = Site::new(300).await;
    let (database, folder) = (site.path("huren.db"), site.folder.path().to_owned());
    let copying = async {
        let mut sizes = Vec::new();
        for round in 0..8 {
            let [public, personal] =
                ["public", "personal"].map(|part| folder.join(format!("{round}.{part}")));
            copy_parts(&database, &public, &personal).await.unwrap();
            sizes.push(is_one_state(&public, &personal).await);
        }
        sizes
    };
    let writing = async {
        loop {
            let next = site.size + 1;
            site.grow(next).await;
        }
    };
    let sizes = tokio::select! {
        sizes = copying => sizes,
        () = writing => unreachable!("writing does not end"),
    };
    assert!(
        sizes.is_sorted() && sizes.first() < sizes.last(),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn what_was_put_together_is_what_was_taken_apart() {
    let mut site = Site::new(20).await;
    site.store.put_trust_list(1, b"list").await.unwrap();
    let (public, personal) = site.parts("one").await;
    let state = async |store: &Sqlite| {
        (
            store.logs().await.unwrap(),
            store.disclosures(&own(), 0..99).await.unwrap(),
            store.targets(&own(), &[hash(7)]).await.unwrap(),
            store.submissions(&[tag(7)]).await.unwrap(),
            store.trust_lists().await.unwrap(),
        )
    };
    let before = state(&site.store).await;
    join_parts(&public, Some(&personal)).await.unwrap();
    let mut joined = open(&public).await;
    assert_eq!(state(&joined).await, before);
    // It goes on like the one that it was copied from.
    std::mem::swap(&mut site.store, &mut joined);
    site.grow(25).await;
    assert_eq!(schema(&public).await.unwrap(), newest_schema());
    assert!(newest_schema() > 1);
}

#[tokio::test]
async fn without_the_personal_part_every_disclosure_is_owed() {
    let site = Site::new(20).await;
    site.store.put_restored(&own(), Some(1)).await.unwrap();
    let (public, _) = site.parts("one").await;
    join_parts(&public, None).await.unwrap();
    let store = open(&public).await;
    let log = store.log(&own()).await.unwrap().unwrap();
    assert_eq!((log.head.size, log.folded, log.disclosed), (20, 20, 0));
    assert_eq!(
        log.restored, None,
        "nothing that could have been erased is there"
    );
    assert_eq!(store.disclosures(&own(), 0..99).await.unwrap(), []);
    let found = store.submissions(&[tag(7)]).await.unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn what_was_erased_is_in_no_part() {
    let site = Site::new(200).await;
    let erased: Vec<u64> = (0..200).filter(|index| index % 3 == 0).collect();
    let resealed = erased.iter().map(|index| Resealed {
        index: *index,
        row: None,
    });
    let resealed: Vec<Resealed> = resealed.collect();
    let applied = site
        .store
        .apply(&own(), 200..200, Changes::default(), resealed.into())
        .await;
    applied.unwrap();
    let (public, personal) = site.parts("one").await;
    let found = |path: &Path| -> Vec<u64> {
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (0..200)
            .filter(|index| text.contains(&marker(*index)))
            .collect()
    };
    let kept: Vec<u64> = (0..200).filter(|index| index % 3 != 0).collect();
    assert_eq!(found(&personal), kept);
    assert_eq!(found(&public), [] as [u64; 0]);
    join_parts(&public, Some(&personal)).await.unwrap();
    assert_eq!(found(&public), kept);
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let site = Site::new(1).await;
    let junk = site.path("junk");
    fs::write(&junk, "no database at all, ".repeat(1_000)).unwrap();
    assert!(matches!(inspect(&junk).await, Err(Error::Corrupt(_))));
    assert!(matches!(schema(&junk).await, Err(Error::Corrupt(_))));
    let missing = copy_parts(&site.path("none"), &site.path("a"), &site.path("b")).await;
    assert!(matches!(missing, Err(Error::Unavailable(_))));
    assert!(!site.path("none").exists(), "nothing is made in its place");
    // A page in the middle is another one's.
    let (public, _) = site.parts("one").await;
    let mut bytes = fs::read(&public).unwrap();
    let page = bytes[4096..8192].to_vec();
    bytes[8192..12_288].copy_from_slice(&page);
    fs::write(&public, bytes).unwrap();
    assert!(matches!(inspect(&public).await, Err(Error::Corrupt(_))));
}
