//! Statements that are put together: those with as many values as there happen to be.

use sqlx::{Arguments as _, AssertSqlSafe, Encode, Postgres, Type};

use super::db::{Arguments, Db, Dialect, Row, Value};
use crate::Error;

/// Keys per look-up in SQLite; shorter lists are padded. With a few fixed shapes every statement
/// is prepared once for each connection; a shape for each length would prepare anew all the time.
const LIST_SHAPES: [usize; 4] = [1, 16, 128, LONGEST_LIST];

/// Most keys that one look-up takes.
pub(super) const LONGEST_LIST: usize = 1024;

/// A statement that is being put together, with its values.
///
/// Many values at once are placeholders in SQLite, which has nothing else, and arrays in
/// PostgreSQL, where a statement stays the same however many there are.
pub(super) struct Statement {
    sql: String,
    dialect: Dialect,
    arguments: Arguments,
    count: usize,
}

impl Statement {
    /// What a statement begins with.
    pub(super) fn new(db: &Db, sql: &str) -> Self {
        Self::of(db.dialect(), sql)
    }

    pub(super) fn of(dialect: Dialect, sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            dialect,
            arguments: Arguments::new(dialect),
            count: 0,
        }
    }

    /// Text of this program's own.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A value, at this place.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> Result<&mut Self, Error> {
        self.placeholder();
        self.arguments.add(value.into())?;
        Ok(self)
    }

    /// ` IN (…)`: whether what stands before it is one of the values, of which there are 1 to
    /// [`LONGEST_LIST`].
    pub(super) fn is_one_of(&mut self, values: Vec<Value>) -> Result<&mut Self, Error> {
        match self.dialect {
            Dialect::Sqlite => {
                // A key that is there twice counts once.
                let padding = values.last().cloned();
                let shape = list_shape(values.len());
                self.push(" IN (");
                self.separated(padded(values, padding, shape))?;
                Ok(self.push(")"))
            }
            Dialect::Postgres => {
                self.push(" = ANY(");
                self.array(values)?;
                Ok(self.push(")"))
            }
        }
    }

    /// Rows of values, as a table expression. Each has as many as the first.
    pub(super) fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<&mut Self, Error> {
        match self.dialect {
            Dialect::Sqlite => {
                let mut before = "VALUES (";
                for row in rows {
                    self.push(before);
                    self.separated(row)?;
                    self.push(")");
                    before = ",(";
                }
            }
            Dialect::Postgres => {
                let mut before = "SELECT * FROM unnest(";
                for column in columns(rows) {
                    self.push(before);
                    self.array(column)?;
                    before = ",";
                }
                self.push(")");
            }
        }
        Ok(self)
    }

    /// As [`Self::rows`], with a row that finds nothing as padding where the back end wants it.
    pub(super) fn wanted(
        &mut self,
        mut rows: Vec<Vec<Value>>,
        nothing: Vec<Value>,
    ) -> Result<&mut Self, Error> {
        if self.dialect == Dialect::Sqlite {
            let shape = list_shape(rows.len());
            rows = padded(rows, Some(nothing), shape).collect();
        }
        self.rows(rows)
    }

    pub(super) async fn all<T: Row>(self, db: &mut Db) -> Result<Vec<T>, Error> {
        db.all_with(AssertSqlSafe(self.sql), self.arguments).await
    }

    pub(super) async fn execute(self, db: &mut Db) -> Result<u64, Error> {
        db.execute_with(AssertSqlSafe(self.sql), self.arguments)
            .await
    }

    /// Its text, for a look at how it is planned.
    #[cfg(test)]
    pub(super) fn into_sql(self) -> String {
        self.sql
    }

    fn separated(&mut self, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                self.push(",");
            }
            self.value(value)?;
        }
        Ok(())
    }

    /// A column of values as one array: all are of the type of the first.
    fn array(&mut self, values: Vec<Value>) -> Result<(), Error> {
        let type_name = match values.first() {
            Some(Value::Integer(_)) | None => "::bigint[]",
            Some(Value::Text(_)) => "::text[]",
            Some(Value::Bytes(_)) => "::bytea[]",
        };
        self.placeholder();
        self.push(type_name);
        match values.first() {
            Some(Value::Integer(_)) | None => self.add_array(values, |value| match value {
                Value::Integer(value) => value,
                _ => None,
            }),
            Some(Value::Text(_)) => self.add_array(values, |value| match value {
                Value::Text(value) => Some(value),
                _ => None,
            }),
            Some(Value::Bytes(_)) => self.add_array(values, |value| match value {
                Value::Bytes(value) => value,
                _ => None,
            }),
        }
    }

    fn add_array<T>(
        &mut self,
        values: Vec<Value>,
        of: impl Fn(Value) -> Option<T>,
    ) -> Result<(), Error>
    where
        for<'q> Vec<Option<T>>: Encode<'q, Postgres> + Type<Postgres>,
    {
        let Arguments::Postgres(arguments) = &mut self.arguments else {
            return Err(Error::Unavailable("SQLite has no arrays".into()));
        };
        let array: Vec<Option<T>> = values.into_iter().map(of).collect();
        let added = arguments.add(array);
        added.map_err(|error| sqlx::Error::Encode(error).into())
    }

    /// Without a number in SQLite, which keeps the names of numbered ones in a list that it
    /// walks from its start for each, and a statement here has hundreds.
    fn placeholder(&mut self) {
        self.count += 1;
        match self.dialect {
            Dialect::Sqlite => self.sql.push('?'),
            Dialect::Postgres => {
                self.sql.push('$');
                self.sql.push_str(&self.count.to_string());
            }
        }
    }
}

/// The shape that takes `count` keys, of which there are at most [`LONGEST_LIST`].
fn list_shape(count: usize) -> usize {
    let fits = |shape: &usize| *shape >= count;
    LIST_SHAPES.into_iter().find(fits).unwrap_or(LONGEST_LIST)
}

fn padded<T: Clone>(keys: Vec<T>, padding: Option<T>, shape: usize) -> impl Iterator<Item = T> {
    keys.into_iter()
        .chain(padding.into_iter().cycle())
        .take(shape)
}

/// Rows turned into columns.
fn columns(rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let width = rows.first().map_or(0, Vec::len);
    let mut columns = vec![Vec::with_capacity(rows.len()); width];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_padded_to_their_shape() {
        for (count, shape) in [(1, 1), (2, 16), (16, 16), (17, 128), (1024, 1024)] {
            let keys = (0..count).map(Value::from).collect();
            let mut statement = Statement::of(Dialect::Sqlite, "x");
            statement.is_one_of(keys).unwrap();
            assert_eq!(statement.sql.matches('?').count(), shape);
        }
    }

    #[test]
    fn rows_are_placeholders_or_arrays() {
        let rows = || vec![vec![Value::from(1), Value::from("a")]; 2];
        let sql = |dialect| {
            let mut statement = Statement::of(dialect, "WITH r AS (");
            statement.rows(rows()).unwrap().push(") = ");
            statement.value(7).unwrap();
            statement.sql
        };
        assert_eq!(sql(Dialect::Sqlite), "WITH r AS (VALUES (?,?),(?,?)) = ?");
        assert_eq!(
            sql(Dialect::Postgres),
            "WITH r AS (SELECT * FROM unnest($1::bigint[],$2::text[])) = $3"
        );
    }
}
