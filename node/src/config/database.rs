//! Where everything is kept: in a file, or in a PostgreSQL database that several processes share.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use huren_store::PostgresOptions;

use super::{ConfigError, file::DatabaseTable, in_range};

/// Name of the database in the data directory.
const FILE: &str = "huren.db";

/// Where everything is kept.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite database, in `data_dir`.
    File(PathBuf),
    /// A PostgreSQL database.
    Shared(Shared),
}

/// A PostgreSQL database.
#[derive(Clone)]
pub struct Shared {
    /// Its address, as in libpq.
    pub url: String,
    /// Where the other processes over it reach the gRPC port of this one.
    pub address: String,
    /// How much of it this process may use.
    pub options: PostgresOptions,
}

/// Without the addresses of the database and of its replica, in which passwords may stand.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = PostgresOptions {
            replica: None,
            ..self.options.clone()
        };
        f.debug_struct("Shared")
            .field("address", &self.address)
            .field("options", &options)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// The file.
    ///
    /// # Errors
    /// If it is none.
    pub fn file(&self) -> Result<&Path, NotAFile> {
        match self {
            Self::File(path) => Ok(path),
            Self::Shared(_) => Err(NotAFile),
        }
    }
}

/// The database is no file, which is what a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "数据库在 PostgreSQL 中：请用 PostgreSQL 自己的工具备份与恢复，见 HANDBOOK.md / the database is PostgreSQL's: \
     back it up and restore it with PostgreSQL's own tools, see HANDBOOK.md"
)]
pub struct NotAFile;

/// What a person calls it.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Shared(_) => f.write_str("the PostgreSQL database of database.url"),
        }
    }
}

pub(super) fn check(table: DatabaseTable, data_dir: &Path) -> Result<Database, ConfigError> {
    if table.url.is_empty() {
        return Ok(Database::File(data_dir.join(FILE)));
    }
    let is_shared = |url: &str| {
        let schemes = ["postgres://", "postgresql://"];
        schemes.iter().any(|scheme| url.starts_with(scheme))
    };
    // Not the value: a password may stand in it.
    if !is_shared(&table.url) {
        let remedy = "write postgres://user@host/database, or nothing for a file in data_dir";
        return Err(ConfigError::value("database.url", "...", remedy));
    }
    let replica = Some(table.replica_url).filter(|url| !url.is_empty());
    if replica.as_deref().is_some_and(|url| !is_shared(url)) {
        let remedy = "write postgres://user@host/database of a standby, or nothing";
        return Err(ConfigError::value("database.replica_url", "...", remedy));
    }
    let lag_max = table.replica_lag_max;
    in_range("database.replica_lag_max", lag_max, 1, 3_600)?;
    let is_address = table
        .address
        .strip_prefix("https://")
        .is_some_and(|rest| rest.contains(':') && !rest.contains('/'));
    if !is_address {
        let remedy = "write where the other processes over this database reach this one's gRPC \
                      port, such as https://10.0.0.5:4433";
        return Err(ConfigError::value(
            "database.address",
            table.address,
            remedy,
        ));
    }
    in_range("database.connections", table.connections.into(), 1, 1_000)?;
    Ok(Database::Shared(Shared {
        url: table.url,
        address: table.address,
        options: PostgresOptions {
            readers: table.connections,
            pooled: table.pooled,
            replica,
            replica_lag_max: Duration::from_secs(lag_max),
            ..PostgresOptions::default()
        },
    }))
}
