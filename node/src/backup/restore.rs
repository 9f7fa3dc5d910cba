//! Restoring a backup, and trying one out: the same steps, up to the last.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use huren_core::{
    audit::{Act, Actor, AuditAction},
    note::VerifierKey,
};
use huren_store::{Error as StoreError, Sqlite, SqliteOptions, Store as _};
use indicatif::ProgressBar;

use super::{
    check::{self, ContentError},
    folder::{PathError, Workshop, at, publish},
    lock::Keys,
    make::some,
    manifest::{LogSize, Manifest, NotAManifest, Part, UnverifiedManifest},
    seal::{self, Fingerprint, OpenError},
    step,
};
use crate::{
    config::{Config, NotAFile},
    engine::{Audit, revoke_tokens},
    keys::{self, KeyError, Purpose},
    startup::{StartupError, load_trust},
};

pub(super) const MANIFEST: &str = "manifest";
pub(super) const PUBLIC: &str = "public.age";
pub(super) const PERSONAL: &str = "personal.age";

/// What is taken out of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Both parts.
    Everything,
    /// Not the personal part: disclosures are fetched from the members again, as far as they
    /// hold them.
    PublicOnly,
}

/// Why nothing was restored. The node's files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The database is no file.
    #[error(transparent)]
    NotAFile(#[from] NotAFile),
    /// There is a database.
    #[error(
        "数据库 {0} 已存在，未作改动。请停止节点，把 {name}* 移到别处（确认无用前勿删），再恢复 / the database {0} \
         exists and is left alone: stop the node, move {name}* elsewhere (delete it only once you are sure), \
         and restore again",
        .path.display(), name = .path.display()
    )]
    DatabaseExists {
        /// The file.
        path: PathBuf,
    },
    /// A backup or another restore is under way.
    #[error("另一备份或恢复正在进行 / a backup or another restore is under way")]
    Busy,
    /// A file is missing.
    #[error(
        "备份缺少 {0}。若个人数据部分已另存或销毁，可加 --public-only，披露数据将向各成员重新取回 / the backup lacks \
         {0}; without its personal part, --public-only restores the rest, and disclosures are fetched from members",
        .path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
    /// The manifest is none.
    #[error("{0} 不是备份清单 / is no manifest of a backup", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A newer program made it.
    #[error("备份由更新版本的程序制作，请先升级 / a newer program made this backup: upgrade first")]
    Newer,
    /// It is of another node.
    #[error(
        "备份属于 {region} {origin}，不是本节点 / the backup is of {region} {origin}, not of this node"
    )]
    OtherNode {
        /// Its province.
        region: String,
        /// Its log.
        origin: String,
    },
    /// A file is not the one that the manifest means.
    #[error("{0} 已损坏、被截断或被替换 / is damaged, cut off or another file", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The keys do not open it.
    #[error("所给密钥或口令打不开 {0} / none of the keys given opens {0}", .path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
    /// Another node signed the manifest, or nobody.
    #[error("备份清单不是本节点签署的 / the manifest is not signed by this node")]
    NotSigned,
    /// What is in it does not hold.
    #[error("备份内容未通过核对 / the content does not hold")]
    Content(#[from] ContentError),
    /// It holds something else than the manifest says.
    #[error("备份内容与清单不符 / the content is not what the manifest says")]
    OtherContent,
    /// A key of this node cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The trust lists cannot be used.
    #[error(transparent)]
    Trust(#[from] StartupError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system failed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl RestoreError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAFile(_) => "DATABASE_NOT_A_FILE",
            Self::DatabaseExists { .. } => "DATABASE_EXISTS",
            Self::Busy => "BACKUP_BUSY",
            Self::Incomplete { .. } => "BACKUP_INCOMPLETE",
            Self::Malformed { .. } => "BACKUP_MALFORMED",
            Self::Newer => "BACKUP_NEWER",
            Self::OtherNode { .. } => "BACKUP_OTHER_NODE",
            Self::Damaged { .. } => "BACKUP_DAMAGED",
            Self::WrongKey { .. } => "BACKUP_KEY_WRONG",
            Self::NotSigned => "BACKUP_NOT_SIGNED",
            Self::Content(ContentError::AtRestKey) => "AT_REST_KEY_WRONG",
            Self::Content(_) | Self::OtherContent => "BACKUP_CONTENT",
            Self::Key(_) => "KEY_UNUSABLE",
            Self::Trust(_) => "TRUST_UNUSABLE",
            Self::Store(StoreError::Full(_)) => "STORE_FULL",
            Self::Store(_) => "STORE",
            Self::Path(_) => "FILE_SYSTEM",
        }
    }
}

/// Restores a backup beside the configuration, keys and high-water file of this node, which stay
/// as they are. The database appears under its name only once it is whole, checked and synced.
/// `now` is in seconds since 1970. Blocks on the disk.
///
/// # Errors
/// [`RestoreError`]; a crash leaves no database, or all of it.
pub async fn restore(
    config: &Config,
    folder: &Path,
    (keys, wanted): (&Keys, Wanted),
    now: u64,
    progress: &ProgressBar,
) -> Result<Manifest, RestoreError> {
    let target = config.database.file()?;
    let exists = || RestoreError::DatabaseExists {
        path: target.to_owned(),
    };
    // A write-ahead log of another database would be taken for this one's.
    let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", target.display()));
    if ["", "-wal", "-shm"]
        .iter()
        .any(|suffix| with(suffix).exists())
    {
        return Err(exists());
    }
    let workshop = Workshop::take(&config.data_dir)?.ok_or(RestoreError::Busy)?;
    let (database, manifest) =
        assemble(config, folder, (keys, wanted), &workshop, progress).await?;
    let store = Sqlite::open(&database, SqliteOptions::default()).await?;
    if wanted == Wanted::Everything {
        for log in store.logs().await? {
            store.put_restored(&log.origin, Some(now)).await?;
        }
    }
    mark_trail(&store, now).await?;
    // One that was revoked since would count again.
    revoke_tokens(&store, now).await?;
    store.close().await;
    // The point of no return: before it there is no database, behind it there is this one.
    if !publish(&database, target)? {
        return Err(exists());
    }
    Ok(manifest)
}

/// Says in the audit trail up to where it came back, in front of whatever comes next.
async fn mark_trail(store: &Sqlite, now: u64) -> Result<(), StoreError> {
    let head = store.audit_head().await?;
    let act = Act::new(Actor::Machine, AuditAction::BackupRestored).size(head.sequence);
    let row = Audit::row(&head, &act, now);
    store.append_audit(head, vec![row]).await
}

/// Does everything that [`restore`] does, but for leaving the result. The node may be serving.
///
/// # Errors
/// [`RestoreError`].
pub async fn try_out(
    config: &Config,
    folder: &Path,
    opening: (&Keys, Wanted),
    progress: &ProgressBar,
) -> Result<Manifest, RestoreError> {
    let workshop = Workshop::take(&config.data_dir)?.ok_or(RestoreError::Busy)?;
    let assembled = assemble(config, folder, opening, &workshop, progress).await;
    assembled.map(|(_, manifest)| manifest)
}

/// Makes a node's database out of a backup, in a place to work in, and checks all of it.
pub(super) async fn assemble(
    config: &Config,
    folder: &Path,
    (keys, wanted): (&Keys, Wanted),
    workshop: &Workshop,
    progress: &ProgressBar,
) -> Result<(PathBuf, Manifest), RestoreError> {
    let unverified = read_manifest(config, folder)?;
    let claims = unverified.claims();
    let (public, personal) = (
        workshop.file("restored.db"),
        workshop.file("restored-personal.db"),
    );
    open(&claims.public, folder, PUBLIC, keys, &public, progress).await?;
    if wanted == Wanted::Everything {
        open(
            &claims.personal,
            folder,
            PERSONAL,
            keys,
            &personal,
            progress,
        )
        .await?;
    }
    step(progress, 0, "合并 / putting together");
    let given = (wanted == Wanted::Everything).then_some(personal.as_path());
    huren_store::join_parts(&public, given).await?;
    if given.is_some() {
        fs::remove_file(&personal).map_err(at(&personal))?;
    }

    let store = Sqlite::open(&public, SqliteOptions::default()).await?;
    let checked = check(config, &store, unverified, progress).await;
    store.close().await;
    Ok((public, checked?))
}

async fn check(
    config: &Config,
    store: &Sqlite,
    unverified: UnverifiedManifest,
    progress: &ProgressBar,
) -> Result<Manifest, RestoreError> {
    let chain = load_trust(config, &store.trust_lists().await?)?;
    let manifest = unverified.verify(&answer_key(config)?, &chain);
    let manifest = manifest.ok_or(RestoreError::NotSigned)?;
    let at_rest = keys::load_ring(&config.keys_dir, Purpose::AtRest)?;
    check::logs(store, &chain, &at_rest, progress).await?;
    let logs = store.logs().await?;
    let held = logs.iter().map(|log| LogSize {
        origin: log.origin.to_string(),
        size: log.head.size,
        root: log.head.root.to_hex(),
    });
    if held.eq(manifest.logs.iter().cloned()) {
        Ok(manifest)
    } else {
        Err(RestoreError::OtherContent)
    }
}

pub(super) fn answer_key(config: &Config) -> Result<VerifierKey, RestoreError> {
    let key = keys::load(&Purpose::Answer.file_in(&config.keys_dir), Purpose::Answer)?;
    let signer = key.note_signer(&config.origin);
    let signer = signer.map_err(StartupError::Origin)?;
    Ok(signer.verifier_key().clone())
}

pub(super) fn read_manifest(
    config: &Config,
    folder: &Path,
) -> Result<UnverifiedManifest, RestoreError> {
    let path = folder.join(MANIFEST);
    let bytes = fs::read(&path).map_err(|error| missing(&path, error))?;
    let unverified = UnverifiedManifest::parse(&bytes).map_err(|refusal| match refusal {
        NotAManifest::Newer => RestoreError::Newer,
        NotAManifest::Malformed => RestoreError::Malformed { path: path.clone() },
    })?;
    let claims = unverified.claims();
    if (claims.region.as_str(), claims.origin.as_str())
        != (config.region.to_string().as_str(), config.origin.as_str())
    {
        return Err(RestoreError::OtherNode {
            region: claims.region.clone(),
            origin: claims.origin.clone(),
        });
    }
    if claims.schema > huren_store::newest_schema() {
        return Err(RestoreError::Newer);
    }
    Ok(unverified)
}

/// Opens a part and counts what is in it.
async fn open(
    part: &Part,
    folder: &Path,
    name: &str,
    keys: &Keys,
    target: &Path,
    progress: &ProgressBar,
) -> Result<(), RestoreError> {
    // By its own name: what a manifest names could lie anywhere.
    let path = folder.join(name);
    let damaged = || RestoreError::Damaged { path: path.clone() };
    step(progress, part.bytes, "读取 / reading");
    let found = Fingerprint::of(&path, progress).map_err(|error| missing(&path, error))?;
    if !part.is(&found) {
        return Err(damaged());
    }
    step(progress, part.bytes, "解密 / decrypting");
    seal::open_file(keys, &path, target, progress).map_err(|error| match error {
        OpenError::WrongKey => RestoreError::WrongKey { path: path.clone() },
        OpenError::Damaged => damaged(),
        OpenError::Io(error) => at(target)(error).into(),
    })?;
    let rows = match huren_store::inspect(target).await {
        Err(StoreError::Corrupt(_)) => return Err(damaged()),
        counted => counted?,
    };
    if some(rows) == part.rows {
        Ok(())
    } else {
        Err(RestoreError::OtherContent)
    }
}

fn missing(path: &Path, error: io::Error) -> RestoreError {
    match error.kind() {
        io::ErrorKind::NotFound => RestoreError::Incomplete {
            path: path.to_owned(),
        },
        _ => at(path)(error).into(),
    }
}
