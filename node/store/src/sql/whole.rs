//! A database as a whole: its rows, table by table, into another one, and what they add up to.

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Row as _};

use super::{
    Database, Writes,
    bulk::Insert,
    db::{Db, Value},
};
use crate::{Error, LogState, Sqlite, Store as _};

/// Rows that are copied in one transaction.
const AT_ONCE: usize = 16_384;

/// A table, with its columns in parentheses, and their types: `i` for integers, `t` for texts, `b`
/// for bytes.
pub(crate) struct Table(&'static str, &'static str);

/// Every table but the lease; those that others refer to come first.
pub(crate) const TABLES: [Table; 22] = [
    Table(
        "logs (id, origin, role, size, root, checkpoint, pending, published, witnessed, folded, \
         disclosed, frozen, restored)",
        "itiibbbbbiibi",
    ),
    Table("tiles (log, level, number, hashes)", "iiib"),
    Table("bundles (log, number, width)", "iii"),
    Table("leaves (place, entries)", "ib"),
    Table("certificates (place, leaf, writer)", "ibi"),
    Table(
        "statuses (place, leaf, target, effect, reason, effective)",
        "ibiiii",
    ),
    Table("directory (place, kind, key, effective, body)", "iitib"),
    Table(
        "institution_keys (place, key_id, alg, public_key, code, writer, active)",
        "ibibtii",
    ),
    Table("erasures (place, target, groups)", "iit"),
    Table("adoptions (place, version)", "ii"),
    Table("quarantine (place, code)", "it"),
    Table(
        "disclosures (live, place, number_tag, holder_tag, sealed)",
        "iibbb",
    ),
    Table("submissions (tag, leaf_index)", "bi"),
    Table("trust_lists (version, note)", "ib"),
    Table(
        "audit (sequence, time, action, actor, entry, hash)",
        "iiitbb",
    ),
    Table(
        "tokens (id, hash, name, roles, kinds, regions, created, expires, revoked)",
        "tbttttiii",
    ),
    Table("cosigned (origin, size, root, checkpoint)", "tibb"),
    Table(
        "releases (id, log, evidence, time, actor, reason)",
        "iibitt",
    ),
    Table("data_keys (rank, kind, key_id)", "iib"),
    Table("rekeyed (log, up_to, kept)", "iii"),
    Table("cells (key, sums)", "tb"),
    Table("counted (log, up_to)", "ii"),
];

/// What the rows of a table add up to, in whatever order they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many there are.
    pub(crate) rows: u64,
    /// The eight parts of each row's SHA-256, each added up by itself.
    digest: [u32; 8],
}

impl Sum {
    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        let mut hasher = Sha256::new();
        for value in row {
            let (kind, bytes) = match value {
                Value::Integer(Some(value)) => (1, value.to_be_bytes().to_vec()),
                Value::Text(text) => (2, text.as_bytes().to_vec()),
                Value::Bytes(Some(bytes)) => (3, bytes.clone()),
                Value::Integer(None) | Value::Bytes(None) => (0, Vec::new()),
            };
            hasher.update([kind]);
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
        let hash = hasher.finalize();
        for (sum, part) in self.digest.iter_mut().zip(hash.chunks_exact(4)) {
            let part = part
                .iter()
                .fold(0, |part, byte| part << 8 | u32::from(*byte));
            *sum = sum.wrapping_add(part);
        }
    }
}

/// The values of a row of either back end.
macro_rules! values_of {
    ($row:expr, $types:expr) => {
        $types
            .bytes()
            .enumerate()
            .map(|(column, kind)| {
                Ok(match kind {
                    b'i' => Value::Integer($row.try_get(column)?),
                    b't' => Value::Text($row.try_get(column)?),
                    _ => Value::Bytes($row.try_get(column)?),
                })
            })
            .collect::<Result<Vec<Value>, sqlx::Error>>()?
    };
}

/// Hands every row of a query to `$take`.
macro_rules! each {
    ($connection:expr, $sql:expr, $types:expr, $take:expr) => {{
        // Rarely: that it is prepared each time does not matter.
        let rows = sqlx::query(AssertSqlSafe($sql)).persistent(false);
        let mut rows = rows.fetch(&mut **$connection);
        while let Some(row) = rows.try_next().await? {
            $take(values_of!(row, $types)).await?;
        }
        Ok(())
    }};
}

impl Table {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.0.split_once(' ').map_or(self.0, |(name, _)| name)
    }

    fn columns(&self) -> &'static str {
        let list = self.0.split_once('(').map_or("", |(_, list)| list);
        list.trim_end_matches(')')
    }

    /// All its rows as they are in a snapshot, one after the other.
    async fn each(
        &self,
        db: &mut Db,
        mut take: impl AsyncFnMut(Vec<Value>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (name, columns) = (self.name(), self.columns());
        // What was erased is no row any more.
        let live = if name == "disclosures" {
            " WHERE live = 1"
        } else {
            ""
        };
        let sql = format!("SELECT {columns} FROM {name}{live}");
        match db {
            Db::Sqlite(db) => each!(db, sql, self.1, take),
            Db::SqliteTransaction(db) => each!(db, sql, self.1, take),
            Db::Postgres(db) => each!(db, sql, self.1, take),
            Db::PostgresTransaction(db) | Db::PostgresPooled(db) => each!(db, sql, self.1, take),
        }
    }

    /// What its rows add up to in a snapshot.
    pub(crate) async fn sum(&self, db: &mut Db) -> Result<Sum, Error> {
        let mut sum = Sum::default();
        self.each(db, async |row| {
            sum.add(&row);
            Ok(())
        })
        .await?;
        Ok(sum)
    }

    /// Puts its rows, as they are in a snapshot, into another database in place of what is there.
    pub(crate) async fn copy(
        &self,
        from: &mut Db,
        to: &impl Database,
        told: &mut impl FnMut(u64),
    ) -> Result<Sum, Error> {
        let mut clearing = to.begin(Writes::Logs).await?;
        let clear = AssertSqlSafe(format!("DELETE FROM {}", self.name()));
        clearing.execute(clear, Vec::new()).await?;
        to.commit(clearing, Writes::Logs, false).await?;
        let (mut sum, mut rows) = (Sum::default(), Vec::new());
        self.each(from, async |row| {
            sum.add(&row);
            rows.push(row);
            if rows.len() == AT_ONCE {
                self.put(to, &std::mem::take(&mut rows)).await?;
                told(AT_ONCE as u64);
            }
            Ok(())
        })
        .await?;
        self.put(to, &rows).await?;
        told(rows.len() as u64);
        Ok(sum)
    }

    async fn put(&self, to: &impl Database, rows: &[Vec<Value>]) -> Result<(), Error> {
        let mut transaction = to.begin(Writes::Logs).await?;
        let insert = Insert::new(self.0);
        insert
            .rows(&mut transaction, rows, |row| Ok(row.clone()))
            .await?;
        to.commit(transaction, Writes::Logs, false).await
    }
}

/// The tables that folding writes.
pub(crate) const REGISTERS: [&str; 7] = [
    "certificates",
    "statuses",
    "directory",
    "institution_keys",
    "erasures",
    "adoptions",
    "quarantine",
];

/// The tables that it reads.
const LOGS: [&str; 5] = ["logs", "tiles", "bundles", "leaves", "trust_lists"];

/// What the registers of a store add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers(Vec<(&'static str, Sum)>);

impl Registers {
    /// Each table, with how many rows it has.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(table, sum)| (*table, sum.rows))
    }

    /// The tables that others have otherwise.
    pub fn differ_from(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        let differ = pairs.filter(|(own, other)| own.1 != other.1);
        differ.map(|(own, _)| own.0).collect()
    }
}

async fn add_up(db: &mut Db) -> Result<Registers, Error> {
    let mut sums = Vec::new();
    for table in TABLES.iter().filter(|t| REGISTERS.contains(&t.name())) {
        sums.push((table.name(), table.sum(db).await?));
    }
    Ok(Registers(sums))
}

/// See [`Sqlite::registers`](crate::Sqlite::registers).
pub(crate) async fn registers(of: &impl Database) -> Result<Registers, Error> {
    add_up(&mut of.readers().snapshot().await?).await
}

/// See [`Sqlite::extract`](crate::Sqlite::extract).
pub(crate) async fn extract(
    from: &impl Database,
    to: &Sqlite,
) -> Result<(Vec<LogState>, Registers), Error> {
    // One state, whatever is written meanwhile.
    let mut source = from.readers().snapshot().await?;
    for table in TABLES.iter().filter(|table| LOGS.contains(&table.name())) {
        table.copy(&mut source, to, &mut |_| ()).await?;
    }
    let registers = add_up(&mut source).await?;
    let logs = to.logs().await?;
    for log in &logs {
        to.drop_register(&log.origin).await?;
    }
    Ok((logs, registers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::SqliteOptions;

    /// A column that is not listed would be lost.
    #[tokio::test]
    async fn every_column_of_every_table_is_listed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("huren.sqlite");
        let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
        let columns = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE '~_sqlx%' ESCAPE '~' \
             AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~'";
        let held: Vec<(String, String)> = store.readers().all(columns, Vec::new()).await.unwrap();
        let mut held: BTreeSet<(String, String)> = held.into_iter().collect();
        // The order of arrival, which is SQLite's own affair.
        assert!(held.remove(&("disclosures".to_owned(), "id".to_owned())));
        let of = |table: &Table| {
            let columns = table.columns().split(", ");
            let named = columns.map(|column| (table.name().to_owned(), column.to_owned()));
            let named: Vec<_> = named.collect();
            assert_eq!(named.len(), table.1.len(), "{}", table.name());
            named
        };
        let listed: BTreeSet<(String, String)> = TABLES.iter().flat_map(of).collect();
        assert_eq!(listed, held);
        store.close().await;
    }

    #[test]
    fn a_sum_tells_rows_apart_and_not_their_order() {
        let sum = |rows: &[&[Value]]| {
            let mut sum = Sum::default();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        let (one, two) = ([Value::from(1), Value::from("a")], [Value::from("1a")]);
        assert_eq!(sum(&[&one, &two]), sum(&[&two, &one]));
        assert_ne!(sum(&[&one]), sum(&[&two]));
        assert_ne!(sum(&[&one]), sum(&[&one, &one]));
        let nothing = [Value::Bytes(None)];
        assert_ne!(sum(&[&nothing]), sum(&[&[Value::from(&b""[..])]]));
    }
}
