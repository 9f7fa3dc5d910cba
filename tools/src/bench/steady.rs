//! Steady state: how far behind the replica is at a pace, and which rate it keeps up with.

use std::{
    cell::RefCell,
    convert::Infallible,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::future::select_all;
use huren_core::codes::Region;

use super::{
    RunArgs,
    figures::Reading,
    stage::{HOME, Stage, climb, rate},
};

/// How long the pace is kept.
const PACED: Duration = Duration::from_secs(15);
/// How much is imported at once while the pace is kept.
const STEP: Duration = Duration::from_millis(200);
/// Rows that are imported as fast as can be.
const HURRIED: u32 = 40_000;
/// Between two looks at the replica.
const LOOK: Duration = Duration::from_millis(4);

/// Rows that the scenario needs.
pub(super) fn rows(args: &RunArgs) -> u32 {
    paced_rows(args) + HURRIED
}

/// Rows that are imported while the pace is kept.
pub(super) fn paced_rows(args: &RunArgs) -> u32 {
    steps() * chunk_rows(args)
}

/// Rows of one file.
pub(super) fn chunk(args: &RunArgs) -> usize {
    chunk_rows(args) as usize
}

/// The same, to be counted with.
pub(super) fn chunk_rows(args: &RunArgs) -> u32 {
    args.pace * u32::try_from(STEP.as_millis()).unwrap_or(u32::MAX) / 1_000
}

fn steps() -> u32 {
    u32::try_from(PACED.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX)
}

/// When a replica was seen to have come to which size of a log.
pub(super) type Seen = RefCell<Vec<(Instant, u64)>>;

/// Imports the files at the pace, then those that are left without a pause.
pub(super) async fn play(stage: &Stage, files: &[PathBuf]) -> Result<Vec<Reading>> {
    let seen = Seen::default();
    let (paced, hurried) = files.split_at((steps() as usize).min(files.len()));
    let acknowledged = while_watched([watch(stage, &seen)], async {
        let acknowledged = pace(stage, HOME, paced).await?;
        seen_with(&seen, stage.size(HOME).await?).await?;
        Ok(acknowledged)
    })
    .await?;
    let mut lags: Vec<Duration> = Vec::new();
    for (at, size) in acknowledged {
        lags.push(arrival(&seen, size)?.saturating_duration_since(at));
    }
    lags.sort_unstable();
    let readings = [
        ("lag_p50", within(&lags, 50)),
        ("lag_p99", within(&lags, 99)),
    ];

    // One file, so that the client never pauses between two.
    let whole = stage.folder.join("hurried.csv");
    join(hurried, &whole)?;
    let begin = Instant::now();
    let (count, size) = while_watched([watch(stage, &seen)], async {
        let count = stage.import(HOME, &whole).await?.accepted;
        let size = stage.size(HOME).await?;
        seen_with(&seen, size).await?;
        Ok((count, size))
    })
    .await?;
    let end = arrival(&seen, size)?;
    Ok([readings.as_slice(), &[("steady", rate(count, end - begin))]].concat())
}

/// Imports a file into a region's node at every step, or as soon as the one before is acknowledged;
/// gives when each was, and the size of the log then.
pub(super) async fn pace(
    stage: &Stage,
    region: Region,
    files: &[PathBuf],
) -> Result<Vec<(Instant, u64)>> {
    let mut tick = tokio::time::interval(STEP);
    let mut size = stage.size(region).await?;
    let mut acknowledged = Vec::with_capacity(files.len());
    for file in files {
        tick.tick().await;
        size += stage.import(region, file).await?.accepted;
        acknowledged.push((Instant::now(), size));
    }
    Ok(acknowledged)
}

/// Does something, and watches nodes meanwhile.
pub(super) async fn while_watched<T>(
    watched: impl IntoIterator<Item = impl Future<Output = Result<Infallible>>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        (failed, ..) = select_all(watched.into_iter().map(Box::pin)) => match failed? {},
        done = work => done,
    }
}

/// Writes down how far the replica is, again and again.
async fn watch(stage: &Stage, seen: &Seen) -> Result<Infallible> {
    loop {
        let size = stage.replicated().await?;
        seen.borrow_mut().push((Instant::now(), size));
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until whoever watches the replica has seen it with that size.
async fn seen_with(seen: &Seen, size: u64) -> Result<()> {
    climb("复制 replication", size, async || Ok(latest(seen))).await
}

/// The size that the replica was last seen with.
pub(super) fn latest(seen: &Seen) -> u64 {
    seen.borrow().last().map_or(0, |(_, size)| *size)
}

/// When the replica was first seen with that size.
pub(super) fn arrival(seen: &Seen, size: u64) -> Result<Instant> {
    let seen = seen.borrow();
    let first = seen.iter().find(|(_, reached)| *reached >= size);
    first
        .map(|(at, _)| *at)
        .context("the replica never came that far")
}

/// Milliseconds within which so many of a hundred lags are, which come in ascending order.
pub(super) fn within(lags: &[Duration], percent: usize) -> f64 {
    let place = (lags.len() * percent / 100).min(lags.len().saturating_sub(1));
    lags.get(place)
        .map_or(f64::NAN, |lag| lag.as_secs_f64() * 1e3)
}

/// Puts tables with the same header one behind the other.
fn join(files: &[PathBuf], to: &std::path::Path) -> Result<()> {
    let mut writer = csv::Writer::from_path(to)?;
    for (nth, file) in files.iter().enumerate() {
        let mut reader = csv::Reader::from_path(file)?;
        if nth == 0 {
            writer.write_record(reader.headers()?)?;
        }
        for row in reader.records() {
            writer.write_record(&row?)?;
        }
    }
    writer.flush()?;
    Ok(())
}
