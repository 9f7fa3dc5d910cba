//! Making a backup.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use huren_core::note::NoteSigner;
use huren_store::{Error as StoreError, Sqlite, SqliteOptions, Store as _};
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::{
    folder::{PathError, Workshop, at, make_folder, make_folders, sync_folder},
    lock::Lock,
    manifest::{LogSize, Manifest, Part},
    restore::{self, MANIFEST, PERSONAL, PUBLIC, RestoreError, Wanted},
    seal::{self, Fingerprint},
    step,
};
use crate::{
    config::{Config, NotAFile},
    keys::{self, KeyError, Purpose},
};

/// Behind the name of a backup that is not finished.
pub(super) const PARTIAL: &str = ".partial";

/// Why there is no backup. What had been written is deleted.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is no file.
    #[error(transparent)]
    NotAFile(#[from] NotAFile),
    /// There is no database.
    #[error("没有数据库 {0} / there is no database {0}", .path.display())]
    NoDatabase {
        /// Where it should be.
        path: PathBuf,
    },
    /// The database is of another version of the program.
    #[error(
        "数据库结构为第 {held} 版，本程序为第 {known} 版：请用运行该节点的同一程序备份 / the database has schema \
         {held}, this program {known}: back up with the program that runs the node"
    )]
    OtherSchema {
        /// Version of the database.
        held: u64,
        /// Version of the program.
        known: u64,
    },
    /// Another backup or a restore is under way.
    #[error("另一备份或恢复正在进行 / another backup or a restore is under way")]
    Busy,
    /// The answer key cannot be read, which signs the manifest.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The origin cannot name keys, or a value cannot be written.
    #[error("清单无法签署 / the manifest cannot be signed")]
    Manifest,
    /// What was written could not be read back.
    #[error(
        "备份写出后未能通过核对，已删除 / what was written did not pass when it was read back, and is deleted"
    )]
    NotProven(#[source] Box<RestoreError>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system failed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl BackupError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAFile(_) => "DATABASE_NOT_A_FILE",
            Self::NoDatabase { .. } => "DATABASE_MISSING",
            Self::OtherSchema { .. } => "DATABASE_SCHEMA",
            Self::Busy => "BACKUP_BUSY",
            Self::Key(_) => "KEY_UNUSABLE",
            Self::Manifest => "BACKUP_MANIFEST",
            Self::NotProven(_) => "BACKUP_NOT_PROVEN",
            Self::Store(StoreError::Full(_)) => "STORE_FULL",
            Self::Store(_) => "STORE",
            Self::Path(_) => "FILE_SYSTEM",
        }
    }
}

/// Backs a node up into a new folder in `out`, while it serves or not. The folder appears under its
/// name only once everything in it has been synced, read back, opened and checked as for a restore.
/// `now` is in seconds since 1970. Blocks on the disk.
///
/// # Errors
/// [`BackupError`].
pub async fn back_up(
    config: &Config,
    out: &Path,
    lock: &Lock,
    now: u64,
    progress: &ProgressBar,
) -> Result<(PathBuf, Manifest), BackupError> {
    let database = config.database.file()?;
    if !database.exists() {
        return Err(BackupError::NoDatabase {
            path: database.to_owned(),
        });
    }
    let (held, known) = (
        huren_store::schema(database).await?,
        huren_store::newest_schema(),
    );
    if held != known {
        return Err(BackupError::OtherSchema { held, known });
    }
    let signer = signer(config)?;
    let workshop = Workshop::take(&config.data_dir)?.ok_or(BackupError::Busy)?;
    let time = i64::try_from(now)
        .ok()
        .and_then(|now| Timestamp::from_second(now).ok());
    let time = time.ok_or(BackupError::Manifest)?;

    make_folders(out)?;
    let name = format!("{}-{}", config.region, time.strftime("%Y%m%dT%H%M%SZ"));
    let folder = out.join(&name);
    if folder.exists() {
        return Err(at(&folder)(io::ErrorKind::AlreadyExists.into()).into());
    }
    sweep(out, &config.region.to_string())?;
    let partial = out.join(format!("{name}{PARTIAL}"));
    make_folder(&partial)?;
    let written = write(config, &workshop, &partial, (&signer, lock, time), progress).await;
    let finished = written.and_then(|manifest| {
        sync_folder(&partial)?;
        fs::rename(&partial, &folder).map_err(at(&folder))?;
        sync_folder(out)?;
        Ok(manifest)
    });
    if finished.is_err() {
        // Half a backup is none. What went wrong before is what the caller has to know.
        drop(fs::remove_dir_all(&partial));
    }
    finished.map(|manifest| (folder, manifest))
}

/// Deletes what backups of this node that were killed have left. Nobody writes there now: the
/// workshop is ours.
fn sweep(out: &Path, region: &str) -> Result<(), PathError> {
    for entry in fs::read_dir(out).map_err(at(out))? {
        let path = entry.map_err(at(out))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&format!("{region}-")) && name.ends_with(PARTIAL) {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

/// The key that signs manifests, as it signs answers: on behalf of the node.
pub(super) fn signer(config: &Config) -> Result<NoteSigner, BackupError> {
    let key = keys::load(&Purpose::Answer.file_in(&config.keys_dir), Purpose::Answer)?;
    key.note_signer(&config.origin)
        .map_err(|_| BackupError::Manifest)
}

/// Fills the folder and reads it back.
async fn write(
    config: &Config,
    workshop: &Workshop,
    folder: &Path,
    (signer, lock, time): (&NoteSigner, &Lock, Timestamp),
    progress: &ProgressBar,
) -> Result<Manifest, BackupError> {
    step(progress, 0, "复制数据库 / copying the database");
    let (public, personal) = (workshop.file("public.db"), workshop.file("personal.db"));
    huren_store::copy_parts(config.database.file()?, &public, &personal).await?;
    let rows = [
        huren_store::inspect(&public).await?,
        huren_store::inspect(&personal).await?,
    ];
    let logs = log_sizes(&public).await?;

    let (recipients, reader) = lock.ready();
    let seal = |part: &Path, name: &str| -> Result<Fingerprint, BackupError> {
        let length = fs::metadata(part).map_err(at(part))?.len();
        step(progress, length, "加密 / encrypting");
        let target = folder.join(name);
        let sealed = seal::lock_file(&recipients, part, &target, progress);
        let sealed = sealed.map_err(at(&target))?;
        fs::remove_file(part).map_err(at(part))?;
        Ok(sealed)
    };
    let sealed = [seal(&public, PUBLIC)?, seal(&personal, PERSONAL)?];
    let [of_public, of_personal] = sealed;
    let [public_rows, personal_rows] = rows.map(some);
    let manifest = Manifest {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: huren_store::newest_schema(),
        region: config.region.to_string(),
        origin: config.origin.to_string(),
        time: time.to_string(),
        logs,
        public: Part::new(PUBLIC, of_public, public_rows),
        personal: Part::new(PERSONAL, of_personal, personal_rows),
    };
    let text = manifest.sign(signer).ok_or(BackupError::Manifest)?;
    let path = folder.join(MANIFEST);
    keys::write_new(&path, 0o644, text.as_bytes()).map_err(at(&path))?;

    restore::assemble(
        config,
        folder,
        (&reader, Wanted::Everything),
        workshop,
        progress,
    )
    .await
    .map_err(|error| BackupError::NotProven(Box::new(error)))?;
    Ok(manifest)
}

/// How far the logs of a part go. Opening it changes the file: only before it is sealed.
async fn log_sizes(public: &Path) -> Result<Vec<LogSize>, StoreError> {
    let store = Sqlite::open(public, SqliteOptions::default()).await?;
    let logs = store.logs().await?;
    store.close().await;
    let size = |log: &huren_store::LogState| LogSize {
        origin: log.origin.to_string(),
        size: log.head.size,
        root: log.head.root.to_hex(),
    };
    Ok(logs.iter().map(size).collect())
}

/// The tables that have rows.
pub(super) fn some(mut rows: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    rows.retain(|_, count| *count > 0);
    rows
}
