//! `huren trust assemble`: signatures from several files under one proposal.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use huren_core::trust::{DetachedSignature, Signed, assemble};
use serde_json::json;

use super::{
    Told,
    files::{self, Proposal},
    sign::DiffArgs,
};

/// What to put together.
#[derive(Args, Clone, Debug)]
pub struct AssembleArgs {
    /// 草案 / the draft
    #[command(flatten)]
    pub diff: DiffArgs,
    /// 签名文件，可重复 / a signature, once for each
    #[arg(long = "signature", required = true, value_name = "FILE")]
    pub signatures: Vec<PathBuf>,
    /// 签署后的清单 / file to write the signed list to
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) fn run(args: &AssembleArgs) -> Result<Told> {
    let held = args.diff.held.chain()?;
    let proposal = Proposal::read(&args.diff.proposal, held.as_ref())?;
    let mut signatures = Vec::new();
    for path in &args.signatures {
        let read: Result<DetachedSignature, _> = files::read(path)?.parse();
        let shown = path.display();
        signatures.push(read.map_err(|error| anyhow!("[{}] {error}: {shown}", error.code()))?);
    }
    let found = assemble(held.as_ref(), &proposal.text, &signatures)
        .map_err(|error| anyhow!("[{}] {error}", error.code()))?;
    let line = |what: &str, signed: Signed| {
        let Signed { have, need } = signed;
        let mark = if signed.is_enough() {
            "够 enough"
        } else {
            "不足 too few"
        };
        format!("  {what}: {have}/{need} {mark}\n")
    };
    let mut text = format!("已签署 / signed by: {}\n", found.by.join(", "));
    if let Some(previous) = found.previous {
        text += &line("现有根密钥 root keys of the list held", previous);
    }
    text += &line("新清单的根密钥 root keys of the new list", found.new);
    if !found.is_complete() {
        bail!("[TRUST_THRESHOLD] 签名不足，未写入 / too few signatures, nothing written\n{text}");
    }
    files::write_new(&args.out, &found.note.to_string())?;
    text += &format!(
        "已写入 / written to {}\n下一步 / next: huren trust install {} --dir NODE\n",
        args.out.display(),
        args.out.display()
    );
    let counted = |signed: Signed| json!({"have": signed.have, "need": signed.need});
    Ok(Told {
        text,
        json: json!({
            "version": found.list.version, "out": args.out, "signed_by": found.by,
            "previous": found.previous.map(counted), "new": counted(found.new),
        }),
    })
}
