//! `huren draw`: a draw that anybody can repeat.

use std::{
    fs,
    io::{Write as _, stdout},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use huren_core::{checkpoint::SignedCheckpoint, registry::draw};
use serde_json::json;

/// 可复核的抽取：同一种子、用途与名单，人人抽得相同 / a draw: who has the seed, the purpose and the list draws the same
///
/// 种子取自名单确定之后才签署的检查点，任何人都无法事先选定。 / The seed comes from a checkpoint that was signed
/// after the list was fixed, so nobody could choose it.
#[derive(Args, Debug)]
pub struct DrawArgs {
    /// 候选名单，每行一个代码 / the candidates' codes, one on each line
    file: PathBuf,
    /// 检查点文件（huren log checkpoint 所得日志的 checkpoint） / the checkpoint that seeds it, as a log serves it
    #[arg(long, value_name = "FILE", required_unless_present = "seed")]
    checkpoint: Option<PathBuf>,
    /// 种子，64 位十六进制 / the seed itself, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", conflicts_with = "checkpoint")]
    seed: Option<String>,
    /// 用途，如检查编号；不同用途抽得不同 / what for, such as an inspection's code: another one draws others
    #[arg(long)]
    purpose: String,
    /// 抽取数 / how many
    #[arg(long)]
    count: usize,
}

/// Carries out the command.
pub fn run(args: &DrawArgs, json_out: bool) -> Result<()> {
    let text = fs::read_to_string(&args.file)
        .with_context(|| format!("无法读取 / cannot read {}", args.file.display()))?;
    let candidates: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let different = draw::distinct(&candidates);
    if different < args.count {
        bail!("名单只有 {different} 个不同代码 / the list has {different} different codes only");
    }
    let seed = seed(args)?;
    let drawn = draw::draw(&seed, &args.purpose, &candidates, args.count);
    let drawn: Vec<&str> = drawn.into_iter().map(|at| candidates[at]).collect();
    let digest = draw::digest(&candidates);
    // Entries have it in base64, as bytes are in the JSON of messages.
    let (digest, base64) = (digest.to_hex(), digest.to_base64());
    if json_out {
        let value = json!({
            "seed": hex::encode(seed), "purpose": args.purpose,
            "candidates": different, "candidates_digest": digest, "candidates_base64": base64,
            "drawn": drawn,
        });
        writeln!(stdout(), "{value:#}")?;
    } else {
        eprintln!(
            "种子 seed {}\n名单摘要 digest of the list {digest}\n登记用 as entries have it {base64}",
            hex::encode(seed)
        );
        for code in drawn {
            writeln!(stdout(), "{code}")?;
        }
    }
    Ok(())
}

fn seed(args: &DrawArgs) -> Result<[u8; 32]> {
    if let Some(file) = &args.checkpoint {
        let note =
            fs::read(file).with_context(|| format!("无法读取 / cannot read {}", file.display()))?;
        let signed = SignedCheckpoint::parse(&note).context("不是检查点 / not a checkpoint")?;
        let checkpoint = signed.checkpoint();
        return Ok(draw::seed_of(
            &checkpoint.origin,
            checkpoint.size,
            &checkpoint.root,
        ));
    }
    let mut seed = [0; 32];
    let text = args.seed.as_deref().unwrap_or_default();
    hex::decode_to_slice(text, &mut seed)
        .context("种子须为 64 位十六进制 / 64 hexadecimal digits")?;
    Ok(seed)
}
