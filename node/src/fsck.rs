//! `huren-node fsck`: whether a store holds what it should.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use huren_core::{disclosure::KeyRing, trust::TrustChain};
use huren_store::{
    Held, LogState, Postgres, Registers, Sqlite, SqliteOptions, Store, newest_schema,
};
use indicatif::ProgressBar;

use crate::{
    backup::{check, progress_bar, step},
    config::{Config, Database},
    engine::{SystemRandom, refold},
    keys::{self, Purpose},
    startup::load_trust,
};

/// For how long no node takes charge of a database whose registers are being dropped.
const REPAIR: Duration = Duration::from_secs(3600);

/// What is checked.
#[derive(Debug, Args)]
pub struct FsckArgs {
    /// 节点配置 / the node's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// 临时文件夹，须能容纳全部日志条目 / folder for a temporary file, with room for the entries of all logs
    /// [default: the system's].
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// 登记簿不符时予以清除，节点下次启动后自动重建；请先停止节点 / drop registers that are not what the logs
    /// give: the node builds them anew after its next start. Stop it first.
    #[arg(long)]
    pub repair: bool,
}

/// The store is damaged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(String);

/// A store, whichever it is.
enum Opened {
    File(Arc<Sqlite>),
    Shared(Arc<Postgres>),
}

impl Opened {
    async fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(match &config.database {
            Database::File(path) => {
                let there = path.exists();
                anyhow::ensure!(
                    there,
                    "没有数据库 {0} / there is no database {0}",
                    path.display()
                );
                // Opening another one would change it, perhaps beside a node that runs.
                let (held, known) = (huren_store::schema(path).await?, newest_schema());
                anyhow::ensure!(
                    held == known,
                    "数据库结构为第 {held} 版，本程序为第 {known} 版：请用运行该节点的同一程序核对 / the database has \
                     schema {held}, this program {known}: check it with the program that runs the node"
                );
                Self::File(Arc::new(
                    Sqlite::open(path, SqliteOptions::default()).await?,
                ))
            }
            Database::Shared(at) => {
                Self::Shared(Arc::new(Postgres::open(&at.url, &at.options).await?))
            }
        })
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::File(store) => store.as_ref(),
            Self::Shared(store) => store.as_ref(),
        }
    }

    async fn drop_registers(&self, logs: &[LogState]) -> anyhow::Result<()> {
        if let Self::Shared(store) = self
            && let Held::Elsewhere(_) = store.acquire("fsck", REPAIR).await?
        {
            anyhow::bail!(
                "节点正在运行，请先停止 / a node is in charge of the database: stop it first"
            );
        }
        for log in logs {
            self.store().drop_register(&log.origin).await?;
        }
        if let Self::Shared(store) = self {
            store.resign().await?;
        }
        Ok(())
    }

    async fn extract(&self, to: &Sqlite) -> Result<(Vec<LogState>, Registers), huren_store::Error> {
        match self {
            Self::File(store) => store.extract(to).await,
            Self::Shared(store) => store.extract(to).await,
        }
    }
}

impl FsckArgs {
    /// Checks every log and every register, and tells what it found.
    ///
    /// # Errors
    /// As [`fsck`].
    pub async fn run(&self) -> anyhow::Result<String> {
        let config = Config::load(&self.config)?;
        fsck(&config, self.scratch.as_deref(), self.repair).await
    }
}

/// Checks the database of a node: every log re-hashed from its entries up to the checkpoint that its
/// province signed, and the registers against folding the logs anew, in a file in `scratch`. With
/// `repair`, registers that differ are dropped, to be built anew.
///
/// # Errors
/// [`Damaged`]; or that something could not be read.
pub async fn fsck(config: &Config, scratch: Option<&Path>, repair: bool) -> anyhow::Result<String> {
    // None of the keys that sign are needed for it.
    let at_rest = keys::load_ring(&config.keys_dir, Purpose::AtRest)?;
    let index = keys::load_ring(&config.keys_dir, Purpose::Index)?;
    let opened = Opened::of(config).await?;
    let store = opened.store();
    let trust = Arc::new(load_trust(config, &store.trust_lists().await?)?);
    let progress = progress_bar();
    check::logs(store, &trust, &at_rest, &progress)
        .await
        .map_err(|error| Damaged(error.to_string()))?;
    let folder = match scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("无法建立临时文件夹 / no temporary folder can be made")?;
    let copy = Sqlite::open(folder.path().join("fsck.db"), SqliteOptions::default()).await?;
    let copy = Arc::new(copy);
    step(&progress, 0, "抽取日志 / copying the logs");
    let (logs, held) = opened.extract(&copy).await?;
    fold_all(&copy, (&at_rest, &index), &trust, &logs, &progress).await?;
    let differ = held.differ_from(&copy.registers().await?);
    progress.finish_and_clear();
    copy.close().await;
    if differ.is_empty() {
        return Ok(report(&logs, &held)?);
    }
    let tables = differ.join(" ");
    if !repair {
        let told = format!(
            "登记簿与日志不符：{tables}；停止节点后以 --repair 运行 / registers that are not what the logs give: \
             {tables}; stop the node and run this with --repair"
        );
        return Err(Damaged(told).into());
    }
    opened.drop_registers(&logs).await?;
    Ok(format!(
        "登记簿与日志不符，已清除，节点启动后重建 / registers that were not what the logs give are dropped, and \
         built anew after the node's next start: {tables}\n"
    ))
}

/// Folds every log as far as it was folded where it comes from.
async fn fold_all(
    scratch: &Arc<Sqlite>,
    keys: (&KeyRing, &KeyRing),
    trust: &Arc<TrustChain>,
    logs: &[LogState],
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let leaves = logs.iter().map(|log| log.folded).sum();
    step(progress, leaves, "重建登记簿 / folding the logs anew");
    for log in logs {
        let store = Arc::clone(scratch) as Arc<dyn Store>;
        let place = (&log.origin, log.folded);
        refold(store, keys, trust, place, &SystemRandom).await?;
        progress.inc(log.folded);
    }
    Ok(())
}

fn report(logs: &[LogState], registers: &Registers) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for log in logs {
        writeln!(text, "✓ {:<40} {:>12}", log.origin.as_str(), log.head.size)?;
    }
    for (table, rows) in registers.rows() {
        writeln!(text, "✓ {table:<40} {rows:>12}")?;
    }
    text.push_str(
        "各日志的条目、树块与签名相符，登记簿与日志重建的结果相符 / entries, tiles and signatures of every log fit, and the \
         registers are what folding the logs gives\n",
    );
    Ok(text)
}
