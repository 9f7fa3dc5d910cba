//! What PostgreSQL adds to the contract: several processes over one database, with a pooler in
//! between and without.

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
use sqlx::ConnectOptions as _;

const HOUR: Duration = Duration::from_secs(3600);

fn origin() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

/// A new database.
struct Place {
    /// Of the server itself.
    direct: String,
    /// As a node reaches it.
    url: String,
    options: PostgresOptions,
}

impl Place {
    fn direct() -> Option<Self> {
        let direct = huren_postgres_server::server()?.database().unwrap();
        Some(Self {
            url: direct.clone(),
            direct,
            options: PostgresOptions::default(),
        })
    }

    fn pooled() -> Option<Self> {
        let pooler = huren_postgres_server::pooler()?;
        let place = Self::direct()?;
        Some(Self {
            url: pooler.same(&place.direct),
            options: PostgresOptions {
                pooled: true,
                ..place.options
            },
            ..place
        })
    }

    async fn open(&self) -> Postgres {
        Postgres::open(&self.url, &self.options).await.unwrap()
    }
}

/// Runs each test on a new database, reached in each of the two ways.
macro_rules! either_way {
    ($($test:ident)+) => {
        mod direct {
            $(
                #[tokio::test]
                async fn $test() {
                    let Some(place) = super::Place::direct() else { return };
                    super::$test(place).await;
                }
            )+
        }
        mod pooled {
            $(
                #[tokio::test]
                async fn $test() {
                    let Some(place) = super::Place::pooled() else { return };
                    super::$test(place).await;
                }
            )+
        }
    };
}

either_way! {
    one_process_is_in_charge_and_another_takes_over_when_its_lease_has_run_out
    what_every_process_writes_needs_no_lease
    a_write_that_stands_still_lets_others_by
    its_schema_is_known_before_it_is_opened
    processes_that_start_at_once_make_the_tables_once
    a_store_is_moved_whole_and_goes_on
    a_move_that_broke_off_is_taken_up_and_no_node_goes_before
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

async fn one_process_is_in_charge_and_another_takes_over_when_its_lease_has_run_out(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
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

async fn what_every_process_writes_needs_no_lease(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
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

async fn a_write_that_stands_still_lets_others_by(place: Place) {
    let store = place.open().await;
    store.create_log(&origin(), Role::Own).await.unwrap();
    // A process that stops behind its first statement, for longer than anybody waits for it.
    let stopped = sqlx::PgPool::connect(&place.direct).await.unwrap();
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

async fn its_schema_is_known_before_it_is_opened(place: Place) {
    let looking = Postgres::lazy(&place.url, &place.options).unwrap();
    assert_eq!(looking.schema().await.unwrap(), 0);
    place.open().await.close().await;
    let (held, known) = (looking.schema().await.unwrap(), Postgres::newest_schema());
    assert!(held == known && known > 0, "{held} {known}");
    looking.close().await;
}

/// Each finds the steps that another one made, and a pooler gives each the connections on which the
/// others made them.
async fn processes_that_start_at_once_make_the_tables_once(place: Place) {
    let together = futures::future::join_all((0..8).map(|_| place.open()));
    for process in together.await {
        assert_eq!(process.schema().await.unwrap(), Postgres::newest_schema());
    }
    for _ in 0..8 {
        let again = place.open().await;
        assert_eq!(again.schema().await.unwrap(), Postgres::newest_schema());
    }
}

/// So the other tests say something about it.
#[tokio::test]
async fn a_pooler_gives_each_transaction_another_connection() {
    let Some(place) = Place::pooled() else { return };
    let target: sqlx::postgres::PgConnectOptions = place.url.parse().unwrap();
    let target = target.extra_float_digits(None);
    let connect = async || target.connect().await.unwrap();
    let mut one = connect().await;
    let first = process(&mut one).await;
    // Others hold transactions until one of them has what it was on.
    let mut held = Vec::new();
    while held.iter().all(|(by, _)| *by != first) {
        let mut other = connect().await;
        let begin = sqlx::raw_sql("BEGIN").execute(&mut other);
        begin.await.unwrap();
        held.push((process(&mut other).await, other));
    }
    assert_ne!(process(&mut one).await, first);
}

/// The process of the server that answers.
async fn process(by: &mut sqlx::PgConnection) -> String {
    let rows = sqlx::raw_sql("SELECT pg_backend_pid()::text");
    let row = rows.fetch_one(by).await.unwrap();
    sqlx::Row::get(&row, 0)
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

async fn a_store_is_moved_whole_and_goes_on(place: Place) {
    let directory = tempfile::tempdir().unwrap();
    let (file, shared) = (file(&directory).await, place.open().await);
    let moved = move_store(&file, &shared, |_| {}).await.unwrap();
    assert!(moved.contains(&("disclosures", 5)), "{moved:?}");
    same(&file, &shared).await;
    // Not a second time: it may have gone on.
    let again = move_store(&file, &shared, |_| {}).await;
    assert!(matches!(again, Err(MoveError::NotEmpty)));
    assert_eq!(shared.acquire("node", HOUR).await.unwrap(), Held::Here);
    shared.append(&origin(), append(5, 6)).await.unwrap();
}

async fn a_move_that_broke_off_is_taken_up_and_no_node_goes_before(place: Place) {
    let directory = tempfile::tempdir().unwrap();
    let (file, shared) = (file(&directory).await, place.open().await);
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
    let node = place.open().await;
    let held = Held::Elsewhere("migrate-store".to_owned());
    assert_eq!(node.acquire("node", HOUR).await.unwrap(), held);
    let shared = place.open().await;
    move_store(&file, &shared, |_| {}).await.unwrap();
    same(&file, &shared).await;
    assert_eq!(node.acquire("node", HOUR).await.unwrap(), Held::Here);
}
