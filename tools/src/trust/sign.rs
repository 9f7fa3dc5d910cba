//! A keeper of a root key signs a proposal, having been told what it changes.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use huren_core::note::{NoteSigner, VerifierKey};
use huren_core::trust::DetachedSignature;
use serde_json::json;

use super::{
    files::{self, Proposal, ProposalArgs},
    root_key::{self, PassphraseArgs},
};

/// What to sign, and with which key.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// 提案 / the proposal
    #[command(flatten)]
    pub proposal: ProposalArgs,
    /// 根密钥文件 / file of the root key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// 签名写入此文件 / file for the signature, must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 口令 / passphrase
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

pub(super) fn run(args: &SignArgs, json_out: bool) -> Result<ExitCode> {
    let proposal = Proposal::read(&args.proposal)?;
    if !json_out {
        // Before the passphrase is asked for: who does not agree stops here.
        write!(stdout(), "{}", proposal.in_words())?;
        stdout().flush()?;
    }
    let signer = signer(args, &proposal)?;
    let signature = DetachedSignature::sign(&proposal.list, &proposal.text, &signer);
    files::write(&args.out, 0o644, signature.to_string().as_bytes())?;
    if json_out {
        let mut told = proposal.to_json();
        told["by"] = json!(signature.by());
        told["out"] = json!(args.out);
        writeln!(stdout(), "{told:#}")?;
    } else {
        writeln!(
            stdout(),
            "{by} 已签署，签名在 {out}，请交给提案人\n  {by} has signed; hand {out} to whoever assembles the list",
            by = signature.by(),
            out = args.out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The key under the name that a list gives it: a key file does not know its name, so it is found
/// by the public key.
fn signer(args: &SignArgs, proposal: &Proposal) -> Result<NoteSigner> {
    let key = root_key::load(&args.key, &args.passphrase)?;
    let old = proposal.held.iter();
    let old = old.flat_map(|held| &held.newest().list.root.keys);
    let mut named = old
        .chain(&proposal.list.root.keys)
        .filter_map(|key| key.parse::<VerifierKey>().ok());
    let is_it = |named: VerifierKey| {
        let signer = NoteSigner::from_seed(named.name().clone(), key.expose());
        (*signer.verifier_key() == named).then_some(signer)
    };
    named.find_map(is_it).ok_or_else(|| {
        anyhow!(
            "SIGNATURE_NOT_A_ROOT: 此密钥既不是现有根密钥，也不是新根密钥 / \
             this key is no root key, old or new"
        )
    })
}
