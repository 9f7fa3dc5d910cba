//! Backups that are not what they should be: each is refused with its code, and nothing of the
//! node's has changed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use huren_core::{codes::Region, merkle::encode_bundle};
use huren_node::backup::{BackupError, Wanted};
use huren_store::{Bundle, Package, Sqlite, Store};
use huren_tests::{Federation, Machine, origin};

use crate::support::{HOME, OTHER, empty_store, honest, issued};

/// A machine with a database, and the time.
async fn scene() -> (Machine, Arc<Sqlite>) {
    let machine = Machine::of(HOME);
    let database = machine.open().await;
    let given = Arc::clone(&database);
    let store = move |region| -> Arc<dyn Store> {
        if region == HOME {
            given.clone()
        } else {
            empty_store(region)
        }
    };
    let mut federation = Federation::start(store, honest).await;
    issued(&federation, 3).await;
    federation.stop(HOME).await;
    (machine, database)
}

const NOW: u64 = 1_800_000_000;

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("a file");
    }
}

/// Changes a text file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_backup_of_this_node_is_refused() {
    let (machine, database) = scene().await;
    let good = machine.back_up(NOW).await.expect("a backup");
    let other = machine.back_up(NOW + 1).await.expect("a backup");
    database.close().await;

    let refused = machine.restore(&good, Wanted::Everything, NOW).await;
    assert_eq!(refused.expect_err("a database").code(), "DATABASE_EXISTS");
    machine.lose_database();
    fs::create_dir(&machine.config.data_dir).expect("a folder");
    let wal = machine.config.data_dir.join("huren.db-wal");
    fs::write(&wal, "of another database").expect("a file");
    let refused = machine.restore(&good, Wanted::Everything, NOW).await;
    assert_eq!(refused.expect_err("a leftover").code(), "DATABASE_EXISTS");
    fs::remove_file(&wal).expect("a file");

    type Change<'a> = &'a dyn Fn(&Path);
    let cut = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("a file");
    };
    let flip = |path: PathBuf| {
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("a file");
    };
    let manifest = |from: &'static str, to: &'static str| {
        move |backup: &Path| edit(&backup.join("manifest"), from, to)
    };
    let schema = format!("\"schema\": {}", huren_store::newest_schema());
    let cases: [(&str, Change<'_>); 14] = [
        ("BACKUP_DAMAGED", &|backup| cut(backup.join("public.age"))),
        ("BACKUP_DAMAGED", &|backup| cut(backup.join("personal.age"))),
        ("BACKUP_DAMAGED", &|backup| flip(backup.join("public.age"))),
        ("BACKUP_DAMAGED", &|backup| {
            flip(backup.join("personal.age"))
        }),
        ("BACKUP_DAMAGED", &|backup| {
            let part = other.join("personal.age");
            fs::copy(part, backup.join("personal.age"))
                .map(drop)
                .expect("a file");
        }),
        ("BACKUP_INCOMPLETE", &|backup| {
            fs::remove_file(backup.join("public.age")).expect("a file");
        }),
        ("BACKUP_INCOMPLETE", &|backup| {
            fs::remove_file(backup.join("personal.age")).expect("a file");
        }),
        ("BACKUP_INCOMPLETE", &|backup| {
            fs::remove_file(backup.join("manifest")).expect("a file");
        }),
        ("BACKUP_MALFORMED", &|backup| cut(backup.join("manifest"))),
        (
            "BACKUP_NEWER",
            &manifest("huren/backup/v1", "huren/backup/v2"),
        ),
        ("BACKUP_NEWER", &|backup| {
            edit(&backup.join("manifest"), &schema, "\"schema\": 9999");
        }),
        ("BACKUP_OTHER_NODE", &manifest("log/33\"", "log/34\"")),
        // Whoever can encrypt for us cannot make a backup of ours: not even its version differs.
        (
            "BACKUP_NOT_SIGNED",
            &manifest("\"program\": \"", "\"program\": \"9"),
        ),
        (
            "BACKUP_CONTENT",
            &manifest("\"certificates\": 4", "\"certificates\": 5"),
        ),
    ];
    for (number, (code, change)) in cases.into_iter().enumerate() {
        let changed = machine.path(&format!("case-{number}"));
        copy(&good, &changed);
        change(&changed);
        let refused = machine.restore(&changed, Wanted::Everything, NOW).await;
        assert_eq!(refused.expect_err(code).code(), code, "case {number}");
        assert_eq!(machine.data(), ["backup.lock"], "case {number}");
    }

    let elsewhere = Machine::of(OTHER);
    let refused = elsewhere.restore(&good, Wanted::Everything, NOW).await;
    assert_eq!(refused.expect_err("other").code(), "BACKUP_OTHER_NODE");
    let stranger = Machine::of(HOME);
    let refused = stranger.restore(&good, Wanted::Everything, NOW).await;
    assert_eq!(refused.expect_err("a key").code(), "BACKUP_KEY_WRONG");
    let key = machine.config.keys_dir.join("at-rest.key");
    let kept = fs::read_to_string(&key).expect("a file");
    edit(&key, "at-rest ", "at-rest AAAA");
    let text = fs::read_to_string(&key).expect("a file");
    let line = text.trim_end();
    // As long as before, and another.
    fs::write(&key, format!("{}=\n", &line[..line.len() - 5])).expect("a file");
    let refused = machine.restore(&good, Wanted::Everything, NOW).await;
    assert_eq!(refused.expect_err("a key").code(), "AT_REST_KEY_WRONG");
    fs::write(&key, kept).expect("a file");

    // What a killed one left behind is in nobody's way.
    let left = machine.config.data_dir.join("backup.partial");
    fs::create_dir(&left).expect("a folder");
    fs::write(left.join("restored.db"), "half").expect("a file");
    let restored = machine.restore(&good, Wanted::Everything, NOW).await;
    restored.expect("a database");
    assert_eq!(machine.data(), ["backup.lock", "huren.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_and_for_its_owner_alone() {
    let (machine, database) = scene().await;
    let lock = machine.config.data_dir.join("backup.lock");
    let held = fs::File::create(&lock).expect("a file");
    held.lock().expect("a lock");
    let refused = machine.back_up(NOW).await.expect_err("it is busy");
    assert_eq!(refused.code(), "BACKUP_BUSY");
    drop(held);

    // Of a backup that was killed, and of another node.
    let [killed, theirs] =
        ["33-x.partial", "31-x.partial"].map(|name| machine.path("backups").join(name));
    fs::create_dir_all(killed.join("x")).expect("a folder");
    fs::create_dir(&theirs).expect("a folder");

    let backup = machine.back_up(NOW).await.expect("a backup");
    assert!(!killed.exists() && theirs.exists());
    fs::remove_dir(&theirs).expect("a folder");
    assert_eq!(backup, machine.path("backups/33-20270115T080000Z"));
    for (file, expected) in [
        ("public.age", 0o600),
        ("personal.age", 0o600),
        ("manifest", 0o644),
    ] {
        let mode = fs::metadata(backup.join(file))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, expected, "{file}");
    }
    // The same second: it is not written over.
    let again = machine.back_up(NOW).await.expect_err("it is there");
    assert_eq!(again.code(), "FILE_SYSTEM");
    assert!(!machine.data().contains(&"backup.partial".to_owned()));
    let files = fs::read_dir(machine.path("backups")).expect("a folder");
    assert_eq!(files.count(), 1);

    database.close().await;
    machine.lose_database();
    let none = machine.back_up(NOW + 1).await.expect_err("there is none");
    assert_eq!(none.code(), "DATABASE_MISSING");
    assert_eq!(machine.data(), [] as [&str; 0]);
}

/// A replica is damaged where no checksum of the database sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_hold_makes_no_backup() {
    let (machine, database) = scene().await;
    let entries = encode_bundle([b"another entry".as_slice(); 9]).expect("a bundle");
    let package = Package {
        bundle: Bundle {
            number: 0,
            width: 9,
            entries: entries.into(),
        },
        leaves: vec![huren_core::merkle::leaf_hash(b"another entry"); 9],
    };
    let log = origin(Region::SHANGHAI);
    database
        .put_packages(&log, vec![package])
        .await
        .expect("a store");
    let refused = machine.back_up(NOW).await.expect_err("it does not hold");
    let BackupError::NotProven(why) = refused else {
        panic!("{refused}");
    };
    assert_eq!(why.code(), "BACKUP_CONTENT");
    let files = fs::read_dir(machine.path("backups")).expect("a folder");
    assert_eq!(files.count(), 0, "half a backup is none");
    database.close().await;
}
