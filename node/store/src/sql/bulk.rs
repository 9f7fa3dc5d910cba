//! Many rows in few statements.

use super::{
    db::{Db, Dialect, Value},
    statement::Statement,
};
use crate::Error;

/// Rows per statement in SQLite, for the reason of shapes of lists.
const SQLITE_SHAPES: [usize; 4] = [256, 32, 4, 1];

/// Rows per statement in PostgreSQL: any number up to this.
const POSTGRES_ROWS: usize = 4_096;

/// An `INSERT` of any number of rows.
pub(super) struct Insert {
    /// The table, with its columns in parentheses.
    pub(super) into: &'static str,
    /// What stands behind the rows.
    pub(super) conflict: &'static str,
}

impl Insert {
    /// An `INSERT` of rows that are not there yet.
    pub(super) const fn new(into: &'static str) -> Self {
        let conflict = "";
        Self { into, conflict }
    }

    /// Inserts the rows in their order.
    pub(super) async fn rows<R: Sync>(
        &self,
        db: &mut Db,
        mut rows: &[R],
        values: impl Fn(&R) -> Result<Vec<Value>, Error> + Send,
    ) -> Result<(), Error> {
        let dialect = db.dialect();
        while !rows.is_empty() {
            let (some, rest) = rows.split_at(next(dialect, rows.len()));
            let mut statement = Statement::new(db, "INSERT INTO ");
            statement.push(self.into).push(" ");
            let some = some.iter().map(&values).collect::<Result<_, _>>()?;
            statement.rows(some)?.push(" ").push(self.conflict);
            statement.execute(db).await?;
            rows = rest;
        }
        Ok(())
    }
}

/// How many of the rows that are left go into the next statement.
fn next(dialect: Dialect, left: usize) -> usize {
    match dialect {
        Dialect::Sqlite => SQLITE_SHAPES
            .into_iter()
            .find(|shape| *shape <= left)
            .unwrap_or(1),
        Dialect::Postgres => left.min(POSTGRES_ROWS),
    }
}
