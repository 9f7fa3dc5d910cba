//! `huren-node fsck`: whether a store holds what it should, and mending what it does not.

mod mend;
mod mended;
mod opened;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use huren_core::{checkpoint::Origin, disclosure::KeyRing, merkle, trust::TrustChain};
use huren_store::{
    Error as StoreError, Head, HighWater, LogState, Registers, Sqlite, SqliteOptions, Store,
};
use indicatif::ProgressBar;

use crate::{
    backup::{
        check::{self, ContentError},
        progress_bar, step,
    },
    config::Config,
    engine::{Peers, SystemRandom, refold},
    keys::{self, Purpose},
    rpc::Links,
    startup::{NodeTls, load_trust},
};

pub use mend::{FindMembers, Mending};
pub use mended::Mended;

use opened::Opened;

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
    /// 修复损坏；请先停止节点，可中断后重新运行 / repair what is damaged; stop the node first. What was cut off
    /// is taken up when it is run again.
    ///
    /// 损坏的条目向其他成员索取，逐包按本省签名的检查点证明后才写入；树块由条目重算；登记簿不符则清除，节点下次
    /// 启动后自动重建。检查点未经签名的日志一律不动，high-water 从不改动。修复后全部重新核对。
    ///
    /// Damaged entries are asked of the other members, and each package is proven to the checkpoint that the
    /// log's province signed before it is written; tiles are computed from entries; registers that are not
    /// what the logs give are dropped, and the node builds them anew after its next start. A log without a
    /// signed checkpoint is left alone, and high-water is never changed. Then everything is checked again.
    #[arg(long)]
    pub repair: bool,
    /// 只向该成员索取 [默认：所有成员] / ask this member alone, by its province code [default: all].
    #[arg(long, value_name = "MEMBER", requires = "repair")]
    pub from: Option<String>,
}

/// The store is damaged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(String);

impl FsckArgs {
    /// Checks every log and every register, and tells what it found.
    ///
    /// # Errors
    /// As [`fsck`].
    pub async fn run(&self) -> anyhow::Result<String> {
        let config = Config::load(&self.config)?;
        let members = |trust: &TrustChain| members(&config, trust, self.from.as_deref());
        let repair = self.repair.then_some(&members as FindMembers<'_>);
        fsck(&config, self.scratch.as_deref(), repair).await
    }
}

/// The other members by the trust list, over mutual TLS; or one of them.
fn members(config: &Config, trust: &TrustChain, only: Option<&str>) -> anyhow::Result<Peers> {
    let identity = NodeTls::load(config)?.identity;
    let list = &trust.newest().list;
    let mut peers = Links::default().follow(list, &config.origin, &identity);
    if let Some(only) = only {
        let known: Vec<String> = peers.keys().cloned().collect();
        peers.retain(|region, _| region == only);
        anyhow::ensure!(
            !peers.is_empty(),
            "没有成员 {only}，可选 / there is no member {only}, but: {}",
            known.join(" ")
        );
    }
    Ok(peers)
}

/// Checks the database of a node: every log re-hashed from its entries up to the checkpoint that its
/// province signed, and the registers against folding the logs anew, in a file in `scratch`. With
/// `repair`, logs are mended by what its members give, and then checked again; registers that differ
/// are dropped, to be built anew.
///
/// # Errors
/// [`Damaged`]; or that something could not be read.
pub async fn fsck(
    config: &Config,
    scratch: Option<&Path>,
    repair: Option<FindMembers<'_>>,
) -> anyhow::Result<String> {
    let opened = Opened::of(config).await?;
    let done = check_all(&opened, config, scratch, repair).await;
    opened.close().await;
    done
}

async fn check_all(
    opened: &Opened,
    config: &Config,
    scratch: Option<&Path>,
    repair: Option<FindMembers<'_>>,
) -> anyhow::Result<String> {
    // None of the keys that sign are needed for it.
    let at_rest = keys::load_ring(&config.keys_dir, Purpose::AtRest)?;
    let index = keys::load_ring(&config.keys_dir, Purpose::Index)?;
    let store = opened.store();
    let trust = Arc::new(load_trust(config, &store.trust_lists().await?)?);
    let signed = HighWater::open(&config.high_water)?.read()?;
    let progress = progress_bar();
    let mut told = String::new();
    if let Err(error) = check::logs(store.as_ref(), &trust, &at_rest, &progress).await {
        let Some(members) = repair.filter(|_| is_of_a_log(&error)) else {
            progress.finish_and_clear();
            return Err(damaged(&error).into());
        };
        let mending = Mending {
            store: Arc::clone(&store),
            trust: &trust,
            signed: signed.clone(),
            members,
        };
        let mended = opened.in_charge(mending.run(&progress)).await?;
        told = mended.to_string();
        if !mended.is_whole() {
            progress.finish_and_clear();
            return Err(not_mended(&told).into());
        }
        let again = check::logs(store.as_ref(), &trust, &at_rest, &progress).await;
        again.map_err(|error| Damaged(format!("{error}\n{told}")))?;
    }
    if let Some((origin, signed)) = signed {
        holds_what_was_signed(store.as_ref(), &origin, signed).await?;
    }
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
        return Ok(told + &report(&logs, &held)?);
    }
    let tables = differ.join(" ");
    if repair.is_none() {
        let told = format!(
            "登记簿与日志不符：{tables}；停止节点后以 --repair 运行 / registers that are not what the logs give: \
             {tables}; stop the node and run this with --repair"
        );
        return Err(Damaged(told).into());
    }
    opened.drop_registers(&logs).await?;
    Ok(format!(
        "{told}登记簿与日志不符，已清除，节点启动后重建 / registers that were not what the logs give are dropped, and \
         built anew after the node's next start: {tables}\n"
    ))
}

/// Whether it is damage that mending may be for.
const fn is_of_a_log(error: &ContentError) -> bool {
    matches!(
        error,
        ContentError::Log { .. } | ContentError::Store(StoreError::Corrupt(_))
    )
}

fn damaged(error: &ContentError) -> Damaged {
    let hint = "停止节点后以 --repair 运行 / stop the node and run this with --repair";
    Damaged(match is_of_a_log(error) {
        true => format!("{error}；{hint}"),
        false => error.to_string(),
    })
}

fn not_mended(told: &str) -> Damaged {
    Damaged(format!(
        "以下未能修复，未写入任何未经证明的数据；可稍后再试，或由备份恢复 / what is marked ✗ could not be mended, \
         and nothing was written that is not proven: try again later, or restore a backup\n{told}"
    ))
}

/// The own log, which is in order, is the one that was signed.
async fn holds_what_was_signed(
    store: &dyn Store,
    origin: &Origin,
    signed: Head,
) -> anyhow::Result<()> {
    let held = store.log(origin).await?.map_or(0, |state| state.head.size);
    // A database that is behind is the node's to complete when it starts.
    if signed.size == 0 || signed.size > held {
        return Ok(());
    }
    let tiles = store
        .tiles(origin, &merkle::tiles_for_root(signed.size))
        .await?;
    if merkle::root(signed.size, &tiles) == Ok(signed.root) {
        return Ok(());
    }
    Err(Damaged(format!(
        "日志 {origin} 与 high-water 记下的不是同一棵树，请勿启动节点，查明数据库来源 / the log {origin} is not the tree \
         in the high-water file: do not start the node, and find out where its database came from"
    ))
    .into())
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
