//! What a failed statement means to the caller.

use crate::Error;

/// SQLite's primary result codes (sqlite.org/rescode.html); extended ones carry more in
/// their upper bytes.
mod code {
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOTADB: i32 = 26;
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let extended = database.code().and_then(|code| code.parse::<i32>().ok());
                match extended.map(|code| code & 0xff) {
                    Some(code::FULL) => Self::Full(error.into()),
                    Some(code::CORRUPT | code::NOTADB) => {
                        Self::Corrupt("its pages do not fit together")
                    }
                    // The checks that guard every operation exclude a second row of one key.
                    _ if database.is_unique_violation() => Self::Corrupt("a row is there already"),
                    _ => Self::Unavailable(error.into()),
                }
            }
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
