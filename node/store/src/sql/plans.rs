//! How the databases find rows.

use huren_core::checkpoint::Origin;

use super::{
    Database as _, Db,
    db::{Value, values},
    find::{self, By},
    institution_keys, register, submissions, tree,
};
use crate::{
    DisclosureRow, Leaves, Postgres, PostgresOptions, Role, Sqlite, SqliteOptions, Store as _, Tag,
};

#[tokio::test]
async fn look_ups_use_the_small_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huren.sqlite");
    let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
    let mut db = store.readers().read(1).await.unwrap();
    let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
    let keys = |count: usize| vec![Value::from(&b"8 bytes."[..]); count];
    let places = |count: usize| vec![Value::from(1); count];
    let found = |db: &Db, by, keys, leaves| {
        let statement = find::select(db, by, keys, leaves).unwrap();
        statement.into_sql()
    };
    let range = "SELECT sealed FROM disclosures WHERE live = 1 AND place >= $1 AND place < $2";
    let with = Leaves::With;
    let plans = [
        (
            range.to_owned(),
            "disclosures_by_place (place>? AND place<?)",
        ),
        (
            found(&db, By::Number, keys(20), with),
            "disclosures_by_number",
        ),
        (
            found(&db, By::Holder, keys(1), with),
            "disclosures_by_holder",
        ),
        (
            found(&db, By::Number, keys(1_000), with),
            "statuses_by_target",
        ),
        (
            found(&db, By::Number, keys(1_000), with),
            "disclosures_by_place",
        ),
        (
            found(&db, By::Place, places(300), with),
            "disclosures_by_place (place=?)",
        ),
        (
            found(&db, By::Holder, keys(300), Leaves::Without),
            "disclosures_by_holder",
        ),
        (
            register::select_targets(&db, &origin, keys(900))
                .unwrap()
                .into_sql(),
            "certificates_by_leaf",
        ),
        (
            institution_keys::BY_ID.to_owned(),
            "institution_keys_by_id (key_id=? AND place>? AND place<?)",
        ),
        (
            institution_keys::BY_CODE.to_owned(),
            "institution_keys_by_code (code=? AND place>? AND place<?)",
        ),
        (institution_keys::BY_ID.to_owned(), "directory_by_key"),
        (
            submissions::select(&db, keys(16)).unwrap().into_sql(),
            "submissions_by_tag",
        ),
        (
            tree::select_tiles(&db, &origin, &[(0, 0); 60])
                .unwrap()
                .into_sql(),
            "sqlite_autoindex_tiles_1",
        ),
    ];
    for (sql, index) in plans {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan: Vec<(i64, i64, i64, String)> = db.all(explain, values![]).await.unwrap();
        let steps: Vec<String> = plan.into_iter().map(|(_, _, _, step)| step).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        let scans = |step: &&String| step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
        let scans: Vec<_> = steps.iter().filter(scans).collect();
        assert!(scans.is_empty() || scans == ["SCAN w"], "{steps:?}");
    }
    drop(db);
    store.close().await;
}

#[tokio::test]
async fn postgres_reads_no_whole_table_for_a_look_up() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let direct = server.database().unwrap();
    no_whole_table(&direct, PostgresOptions::default()).await;
}

#[tokio::test]
async fn nor_behind_a_pooler() {
    let Some(pooler) = huren_postgres_server::pooler() else {
        return;
    };
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let options = PostgresOptions {
        pooled: true,
        ..PostgresOptions::default()
    };
    let direct = server.database().unwrap();
    no_whole_table(&pooler.same(&direct), options).await;
}

/// In a database that has not yet come to look at what was written a moment ago.
async fn no_whole_table(url: &str, options: PostgresOptions) {
    const COUNT: u64 = 20_000;
    let tag = |index: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&index.to_le_bytes());
        Some(Tag(bytes))
    };
    let store = Postgres::open(url, &options).await.unwrap();
    let held = store.acquire("a", std::time::Duration::from_secs(3600));
    held.await.unwrap();
    let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
    store.create_log(&origin, Role::Mirror).await.unwrap();
    let rows = (0..COUNT).map(|index| DisclosureRow {
        index,
        number_tag: tag(index),
        holder_tag: tag(index),
        sealed: vec![0; 400],
    });
    let put = store.put_disclosures(&origin, 0..COUNT, rows.collect());
    put.await.unwrap();

    let mut db = store.readers().read(1).await.unwrap();
    let tags = || Value::from(&b"8 bytes."[..]);
    for (by, key, keys) in [
        (By::Number, tags(), r"'{\x00,\x01}'"),
        (By::Holder, tags(), r"'{\x00,\x01}'"),
        (By::Place, Value::from(1), "'{1,2}'"),
    ] {
        for leaves in [Leaves::With, Leaves::Without] {
            let statement = find::select(&db, by, vec![key.clone()], leaves).unwrap();
            let sql = statement.into_sql().replace("$1", keys);
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {sql}"));
            let plan: Vec<(String,)> = db.all(explain, values![]).await.unwrap();
            let reads_all =
                |(step,): &(String,)| step.contains("Seq Scan") || step.contains("Hash");
            assert!(!plan.iter().any(reads_all), "{plan:#?}");
        }
    }
    drop(db);
    store.close().await;
}
