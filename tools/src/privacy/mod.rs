//! `huren privacy`: what an operator does for the persons whose data the node holds.

mod erase;
mod export;
mod proof;
pub mod scan;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// 个人信息 / personal data.
#[derive(Subcommand, Debug)]
pub enum PrivacyCommand {
    /// 删除某证书的披露信息，直至所有成员都已删除，并写出不含个人信息的证明 / erase what opens a
    /// certificate at every member, and write a proof that holds nothing personal
    ///
    /// 退出码 / exit codes: 0 所有成员均已删除 every member has erased it, 3 尚有成员未确认 some are
    /// outstanding, 1 失败 failed.
    Erase(erase::EraseArgs),
    /// 离线核验删除证明，只需信任根公钥 / check the proof of an erasure offline, with the root keys
    /// alone
    ///
    /// 退出码 / exit codes: 0 真实且所有成员均已删除 genuine and complete, 3 真实但尚有成员未确认
    /// genuine, some members outstanding, 1 不真实 not genuine, 2 无法判定 cannot tell.
    VerifyProof(proof::VerifyArgs),
    /// 导出本节点持有的某人的全部信息，交给本人 / take out everything that the node holds about a person,
    /// for that person
    ///
    /// 先核对本人证件。结果含个人信息。 / Check the person's document first. The result holds personal data.
    Export(export::ExportArgs),
    /// 在文件和网址中查找姓名、证件号码、证书编号 / search files and addresses for names, ID numbers
    /// and certificate numbers
    ///
    /// 只报告类别与行号，绝不显示内容。退出码 / says kind and row, never the text itself. Exit codes:
    /// 0 未发现 nothing found, 1 有发现 found, 2 未能查完 could not be finished.
    Scan(scan::ScanArgs),
}

/// Carries out a command.
pub async fn run(command: &PrivacyCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        PrivacyCommand::Erase(args) => erase::run(args, json_out).await,
        PrivacyCommand::Export(args) => export::run(args, json_out).await,
        PrivacyCommand::VerifyProof(args) => proof::run(args, json_out),
        PrivacyCommand::Scan(args) => scan::run(args, json_out).await,
    }
}
