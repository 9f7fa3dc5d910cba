//! Decisions on recognition: one in memory, and a batch over the wire.

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
};
use huren_store::Store;
use indicatif::ProgressBar;
use serde_json::Value;
use tonic::transport::Channel;

use super::{
    RunArgs,
    figures::Reading,
    nodes::{batch, empty, verified},
    servers::Servers,
    stage::{HOME, REPLICA, Stage, questions, rate, table},
    statistics,
};
use crate::{demo::cast::Cast, generate, registry::entry};

/// Decisions that are made again in memory.
const CASES: usize = 200;
/// How long they are made for.
const SPAN: Duration = Duration::from_secs(2);
/// Register entries under way at a time.
const ENTRIES: usize = 256;
/// Keys that are read at once.
const PAGE: u32 = 500;

/// Plays it in a folder of its own.
pub(super) async fn play(
    args: &RunArgs,
    servers: Option<&Servers>,
    records: u32,
    folder: &Path,
) -> Result<Vec<Reading>> {
    let mut stage = Stage::lay_out(folder, &[HOME, REPLICA], servers)?;
    let province = folder.join("province");
    let invented = generate::GenArgs {
        dir: Some(province.clone()),
        out: None,
        ..table(args, records, folder)
    };
    generate::run(&invented, &ProgressBar::hidden())?;
    for region in [HOME, REPLICA] {
        stage.start(region).await?;
    }
    for name in ["institutions.csv", "certificates.csv"] {
        stage.import(HOME, &province.join(name)).await?;
    }
    registers(&stage.cast, &province.join("registers")).await?;
    stage.caught_up().await?;

    let mut asked = questions(&province.join("certificates.csv"))?;
    asked.truncate(args.questions.try_into()?);
    let (rows, streams) = (asked.len() as u64, args.streams.into());
    // Once everything is counted, nothing else goes on beside what is measured.
    let mut readings = statistics::ask(&stage).await?;
    let channel = stage.cast.channel(HOME)?;
    let cases = cases(&channel, &asked).await?;
    let verify = verified(&channel, &asked, streams).await?;
    let decide = decided(&channel, &asked, streams).await?;
    if !args.wants_answers() {
        readings.push(("empty", empty(args, channel).await?.per_second));
    }
    for region in [HOME, REPLICA] {
        stage.cast.kill(region).await?;
    }

    let home = stage.store(HOME).await?;
    let library = library(home.store().as_ref()).await?;
    home.close().await;
    let (only, with_library) = in_memory(&library, &cases)?;
    readings.extend([
        ("decide", with_library),
        ("decide_only", only),
        ("decide_many", rate(rows, decide)),
        ("decide_verify", rate(rows, verify)),
    ]);
    Ok(readings)
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

/// What the node decided some of them from.
async fn cases(channel: &Channel, asked: &[v1::VerifyRequest]) -> Result<Vec<Case>> {
    let mut client = RecognitionServiceClient::new(channel.clone());
    let mut cases = Vec::new();
    for question in asked.iter().take(CASES) {
        // The file that it is decided again from comes with a receipt alone.
        let question = v1::VerifyRequest {
            want_receipt: true,
            ..question.clone()
        };
        let asked = v1::DecideRequest {
            question: Some(question),
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
            question: Some(question.clone()),
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

/// The registers as a node holds them in memory.
async fn library(store: &dyn Store) -> Result<Library> {
    let mut library = Library::default();
    for kind in Library::KINDS {
        let (kind, mut after) = ((kind as i32).unsigned_abs(), String::new());
        loop {
            let page = store.directory_page(kind, "", &after, PAGE).await?;
            let Some((_, last)) = page.last() else { break };
            last.key.clone_into(&mut after);
            for (origin, row) in page {
                library.insert(origin.as_str(), row);
            }
        }
    }
    Ok(library)
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
