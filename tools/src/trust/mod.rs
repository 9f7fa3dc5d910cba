//! `huren trust`: the ceremonies of the trust list. All of it is offline, with files that can be
//! carried by hand: a proposal is a text, each holder of a root key signs it on a machine of
//! their own, and the signatures are put together anywhere.

mod assemble;
mod files;
mod install;
mod new;
mod passphrase;
mod propose;
mod root_key;
mod show;
mod sign;

use std::io::{Write as _, stdout};

use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;

pub use new::{NewArgs, new};
pub use passphrase::Passphrase;

/// 信任清单 / the trust list.
#[derive(Subcommand, Debug)]
pub enum TrustCommand {
    /// 为演示或试点制作首版信任清单 / make the first trust list of a demo or a pilot
    ///
    /// 由各省 huren-node init 产生的 member.json 汇成清单，并在本机生成全部根密钥、根公钥文件和
    /// 成员共用的持证人查询密钥。正式启用时请改用 key new、propose --first、sign、assemble，
    /// 使任何一台机器都不持有全部根密钥。/ Gathers every province's member.json, and makes all root
    /// keys on this machine, the file of root keys that everybody trusts, and the holder key that
    /// members share. For production use key new, propose --first, sign and assemble instead, so
    /// that no machine ever holds all root keys.
    New(NewArgs),
    /// 根密钥 / a custodian's root key
    #[command(subcommand)]
    Key(root_key::KeyCommand),
    /// 起草下一版清单 / draft the next list
    Propose(Box<propose::ProposeArgs>),
    /// 用白话说明草案改动了什么 / say in plain words what a draft changes
    Diff(sign::DiffArgs),
    /// 看过改动之后用根密钥签署 / see what changes, then sign with a root key
    Sign(sign::SignArgs),
    /// 汇集各人的签名 / put signatures together
    Assemble(assemble::AssembleArgs),
    /// 从根公钥起验证整条清单链 / verify the whole chain of lists from the root keys
    Verify(show::VerifyArgs),
    /// 把新清单装入节点 / put a new list into a node's folder
    Install(install::InstallArgs),
    /// 显示并验证信任清单 / show and verify a trust list
    Show(show::ShowArgs),
}

/// Carries out a command.
pub fn run(command: &TrustCommand, json_out: bool) -> Result<()> {
    let now = Timestamp::now();
    let told = match command {
        TrustCommand::New(args) => new::run(args, now)?,
        TrustCommand::Key(command) => root_key::run(command)?,
        TrustCommand::Propose(args) => propose::run(args, now)?,
        TrustCommand::Diff(args) => sign::diff(args)?,
        TrustCommand::Sign(args) => sign::sign(args, json_out)?,
        TrustCommand::Assemble(args) => assemble::run(args)?,
        TrustCommand::Verify(args) => show::verify(args, now)?,
        TrustCommand::Install(args) => install::run(args)?,
        TrustCommand::Show(args) => show::show(args)?,
    };
    told.print(json_out)
}

/// What a command has to say: to people, and to programs.
struct Told {
    text: String,
    json: serde_json::Value,
}

impl Told {
    fn print(&self, json_out: bool) -> Result<()> {
        if json_out {
            writeln!(stdout(), "{:#}", self.json)?;
        } else {
            write!(stdout(), "{}", self.text)?;
        }
        Ok(())
    }
}
