//! PostgreSQL servers of the benchmark's own: one for the nodes' databases, and the two of what an
//! operator would use instead of a node, a table that is copied or replicated with nothing verified.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use huren_core::{
    checkpoint::Origin,
    merkle::{decode_bundle, leaf_hash},
    replicate::PACKAGE,
};
use huren_postgres_server::{Server, binaries};
use huren_store::Store;

use super::{figures::Reading, stage::rate};

/// Rows that a transaction of the live stream has.
const LIVE: u64 = 1_000;
/// Disclosures that are read at a time.
const PAGE: u64 = 4 * PACKAGE;
/// How long a replication may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What of a record a province keeps, in one table, with the indexes that it is found by.
const TABLE: &str = "
CREATE TABLE records (
    index bigint PRIMARY KEY, leaf_hash bytea NOT NULL, leaf bytea NOT NULL,
    number_tag bytea, holder_tag bytea, sealed bytea);
CREATE INDEX ON records (leaf_hash);
CREATE INDEX ON records (number_tag);
CREATE INDEX ON records (holder_tag);
CREATE TABLE live (LIKE records INCLUDING INDEXES);";

/// Servers, fsync on, with PostgreSQL's own settings otherwise.
pub(super) struct Servers {
    /// Where nodes keep their databases, and where the table is.
    pub(super) for_nodes: Server,
    /// What the table is replicated to.
    subscriber: Server,
}

impl Servers {
    /// Starts them, if PostgreSQL is installed.
    pub(super) fn start() -> Result<Option<Self>> {
        let Some(binaries) = binaries() else {
            return Ok(None);
        };
        Ok(Some(Self {
            for_nodes: Server::start(binaries.clone(), &["-c", "wal_level=logical"])?,
            subscriber: Server::start(binaries, &[])?,
        }))
    }

    /// The version.
    pub(super) fn version(&self) -> Result<String> {
        let version = self.for_nodes.execute("SHOW server_version")?;
        Ok(format!(
            "PostgreSQL {}",
            version.split_whitespace().next().unwrap_or("?")
        ))
    }
}

/// The home node's records as rows, ready to be copied.
pub(super) struct Yardstick<'a> {
    servers: &'a Servers,
    /// In the binary form of COPY.
    file: PathBuf,
    rows: u64,
}

impl<'a> Yardstick<'a> {
    /// Writes the rows down: exactly what the node keeps of each leaf.
    pub(super) async fn prepare(
        servers: &'a Servers,
        folder: &Path,
        store: &dyn Store,
        origin: &Origin,
        size: u64,
    ) -> Result<Self> {
        let file = folder.join("records.copy");
        let mut out = BufWriter::new(File::create(&file)?);
        // https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
        out.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
        for start in (0..size).step_by(usize::try_from(PAGE)?) {
            let end = size.min(start + PAGE);
            let mut disclosures = store
                .disclosures(origin, start..end)
                .await?
                .into_iter()
                .peekable();
            for number in start / PACKAGE..end.div_ceil(PACKAGE) {
                let bundle = store
                    .bundle(origin, number)
                    .await?
                    .context("a bundle is missing")?;
                let leaves = decode_bundle(&bundle.entries).ok().context("a bundle")?;
                for (index, leaf) in (number * PACKAGE..end).zip(leaves) {
                    let row = disclosures.next_if(|row| row.index == index);
                    let tag = |tag: Option<huren_store::Tag>| tag.map(|tag| tag.0.to_vec());
                    let (number, holder) = row.as_ref().map_or((None, None), |row| {
                        (tag(row.number_tag), tag(row.holder_tag))
                    });
                    let fields = [
                        Some(index.to_be_bytes().to_vec()),
                        Some(leaf_hash(leaf).0.to_vec()),
                        Some(leaf.to_vec()),
                        number,
                        holder,
                        row.map(|row| row.sealed),
                    ];
                    out.write_all(&i16::try_from(fields.len())?.to_be_bytes())?;
                    for field in fields {
                        let length = field
                            .as_ref()
                            .map_or(Ok(-1), |bytes| i32::try_from(bytes.len()))?;
                        out.write_all(&length.to_be_bytes())?;
                        out.write_all(&field.unwrap_or_default())?;
                    }
                }
            }
        }
        out.write_all(&(-1_i16).to_be_bytes())?;
        out.flush()?;
        Ok(Self {
            servers,
            file,
            rows: size,
        })
    }

    /// Copies the rows, replicates the copy, and replicates the same rows once more as they come.
    pub(super) fn measure(&self) -> Result<Vec<Reading>> {
        let Servers {
            for_nodes: publisher,
            subscriber,
        } = self.servers;
        let (from, to) = (publisher.database()?, subscriber.database()?);
        publisher.query(&from, TABLE)?;
        subscriber.query(&to, TABLE)?;

        let begin = Instant::now();
        publisher.query(
            &from,
            &format!(
                "\\copy records FROM '{}' WITH (FORMAT binary)",
                self.file.display()
            ),
        )?;
        let copied = begin.elapsed();
        let count = publisher.query(&from, "SELECT count(*) FROM records")?;
        ensure!(count.trim() == self.rows.to_string(), "copied {count}");
        let bytes: f64 = publisher
            .query(&from, "SELECT pg_total_relation_size('records')")?
            .trim()
            .parse()?;

        publisher.query(&from, "CREATE PUBLICATION bench FOR TABLE records, live")?;
        let begin = Instant::now();
        // Named after the database: slots are the whole server's.
        let name = from.rsplit('/').next().unwrap_or_default();
        subscriber.query(
            &to,
            &format!(
                "CREATE SUBSCRIPTION {name} CONNECTION '{}' PUBLICATION bench",
                publisher.conninfo(&from)
            ),
        )?;
        let ready = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'";
        until(|| Ok(subscriber.query(&to, ready)?.trim() == "2"))?;
        let replicated = begin.elapsed();

        let begin = Instant::now();
        let inserts: String = (0..self.rows)
            .step_by(usize::try_from(LIVE)?)
            .map(|start| format!("INSERT INTO live SELECT * FROM records WHERE index >= {start} AND index < {};\n", start + LIVE))
            .collect();
        let script = self.file.with_extension("sql");
        std::fs::write(&script, inserts)?;
        publisher.run_file(&from, &script)?;
        // Rows come in order: the last one is the end.
        let last = format!("SELECT count(*) FROM live WHERE index = {}", self.rows - 1);
        until(|| Ok(subscriber.query(&to, &last)?.trim() == "1"))?;
        let live = begin.elapsed();
        subscriber.query(&to, &format!("DROP SUBSCRIPTION {name}"))?;
        for (server, database) in [(publisher, &from), (subscriber, &to)] {
            server.execute(&format!(
                "DROP DATABASE {}",
                database.rsplit('/').next().unwrap_or_default()
            ))?;
        }
        Ok(vec![
            ("pg_copy", rate(self.rows, copied)),
            ("pg_row", bytes / self.rows as f64),
            ("pg_initial", rate(self.rows, replicated)),
            ("pg_live", rate(self.rows, live)),
        ])
    }
}

/// Looks until something holds.
fn until(mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !holds()? {
        if begin.elapsed() > PATIENCE {
            bail!("等待超时 / waited too long for PostgreSQL's replication");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
