//! What PostgreSQL adds to the contract: several processes over one database.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::time::Duration;

use huren_core::{
    audit::ChainHead,
    checkpoint::Origin,
    merkle::{Hash, empty_root},
};
use huren_store::{
    Append, DisclosureRow, Error, Head, Held, MoveError, Moving, Notes, Postgres, PostgresOptions,
    Release, Role, Sqlite, SqliteOptions, Store, Tag, TokenRow, move_store,
};

const HOUR: Duration = Duration::from_secs(3600);

fn origin() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

async fn open(url: &str) -> Postgres {
    let options = PostgresOptions::default();
    Postgres::open(url, &options).await.unwrap()
}

fn head(size: u64) -> Head {
    let root = match size {
        0 => empty_root(),
        _ => Hash([size as u8; 32]),
    };
    Head { size, root }
}

fn append(from: u64, to: u64) -> Append {
    Append {
        expected: head(from),
        head: head(to),
        checkpoint: Vec::new(),
        bundles: Vec::new(),
        tiles: Vec::new(),
        changes: Default::default(),
        erased: Default::default(),
        disclosures: Vec::new(),
        submissions: Vec::new(),
    }
}

async fn size(store: &Postgres) -> u64 {
    store.log(&origin()).await.unwrap().unwrap().head.size
}

#[tokio::test]
async fn one_process_is_in_charge_and_another_takes_over_when_its_lease_has_run_out() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let url = server.database().unwrap();
    let (first, second) = (open(&url).await, open(&url).await);
    assert_eq!(first.acquire("first", HOUR).await.unwrap(), Held::Here);
    let elsewhere = Held::Elsewhere("first".to_owned());
    assert_eq!(second.acquire("second", HOUR).await.unwrap(), elsewhere);
    first.create_log(&origin(), Role::Own).await.unwrap();
    first.append(&origin(), append(0, 1)).await.unwrap();
    let refused = second.append(&origin(), append(1, 2)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(size(&second).await, 1, "every process reads");

    // It renews, and by that shortens, its own lease, which has run out at once.
    assert_eq!(
        first.acquire("first", Duration::ZERO).await.unwrap(),
        Held::Here
    );
    assert_eq!(second.acquire("second", HOUR).await.unwrap(), Held::Here);
    // What the former holder believes does not matter.
    let refused = first.append(&origin(), append(1, 2)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let refused = first.put_notes(&origin(), Notes::default()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    second.append(&origin(), append(1, 2)).await.unwrap();
    let elsewhere = Held::Elsewhere("second".to_owned());
    assert_eq!(first.acquire("first", HOUR).await.unwrap(), elsewhere);
    assert_eq!(size(&first).await, 2);

    // Given up, it is there for the taking.
    second.resign().await.unwrap();
    let refused = second.append(&origin(), append(2, 3)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(first.acquire("first", HOUR).await.unwrap(), Held::Here);
    first.append(&origin(), append(2, 3)).await.unwrap();
}

#[tokio::test]
async fn what_every_process_writes_needs_no_lease() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let url = server.database().unwrap();
    let (first, second) = (open(&url).await, open(&url).await);
    assert_eq!(first.acquire("first", HOUR).await.unwrap(), Held::Here);
    let token = TokenRow {
        id: "a".to_owned(),
        hash: [1; 32],
        name: String::new(),
        roles: String::new(),
        kinds: String::new(),
        regions: String::new(),
        created: 0,
        expires: 0,
        revoked: None,
    };
    second.put_token(token).await.unwrap();
    second
        .append_audit(ChainHead::EMPTY, Vec::new())
        .await
        .unwrap();
    assert_eq!(first.tokens().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_that_stands_still_lets_others_by() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let url = server.database().unwrap();
    let store = open(&url).await;
    store.create_log(&origin(), Role::Own).await.unwrap();
    // A process that stops behind its first statement, for longer than anybody waits for it.
    let stopped = sqlx::PgPool::connect(&url).await.unwrap();
    let mut transaction = stopped.begin().await.unwrap();
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("SELECT epoch FROM lease FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    store.append(&origin(), append(0, 1)).await.unwrap();
    assert!(transaction.commit().await.is_err());
    assert_eq!(size(&store).await, 1);
}

#[tokio::test]
async fn it_works_without_settings_at_the_start() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let url = server.database().unwrap();
    let options = PostgresOptions {
        pooled: true,
        ..PostgresOptions::default()
    };
    let store = Postgres::open(&url, &options).await.unwrap();
    store.create_log(&origin(), Role::Own).await.unwrap();
    store.append(&origin(), append(0, 1)).await.unwrap();
    assert_eq!(size(&store).await, 1);
}

#[tokio::test]
async fn its_schema_is_known_before_it_is_opened() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let (url, options) = (server.database().unwrap(), PostgresOptions::default());
    let looking = Postgres::lazy(&url, &options).unwrap();
    assert_eq!(looking.schema().await.unwrap(), 0);
    open(&url).await.close().await;
    let (held, known) = (looking.schema().await.unwrap(), Postgres::newest_schema());
    assert!(held == known && known > 0, "{held} {known}");
    looking.close().await;
}

#[tokio::test]
async fn an_address_that_is_none_and_a_server_that_is_none_are_told() {
    let options = PostgresOptions {
        acquire_timeout: Duration::from_millis(200),
        ..PostgresOptions::default()
    };
    for url in ["huren.db", "postgres://huren@%2Fnowhere/huren"] {
        let refused = Postgres::open(url, &options).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{url}");
    }
}

/// A store in a file, with something in it.
async fn file(directory: &tempfile::TempDir) -> Sqlite {
    let path = directory.path().join("huren.db");
    let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
    store.create_log(&origin(), Role::Own).await.unwrap();
    let row = |index| DisclosureRow {
        index,
        number_tag: Some(Tag([index as u8; 32])),
        holder_tag: None,
        sealed: vec![7; 40],
    };
    let with_rows = Append {
        disclosures: (0..5).map(row).collect(),
        submissions: (0..5).map(|index| (Tag([9; 32]), index)).collect(),
        ..append(0, 5)
    };
    store.append(&origin(), with_rows).await.unwrap();
    store.freeze(&origin(), b"evidence").await.unwrap();
    let release = Release {
        evidence: b"evidence".to_vec(),
        time: 1,
        actor: String::new(),
        reason: "REASON".to_owned(),
    };
    store.release(&origin(), release).await.unwrap();
    store
}

async fn same(file: &Sqlite, shared: &Postgres) {
    assert_eq!(file.logs().await.unwrap(), shared.logs().await.unwrap());
    let rows = file.disclosures(&origin(), 0..9).await.unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(shared.disclosures(&origin(), 0..9).await.unwrap(), rows);
    let tag = [Tag([9; 32])];
    let found = shared.submissions(&tag).await.unwrap();
    assert_eq!(found, file.submissions(&tag).await.unwrap());
    let releases = shared.releases(&origin()).await.unwrap();
    assert_eq!(releases, file.releases(&origin()).await.unwrap());
}

#[tokio::test]
async fn a_store_is_moved_whole_and_goes_on() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (file, shared) = (
        file(&directory).await,
        open(&server.database().unwrap()).await,
    );
    let moved = move_store(&file, &shared, |_| {}).await.unwrap();
    assert!(moved.contains(&("disclosures", 5)), "{moved:?}");
    same(&file, &shared).await;
    // Not a second time: it may have gone on.
    let again = move_store(&file, &shared, |_| {}).await;
    assert!(matches!(again, Err(MoveError::NotEmpty)));
    assert_eq!(shared.acquire("node", HOUR).await.unwrap(), Held::Here);
    shared.append(&origin(), append(5, 6)).await.unwrap();
}

#[tokio::test]
async fn a_move_that_broke_off_is_taken_up_and_no_node_goes_before() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (file, url) = (file(&directory).await, server.database().unwrap());
    let shared = open(&url).await;
    let (reached, mut table) = tokio::sync::mpsc::unbounded_channel();
    let moving = move_store(&file, &shared, |moving| {
        if let Moving::Table("disclosures", _) = moving {
            let _ = reached.send(());
        }
    });
    tokio::select! {
        biased;
        Some(()) = table.recv() => {}
        moved = moving => panic!("{moved:?} without a stop"),
    }
    let node = open(&url).await;
    let held = Held::Elsewhere("migrate-store".to_owned());
    assert_eq!(node.acquire("node", HOUR).await.unwrap(), held);
    let shared = open(&url).await;
    move_store(&file, &shared, |_| {}).await.unwrap();
    same(&file, &shared).await;
    assert_eq!(node.acquire("node", HOUR).await.unwrap(), Held::Here);
}
