//! `huren-node key`: preparing the change of a key.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use huren_core::keys::Algorithm;

use super::{ConfigFile, parse_algorithm};
use crate::{config::Config, init, keys::Purpose};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// 生成下一个密钥，并写出交给联盟的说明 / make the next key of a role, and describe it for the
    /// federation. The key in use stays in use until the trust list names the next one.
    Next(NextArgs),
}

/// The next key of which role.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// 角色；tls 的证书须已另行签发 / the role; with tls, its certificate was made already.
    #[arg(long)]
    pub role: NextRole,
    /// 仅用于 record：新密钥的算法 / with record: the new key's algorithm.
    #[arg(long, value_name = "ALG", default_value = "ed25519", value_parser = parse_algorithm)]
    pub record_alg: Algorithm,
    /// 仅用于 tls：新证书链 / with tls: the new certificate chain (PEM).
    #[arg(long, value_name = "FILE", required_if_eq("role", "tls"))]
    pub certificate: Option<PathBuf>,
    /// 仅用于 tls：签发者，如与现用不同 / with tls: its authority, if that is another one.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub ca: Option<PathBuf>,
    /// 说明写入何处 / where to write the description.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Roles that have keys in the trust list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NextRole {
    /// Signs checkpoints.
    Log,
    /// Signs records.
    Record,
    /// Signs answers.
    Answer,
    /// Cosigns as a mirror.
    Mirror,
    /// Cosigns as a witness.
    Witness,
    /// Identifies the node's connections.
    Tls,
}

impl KeyCommand {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let Self::Next(args) = self;
        let config = Config::load(&args.file.config)?;
        let folder = args.file.config.parent().unwrap_or(Path::new(""));
        let purpose = match args.role {
            NextRole::Log => Some(Purpose::Log),
            NextRole::Record => Some(Purpose::record(args.record_alg)),
            NextRole::Answer => Some(Purpose::Answer),
            NextRole::Mirror => Some(Purpose::Mirror),
            NextRole::Witness => Some(Purpose::Witness),
            NextRole::Tls => None,
        };
        let member = match (purpose, &args.certificate) {
            (Some(purpose), _) => init::next_key(&config, folder, purpose, &mut rand::rng())?,
            (None, Some(certificate)) => {
                init::next_certificate(folder, certificate, args.ca.as_deref())?
            }
            (None, None) => anyhow::bail!("tls 须给出 --certificate / tls needs --certificate"),
        };
        let out = args.out.display();
        std::fs::write(&args.out, serde_json::to_string_pretty(&member)? + "\n")
            .with_context(|| format!("无法写入 / cannot write {out}"))?;
        let role = args.role.to_possible_value();
        let role = role.as_ref().map_or("", |role| role.get_name());
        println!(
            "说明已写入 / described in {out}\n\
             下一步 / next: huren trust propose --replace-key {role}={out} …\n\
             信任清单列出新密钥之前，继续使用现有密钥；运行中的节点一分钟内（或收到 SIGHUP 时）读入新密钥。\n\
             The key in use stays in use until the trust list names the new one; a running node \
             reads the new file within a minute, or on SIGHUP."
        );
        Ok(())
    }
}
