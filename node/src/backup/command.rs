//! The commands: `backup`, `restore`, `backup-keys`, `restore-keys`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use huren_core::audit::{Act, Actor, AuditAction};
use huren_store::{Sqlite, SqliteOptions, Store};

use super::{
    BackupError, Keys, KeysError, Lock, LockError, Manifest, RestoreError, Wanted, back_up,
    back_up_keys, progress_bar, restore, restore_keys, try_out,
};
use crate::{
    cli::ConfigFile,
    config::{Config, ConfigError},
    engine::{Audit, AuditError, Clock as _, SystemClock},
};

/// What to encrypt for.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// age 公钥，可多次给出；默认用配置的 backup.recipients / age recipient (age1…), any number of
    /// them [default: those of the configuration].
    #[arg(long, value_name = "AGE1…")]
    pub recipient: Vec<String>,
    /// 用此文件首行的口令加密 / encrypt with the passphrase in the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    pub passphrase_file: Option<PathBuf>,
}

/// What to decrypt with.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct KeyArgs {
    /// age 私钥文件（age-keygen 所写），可多次给出 / file with an age identity, as age-keygen
    /// writes it; any number of them.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub identity: Vec<PathBuf>,
    /// 口令在此文件首行 / the passphrase is the first line of this file.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What to back up, and where.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// 备份放在此文件夹下，每次一个新的子文件夹 / folder of backups; each becomes a folder of its own in it.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// For whom.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// What to restore.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// 备份所在的文件夹 / folder of the backup.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// What opens it.
    #[command(flatten)]
    pub keys: KeyArgs,
    /// 不恢复个人数据部分；披露数据启动后向各成员重新取回 / leave the personal part out; disclosures are
    /// fetched from the members again.
    #[arg(long)]
    pub public_only: bool,
    /// 只核对，不恢复；节点可照常运行 / only try the backup out and restore nothing; the node may be
    /// running.
    #[arg(long)]
    pub check: bool,
}

/// Which keys to back up, and where.
#[derive(Debug, Args)]
pub struct BackupKeysArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// 新文件；勿与数据库备份放在一处 / the new file; keep it apart from backups of the database.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// For whom.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Which keys to restore, and where.
#[derive(Debug, Args)]
pub struct RestoreKeysArgs {
    /// 密钥备份 / the backup of keys.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// 节点文件夹，其中不得已有这些文件 / the node's folder, in which none of the files may exist.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// What opens it.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// Why a command did not do what it should. It changed nothing then.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Recipients, identities or passphrases.
    #[error("{}", .0.code())]
    Lock(#[from] LockError),
    /// Backing up.
    #[error("{}", .0.code())]
    Backup(#[from] BackupError),
    /// Restoring.
    #[error("{}", .0.code())]
    Restore(#[from] RestoreError),
    /// Keys.
    #[error("{}", .0.code())]
    Keys(#[from] KeysError),
}

impl LockArgs {
    fn lock(&self, config: &Config) -> Result<Lock, LockError> {
        if let Some(path) = &self.passphrase_file {
            return Lock::passphrase_in(path);
        }
        let given = match self.recipient.as_slice() {
            [] => &config.backup.recipients,
            given => given,
        };
        Lock::for_recipients(given.iter().map(String::as_str))
    }
}

impl KeyArgs {
    fn keys(&self) -> Result<Keys, LockError> {
        match &self.passphrase_file {
            Some(path) => Keys::passphrase_in(path),
            None => Keys::in_files(&self.identity),
        }
    }
}

impl BackupArgs {
    /// Backs up, and says where and what.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn run(&self) -> Result<String, CommandError> {
        let config = Config::load(&self.file.config)?;
        let lock = self.lock.lock(&config)?;
        if let Err(error) = write_down(&config).await {
            // A disk that takes no more is the very time to back up what is on it.
            tracing::warn!(%error, "the backup is not in the audit trail");
        }
        let (progress, now) = (progress_bar(), SystemClock.now());
        let done = back_up(&config, &self.out, &lock, now, &progress).await;
        progress.finish_and_clear();
        let (folder, manifest) = done?;
        Ok(format!(
            "备份完成，已读回核对 / backed up, read back and checked: {}\n{}\
             密钥不在其中：另用 backup-keys 备份 / keys are not in it: back them up with backup-keys\n",
            folder.display(),
            summary(&manifest)
        ))
    }
}

/// Writes into the audit trail that data leave the database, beside the node if it is running.
async fn write_down(config: &Config) -> Result<(), AuditError> {
    let Ok(database) = config.database.file() else {
        return Ok(()); // What is wrong is said next.
    };
    let schema = huren_store::schema(database).await;
    if schema.ok() != Some(huren_store::newest_schema()) {
        return Ok(()); // Opening it would change it; what is wrong is said next.
    }
    let store = Sqlite::open(database, SqliteOptions::default()).await?;
    let store = Arc::new(store);
    let audit = Audit::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(SystemClock));
    let act = Act::new(Actor::Machine, AuditAction::BackupMade);
    let recorded = audit.record(act).await;
    store.close().await;
    recorded
}

impl RestoreArgs {
    /// Restores or tries out, and says what and how to go on.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn run(&self) -> Result<String, CommandError> {
        let config = Config::load(&self.file.config)?;
        let keys = self.keys.keys()?;
        let wanted = if self.public_only {
            Wanted::PublicOnly
        } else {
            Wanted::Everything
        };
        let progress = progress_bar();
        let done = if self.check {
            try_out(&config, &self.from, (&keys, wanted), &progress).await
        } else {
            let now = SystemClock.now();
            restore(&config, &self.from, (&keys, wanted), now, &progress).await
        };
        progress.finish_and_clear();
        let manifest = done?;
        let summary = summary(&manifest);
        Ok(if self.check {
            format!("备份可以恢复 / the backup can be restored\n{summary}")
        } else {
            let (database, next) = (&config.database, next_steps(&self.file.config));
            format!("已恢复 / restored: {database}\n{summary}{next}")
        })
    }
}

impl BackupKeysArgs {
    /// Backs keys up, and says which files.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn run(&self) -> Result<String, CommandError> {
        let config = Config::load(&self.file.config)?;
        let lock = self.lock.lock(&config)?;
        let names = back_up_keys(&config, &self.file.config, &self.out, &lock)?;
        Ok(format!(
            "密钥已加密保存，已读回核对 / keys encrypted, read back and checked: {}\n{}\n\
             勿与数据库备份放在一处 / keep this apart from backups of the database\n",
            self.out.display(),
            names.join(" ")
        ))
    }
}

impl RestoreKeysArgs {
    /// Restores keys, and says which.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn run(&self) -> Result<String, CommandError> {
        let keys = self.keys.keys()?;
        let paths = restore_keys(&self.from, &keys, &self.dir)?;
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Ok(format!(
            "{}\nhigh-water 不在备份中，也不应从任何备份恢复：缺失时节点会先询问各成员再签名 / high-water is in no \
             backup and must come from none: where it is missing, the node asks the members before it signs\n",
            paths.join("\n")
        ))
    }
}

fn summary(manifest: &Manifest) -> String {
    let Manifest {
        region,
        time,
        program,
        logs,
        public,
        personal,
        ..
    } = manifest;
    let mut text = format!("{region}  {time}  huren {program}\n");
    for log in logs {
        text += &format!("  {:>10}  {}\n", log.size, log.origin);
    }
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    text += &format!(
        "  {} {:.1} MB  {} {:.1} MB\n",
        public.file,
        megabytes(public.bytes),
        personal.file,
        megabytes(personal.bytes)
    );
    text
}

fn next_steps(config: &Path) -> String {
    format!(
        "配置、密钥与 high-water 未动。启动节点；在补齐其他成员所持的记录之前，/readyz 报 RESTORED_NOT_CAUGHT_UP，\
         披露信息暂不出示\n\
         Configuration, keys and high-water are as they were. Start the node; until it has caught up with what \
         members hold, /readyz says RESTORED_NOT_CAUGHT_UP and disclosures are not shown:\n\
         huren-node serve --config {}\n",
        config.display()
    )
}
