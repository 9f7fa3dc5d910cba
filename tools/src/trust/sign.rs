//! `huren trust diff` and `huren trust sign`: nobody signs what they have not seen.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use huren_core::trust::DetachedSignature;
use serde_json::json;

use super::{
    Passphrase, Told,
    files::{self, Held, Proposal},
    propose, root_key,
};

/// Which draft.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// 草案 / the draft
    pub proposal: PathBuf,
    /// 现有信任；首版不需 / what is trusted so far; not for a first list
    #[command(flatten)]
    pub held: Held,
}

/// What to sign, and with what.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// 草案 / the draft
    #[command(flatten)]
    pub diff: DiffArgs,
    /// 根密钥文件 / the root key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// 签名文件 / file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 口令 / passphrase
    #[command(flatten)]
    pub passphrase: Passphrase,
}

pub(super) fn diff(args: &DiffArgs) -> Result<Told> {
    let held = args.held.chain()?;
    let proposal = Proposal::read(&args.proposal, held.as_ref())?;
    Ok(Told {
        text: proposal.shown(),
        json: proposal.json(),
    })
}

pub(super) fn sign(args: &SignArgs, json_out: bool) -> Result<Told> {
    let held = args.diff.held.chain()?;
    let proposal = Proposal::read(&args.diff.proposal, held.as_ref())?;
    if !json_out {
        // Before the passphrase: typing it is the consent.
        print!("{}", proposal.shown());
    }
    let roots = propose::roots_of(held.as_ref(), &proposal.list);
    let signer = root_key::open(&args.key, &roots, &args.passphrase)?;
    let signature = DetachedSignature::sign(&proposal.list, &proposal.text, &signer);
    files::write_new(&args.out, &signature.to_string())?;
    let mut json = proposal.json();
    json["signed_by"] = json!(signature.by());
    json["digest"] = json!(signature.digest.to_hex());
    json["out"] = json!(args.out);
    Ok(Told {
        text: format!(
            "{} 已签署 / signed, digest {}\n签名已写入 / signature written to {}\n",
            signature.by(),
            signature.digest.to_hex(),
            args.out.display()
        ),
        json,
    })
}
