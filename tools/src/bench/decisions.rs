//! Decisions on recognition: one in memory, a batch over the wire, and the fold that the registers
//! come from.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use huren_core::{
    recognition::{Case, Library, Registers, Rules, Statement, decide},
    registry::kind_named,
};
use huren_proto::v1::{
    self, issuance_service_client::IssuanceServiceClient,
    recognition_service_client::RecognitionServiceClient,
    verification_service_client::VerificationServiceClient,
};
use huren_store::{Sqlite, SqliteOptions, Store as _, copy_registers};
use indicatif::ProgressBar;
use serde_json::Value;
use tonic::transport::Channel;

use crate::{demo::cast::Cast, generate, import, local::wait_for, registry::entry};

use super::{
    BenchArgs,
    figures::{self, Figures},
    round::{HOME, REPLICA, caught_up, empty, questions, table, what_to_import},
};

/// Decisions that are made again in memory.
const CASES: usize = 200;
/// How long they are made for.
const SPAN: Duration = Duration::from_secs(2);
/// Register entries under way at a time.
const ENTRIES: usize = 256;
/// Keys that are read at once.
const PAGE: u32 = 500;

/// What was measured.
pub(super) struct Decisions {
    /// Certificates of the node.
    pub(super) records: u32,
    /// Entries of registers that decisions rest on.
    pub(super) entries: u64,
    /// Microseconds for one decision, from what bears on it.
    pub(super) decide_us: f64,
    /// The same, with finding in the registers what bears on it.
    pub(super) with_library_us: f64,
    /// Rows of the batch.
    pub(super) rows: usize,
    /// Streams that it came over.
    pub(super) streams: usize,
    /// Decisions of the batch a second.
    pub(super) batch: f64,
    /// Verifications of the same batch a second, without decisions.
    pub(super) verify: f64,
    /// Empty calls a second.
    pub(super) empty: f64,
    /// What statisticians ask.
    pub(super) figures: Figures,
    /// Leaves that a node folds in a second, signatures checked.
    pub(super) fold: f64,
    /// Leaves in a second whose rows the database engine alone inserts.
    pub(super) insert: f64,
}

/// Runs it in a folder of its own.
pub(super) async fn run(args: &BenchArgs, folder: &Path) -> Result<Decisions> {
    fs::create_dir_all(folder)?;
    let province = folder.join("province");
    let invented = generate::GenArgs {
        dir: Some(province.clone()),
        out: None,
        ..table(args, args.records, folder)
    };
    generate::run(&invented, &ProgressBar::hidden())?;
    let mut cast = Cast::lay_out(folder, &[HOME, REPLICA], 1)?;
    for region in [HOME, REPLICA] {
        cast.start(region)?;
        cast.ready(region).await?;
    }
    for name in ["institutions.csv", "certificates.csv"] {
        let client = IssuanceServiceClient::new(cast.caller(HOME)?);
        let file = what_to_import(&province.join(name));
        let imported = import::run(client, &file, &import::progress_bar()).await;
        ensure!(imported.exit_code() == 0, "{imported}");
    }
    registers(&cast, &province.join("registers")).await?;
    caught_up(&cast).await?;

    let mut asked = questions(&province.join("certificates.csv"))?;
    asked.truncate(args.decisions.try_into()?);
    let streams = args.streams.into();
    let rows = asked.len();
    // Once everything is counted, nothing else goes on beside what is measured.
    let figures = figures::ask(&cast).await?;
    let channel = cast.channel(HOME)?;
    let cases = cases(&channel, &asked).await?;
    let verify = rows as f64 / verified(&channel, &asked, streams).await?.as_secs_f64();
    let batch = rows as f64 / decided(&channel, &asked, streams).await?.as_secs_f64();
    let empty = empty(args, &cast).await?.per_second;
    cast.kill(HOME).await?;

    let database = cast.node(HOME).dir.join("data/huren.db");
    let (library, entries) = library(&database).await?;
    let (decide_us, with_library_us) = in_memory(&library, &cases)?;
    let (fold, insert) = folded(&mut cast, folder).await?;
    cast.kill(REPLICA).await?;
    Ok(Decisions {
        records: args.records,
        entries,
        decide_us,
        with_library_us,
        rows,
        streams,
        batch,
        verify,
        empty,
        figures,
        fold,
        insert,
    })
}

/// Submits the entries of every file.
async fn registers(cast: &Cast, folder: &Path) -> Result<()> {
    let client = IssuanceServiceClient::new(cast.caller(HOME)?);
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let kind = name.and_then(kind_named).context("a kind")?.kind;
        let lines: Vec<Value> = serde_json::from_slice(&fs::read(&path)?)?;
        let requests = lines.iter().map(|line| {
            let from = line["effective_date"].as_u64().context("a date")?;
            Ok(v1::SubmitRequest {
                writer_region: HOME.to_string(),
                provenance: v1::Provenance::Backfilled.into(),
                body: Some(entry(kind, &line["entry"], from.try_into()?)?),
                ..Default::default()
            })
        });
        stream::iter(requests)
            .map(|request: Result<_>| {
                let mut client = client.clone();
                async move {
                    client.submit(request?).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(ENTRIES)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}

fn plain(question: &v1::VerifyRequest) -> v1::VerifyRequest {
    v1::VerifyRequest {
        want_receipt: false,
        ..question.clone()
    }
}

/// What the node decided some of them from.
async fn cases(channel: &Channel, asked: &[v1::VerifyRequest]) -> Result<Vec<Case>> {
    let mut client = RecognitionServiceClient::new(channel.clone());
    let mut cases = Vec::new();
    for question in asked.iter().take(CASES) {
        let asked = v1::DecideRequest {
            question: Some(question.clone()),
            asking_region: String::new(),
        };
        let decided = client.decide(asked).await?.into_inner();
        let (_, statement) = Statement::read(std::str::from_utf8(&decided.decision)?)?;
        cases.push(statement.case);
    }
    Ok(cases)
}

/// How long the node takes to decide about all of them.
async fn decided(
    channel: &Channel,
    asked: &[v1::VerifyRequest],
    streams: usize,
) -> Result<Duration> {
    let requests = asked.iter().map(|question| v1::DecideManyRequest {
        question: Some(v1::DecideRequest {
            question: Some(plain(question)),
            asking_region: String::new(),
        }),
    });
    let requests: Vec<_> = requests.collect();
    batch(&requests, streams, async |part| {
        let mut client = RecognitionServiceClient::new(channel.clone());
        let mut answers = client.decide_many(stream::iter(part)).await?.into_inner();
        let mut count = 0;
        while let Some(answer) = answers.try_next().await? {
            let answer = answer.answer.unwrap_or_default();
            ensure!(answer.outcome() != v1::RecognitionOutcome::Unspecified);
            count += 1;
        }
        Ok(count)
    })
    .await
}

/// How long it takes to verify them.
async fn verified(
    channel: &Channel,
    asked: &[v1::VerifyRequest],
    streams: usize,
) -> Result<Duration> {
    let requests = asked.iter().map(|question| v1::VerifyManyRequest {
        question: Some(plain(question)),
    });
    let requests: Vec<_> = requests.collect();
    batch(&requests, streams, async |part| {
        let mut client = VerificationServiceClient::new(channel.clone());
        let mut answers = client.verify_many(stream::iter(part)).await?.into_inner();
        let mut count = 0;
        while answers.try_next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    })
    .await
}

/// Sends requests over several streams at once, and waits for all answers.
async fn batch<Q: Clone>(
    requests: &[Q],
    streams: usize,
    send: impl AsyncFn(Vec<Q>) -> Result<usize>,
) -> Result<Duration> {
    let parts = requests.chunks(requests.len().div_ceil(streams).max(1));
    let begin = Instant::now();
    let answered: Vec<usize> =
        futures::future::try_join_all(parts.map(|part| send(part.to_vec()))).await?;
    let elapsed = begin.elapsed();
    ensure!(
        answered.iter().sum::<usize>() == requests.len(),
        "no answer"
    );
    Ok(elapsed)
}

/// The registers as a node holds them in memory.
async fn library(database: &Path) -> Result<(Library, u64)> {
    let store = Sqlite::open(database, SqliteOptions::default()).await?;
    let (mut library, mut count) = (Library::default(), 0);
    for kind in Library::KINDS {
        let (kind, mut after) = ((kind as i32).unsigned_abs(), String::new());
        loop {
            let page = store.directory_page(kind, "", &after, PAGE).await?;
            let Some((_, last)) = page.last() else { break };
            last.key.clone_into(&mut after);
            for (origin, row) in page {
                library.insert(origin.as_str(), row);
                count += 1;
            }
        }
    }
    store.close().await;
    Ok((library, count))
}

/// Microseconds for one decision on one core: from what bears on it, and from all.
fn in_memory(library: &Library, cases: &[Case]) -> Result<(f64, f64)> {
    ensure!(!cases.is_empty(), "nothing to decide");
    let rules = Rules::built_in();
    let read: Vec<(&Case, Registers)> = cases
        .iter()
        .map(|case| (case, Registers::read(case, &library.relevant(case))))
        .collect();
    let only = each(read.len(), |at| {
        let (case, registers) = &read[at];
        std::hint::black_box(decide(case, registers, rules));
    });
    let all = each(cases.len(), |at| {
        let case = &cases[at];
        let registers = Registers::read(case, &library.relevant(case));
        std::hint::black_box(decide(case, &registers, rules));
    });
    Ok((only, all))
}

fn each(count: usize, work: impl Fn(usize)) -> f64 {
    let begin = Instant::now();
    let mut done = 0_u32;
    while begin.elapsed() < SPAN {
        for at in 0..count {
            work(at);
            done += 1;
        }
    }
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(done)
}

/// Leaves a second of the fold, by a node that lost its registers, and of the engine alone with
/// the rows that it writes.
async fn folded(cast: &mut Cast, folder: &Path) -> Result<(f64, f64)> {
    let size = cast.log_at(REPLICA, HOME).await?.held_size;
    cast.kill(REPLICA).await?;
    let (database, origin) = (
        cast.node(REPLICA).dir.join("data/huren.db"),
        cast.node(HOME).origin.parse()?,
    );
    let inserted = copy_registers(&database, &folder.join("registers.db")).await?;
    let store = Sqlite::open(&database, SqliteOptions::default()).await?;
    store.drop_register(&origin).await?;
    store.close().await;
    let begin = Instant::now();
    cast.start(REPLICA)?;
    cast.ready(REPLICA).await?;
    wait_for("登记簿重建 registers folded", async || {
        let extent = cast.log_at(REPLICA, HOME).await?.extent.unwrap_or_default();
        Ok((extent.size >= size).then_some(()))
    })
    .await?;
    let leaves = size as f64;
    Ok((
        leaves / begin.elapsed().as_secs_f64(),
        leaves / inserted.elapsed.as_secs_f64(),
    ))
}
