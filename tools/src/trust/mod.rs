//! `huren trust`: the trust list, from the first one of a pilot to the ceremonies of a
//! federation, whose steps are files that are carried by hand: nobody has to meet, and no machine
//! ever holds more than one root key.

mod assemble;
mod files;
mod install;
mod new;
mod propose;
mod root_key;
mod show;
mod sign;

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

pub use new::{NewArgs, new};

/// 信任清单 / the trust list.
#[derive(Subcommand, Debug)]
pub enum TrustCommand {
    /// 为演示或试点一步制作首版信任清单 / make the first trust list of a demo or a pilot at once
    ///
    /// 由各省 huren-node init 产生的 member.json 汇成清单，并生成根密钥、根公钥文件和
    /// 成员共用的持证人查询密钥。根密钥不加密，且同在一台机器上：正式联盟请用 key、propose、
    /// sign、assemble。/ Gathers every province's member.json, makes root keys, the file of root
    /// keys that everybody trusts, and the holder key that members share. The root keys are not
    /// encrypted and lie on one machine: a federation uses key, propose, sign and assemble.
    New(NewArgs),
    /// 生成一把根密钥，用口令加密 / make one root key, encrypted with a passphrase
    ///
    /// 由根密钥保管人在自己的离线机器上运行，将打印的公钥交给提案人。/ Run by its keeper on an
    /// offline machine; hand the verifier key that it prints to whoever makes the proposal.
    Key(root_key::KeyArgs),
    /// 起草下一版（或首版）清单，尚未签署 / draft the next (or the first) list, not signed yet
    Propose(Box<propose::ProposeArgs>),
    /// 逐条说明提案改变了什么 / say in words what a proposal changes
    Diff(files::ProposalArgs),
    /// 保管人签署提案，签名另存为文件 / sign a proposal, as a keeper of a root key
    Sign(sign::SignArgs),
    /// 合并签名，满足新旧门槛后成为清单 / put signatures together; the old and the new threshold must be met
    Assemble(assemble::AssembleArgs),
    /// 显示并验证信任清单 / show and verify a trust list
    #[command(alias = "verify")]
    Show(show::ShowArgs),
    /// 把新清单装到节点，运行中的节点自会采用 / give a node a newer list; a running one takes it
    Install(install::InstallArgs),
}

/// Carries out a command.
pub fn run(command: &TrustCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        TrustCommand::New(args) => {
            let made = new(args, Timestamp::now())?;
            if json_out {
                let told = json!({"out": args.out, "version": 1, "digest": made});
                writeln!(stdout(), "{told:#}")?;
            } else {
                writeln!(
                    stdout(),
                    "已写入 written to {}:\n  roots      信任根公钥，分发给所有人 root keys, for everybody\n  \
                     lists      信任清单 the trust list\n  holder.key 成员共用密钥，仅限成员 for members only\n  \
                     root-*.key 根私钥，离线保管 keep offline",
                    args.out.display()
                )?;
            }
            Ok(ExitCode::SUCCESS)
        }
        TrustCommand::Key(args) => root_key::make(args, json_out),
        TrustCommand::Propose(args) => propose::run(args, Timestamp::now(), json_out),
        TrustCommand::Diff(args) => files::Proposal::read(args)?.tell(json_out),
        TrustCommand::Sign(args) => sign::run(args, json_out),
        TrustCommand::Assemble(args) => assemble::run(args, json_out),
        TrustCommand::Show(args) => show::run(args, json_out),
        TrustCommand::Install(args) => install::run(args, json_out),
    }
}
