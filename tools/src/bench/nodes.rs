//! The scenarios with certificates alone, in the order in which one needs the other: import,
//! bootstrap, verification, steady state, proofs, recovery, the fold.

use std::{
    cell::Cell,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::{TryStreamExt as _, stream};
use huren_node::{config::Database, engine::Reader};
use huren_proto::v1::{self, verification_service_client::VerificationServiceClient};
use huren_store::{copy_registers, copy_rows};
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha12Rng;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    RunArgs, Scenario,
    calls::Calls,
    figures::Reading,
    servers::{Servers, Yardstick},
    stage::{HOME, REPLICA, Stage, climb, invent, questions, rate, split, timed},
    statistics, steady, steps,
};

/// Proofs that are made again and again once their tiles are at hand.
const PROOFS: u64 = 1_000;

/// Plays all scenarios that are wanted with that many records.
pub(super) async fn play(
    args: &RunArgs,
    (for_nodes, beside): (Option<&Servers>, Option<&Servers>),
    records: u32,
    folder: &Path,
) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut stage = Stage::lay_out(folder, &[HOME, REPLICA], for_nodes)?;
    let table = folder.join("certificates.csv");
    let further = if args.wants(Scenario::Steady) {
        steady::rows(args)
    } else {
        0
    };
    invent(args, records + further, &table)?;
    let (first, rest) = split(
        &table,
        records.try_into()?,
        steady::chunk(args),
        &folder.join("parts"),
    )?;

    stage.start(HOME).await?;
    let imported = stage.import(HOME, &first).await?;
    readings.push(("import", imported.records_per_second));
    readings.extend(stage.memory(HOME, "memory_home"));

    let begin = Instant::now();
    stage.start(REPLICA).await?;
    stage.caught_up().await?;
    readings.push(("bootstrap", rate(records.into(), begin.elapsed())));
    readings.extend(stage.memory(REPLICA, "memory_replica"));

    if args.wants_answers() {
        for region in [HOME, REPLICA] {
            statistics::counted(&stage, region).await?;
        }
        readings.extend(verify(args, &stage, &first).await?);
    }
    if args.wants(Scenario::Steady) {
        readings.extend(steady::play(&stage, &rest).await?);
    }
    if args.wants(Scenario::Recovery) {
        stage.cast.kill(HOME).await?;
        let (_, elapsed) = timed(stage.start(HOME)).await?;
        readings.push(("recovery", elapsed.as_secs_f64()));
    }
    stage.cast.kill(HOME).await?;
    stage.cast.kill(REPLICA).await?;
    readings.extend(at_rest(args, &stage, beside).await?);
    if args.wants(Scenario::Fold) {
        readings.extend(fold(&mut stage).await?);
    }
    Ok(readings)
}

/// Asks the replica for random certificates, each another one.
async fn verify(args: &RunArgs, stage: &Stage, csv: &Path) -> Result<Vec<Reading>> {
    let mut asked = questions(csv)?;
    asked.shuffle(&mut ChaCha12Rng::seed_from_u64(args.seed));
    asked.truncate(args.questions.try_into()?);
    let channel = stage.cast.channel(REPLICA)?;
    let empty = empty(args, channel.clone()).await?;
    let mut readings = vec![("empty", empty.per_second), ("empty_p50", empty.p50_ms)];
    if args.wants(Scenario::Verify) {
        let plain = one_by_one(args, &channel, &asked, None).await?;
        readings.extend([
            ("verify", plain.per_second),
            ("verify_p50", plain.p50_ms),
            ("verify_p99", plain.p99_ms),
        ]);
        let bytes = Cell::new(0);
        let proven = one_by_one(args, &channel, &asked, Some(&bytes)).await?;
        readings.push(("verify_receipt", proven.per_second));
        readings.push(("receipt", bytes.get() as f64 / asked.len() as f64));
    }
    if args.wants(Scenario::BatchVerify) {
        let elapsed = verified(&channel, &asked, args.streams.into()).await?;
        readings.push(("verify_many", rate(asked.len() as u64, elapsed)));
    }
    Ok(readings)
}

/// Makes one call for each question; with `receipts`, whose bytes are added up there.
async fn one_by_one(
    args: &RunArgs,
    channel: &Channel,
    asked: &[v1::VerifyRequest],
    receipts: Option<&Cell<usize>>,
) -> Result<Calls> {
    let client = VerificationServiceClient::new(channel.clone());
    let asked = asked.iter().map(|question| v1::VerifyRequest {
        want_receipt: receipts.is_some(),
        ..question.clone()
    });
    Calls::measure(asked.collect(), args.in_flight, async |question| {
        let answer = client.clone().verify(question).await?.into_inner();
        ensure!(answer.verdict() == v1::Verdict::Valid, "{answer:?}");
        if let Some(bytes) = receipts {
            ensure!(!answer.receipt.is_empty(), "no receipt");
            bytes.set(bytes.get() + answer.receipt.len());
        }
        Ok(())
    })
    .await
}

/// Calls that the node answers without any work.
pub(super) async fn empty(args: &RunArgs, channel: Channel) -> Result<Calls> {
    let client = HealthClient::new(channel);
    let asked = vec![HealthCheckRequest::default(); args.questions.try_into()?];
    Calls::measure(asked, args.in_flight, async |question| {
        client.clone().check(question).await?;
        Ok(())
    })
    .await
}

/// How long it takes to verify all of them over streams.
pub(super) async fn verified(
    channel: &Channel,
    asked: &[v1::VerifyRequest],
    streams: usize,
) -> Result<Duration> {
    let requests = asked.iter().map(|question| v1::VerifyManyRequest {
        question: Some(question.clone()),
    });
    let requests: Vec<_> = requests.collect();
    batch(&requests, streams, async |part| {
        let mut client = VerificationServiceClient::new(channel.clone());
        let mut answers = client.verify_many(stream::iter(part)).await?.into_inner();
        let mut count = 0;
        while let Some(answer) = answers.try_next().await? {
            let verdict = answer.answer.unwrap_or_default().verdict();
            ensure!(verdict == v1::Verdict::Valid, "{verdict:?}");
            count += 1;
        }
        Ok(count)
    })
    .await
}

/// Sends requests over several streams at once, and waits for all answers.
pub(super) async fn batch<Q: Clone>(
    requests: &[Q],
    streams: usize,
    send: impl AsyncFn(Vec<Q>) -> Result<usize>,
) -> Result<Duration> {
    let parts = requests.chunks(requests.len().div_ceil(streams).max(1));
    let parts: Vec<Vec<Q>> = parts.map(<[Q]>::to_vec).collect();
    let begin = Instant::now();
    let answered = futures::future::try_join_all(parts.into_iter().map(|part| send(part))).await?;
    let elapsed = begin.elapsed();
    ensure!(
        answered.iter().sum::<usize>() == requests.len(),
        "no answer"
    );
    Ok(elapsed)
}

/// What is measured of databases that no node uses.
async fn at_rest(args: &RunArgs, stage: &Stage, servers: Option<&Servers>) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let origin = stage.origin()?;
    let home = stage.store(HOME).await?;
    let store = home.store();
    let size = store.log(&origin).await?.map_or(0, |state| state.head.size);
    if args.wants(Scenario::Proof) {
        let reader = Reader::new(Arc::clone(&store), stage.config(HOME)?.limits.cache_bytes);
        let mut rng = ChaCha12Rng::seed_from_u64(args.seed);
        let leaves: Vec<u64> = (0..PROOFS).map(|_| rng.random_range(0..size)).collect();
        // The first pass reads the tiles.
        let mut elapsed = Duration::ZERO;
        for _ in 0..2 {
            let begin = Instant::now();
            for index in &leaves {
                let proof = reader.inclusion(&origin, *index, size).await?;
                ensure!(proof.is_some(), "no proof");
            }
            elapsed = begin.elapsed();
        }
        readings.push(("proof", elapsed.as_secs_f64() * 1e6 / PROOFS as f64));
    }
    home.close().await;
    let database = stage.config(HOME)?.database;
    readings.push(("disk", disk(&database, servers)? / size as f64));
    if let Database::File(path) = &database {
        let copied = copy_rows(path, &stage.folder.join("copy.db")).await?;
        let insert = rate(size, copied.elapsed);
        readings.push(("insert", insert));
        readings.push(("steps", steps::alone(stage, insert).await?));
    }
    if let Some(servers) = servers.filter(|_| args.wants(Scenario::Postgres)) {
        let home = stage.store(HOME).await?;
        let yardstick =
            Yardstick::prepare(servers, &stage.folder, home.store().as_ref(), &origin, size).await;
        home.close().await;
        readings.extend(yardstick?.measure()?);
    }
    Ok(readings)
}

/// Bytes of a database that nobody uses.
fn disk(database: &Database, servers: Option<&Servers>) -> Result<f64> {
    match database {
        Database::File(path) => Ok(fs::metadata(path)?.len() as f64),
        Database::Shared(at) => {
            let size = "SELECT pg_database_size(current_database())";
            let servers = servers.context("no server")?;
            Ok(servers.for_nodes.query(&at.url, size)?.trim().parse()?)
        }
    }
}

/// Leaves a second that a node folds which lost its registers, and beside it what the engine alone
/// needs for the rows.
async fn fold(stage: &mut Stage) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let origin = stage.origin()?;
    let replica = stage.store(REPLICA).await?;
    let state = replica.store().log(&origin).await?;
    let size = state.context("the log is missing")?.folded;
    if let Database::File(path) = stage.config(REPLICA)?.database {
        let inserted = copy_registers(&path, &stage.folder.join("registers.db")).await?;
        readings.push(("fold_insert", rate(size, inserted.elapsed)));
    }
    replica.drop_register(&origin).await?;
    replica.close().await;
    let begin = Instant::now();
    stage.start(REPLICA).await?;
    climb("登记簿重建 registers folded", size, async || {
        let extent = stage.cast.log_at(REPLICA, HOME).await?.extent;
        Ok(extent.unwrap_or_default().size)
    })
    .await?;
    readings.push(("fold", rate(size, begin.elapsed())));
    stage.cast.kill(REPLICA).await?;
    Ok(readings)
}
