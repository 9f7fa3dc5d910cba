//! What scenarios are played on: nodes, mostly one that issues and one that replicates and answers,
//! and the tables that are imported.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use huren_core::{checkpoint::Origin, codes::Region};
use huren_node::config::{Config, Database};
use huren_proto::v1::{self, issuance_service_client::IssuanceServiceClient};
use huren_store::{Held, Postgres, Sqlite, SqliteOptions, Store};
use indicatif::ProgressBar;

use super::{RunArgs, figures::Reading, servers::Servers};
use crate::{
    demo::cast::Cast,
    files::Encoding,
    generate::{self, GenArgs},
    import::{self, ImportArgs, Retry},
    local::wait_for,
};

/// The node that issues, and the one that replicates and answers.
pub(super) const HOME: Region = Region::ZHEJIANG;
pub(super) const REPLICA: Region = Region::SHANGHAI;

/// For how long no node takes charge of a database whose register is being dropped.
const FOLDING: Duration = Duration::from_secs(600);

/// Nodes, with folders of their own.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) cast: Cast,
}

impl Stage {
    /// Lays out a node for each region; starts nothing. A quorum is half of them: the other one of
    /// two, and two of the three others of four.
    pub(super) fn lay_out(
        folder: &Path,
        regions: &[Region],
        servers: Option<&Servers>,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let cast = Cast::lay_out(folder, regions, regions.len() / 2)?;
        if let Some(servers) = servers {
            for region in regions {
                cast.node(*region)
                    .use_database(&servers.for_nodes.database()?)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            cast,
        })
    }

    /// Starts a node and waits until it serves.
    pub(super) async fn start(&mut self, region: Region) -> Result<()> {
        self.cast.start(region)?;
        self.cast.ready(region).await
    }

    /// Imports a table into a region's node.
    pub(super) async fn import(&self, region: Region, csv: &Path) -> Result<import::Report> {
        let client = IssuanceServiceClient::new(self.cast.caller(region)?);
        let what = what_to_import(region, csv);
        let report = import::run(client, &what, &import::progress_bar()).await;
        ensure!(
            report.failure.is_none() && report.exit_code() == 0,
            "{report}"
        );
        Ok(report)
    }

    /// Leaves of its own log that a region's node has.
    pub(super) async fn size(&self, region: Region) -> Result<u64> {
        Ok(self.cast.log_at(region, region).await?.held_size)
    }

    /// How far the replica knows the home node's log.
    pub(super) async fn replicated(&self) -> Result<u64> {
        let extent = self.cast.log_at(REPLICA, HOME).await?.extent;
        Ok(reached(&extent.unwrap_or_default()))
    }

    /// Waits until the replica has as many leaves as the home node.
    pub(super) async fn caught_up(&self) -> Result<()> {
        let size = self.size(HOME).await?;
        climb("复制 replication", size, async || self.replicated().await).await
    }

    /// Where a node's records are, and its configuration.
    pub(super) fn config(&self, region: Region) -> Result<Config> {
        Ok(Config::load(
            &self.cast.node(region).dir.join(huren_node::init::CONFIG),
        )?)
    }

    /// The origin of the home node's log.
    pub(super) fn origin(&self) -> Result<Origin> {
        Ok(self.cast.node(HOME).origin.parse()?)
    }

    /// The store of a node that does not run.
    pub(super) async fn store(&self, region: Region) -> Result<Opened> {
        Opened::of(&self.config(region)?.database).await
    }

    /// The most memory that a node has needed since it started.
    pub(super) fn memory(&self, region: Region, id: &'static str) -> Option<Reading> {
        let bytes = self.cast.node(region).peak_memory()?;
        Some((id, bytes as f64 / 1_048_576.0))
    }
}

/// A store that no node uses.
pub(super) enum Opened {
    File(Arc<Sqlite>),
    Shared(Arc<Postgres>),
}

impl Opened {
    async fn of(database: &Database) -> Result<Self> {
        Ok(match database {
            Database::File(path) => Self::File(Arc::new(
                Sqlite::open(path, SqliteOptions::default()).await?,
            )),
            Database::Shared(at) => {
                Self::Shared(Arc::new(Postgres::open(&at.url, &at.options).await?))
            }
        })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Shared(store) => store.clone(),
        }
    }

    /// Drops what was folded of a log: its node builds that anew.
    pub(super) async fn drop_register(&self, origin: &Origin) -> Result<()> {
        if let Self::Shared(store) = self {
            // A node that was killed is in charge until its lease has run out.
            wait_for("数据库的租约 lease of the database", async || {
                let held = store.acquire("bench", FOLDING).await?;
                Ok((held == Held::Here).then_some(()))
            })
            .await?;
        }
        self.store().drop_register(origin).await?;
        if let Self::Shared(store) = self {
            store.resign().await?;
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            Self::Shared(store) => store.close().await,
        }
    }
}

/// How far a log is known: verified, stored, folded, disclosed, and cosigned by a quorum.
pub(super) fn reached(extent: &v1::LogExtent) -> u64 {
    extent.size.min(extent.witnessed_size)
}

/// Waits until something has come to `end`, however long that takes, as long as it moves.
pub(super) async fn climb(what: &str, end: u64, at: impl AsyncFn() -> Result<u64>) -> Result<()> {
    let mut reached = None;
    while reached.is_none_or(|reached| reached < end) {
        let further = wait_for(what, async || {
            Ok(Some(at().await?).filter(|now| Some(*now) > reached))
        });
        reached = Some(further.await?);
    }
    Ok(())
}

/// How fast that many things were done.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// What something takes.
pub(super) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let begin = Instant::now();
    let done = work.await?;
    Ok((done, begin.elapsed()))
}

/// Invents certificates.
pub(super) fn invent(args: &RunArgs, records: u32, out: &Path) -> Result<()> {
    generate::run(&table(args, records, out), &ProgressBar::hidden())?;
    Ok(())
}

pub(super) fn table(args: &RunArgs, records: u32, out: &Path) -> GenArgs {
    GenArgs {
        region: HOME,
        count: records.into(),
        seed: args.seed,
        faulty: generate::Share::NONE,
        out: Some(out.to_owned()),
        dir: None,
        encoding: Encoding::Utf8,
        institutions: None,
        registers: None,
        statuses: 0,
        statuses_out: None,
    }
}

fn what_to_import(region: Region, csv: &Path) -> ImportArgs {
    ImportArgs {
        file: csv.to_owned(),
        region,
        kind: None,
        encoding: None,
        sheet: None,
        backfilled: true,
        witnessed: false,
        edition: 2022,
        check: false,
        rejects: None,
        journal: None,
        in_flight: import::DEFAULT_IN_FLIGHT,
        retry: Retry::default(),
    }
}

/// A question about every certificate of a table.
pub(super) fn questions(csv: &Path) -> Result<Vec<v1::VerifyRequest>> {
    let mut reader = csv::Reader::from_path(csv)?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.ends_with(name));
        found.with_context(|| format!("没有列 / no column {name}"))
    };
    let (number, name) = (column("证书编号")?, column("姓名")?);
    let question = |row: csv::StringRecord| v1::VerifyRequest {
        number: row.get(number).unwrap_or_default().to_owned(),
        holder_name: row.get(name).unwrap_or_default().to_owned(),
        local_only: true,
        purpose: v1::Purpose::Supervision.into(),
        ..Default::default()
    };
    reader.records().map(|row| Ok(question(row?))).collect()
}

/// Takes a table apart: the first `count` rows, the rows behind them by `size`, each with the header.
pub(super) fn split(
    csv: &Path,
    count: usize,
    size: usize,
    folder: &Path,
) -> Result<(PathBuf, Vec<PathBuf>)> {
    fs::create_dir_all(folder)?;
    let mut reader = csv::Reader::from_path(csv)?;
    let headers = reader.headers()?.clone();
    let mut rows = reader.records();
    let mut part = |name: String, count: usize| -> Result<Option<PathBuf>> {
        let path = folder.join(name);
        let mut rows = rows.by_ref().take(count).peekable();
        if rows.peek().is_none() {
            return Ok(None);
        }
        let mut writer = csv::Writer::from_path(&path)?;
        writer.write_record(&headers)?;
        for row in rows {
            writer.write_record(&row?)?;
        }
        writer.flush()?;
        Ok(Some(path))
    };
    let first = part("first.csv".into(), count)?.context("no rows")?;
    let mut rest = Vec::new();
    while let Some(path) = part(format!("{}.csv", rest.len()), size)? {
        rest.push(path);
    }
    Ok((first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_apart_without_losing_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        fs::write(&table, "a,b\n1,x\n2,\"y\nz\"\n3,u\n4,v\n5,w\n").unwrap();
        let (first, rest) = split(&table, 2, 2, &folder.path().join("parts")).unwrap();
        assert_eq!(fs::read_to_string(first).unwrap(), "a,b\n1,x\n2,\"y\nz\"\n");
        let rest: Vec<String> = rest
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(rest, ["a,b\n3,u\n4,v\n", "a,b\n5,w\n"]);
    }
}
