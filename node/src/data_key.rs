//! `huren-node data-key`: changing the keys that the database is kept under.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    config::Config,
    keys::{self, Purpose},
};

/// What can be done with the keys of the database.
#[derive(Debug, Subcommand)]
pub enum DataKeyCommand {
    /// 生成新密钥并启用；原密钥留作旧密钥，重启后节点自动将数据改由新密钥保护 / Make a new key and
    /// put it to use; the one before stays beside it. After the next start the node puts its data
    /// under the new key by itself.
    Change(ChangeArgs),
}

/// Which key.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// 哪一种密钥 / which kind of key.
    #[arg(value_enum)]
    pub key: DataKey,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Keys of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataKey {
    /// 落盘加密密钥 / seals disclosures
    AtRest,
    /// 索引密钥 / tags certificate numbers and submissions
    Index,
}

impl DataKeyCommand {
    /// Carries it out; gives what to tell.
    ///
    /// # Errors
    /// If the configuration or a key file cannot be read, or the new one not be written.
    pub fn run(self) -> anyhow::Result<String> {
        let Self::Change(ChangeArgs { key, config }) = self;
        let config = Config::load(&config)?;
        let purpose = match key {
            DataKey::AtRest => Purpose::AtRest,
            DataKey::Index => Purpose::Index,
        };
        let changed = keys::change(&config.keys_dir, purpose, &mut rand::rng())?;
        Ok(format!(
            "新密钥 {new_id} 已启用 the new key is in use: {new}\n\
             旧密钥 {old_id} 留存于 the earlier one is kept in: {old}\n\
             下一步 / next steps:\n\
             1. 备份密钥 back the keys up: huren-node backup-keys\n\
             2. 重启节点 start the node again\n\
             3. huren peers 显示旧密钥可移除之后，将 {old} 移出节点；旧备份仍需要它 / once huren peers \
             says that the earlier key can be removed, move that file off the node; backups from \
             before still need it\n",
            new_id = hex::encode(changed.current_id),
            new = changed.current.display(),
            old_id = hex::encode(changed.earlier_id),
            old = changed.earlier.display(),
        ))
    }
}
