//! Many rows in few statements.

use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use crate::Error;

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

/// Rows per statement. With a few fixed shapes every statement is prepared once for each
/// connection; a shape for each length would prepare anew all the time.
const INSERT_SHAPES: [usize; 4] = [256, 32, 4, 1];

/// Keys per look-up; shorter lists are padded.
const LIST_SHAPES: [usize; 4] = [1, 16, 128, 1024];

/// Most keys that one look-up takes.
pub(super) const LONGEST_LIST: usize = 1024;

/// An `INSERT` of any number of rows.
pub(super) struct Insert {
    /// Up to and without `VALUES`.
    pub(super) into: &'static str,
    /// Values in a row.
    pub(super) columns: usize,
    /// What stands behind the rows.
    pub(super) conflict: &'static str,
}

impl Insert {
    /// Inserts the rows in their order.
    pub(super) async fn rows<R: Sync>(
        &self,
        db: &mut SqliteConnection,
        mut rows: &[R],
        bind: impl for<'q> Fn(Query<'q>, &R) -> Result<Query<'q>, Error> + Sync,
    ) -> Result<(), Error> {
        for shape in INSERT_SHAPES {
            while let Some((some, rest)) = rows.split_at_checked(shape) {
                let values = tuples(shape, self.columns);
                let sql = format!("{} VALUES {values} {}", self.into, self.conflict);
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for row in some {
                    query = bind(query, row)?;
                }
                query.execute(&mut *db).await?;
                rows = rest;
            }
        }
        Ok(())
    }
}

/// `(?,?),(?,?)`: as many tuples of as many placeholders.
///
/// Without numbers, unlike everywhere else: SQLite keeps the names of numbered ones in a
/// list that it walks from its start for each, and a statement here has hundreds.
pub(super) fn tuples(count: usize, width: usize) -> String {
    let tuple = format!("({})", vec!["?"; width].join(","));
    vec![tuple; count].join(",")
}

/// The shape that takes `count` keys, of which there are at most [`LONGEST_LIST`].
pub(super) fn list_shape(count: usize) -> usize {
    let fits = |shape: &usize| *shape >= count;
    LIST_SHAPES.into_iter().find(fits).unwrap_or(LONGEST_LIST)
}

/// The keys, padded to their shape with the last one (a key that is in an `IN` list twice counts
/// once).
pub(super) fn padded<K>(keys: &[K]) -> impl Iterator<Item = &K> {
    let padding = keys.last().into_iter().cycle();
    keys.iter().chain(padding).take(list_shape(keys.len()))
}

/// The first 8 bytes of each key, as the indexes have them, [`padded`].
pub(super) fn prefixes(keys: &[[u8; 32]]) -> impl Iterator<Item = Vec<u8>> + '_ {
    padded(keys).map(|key| key[..8].to_vec())
}

/// `(?,?,?)` for so many keys, padded.
pub(super) fn placeholders(count: usize) -> String {
    tuples(1, list_shape(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_padded_to_their_shape() {
        for count in [1, 2, 16, 17, 1024] {
            let keys = vec![[7; 32]; count];
            let places = placeholders(count).matches('?').count();
            assert_eq!(prefixes(&keys).count(), places);
            assert!(places >= count);
        }
        assert_eq!(tuples(2, 3), "(?,?,?),(?,?,?)");
    }
}
