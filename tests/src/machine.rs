//! The machine of a member whose database is a file: what backups are made of and restored to.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use age::secrecy::ExposeSecret as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::codes::Region;
use huren_node::{
    backup::{self, BackupError, Keys, Lock, RestoreError, Wanted},
    config::{self, Config},
};
use huren_store::{Held, Postgres, Sqlite, SqliteOptions, Store};
use indicatif::ProgressBar;
use tempfile::TempDir;

use crate::{
    members::{key_files, origin, trust_lists},
    stores,
};

/// For how long a member whose database is PostgreSQL is in charge of it: longer than a test takes.
const LEASE: Duration = Duration::from_secs(600);

/// A member's database, open.
pub enum Database {
    /// A file.
    File(Arc<Sqlite>),
    /// PostgreSQL, of which this process is in charge.
    Shared(Arc<Postgres>),
}

impl Database {
    /// It, by its contract.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Shared(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Closes it, and lets others take charge of it.
    pub async fn close(self) {
        match self {
            Self::File(store) => store.close().await,
            Self::Shared(store) => {
                store.resign().await.expect("a lease");
                store.close().await;
            }
        }
    }
}

/// A machine, with configuration and keys.
pub struct Machine {
    /// What its node is configured with.
    pub config: Config,
    /// For whom its backups are encrypted.
    pub lock: Lock,
    identity: PathBuf,
    folder: TempDir,
}

impl Machine {
    /// The machine of a member, without a database yet.
    pub fn of(region: Region) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        for sub in ["keys", "trust"] {
            fs::create_dir(file(sub)).expect("a folder");
        }
        for (purpose, secret) in key_files(region) {
            let line = format!(
                "huren-key-v1 {purpose} {}\n",
                BASE64_STANDARD.encode(secret)
            );
            write_private(&file(&format!("keys/{purpose}.key")), &line);
        }
        let (roots, chain) = trust_lists(1, None);
        fs::write(file("trust/roots"), roots.to_text()).expect("a file");
        fs::write(file("trust/lists"), chain.newest().note()).expect("a file");
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        write_private(&file("identity"), identity.to_string().expose_secret());
        let text = config::example()
            .replacen("region = \"33\"", &format!("region = \"{region}\""), 1)
            .replacen("huren.zj.example/log/33", origin(region).as_str(), 1);
        Self {
            config: Config::parse(&text, folder.path()).expect("a configuration"),
            lock: Lock::for_recipients([recipient.as_str()]).expect("a recipient"),
            identity: file("identity"),
            folder,
        }
    }

    /// Opens its database, or makes it.
    pub async fn open(&self) -> Arc<Sqlite> {
        fs::create_dir_all(&self.config.data_dir).expect("a folder");
        let opened = Sqlite::open(
            self.config.database.file().expect("a file"),
            SqliteOptions::default(),
        )
        .await;
        Arc::new(opened.expect("a database"))
    }

    /// Keeps its database in the back end that is tried, unless that is memory: then in a file.
    pub fn keep_as_tried(&mut self) {
        if let Some((url, options)) = stores::empty_database() {
            self.config.database = config::Database::Shared(config::Shared {
                url,
                address: String::new(),
                options,
            });
        }
    }

    /// Opens its database, whichever it is, or makes it.
    pub async fn database(&self) -> Database {
        match &self.config.database {
            config::Database::File(_) => Database::File(self.open().await),
            config::Database::Shared(at) => {
                let store = Postgres::open(&at.url, &at.options).await;
                let store = store.expect("a database");
                let held = store.acquire("test", LEASE).await.expect("a lease");
                assert_eq!(held, Held::Here);
                Database::Shared(Arc::new(store))
            }
        }
    }

    /// Loses its database, which no process has open any more.
    pub fn lose_database(&self) {
        fs::remove_dir_all(&self.config.data_dir).expect("a folder");
    }

    /// The keys that open its backups.
    pub fn keys(&self) -> Keys {
        Keys::in_files(std::slice::from_ref(&self.identity)).expect("an identity")
    }

    /// A path outside of what a node uses.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Backs it up at a time (seconds since 1970); gives the backup's folder.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn back_up(&self, now: u64) -> Result<PathBuf, BackupError> {
        let (out, progress) = (self.path("backups"), ProgressBar::hidden());
        let made = backup::back_up(&self.config, &out, &self.lock, now, &progress).await;
        made.map(|(folder, _)| folder)
    }

    /// Restores a backup at a time.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub async fn restore(&self, from: &Path, wanted: Wanted, now: u64) -> Result<(), RestoreError> {
        let (keys, progress) = (self.keys(), ProgressBar::hidden());
        let restored = backup::restore(&self.config, from, (&keys, wanted), now, &progress).await;
        restored.map(drop)
    }

    /// Names of what lies in its data directory.
    pub fn data(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.config.data_dir) else {
            return Vec::new();
        };
        let names = files.map(|file| file.expect("a file").file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into()).collect();
        names.sort();
        names
    }
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}
