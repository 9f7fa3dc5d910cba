//! One round: a home node imports, an empty replica catches up and answers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use huren_core::codes::Region;
use huren_proto::v1::{
    self, issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};
use huren_store::copy_rows;
use indicatif::ProgressBar;
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha12Rng;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    demo::cast::Cast,
    files::Encoding,
    generate::{self, GenArgs},
    import::{self, ImportArgs, Retry},
    local::wait_for,
};

use super::{BenchArgs, calls::Calls};

/// The node that issues, and the one that replicates and answers.
pub(super) const HOME: Region = Region::ZHEJIANG;
pub(super) const REPLICA: Region = Region::SHANGHAI;

/// What was measured in a round.
pub(super) struct Round {
    /// Records.
    pub(super) records: u32,
    /// Records a second, from the CSV file to the last DURABLE answer.
    pub(super) import: f64,
    /// Records a second, from the start of an empty node until everything is verified,
    /// stored, folded and cosigned.
    pub(super) replicate: f64,
    /// Records a second that the database engine alone writes, with the same rows.
    pub(super) engine: f64,
    /// Verifications with receipts.
    pub(super) verify: Calls,
    /// Empty calls to the same node in the same way.
    pub(super) empty: Calls,
    /// Bytes of the receipts on average.
    pub(super) receipt_bytes: u64,
    /// Most memory of the node that imported, in bytes, where the system tells.
    pub(super) home_memory: Option<u64>,
    /// Most memory of the node that replicated and answered.
    pub(super) replica_memory: Option<u64>,
}

/// Runs a round with that many records in a folder of its own.
pub(super) async fn run(args: &BenchArgs, records: u32, folder: &Path) -> Result<Round> {
    fs::create_dir_all(folder)?;
    let csv = folder.join("certificates.csv");
    generate::run(&table(args, records, &csv), &ProgressBar::hidden())?;
    let mut cast = Cast::lay_out(folder, &[HOME, REPLICA], 1)?;

    cast.start(HOME)?;
    cast.ready(HOME).await?;
    let client = IssuanceServiceClient::new(cast.caller(HOME)?);
    let imported = import::run(client, &what_to_import(&csv), &import::progress_bar()).await;
    ensure!(imported.failure.is_none(), "{imported}");
    ensure!(imported.accepted == u64::from(records), "{imported}");

    let begin = Instant::now();
    cast.start(REPLICA)?;
    cast.ready(REPLICA).await?;
    caught_up(&cast).await?;
    let replicate = f64::from(records) / begin.elapsed().as_secs_f64();

    let (verify, receipt_bytes) = verify(args, &cast, &csv).await?;
    let empty = empty(args, &cast).await?;
    let (home_memory, replica_memory) = (
        cast.node(HOME).peak_memory(),
        cast.node(REPLICA).peak_memory(),
    );
    let database = cast.node(HOME).dir.join("data/huren.db");
    cast.kill(HOME).await?;
    cast.kill(REPLICA).await?;
    let copied = copy_rows(&database, &folder.join("copy.db")).await?;
    Ok(Round {
        records,
        import: imported.records_per_second,
        replicate,
        engine: f64::from(records) / copied.elapsed.as_secs_f64(),
        verify,
        empty,
        receipt_bytes,
        home_memory,
        replica_memory,
    })
}

pub(super) fn table(args: &BenchArgs, records: u32, out: &Path) -> GenArgs {
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

pub(super) fn what_to_import(csv: &Path) -> ImportArgs {
    ImportArgs {
        file: csv.to_owned(),
        region: HOME,
        kind: None,
        encoding: None,
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

/// Waits until the replica knows everything that the home node has, with its cosignature.
pub(super) async fn caught_up(cast: &Cast) -> Result<()> {
    let size = cast.log_at(HOME, HOME).await?.held_size;
    wait_for("复制完成 replication", async || {
        let extent = cast.log_at(REPLICA, HOME).await?.extent.unwrap_or_default();
        Ok((extent.size >= size && extent.witnessed_size >= size).then_some(()))
    })
    .await
}

/// Asks the replica for random certificates, each another one.
async fn verify(args: &BenchArgs, cast: &Cast, csv: &PathBuf) -> Result<(Calls, u64)> {
    let mut questions = questions(csv)?;
    questions.shuffle(&mut ChaCha12Rng::seed_from_u64(args.seed));
    questions.truncate(args.questions.try_into()?);
    let count = questions.len();
    let client = VerificationServiceClient::new(cast.channel(REPLICA)?);
    let bytes = std::cell::Cell::new(0);
    let calls = Calls::measure(questions, args.in_flight, async |question| {
        let answer = client.clone().verify(question).await?.into_inner();
        ensure!(answer.verdict() == v1::Verdict::Valid, "{answer:?}");
        ensure!(!answer.receipt.is_empty(), "no receipt");
        bytes.set(bytes.get() + answer.receipt.len());
        Ok(())
    })
    .await?;
    Ok((calls, (bytes.get() / count.max(1)) as u64))
}

/// Calls that the same node answers without any work.
pub(super) async fn empty(args: &BenchArgs, cast: &Cast) -> Result<Calls> {
    let client = HealthClient::new(cast.channel(REPLICA)?);
    let questions = vec![HealthCheckRequest::default(); args.questions.try_into()?];
    Calls::measure(questions, args.in_flight, async |question| {
        client.clone().check(question).await?;
        Ok(())
    })
    .await
}

pub(super) fn questions(csv: &PathBuf) -> Result<Vec<v1::VerifyRequest>> {
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
        want_receipt: true,
        local_only: true,
        purpose: v1::Purpose::Supervision.into(),
        ..Default::default()
    };
    reader.records().map(|row| Ok(question(row?))).collect()
}
