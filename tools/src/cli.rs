//! The command line: one subcommand for each thing to do.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use huren_node::cli::{CompletionsArgs, ManArgs};
use huren_proto::v1::issuance_service_client::IssuanceServiceClient;

use crate::{
    audit, bench, connect::NodeArgs, decide, demo, doctor, draw, evidence, generate, import, log,
    monitor, peers, privacy, ready, registry, signed, stats, token, trust, verify,
};

/// 互认：长三角技能人才评价证书互查互认 / Huren: mutual recognition of skill certificates
#[derive(Debug, Parser)]
#[command(name = "huren", version, max_term_width = 100)]
pub struct Cli {
    /// 输出 JSON，供程序读取 / print JSON for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// 命令 / command
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 生成虚构数据（可重现） / invent reproducible test data
    Gen(generate::GenArgs),
    /// 导入 CSV / import a CSV file into the province's log
    ///
    /// 退出码 / exit codes: 0 全部接受 all accepted, 3 部分拒绝 some rejected, 1 失败 failed.
    Import(ImportCommand),
    /// 评价机构自行签署证书（离线） / an institution signs certificates by itself, offline
    #[command(subcommand)]
    Sign(signed::SignCommand),
    /// 将签署好的证书交给本省节点 / hand signed certificates to the province's node
    Submit(signed::SubmitArgs),
    /// 核验证书 / verify a certificate
    Verify(verify::VerifyArgs),
    /// 互认决定：是否互认、作何等级、为何 / is it recognised here, as what, and why
    Decide(decide::DecideArgs),
    /// 登记簿：标准、协议、机构等 / registers: standards, agreements, institutions and others
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// 统计：证书与人数 / statistics: certificates and persons
    Stats(stats::StatsArgs),
    /// 在线监测：何处值得核查 / monitoring: what stands out, and by which certificates
    Monitor(monitor::MonitorArgs),
    /// 可复核的抽取（双随机） / a draw that anybody can repeat
    Draw(draw::DrawArgs),
    /// 核验回执 / receipts
    #[command(subcommand)]
    Receipt(verify::ReceiptCommand),
    /// 日志自相矛盾的证据 / evidence that a log contradicted itself
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// 公开日志 / the public log
    #[command(subcommand)]
    Log(log::LogCommand),
    /// 成员与复制状态 / members and how far each is replicated
    Peers(NodeArgs),
    /// 本机节点是否就绪 / whether the node on this machine is ready
    Ready(ready::ReadyArgs),
    /// 信任清单 / the trust list
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// 审计记录 / the audit trail
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// 令牌：供无证书的程序调用 / tokens, for programs without a certificate
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// 个人信息：删除、证明、查找 / personal data: erasing it, proving that, searching for it
    #[command(subcommand)]
    Privacy(privacy::PrivacyCommand),
    /// 检查内置数据文件，列出尚待核实之处 / the built-in tables, and what in them is to be verified
    ///
    /// 退出码 / exit codes: 0 均可读取 all can be read, 1 否 otherwise.
    /// 检查一个节点用 huren-node doctor / huren-node doctor examines a node.
    Doctor,
    /// 演示：三省一市四个节点互查互认 / four provincial nodes on this machine
    Demo(demo::DemoArgs),
    /// 测速，与极限并列 / speed beside its limits
    Bench(bench::BenchArgs),
    /// 输出 shell 补全脚本 / print the script by which a shell completes these commands
    Completions(CompletionsArgs),
    /// 写出全部命令的手册页 / write the man pages of all commands
    Man(ManArgs),
    /// 节点命令，同 huren-node / the node's own commands
    #[command(hide = true)]
    Node(huren_node::cli::NodeArgs),
}

/// What to import, and where.
#[derive(Debug, Args)]
pub struct ImportCommand {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 内容 / what
    #[command(flatten)]
    pub import: import::ImportArgs,
    /// 只显示将如何理解该表，不写入任何内容 / show how the table would be understood, write nothing
    ///
    /// 显示工作表、表头行、编码、每列的含义、前五行（已脱敏）和将被拒绝的行数。
    /// Sheet, header row, encoding, the meaning of each column, the first five rows with persons
    /// masked, and how many rows would be refused.
    #[arg(long, conflicts_with_all = ["check", "watch"])]
    pub preview: bool,
    /// FILE 是文件夹：逐一导入放入其中的文件，直至 Ctrl-C 或 SIGTERM / FILE is a folder: import what is put into it
    ///
    /// 文件大小和时间两次查看不变才视为完整；隐藏文件、~$ 开头及 .part、.tmp 不动。完成后移入 done；
    /// 有行被拒的移入 rejected，旁有拒绝清单和报告；读不了的移入 refused。中断后重新运行即可继续。
    /// 以轮询查看，网络共享也可用。
    /// A file is complete when two looks find the same size and time; hidden files, ~$… , .part and
    /// .tmp are left alone. Files end up in done, in rejected with the refused rows and a report
    /// beside, or in refused. Run it again after an interruption: it goes on. It looks again and
    /// again, which works on network shares too.
    #[arg(long, conflicts_with_all = ["check", "rejects", "journal"])]
    pub watch: bool,
    /// 与 --watch 一起：每隔几秒查看一次 / with --watch: seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
}

/// Carries out a command; failures are printed to standard error.
pub async fn run(cli: Cli) -> ExitCode {
    // What could not be asked or read was not judged: 1 says that a judgement was bad.
    let failure = match cli.command {
        Command::Verify(_)
        | Command::Decide(_)
        | Command::Receipt(_)
        | Command::Evidence(evidence::EvidenceCommand::Verify { .. })
        | Command::Audit(audit::AuditCommand::Verify(_))
        | Command::Privacy(
            privacy::PrivacyCommand::VerifyProof(_) | privacy::PrivacyCommand::Scan(_),
        ) => 2,
        _ => 1,
    };
    match dispatch(cli).await {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("错误 / error: {}", words(&error));
            ExitCode::from(failure)
        }
    }
}

/// What went wrong. What a node refused says itself why, in its own words.
fn words(error: &anyhow::Error) -> String {
    let refusal = error.chain().find_map(|cause| {
        let status = cause.downcast_ref::<tonic::Status>()?;
        // One that never reached a node has its cause elsewhere.
        (!status.details().is_empty()).then(|| status.message().to_owned())
    });
    refusal.unwrap_or_else(|| format!("{error:#}"))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn dispatch(cli: Cli) -> Result<ExitCode> {
    let json = cli.json;
    let done = |()| ExitCode::SUCCESS;
    match cli.command {
        Command::Gen(args) => {
            let summary = generate::run(&args, &import::progress_bar())?;
            if json {
                writeln!(stdout(), "{}", serde_json::to_string_pretty(&summary)?)?;
            } else {
                writeln!(stdout(), "{summary}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Import(args) if args.preview => {
            let preview = import::Preview::of(&args.import).map_err(anyhow::Error::msg)?;
            if json {
                writeln!(stdout(), "{}", serde_json::to_string_pretty(&preview)?)?;
            } else {
                writeln!(stdout(), "{preview}")?;
            }
            Ok(ExitCode::from(preview.exit_code()))
        }
        Command::Import(args) if args.watch => {
            let client = IssuanceServiceClient::new(args.node.caller()?);
            let interval = Duration::from_secs(args.interval);
            import::watch(client, &args.import, interval, json)
                .await
                .map(done)
        }
        Command::Import(args) => {
            let progress = import::progress_bar();
            let report = if args.import.check {
                import::check(&args.import, &progress).await
            } else {
                let client = IssuanceServiceClient::new(args.node.caller()?);
                import::run(client, &args.import, &progress).await
            };
            if json {
                writeln!(stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
            } else {
                writeln!(stdout(), "{report}")?;
            }
            Ok(ExitCode::from(report.exit_code()))
        }
        Command::Sign(command) => signed::sign(&command, json),
        Command::Submit(args) => signed::submit(&args, json).await,
        Command::Verify(args) => verify::verify(&args, json).await,
        Command::Decide(args) => decide::run(&args, json).await,
        Command::Registry(command) => registry::run(&command, json).await,
        Command::Stats(args) => stats::run(&args, json).await.map(done),
        Command::Monitor(args) => monitor::run(&args, json).await,
        Command::Draw(args) => draw::run(&args, json).map(done),
        Command::Receipt(command) => verify::receipt(&command, json),
        Command::Evidence(command) => evidence::run(&command, json).await,
        Command::Log(command) => log::run(&command, json).await.map(done),
        Command::Peers(node) => peers::run(&node, json).await.map(done),
        Command::Ready(args) => ready::run(&args, json).await,
        Command::Trust(command) => trust::run(&command, json),
        Command::Audit(command) => audit::run(&command, json).await,
        Command::Token(command) => token::run(&command, json).await.map(done),
        Command::Privacy(command) => privacy::run(&command, json).await,
        Command::Doctor => doctor::run(json),
        Command::Completions(args) => Ok(args.print(Cli::command()).map(done)?),
        Command::Man(args) => Ok(args.write(Cli::command()).map(done)?),
        Command::Demo(args) => demo::run(&args, json).await,
        Command::Bench(args) => bench::run(&args, json).await,
        Command::Node(args) => Ok(huren_node::cli::run(args).await),
    }
}
