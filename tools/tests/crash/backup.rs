//! A node is backed up while a client imports into it, loses its database, and is restored by a
//! process that is killed again and again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use age::secrecy::ExposeSecret as _;
use anyhow::{Context as _, Result, ensure};
use huren::{
    local::{LocalNode, wait_for},
    peers,
};
use huren_core::merkle::Hash;
use huren_node::backup::Manifest;
use tokio::process::Command;

use crate::{
    acks::Acks,
    audit::{Audit, Public},
    client::Client,
    plan::{Plan, pass},
    stage::{PROGRAM, PUBLISH_AT_ONCE, Stage, play, start},
    tables::Tables,
};

/// Rows that are there before the first backup.
const BEFORE: u64 = 600;

/// Rows of one file that comes while backups are made: file behind file, as long as that takes.
const MEANWHILE: u64 = 500;

/// Rows that there are at most.
const MOST: u64 = 20_000;

/// How many backups are made while rows come.
const BACKUPS: u32 = 3;

/// How often restoring is killed at most. One that is not killed in time has done it.
const KILLS: u32 = 40;

/// Restoring takes longer than that.
const LONGEST_DELAY: Duration = Duration::from_millis(600);

/// Rows that the client has in flight.
const IN_FLIGHT: usize = 32;

/// Leaves that are not imported: the log adopts the first trust list.
const ADOPTIONS: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_busy_node_is_restored_whole_or_not_at_all() {
    play("backup", backup).await;
}

/// Makes backups while rows come, and says how many rows there are then.
async fn meanwhile(
    home: &LocalNode,
    folder: &Path,
    key: &Key,
    tables: &mut Tables,
    acks: &mut Acks,
) -> Result<(Vec<(PathBuf, Manifest)>, u64)> {
    let making = async {
        let mut backups = Vec::new();
        for number in 0..BACKUPS {
            let out = folder.join(format!("backups-{number}"));
            backups.push(back_up(home, &out, key).await?);
        }
        anyhow::Ok(backups)
    };
    tokio::pin!(making);
    let (mut rows, mut made) = (BEFORE, None);
    while made.is_none() {
        let part = tables.part(MEANWHILE)?;
        rows += MEANWHILE;
        let mut importing = std::pin::pin!(Client::start(home, &part, IN_FLIGHT)?.finish(acks));
        tokio::select! {
            backups = &mut making => {
                made = Some(backups?);
                importing.await?;
            }
            imported = &mut importing => imported?,
        }
    }
    Ok((made.unwrap_or_default(), rows))
}

async fn backup(stage: &mut Stage, plan: &mut Plan) -> Result<()> {
    let folder = stage.folder().to_owned();
    let key = Key::make(&folder)?;
    let mut tables = Tables::invent(&folder, MOST)?;
    start(&mut stage.replica, &[PUBLISH_AT_ONCE]).await?;
    start(&mut stage.home, &[PUBLISH_AT_ONCE]).await?;
    let mut audit = Audit::new(Public::own(&stage.home)?);
    let mut acks = Acks::default();
    let first = tables.part(BEFORE)?;
    Client::start(&stage.home, &first, IN_FLIGHT)?
        .finish(&mut acks)
        .await?;

    let (backups, rows) = meanwhile(&stage.home, &folder, &key, &mut tables, &mut acks).await?;
    for (_, manifest) in &backups {
        let logs = manifest.logs.iter();
        let mut own = logs.filter(|log| log.origin == stage.home.origin);
        let own = own.next().context("the own log")?;
        ensure!(own.size > BEFORE, "nothing of the first rows");
        // It is a size that the log had, with the root that it had then.
        audit.saw(own.size, Hash::from_hex(&own.root)?)?;
    }
    audit.up_to(ADOPTIONS + rows).await?;
    // What is not replicated yet would be lost for good: that is another test.
    let mut copy = Audit::new(Public::mirror(&stage.home, &stage.replica)?);
    copy.up_to(audit.size()).await?;

    stage.home.kill().await?;
    let data = stage.home.dir.join("data");
    fs::rename(&data, folder.join("lost"))?;
    let (oldest, _) = &backups[0];
    let mut kills = 0;
    while !data.join("huren.db").exists() {
        let mut restoring = restore(&stage.home, oldest, &key).spawn()?;
        if kills == KILLS {
            let done = restoring.wait().await?;
            ensure!(done.success(), "it was not restored: {done}");
            continue;
        }
        pass(plan.delay(LONGEST_DELAY));
        restoring.kill().await?;
        kills += 1;
    }
    let refused = restore(&stage.home, oldest, &key).status().await?;
    ensure!(refused.code() == Some(2), "over a database: {refused}");

    // With nobody to ask it answers, and shows nothing that may have been erased since.
    stage.replica.kill().await?;
    stage.home.start(Path::new(PROGRAM), &[PUBLISH_AT_ONCE])?;
    let status = wait_for("a status", async || {
        Ok(peers::status(&stage.home.connection()).await.ok())
    });
    for log in status.await?.logs {
        let (held, code) = (log.held_size, log.last_error);
        ensure!(code == "RESTORED_NOT_CAUGHT_UP", "{held} leaves: {code}");
    }
    start(&mut stage.replica, &[PUBLISH_AT_ONCE]).await?;
    stage.home.ready().await?;
    acks.check_new(&audit)?;
    audit.start_over().await?;
    acks.check_all(&audit, ADOPTIONS)?;
    // Whoever sends rows of the backup again gets the same indexes. (Of those behind it members
    // hold what verifies them, and not what was submitted.)
    let again = Client::start(&stage.home, &first, IN_FLIGHT)?;
    again.finish(&mut acks).await?;
    audit.start_over().await?;
    acks.check_all(&audit, ADOPTIONS)
}

/// What backups are encrypted for and opened with.
struct Key {
    recipient: String,
    file: PathBuf,
}

impl Key {
    fn make(folder: &Path) -> Result<Self> {
        let identity = age::x25519::Identity::generate();
        let file = folder.join("identity");
        fs::write(&file, identity.to_string().expose_secret())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            recipient: identity.to_public().to_string(),
            file,
        })
    }
}

/// Backs a node up as its operator would; gives the folder and what it says of itself.
async fn back_up(node: &LocalNode, out: &Path, key: &Key) -> Result<(PathBuf, Manifest)> {
    let status = command(node, "backup")
        .arg("--out")
        .arg(out)
        .args(["--recipient", &key.recipient])
        .status()
        .await?;
    ensure!(status.success(), "backup: {status}");
    let mut made = fs::read_dir(out)?;
    let folder = made.next().context("a backup")??.path();
    let note = fs::read_to_string(folder.join("manifest"))?;
    let (_, text) = note.split_once('\n').context("a header")?;
    let (json, _) = text.split_once("\n\n").context("a signature")?;
    Ok((folder, serde_json::from_str(json)?))
}

fn restore(node: &LocalNode, from: &Path, key: &Key) -> Command {
    let mut command = command(node, "restore");
    command
        .arg("--from")
        .arg(from)
        .arg("--identity")
        .arg(&key.file);
    command
}

fn command(node: &LocalNode, name: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["node", name, "--config"])
        .arg(node.dir.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}
