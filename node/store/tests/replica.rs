//! Look-ups from a standby: never older than what the process knows, and never missed.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{sync::Arc, time::Duration};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, empty_root},
};
use huren_postgres_server::Server;
use huren_store::{
    Append, DisclosureRow, Erased, Head, Held, Postgres, PostgresOptions, ReplicaFound,
    ReplicaState, Resealed, Role, Store, Tag,
};

const HOUR: Duration = Duration::from_secs(3600);
const TAG: Tag = Tag([7; 32]);

fn origin() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

fn head(size: u64) -> Head {
    let root = match size {
        0 => empty_root(),
        _ => Hash([size as u8; 32]),
    };
    Head { size, root }
}

/// One more leaf, a certificate under the one number.
fn append(from: u64) -> Append {
    let row = DisclosureRow {
        index: from,
        number_tag: Some(TAG),
        holder_tag: None,
        sealed: vec![7; 40],
    };
    Append {
        expected: head(from),
        head: head(from + 1),
        checkpoint: Vec::new(),
        bundles: Vec::new(),
        tiles: Vec::new(),
        changes: Default::default(),
        erased: Default::default(),
        disclosures: vec![row],
        submissions: Vec::new(),
    }
}

/// A process over a database and its standby.
struct Process {
    store: Postgres,
    answering: Arc<dyn Store>,
}

impl Process {
    async fn over(url: &str, replica: String) -> Self {
        let options = PostgresOptions {
            replica: Some(replica),
            ..PostgresOptions::default()
        };
        let store = Postgres::open(url, &options).await.unwrap();
        let answering = store.answering().unwrap();
        Self { store, answering }
    }

    async fn measured(&self, now: u64) -> ReplicaState {
        self.store.measure_replica(now).await.unwrap()
    }

    async fn examined(&self) -> ReplicaFound {
        self.store.examine_replica().await.unwrap().unwrap()
    }

    /// Waits until the replica has all that there is: at a later time than was measured at before.
    async fn in_step(&self, now: u64) {
        while self.measured(now).await.lag != Some(0) {
            tokio::task::yield_now().await;
        }
    }

    /// How many certificates a number finds, and whether the replica said so.
    async fn look_up(&self, now: u64) -> (usize, bool) {
        let before = self.measured(now).await;
        let found = self.answering.find_by_number(&[TAG]).await.unwrap();
        let after = self.measured(now).await;
        let (answered, passed_on) = (
            after.answered - before.answered,
            after.passed_on - before.passed_on,
        );
        assert_eq!(answered + passed_on, 1, "{before:?} {after:?}");
        (found[0].len(), answered == 1)
    }
}

/// A database with a log of one certificate, its standby, and the process in charge.
async fn begun() -> Option<(String, Server, Process)> {
    let server = huren_postgres_server::server()?;
    let standby = server.standby().unwrap();
    let url = server.database().unwrap();
    let first = Process::over(&url, standby.same(&url)).await;
    let held = first.store.acquire("first", HOUR).await.unwrap();
    assert_eq!(held, Held::Here);
    let store = &first.store;
    store.create_log(&origin(), Role::Own).await.unwrap();
    store.append(&origin(), append(0)).await.unwrap();
    first.in_step(0).await;
    Some((url, standby, first))
}

fn pause(standby: &Server) {
    standby.execute("SELECT pg_wal_replay_pause()").unwrap();
    let paused = "SELECT pg_get_wal_replay_pause_state()";
    while standby.execute(paused).unwrap().trim() != "paused" {}
}

#[tokio::test]
async fn an_answer_is_never_older_than_what_the_process_knows() {
    let Some((url, standby, first)) = begun().await else {
        return;
    };
    let second = Process::over(&url, standby.same(&url)).await;
    second.in_step(0).await;
    second.store.logs().await.unwrap();
    pause(&standby);
    assert_eq!(second.look_up(0).await.0, 1);
    let found = second.examined().await;
    assert!(matches!(found, ReplicaFound::Standby { .. }), "{found:?}");

    first.store.append(&origin(), append(1)).await.unwrap();
    // Who wrote it knows it at once, the other one when it sees that the log went on.
    assert_eq!(first.look_up(0).await, (2, false));
    let log = second.store.log(&origin()).await.unwrap().unwrap();
    assert_eq!(log.head.size, 2);
    assert_eq!(second.look_up(0).await, (2, false));

    let found = second.examined().await;
    let ReplicaFound::Standby { behind, seconds } = found else {
        panic!("{found:?}");
    };
    assert!(behind > 0 && seconds.is_some(), "{found:?}");

    // It says how far the standby is behind, and does not ask it beyond what was allowed.
    let state = second.measured(3).await;
    assert_eq!((state.lag, state.is_used), (Some(3), true));
    let state = second.measured(31).await;
    assert_eq!((state.lag, state.is_used), (Some(31), false));
    assert_eq!(second.look_up(31).await, (2, false));

    standby.execute("SELECT pg_wal_replay_resume()").unwrap();
    for process in [&first, &second] {
        process.in_step(32).await;
        assert!(process.measured(32).await.is_used);
    }
}

#[tokio::test]
async fn what_was_erased_is_not_shown_by_who_knows_of_it() {
    let Some((url, standby, first)) = begun().await else {
        return;
    };
    let second = Process::over(&url, standby.same(&url)).await;
    second.in_step(0).await;
    pause(&standby);
    let erased = Erased {
        resealed: vec![Resealed {
            index: 0,
            row: None,
        }],
        ..Erased::default()
    };
    let erasing = Append {
        disclosures: Vec::new(),
        erased,
        ..append(1)
    };
    first.store.append(&origin(), erasing).await.unwrap();
    assert_eq!(first.look_up(0).await, (0, false));
    second.store.logs().await.unwrap();
    assert_eq!(second.look_up(0).await, (0, false));
}

#[tokio::test]
async fn a_register_that_was_dropped_meanwhile_is_not_looked_up_in() {
    let Some((url, standby, first)) = begun().await else {
        return;
    };
    let second = Process::over(&url, standby.same(&url)).await;
    second.in_step(0).await;
    second.store.logs().await.unwrap();
    second.in_step(1).await;
    assert_eq!(second.look_up(1).await, (1, true));
    // The standby is ahead of what the second one knows, which takes the log for folded.
    first.store.drop_register(&origin()).await.unwrap();
    first.in_step(1).await;
    assert!(!second.look_up(1).await.1);
    second.store.logs().await.unwrap();
    second.in_step(2).await;
    assert!(second.look_up(2).await.1);
}

#[tokio::test]
async fn a_standby_that_is_gone_is_not_missed() {
    let Some((_, standby, first)) = begun().await else {
        return;
    };
    drop(standby);
    // However soon it ends.
    while first.measured(1).await.is_used {
        assert_eq!(first.look_up(1).await.0, 1);
    }
    assert_eq!(first.look_up(1).await, (1, false));
}

#[tokio::test]
async fn a_server_that_is_no_standby_is_not_asked() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let url = server.database().unwrap();
    let alone = Process::over(&url, url.clone()).await;
    let state = alone.measured(0).await;
    assert_eq!((state.lag, state.is_used), (None, false));
    assert_eq!(alone.examined().await, ReplicaFound::NoStandby);
    assert_eq!(alone.look_up(0).await, (0, false));
}

#[tokio::test]
async fn a_standby_of_another_cluster_is_not_asked() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    let binaries = huren_postgres_server::binaries().unwrap();
    let other = Server::start(binaries, &["-c", "fsync=off"]).unwrap();
    // Before the copy, which has the database then.
    let of_other = other.database().unwrap();
    let standby = other.standby().unwrap();
    let url = server.database().unwrap();
    let process = Process::over(&url, standby.same(&of_other)).await;
    for now in 0..3 {
        let state = process.measured(now).await;
        assert_eq!((state.lag, state.is_used), (None, false));
    }
    assert!(!process.look_up(3).await.1);
    assert_eq!(process.examined().await, ReplicaFound::OtherCluster);
}
