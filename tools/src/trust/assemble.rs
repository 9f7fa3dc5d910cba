//! Signatures are put under a proposal: with enough of them it is a list.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use huren_core::trust::{DetachedSignature, RootKeys, SignatureError, assemble};
use serde_json::json;

use super::files::{self, Proposal, ProposalArgs};

/// The exit code while signatures are missing: nothing was written.
const INCOMPLETE: u8 = 3;

/// What to put together.
#[derive(Args, Clone, Debug)]
pub struct AssembleArgs {
    /// 提案 / the proposal
    #[command(flatten)]
    pub proposal: ProposalArgs,
    /// 签名文件 / files of signatures
    #[arg(long = "signature", required = true, value_name = "FILE")]
    pub signatures: Vec<PathBuf>,
    /// 清单写入此文件（现行清单之后接新版） / file for the lists, the new one behind those held; must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 首版：根公钥文件写入此处 / for a first list: where the file of root keys goes
    #[arg(long, value_name = "FILE")]
    pub roots_out: Option<PathBuf>,
}

pub(super) fn run(args: &AssembleArgs, json_out: bool) -> Result<ExitCode> {
    let proposal = Proposal::read(&args.proposal)?;
    let signatures = args
        .signatures
        .iter()
        .map(|path| {
            let signature = files::read(path)?.parse::<DetachedSignature>();
            signature.map_err(refused)
        })
        .collect::<Result<Vec<_>>>()?;
    let held = proposal.held.as_ref();
    let assembled = assemble(held, &proposal.text, &signatures).map_err(refused)?;
    let complete = assembled.is_complete();
    if complete {
        let held = held.iter().flat_map(|held| held.lists());
        let mut lists: String = held.map(|list| list.note()).collect();
        lists += &assembled.note.to_string();
        files::write(&args.out, 0o644, lists.as_bytes())?;
        if let Some(path) = &args.roots_out {
            let roots = RootKeys::new(&assembled.list.root).map_err(files::refused)?;
            files::write(path, 0o644, roots.to_text().as_bytes())?;
        }
    }
    let count =
        |signed: huren_core::trust::Signed| json!({"have": signed.have, "need": signed.need});
    if json_out {
        let told = json!({
            "version": assembled.list.version,
            "complete": complete,
            "by": assembled.by,
            "previous": assembled.previous.map(count),
            "new": count(assembled.new),
        });
        writeln!(stdout(), "{told:#}")?;
    } else {
        writeln!(stdout(), "已签署 signed by: {}", assembled.by.join(" "))?;
        let new = assembled.new;
        if let Some(old) = assembled.previous {
            let (have, need) = (old.have, old.need);
            writeln!(stdout(), "  现有根密钥 root keys held: {have} / {need}")?;
        }
        writeln!(
            stdout(),
            "  新根密钥 new root keys: {} / {}",
            new.have,
            new.need
        )?;
        if complete {
            let out = args.out.display();
            writeln!(
                stdout(),
                "清单已成，写入 {out}；用 huren trust install 装到各节点\n  the list is complete, in {out}; give it to the nodes with huren trust install"
            )?;
        } else {
            writeln!(
                stdout(),
                "签名不足，未写入任何文件 / signatures are missing: nothing was written"
            )?;
        }
    }
    Ok(ExitCode::from(if complete { 0 } else { INCOMPLETE }))
}

/// Its text is in both languages already.
fn refused(error: SignatureError) -> anyhow::Error {
    anyhow!("{}: {error}", error.code())
}
