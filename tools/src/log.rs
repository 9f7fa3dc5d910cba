//! `huren log`: reading a public log as any auditor could, over its tlog-tiles resources.

use std::io::{Write as _, stdout};
use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use huren_core::{
    checkpoint::SignedCheckpoint,
    merkle::{self, Hash, RightEdge, TileId, decode_bundle, entries_path},
    policy::Policy,
    record::{Body, UnverifiedRecord},
    tlog_proof::TlogProof,
    trust::kind_name,
};
use serde_json::json;

use crate::connect;

/// 公开日志 / the public log.
#[derive(Subcommand, Debug)]
pub enum LogCommand {
    /// 显示检查点 / show the checkpoint
    Checkpoint(LogArgs),
    /// 显示见证策略（tlog-policy）：谁的见证签名、多少个才算数 / show its policy: whose cosignatures make it good
    Policy(LogArgs),
    /// 逐条显示记录（只有信封与摘要） / show records: envelopes and digests, nothing personal
    Show {
        /// 日志 / the log
        #[command(flatten)]
        log: LogArgs,
        /// 起始序号 / first index
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// 条数 / how many
        #[arg(long, default_value_t = 20)]
        count: u64,
    },
    /// 为一条记录取得入日志证明（tlog-proof） / prove that a record is in the log
    Prove {
        /// 日志 / the log
        #[command(flatten)]
        log: LogArgs,
        /// 序号 / its index
        #[arg(long)]
        index: u64,
    },
}

/// Which log.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// 日志网址前缀 / the log's URL prefix, such as http://127.0.0.1:8080/log/33
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// https 时节点证书的签发机构 / with https: authority of the node's certificate
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl LogArgs {
    async fn get(&self, path: &str) -> Result<bytes::Bytes> {
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        let found = connect::get(&url, self.ca.as_ref()).await?;
        found.with_context(|| format!("没有此资源 / there is no {url}"))
    }

    async fn checkpoint(&self) -> Result<SignedCheckpoint> {
        let note = self.get("checkpoint").await?;
        SignedCheckpoint::parse(&note).context("不是检查点 / not a checkpoint")
    }

    async fn tiles(&self, ids: &[TileId]) -> Result<HashMap<TileId, Vec<Hash>>> {
        let mut tiles = HashMap::new();
        for id in ids {
            let bytes = self.get(&id.path()).await?;
            let hashes: Option<Vec<Hash>> = bytes.chunks(32).map(Hash::from_slice).collect();
            tiles.insert(*id, hashes.context("瓦片损坏 / a tile is damaged")?);
        }
        Ok(tiles)
    }

    /// A leaf, proven to be under the log's checkpoint.
    pub(crate) async fn proven_leaf(&self, index: u64) -> Result<Vec<u8>> {
        Ok(self.proof(index).await?.0)
    }

    /// How many leaves the log has.
    pub(crate) async fn size(&self) -> Result<u64> {
        Ok(self.checkpoint().await?.checkpoint().size)
    }

    /// The log's name.
    pub(crate) async fn origin(&self) -> Result<String> {
        Ok(self.checkpoint().await?.checkpoint().origin.to_string())
    }

    /// Whether a root was the log's at a size, proven to be under its checkpoint.
    pub(crate) async fn had(&self, size: u64, root: &[u8]) -> Result<bool> {
        let checkpoint = self.checkpoint().await?;
        let newest = checkpoint.checkpoint();
        if !(1..=newest.size).contains(&size) {
            return Ok(false);
        }
        let ids = merkle::tiles_for_consistency(size, newest.size);
        let tiles = self.tiles(&ids).await?;
        let proof = merkle::consistency_proof(size, newest.size, &tiles)?;
        let proves = |old: Hash| {
            let (old_size, new_size) = (size, newest.size);
            merkle::verify_consistency(old_size, new_size, &old, &newest.root, &proof).is_ok()
        };
        Ok(Hash::from_slice(root).is_some_and(proves))
    }

    /// Shows every leaf, from the first on, and fails if they are not those of the checkpoint.
    pub(crate) async fn each_leaf(&self, mut show: impl FnMut(&[u8])) -> Result<()> {
        let checkpoint = self.checkpoint().await?;
        let size = checkpoint.checkpoint().size;
        let mut edge = RightEdge::empty();
        for number in 0..size.div_ceil(256) {
            let leaves = self.bundle(number, size).await?;
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
            edge.append(&hashes);
            leaves.iter().for_each(|leaf| show(leaf));
        }
        if edge.size() != size || edge.root() != checkpoint.checkpoint().root {
            bail!("日志的条目与其检查点不符 / the log's entries do not fit its checkpoint");
        }
        Ok(())
    }

    /// A leaf with its proof, which has been checked.
    async fn proof(&self, index: u64) -> Result<(Vec<u8>, TlogProof)> {
        let checkpoint = self.checkpoint().await?;
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        if index >= size {
            bail!("序号超出日志 / the log has {size} leaves");
        }
        let tiles = self
            .tiles(&merkle::tiles_for_inclusion(index, size))
            .await?;
        let hashes = merkle::inclusion_proof(index, size, &tiles)?;
        let mut entries = self.bundle(index / 256, size).await?;
        let position = usize::try_from(index % 256)?;
        if position >= entries.len() {
            bail!("条目缺失 / entry missing");
        }
        let leaf = entries.swap_remove(position);
        merkle::verify_inclusion(index, size, &merkle::leaf_hash(&leaf), &hashes, &root)
            .context("日志的瓦片与其检查点不符 / the log's tiles do not fit its checkpoint")?;
        let proof = TlogProof {
            extra: None,
            index,
            hashes,
            checkpoint,
        };
        Ok((leaf, proof))
    }

    async fn bundle(&self, number: u64, size: u64) -> Result<Vec<Vec<u8>>> {
        let id = TileId::in_tree(0, number, size).context("序号超出日志 / beyond the log")?;
        let entries = self.get(&entries_path(number, id.width())).await?;
        let entries = decode_bundle(&entries).context("条目包损坏 / a bundle is damaged")?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// Carries out a command.
pub async fn run(command: &LogCommand, json_out: bool) -> Result<()> {
    match command {
        LogCommand::Checkpoint(log) => checkpoint(log, json_out).await,
        LogCommand::Policy(log) => policy(log, json_out).await,
        LogCommand::Show { log, from, count } => show(log, *from, *count, json_out).await,
        LogCommand::Prove { log, index } => prove(log, *index, json_out).await,
    }
}

async fn checkpoint(log: &LogArgs, json_out: bool) -> Result<()> {
    let signed = log.checkpoint().await?;
    if json_out {
        let checkpoint = signed.checkpoint();
        let signatures = signed
            .note()
            .signatures()
            .iter()
            .map(|s| s.name().to_string());
        let value = json!({
            "origin": checkpoint.origin.as_str(),
            "size": checkpoint.size,
            "root": checkpoint.root.to_base64(),
            "signatures": signatures.collect::<Vec<_>>(),
            "note": signed.to_string(),
        });
        writeln!(stdout(), "{value:#}")?;
    } else {
        write!(stdout(), "{signed}")?;
    }
    Ok(())
}

/// As the node has it: what it means is for whoever trusts that node's trust list.
async fn policy(log: &LogArgs, json_out: bool) -> Result<()> {
    let policy = Policy::parse(log.get("policy").await?).context("不是见证策略 / not a policy")?;
    let judged = policy.evaluate(&log.checkpoint().await?).is_ok();
    if json_out {
        let value = json!({"policy": policy.to_string(), "satisfied": judged});
        writeln!(stdout(), "{value:#}")?;
        return Ok(());
    }
    write!(stdout(), "{policy}")?;
    let words = if judged {
        "当前检查点满足此策略 the current checkpoint satisfies it"
    } else {
        "当前检查点尚不满足此策略 the current checkpoint does not satisfy it yet"
    };
    // A comment, so that the output is a policy file.
    writeln!(stdout(), "# {words}")?;
    Ok(())
}

async fn show(log: &LogArgs, from: u64, count: u64, json_out: bool) -> Result<()> {
    let size = log.checkpoint().await?.checkpoint().size;
    let end = size.min(from.saturating_add(count));
    let mut index = from;
    while index < end {
        let entries = log.bundle(index / 256, size).await?;
        for (position, leaf) in entries.iter().enumerate() {
            let at = index / 256 * 256 + position as u64;
            if at >= index && at < end {
                print_leaf(at, leaf, json_out)?;
            }
        }
        index = (index / 256 + 1) * 256;
    }
    Ok(())
}

fn print_leaf(index: u64, leaf: &[u8], json_out: bool) -> Result<()> {
    let hash = merkle::leaf_hash(leaf);
    let value = match UnverifiedRecord::read(leaf) {
        Err(error) => json!({"index": index, "leaf": hash.to_hex(), "error": error.code()}),
        Ok(record) => {
            let envelope = record.envelope();
            json!({
                "index": index,
                "leaf": hash.to_hex(),
                "kind": kind_name(envelope.kind),
                "writer_region": envelope.writer_region.to_string(),
                "effective_date": envelope.effective_date,
                "target": envelope.target.map(|target| target.to_hex()),
                "newer": *record.body() == Body::Newer,
                "bytes": leaf.len(),
            })
        }
    };
    if json_out {
        writeln!(stdout(), "{value}")?;
    } else {
        writeln!(
            stdout(),
            "{index:>8}  {}  {:<20} {:<8} {}",
            &hash.to_hex()[..16],
            value["kind"].as_str().unwrap_or("—"),
            value["writer_region"].as_str().unwrap_or("—"),
            value["target"]
                .as_str()
                .map_or(String::new(), |target| format!("→ {}", &target[..16])),
        )?;
    }
    Ok(())
}

async fn prove(log: &LogArgs, index: u64, json_out: bool) -> Result<()> {
    let (leaf, proof) = log.proof(index).await?;
    let leaf = merkle::leaf_hash(&leaf);
    if json_out {
        let value = json!({"index": index, "leaf": leaf.to_hex(), "proof": proof.to_string()});
        writeln!(stdout(), "{value:#}")?;
    } else {
        write!(stdout(), "{proof}")?;
    }
    Ok(())
}
