//! What a failed statement means to the caller.

use sqlx::error::DatabaseError;

use crate::Error;

/// SQLite's primary result codes (sqlite.org/rescode.html); extended ones carry more in
/// their upper bytes.
mod sqlite {
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOTADB: i32 = 26;
}

/// PostgreSQL's error codes (postgresql.org/docs/current/errcodes-appendix.html).
mod postgres {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK_DETECTED: &str = "40P01";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const DATA_CORRUPTED: &str = "XX001";
    pub(super) const INDEX_CORRUPTED: &str = "XX002";
}

/// What the back end itself says, as far as it is more than that it failed.
enum Meaning {
    Full,
    Corrupt,
    Conflict,
}

fn meaning(error: &dyn DatabaseError) -> Option<Meaning> {
    let code = error.code()?;
    if error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        return match &*code {
            postgres::DISK_FULL => Some(Meaning::Full),
            postgres::DATA_CORRUPTED | postgres::INDEX_CORRUPTED => Some(Meaning::Corrupt),
            // The transaction was rolled back: nothing changed.
            postgres::SERIALIZATION_FAILURE | postgres::DEADLOCK_DETECTED => {
                Some(Meaning::Conflict)
            }
            _ => None,
        };
    }
    match code.parse::<i32>().ok()? & 0xff {
        sqlite::FULL => Some(Meaning::Full),
        sqlite::CORRUPT | sqlite::NOTADB => Some(Meaning::Corrupt),
        _ => None,
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match meaning(database.as_ref()) {
                Some(Meaning::Full) => Self::Full(error.into()),
                Some(Meaning::Corrupt) => Self::Corrupt("its pages do not fit together"),
                Some(Meaning::Conflict) => Self::Conflict,
                // The checks that guard every operation exclude a second row of one key.
                None if database.is_unique_violation() => Self::Corrupt("a row is there already"),
                None => Self::Unavailable(error.into()),
            },
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Self::Full(error.into())
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt("a column holds another type than the schema says")
            }
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Unavailable(other.into()),
        }
    }
}
