//! The node's commands, for `huren-node` and for other programs that include them.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use huren_core::{checkpoint::Origin, codes::Region, keys::Algorithm};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    backup::command::{BackupArgs, BackupKeysArgs, CommandError, RestoreArgs, RestoreKeysArgs},
    config::{self, Config},
    data_key::DataKeyCommand,
    doctor::{self, DoctorArgs, Problems},
    engine::{Clock, SystemClock},
    fsck::{Damaged, FsckArgs},
    init::{self, InitError, InitOptions, InitReport},
    keys::{self, Purpose},
    migrate::MigrateArgs,
    startup::{NodeKeys, NodeTls},
    telemetry,
};

mod key;
mod pages;

pub use key::{KeyCommand, NextArgs, NextRole};
pub use pages::{CompletionsArgs, ManArgs};

/// Exit code for a command that was refused and changed nothing.
const REFUSED: u8 = 2;

/// Exit code for a database that is not what it should be, and for a node that is not in order.
const NOT_IN_ORDER: u8 = 3;

/// A province's Huren node.
#[derive(Debug, Parser)]
#[command(name = "huren-node", version)]
pub struct NodeArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What a node can be told to do.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Run the node until SIGINT or SIGTERM.
    Serve(ServeArgs),
    /// Make the folder of a new node: keys, certificates, configuration.
    Init(InitArgs),
    /// 准备更换密钥 / Prepare the change of a key; the trust list says when it counts.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show or check a configuration.
    Config {
        /// Which of the two.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// 备份数据库（节点可照常运行），加密并读回核对 / Back the database up while the node serves:
    /// encrypted, read back and checked.
    Backup(BackupArgs),
    /// 从备份恢复数据库；配置、密钥、high-water 不动 / Restore the database from a backup;
    /// configuration, keys and high-water stay as they are.
    Restore(RestoreArgs),
    /// 备份密钥、证书与配置（与数据库分开） / Back up keys, certificates and configuration, apart
    /// from the database.
    BackupKeys(BackupKeysArgs),
    /// 更换数据库密钥 / Change the keys that the database is kept under.
    DataKey {
        /// What to do.
        #[command(subcommand)]
        command: DataKeyCommand,
    },
    /// 将 SQLite 文件中的数据库搬到 PostgreSQL，逐表核对；请先停止节点；可中断后重新运行 / Move the
    /// database from its SQLite file into PostgreSQL, compared table by table. Stop the node first; what
    /// was cut off is taken up when it is run again.
    MigrateStore(MigrateArgs),
    /// 核对整个数据库：日志条目、树块、签名，以及登记簿与日志重建的结果；可从其他成员修复 / Check the whole database:
    /// entries, tiles and signatures of every log, and the registers against folding the logs anew. What
    /// is damaged can be repaired from other members.
    ///
    /// 退出码 / exit codes: 0 无损坏或已修复 / in order, or repaired; 3 有损坏 / damaged; 1 无法核对 / it could not
    /// be checked.
    Fsck(FsckArgs),
    /// 检查节点：密钥、证书、信任清单、时钟、磁盘、数据库、成员、备份，并说明怎么办 / Examine the node, and say
    /// what to do: keys, certificates, trust list, clock, disk, database, peers, backups.
    ///
    /// 不作任何改动，节点可照常运行，请以节点的用户运行。退出码 0：正常（可有提示）；3：有问题。程序内置的数据表由
    /// huren doctor 检查。
    ///
    /// Nothing is changed and the node may be running; run it as the node's user. Exit codes: 0 in order,
    /// though there may be notices; 3 there are problems. `huren doctor` examines the tables that are built
    /// into the program.
    Doctor(DoctorArgs),
    /// 从密钥备份恢复节点文件夹 / Restore a node's folder from a backup of its keys.
    RestoreKeys(RestoreKeysArgs),
    /// 输出 shell 补全脚本 / Print the script by which a shell completes these commands.
    Completions(CompletionsArgs),
    /// 写出全部命令的手册页 / Write the man pages of all commands.
    Man(ManArgs),
}

/// What can be done with configurations.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a commented configuration to start from.
    Example,
    /// Check a configuration, and the keys and certificates that it names.
    Check(ConfigFile),
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// What a node runs with.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// 仅在 LOG_LOST 且确认已签名的记录无法找回时使用：日志从这一条数继续 / only for LOG_LOST, when
    /// signed records are lost for good: let the log go on at this size.
    ///
    /// 本节点签过更大的检查点，但数据库和各成员都没有那些记录。节点会先等其他成员全部应答，确认没有
    /// 更多记录，再把此举记入 high-water 旁的 .lowered 文件，然后继续。若以后有人出示丢失部分的检查点，
    /// 即可证明本省日志自相矛盾，各成员将冻结它。丢失的记录须重新提交，删除记录最先。
    ///
    /// This node signed a larger checkpoint, and neither its database nor any member has those
    /// records. The node waits until every other member has answered and holds no more, writes
    /// the act down in the .lowered file beside the high-water file, and goes on. Whoever shows
    /// a checkpoint of the lost part later proves that this log contradicts itself, and the
    /// members freeze it. Lost records must be submitted again, erasures first. The order counts
    /// for this start.
    #[arg(long, value_name = "SIZE")]
    pub accept_loss: Option<u64>,
}

/// What a new node is to be.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The province: two digits of GB/T 2260, such as 33.
    #[arg(long, value_parser = parse_region)]
    pub region: Region,
    /// The new folder.
    #[arg(long)]
    pub dir: PathBuf,
    /// 数据库与 high-water 所在文件夹 / folder of the database and the high-water file [default: the new
    /// folder itself].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The province's name [default: that of GB/T 2260].
    #[arg(long)]
    pub name: Option<String>,
    /// The log's public address without scheme, such as huren.zj.example/log/33. It can never
    /// be changed.
    #[arg(long)]
    pub origin: Option<Origin>,
    /// Address and port of gRPC.
    #[arg(long, default_value = "127.0.0.1:4433")]
    pub grpc: SocketAddr,
    /// Address and port of HTTP.
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub http: SocketAddr,
    /// DNS name or IP address under which others reach the node [default: the address of gRPC,
    /// or the origin's host if that is every address].
    #[arg(long)]
    pub host: Option<String>,
    /// The holder key of the federation, if there is one already.
    #[arg(long, value_name = "FILE")]
    pub holder_key: Option<PathBuf>,
    /// 记录签名算法：ed25519 或 sm2-sm3（国密） / what records are signed with: ed25519 or sm2-sm3.
    #[arg(long, value_name = "ALG", default_value = "ed25519", value_parser = parse_algorithm)]
    pub record_alg: Algorithm,
}

fn parse_region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| error.to_string())
}

fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("应为 / one of: {}", known()))
}

/// Carries out a command. Failures are printed to standard error.
pub async fn run(args: NodeArgs) -> ExitCode {
    let done = match args.command {
        NodeCommand::Serve(args) => serve(&args.file.config, args.accept_loss).await,
        NodeCommand::Init(args) => init(args),
        NodeCommand::Key(command) => command.run(),
        NodeCommand::Config {
            command: ConfigCommand::Example,
        } => {
            print!("{}", config::example());
            Ok(())
        }
        NodeCommand::Config {
            command: ConfigCommand::Check(file),
        } => check(&file.config),
        NodeCommand::DataKey { command } => command.run().map(|told| print!("{told}")),
        NodeCommand::Backup(args) => say(args.run().await),
        NodeCommand::Restore(args) => say(args.run().await),
        NodeCommand::BackupKeys(args) => say(args.run()),
        NodeCommand::RestoreKeys(args) => say(args.run()),
        NodeCommand::Fsck(args) => args.run().await.map(|told| print!("{told}")),
        NodeCommand::Completions(args) => args.print(NodeArgs::command()).map_err(Into::into),
        NodeCommand::Man(args) => args.write(NodeArgs::command()).map_err(Into::into),
        NodeCommand::Doctor(args) => examine(&args).await,
        NodeCommand::MigrateStore(args) => args.run().await.map(|told| print!("{told}")),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    eprintln!("错误 / error: {error:#}");
    let refused = matches!(error.downcast_ref(), Some(InitError::NotEmpty { .. }))
        || error.is::<CommandError>();
    ExitCode::from(match error.is::<Damaged>() || error.is::<Problems>() {
        true => NOT_IN_ORDER,
        false if refused => REFUSED,
        false => 1,
    })
}

fn say(done: Result<String, CommandError>) -> anyhow::Result<()> {
    // Whoever reads no further has seen enough: the work is done.
    let _ = std::io::stdout().write_all(done?.as_bytes());
    Ok(())
}

async fn serve(file: &Path, accept_loss: Option<u64>) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    let traces = telemetry::set_up(&config)?;
    let shutdown = CancellationToken::new();
    let stopped = stop_signal()?;
    let serving = crate::serve(config, accept_loss, shutdown.clone());
    let mut serving = std::pin::pin!(serving);
    let served = tokio::select! {
        ended = &mut serving => ended,
        () = stopped => {
            tracing::info!("stopping");
            shutdown.cancel();
            serving.await
        }
    };
    if let Some(traces) = traces {
        traces.end().await;
    }
    served
}

fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn examine(args: &DoctorArgs) -> anyhow::Result<()> {
    let report = doctor::examine(args, &SystemClock).await;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.to_string(),
    };
    // Whoever reads no further has the exit code.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match report.problems {
        0 => Ok(()),
        problems => Err(Problems(problems).into()),
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    NodeKeys::load(&config)?;
    let identity = NodeTls::load(&config)?.identity;
    println!("配置有效 / the configuration is valid: {}", file.display());
    println!("{} {} {}", config.region, config.name, config.origin);
    println!("TLS key (SHA-256): {}", identity.spki_sha256());
    Ok(())
}

fn init(args: InitArgs) -> anyhow::Result<()> {
    let defaults = InitOptions::new(args.region, args.dir)?;
    let holder_key = match &args.holder_key {
        Some(path) => Some(keys::load(path, Purpose::Holder)?),
        None => None,
    };
    let options = InitOptions {
        name: args.name.unwrap_or(defaults.name),
        origin: args.origin.unwrap_or(defaults.origin),
        grpc: args.grpc,
        http: args.http,
        host: args.host,
        holder_key,
        record_algorithm: args.record_alg,
        state: args.state,
        ..defaults
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(SystemClock.now());
    let report =
        init::init(&options, &mut rand::rng(), now).context("节点未建立 / no node was made")?;
    print!("{}", next_steps(&options.directory, &report));
    Ok(())
}

fn next_steps(directory: &Path, report: &InitReport) -> String {
    let folder = directory.display();
    let mut text = format!(
        "节点已建立 / the node is in {folder}\n\
         下一步 / next steps:\n\
         1. 将 {folder}/{member} 交给联盟，并取得 trust/roots 与 trust/lists\n   \
            Give {folder}/{member} to the federation; put its root keys and trust lists into \
            {folder}/trust/roots and {folder}/trust/lists.\n\
         2. 离线保存 {ca}，并与数据库分开备份 keys/\n   \
            Keep {ca} offline, and back keys/ up apart from the database.\n\
         3. 将 {issuer} 及其密钥交给发证系统\n   \
            Give {issuer} and its key to the system that issues certificates.\n",
        member = init::MEMBER,
        ca = report.authority_key.display(),
        issuer = report.issuer.0.display(),
    );
    if report.holder_key_is_new {
        text += "4. 所有成员须使用同一 keys/holder.key：后加入者用 --holder-key\n   \
                 All members need the same keys/holder.key: others take it over with --holder-key.\n";
    }
    text += &format!(
        "启动 / start: huren-node serve --config {}\n",
        report.config.display()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> NodeArgs {
        NodeArgs::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn the_commands_are_consistent() {
        NodeArgs::command().debug_assert();
    }

    #[tokio::test]
    async fn init_then_check_then_init_again() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        let init = format!("huren-node init --region 33 --dir {}", node.display());
        let check = format!(
            "huren-node config check --config {}/config.toml",
            node.display()
        );
        let outcomes = [
            run(parse(&init)).await,
            run(parse(&check)).await,
            run(parse(&init)).await,
            run(parse("huren-node config check --config /nonexistent")).await,
        ];
        let expected = [
            ExitCode::SUCCESS,
            ExitCode::SUCCESS,
            ExitCode::from(REFUSED),
            ExitCode::FAILURE,
        ];
        assert_eq!(format!("{outcomes:?}"), format!("{expected:?}"));
    }

    #[tokio::test]
    async fn backups_say_what_they_need() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        let node = node.display();
        run(parse(&format!("huren-node init --region 33 --dir {node}"))).await;
        let recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
        let outcome = async |line: String| format!("{:?}", run(parse(&line)).await);
        let (fine, refused) = (ExitCode::SUCCESS, ExitCode::from(REFUSED));
        for (line, expected) in [
            // For nobody; without a database; nothing to restore from; with a wrong recipient.
            (
                format!("backup --config {node}/config.toml --out {node}/b"),
                refused,
            ),
            (
                format!(
                    "backup --config {node}/config.toml --out {node}/b --recipient {recipient}"
                ),
                refused,
            ),
            (
                format!("restore --config {node}/config.toml --from {node}/b --identity {node}/no"),
                refused,
            ),
            (
                format!("backup-keys --config {node}/config.toml --out {node}/k --recipient age1x"),
                refused,
            ),
            (
                format!(
                    "backup-keys --config {node}/config.toml --out {node}/k --recipient {recipient}"
                ),
                fine,
            ),
            (
                format!(
                    "backup-keys --config {node}/config.toml --out {node}/k --recipient {recipient}"
                ),
                refused,
            ),
        ] {
            let found = outcome(format!("huren-node {line}")).await;
            assert_eq!(found, format!("{expected:?}"), "{line}");
        }
        // Which key opens it has to be said.
        let line = format!("huren-node restore --config {node}/config.toml --from {node}/b");
        assert!(NodeArgs::try_parse_from(line.split(' ')).is_err());
    }

    #[test]
    fn wrong_regions_are_refused() {
        let line = "huren-node init --region 99 --dir x";
        assert!(NodeArgs::try_parse_from(line.split(' ')).is_err());
    }
}
