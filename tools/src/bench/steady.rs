//! Steady state: how far behind the replica is at a pace, and which rate it keeps up with.

use std::{
    cell::RefCell,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::future::{Either, select};

use super::{
    RunArgs,
    figures::Reading,
    stage::{Stage, rate},
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
    steps() * chunk_rows(args) + HURRIED
}

/// Rows of one file.
pub(super) fn chunk(args: &RunArgs) -> usize {
    chunk_rows(args) as usize
}

fn chunk_rows(args: &RunArgs) -> u32 {
    args.pace * u32::try_from(STEP.as_millis()).unwrap_or(u32::MAX) / 1_000
}

fn steps() -> u32 {
    u32::try_from(PACED.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX)
}

/// When the replica was seen to have come to which size.
type Seen = RefCell<Vec<(Instant, u64)>>;

/// Imports the files at the pace, then those that are left without a pause.
pub(super) async fn play(stage: &Stage, files: &[PathBuf]) -> Result<Vec<Reading>> {
    let seen = Seen::default();
    let (paced, hurried) = files.split_at((steps() as usize).min(files.len()));
    let acknowledged = while_watched(stage, &seen, pace(stage, paced)).await?;
    let mut lags: Vec<Duration> = Vec::new();
    for (at, size) in acknowledged {
        lags.push(arrival(&seen, size)?.saturating_duration_since(at));
    }
    lags.sort_unstable();
    let within = |percent: usize| {
        let place = (lags.len() * percent / 100).min(lags.len().saturating_sub(1));
        lags.get(place)
            .map_or(f64::NAN, |lag| lag.as_secs_f64() * 1e3)
    };
    let readings = [("lag_p50", within(50)), ("lag_p99", within(99))];

    // One file, so that the client never pauses between two.
    let whole = stage.folder.join("hurried.csv");
    join(hurried, &whole)?;
    let begin = Instant::now();
    let (count, size) = while_watched(stage, &seen, async {
        let count = stage.import(&whole).await?.accepted;
        Ok((count, stage.size().await?))
    })
    .await?;
    let end = arrival(&seen, size)?;
    Ok([readings.as_slice(), &[("steady", rate(count, end - begin))]].concat())
}

/// Imports a file at every step; gives when each was acknowledged, and the size of the log then.
async fn pace(stage: &Stage, files: &[PathBuf]) -> Result<Vec<(Instant, u64)>> {
    let mut tick = tokio::time::interval(STEP);
    let mut size = stage.size().await?;
    let mut acknowledged = Vec::with_capacity(files.len());
    for file in files {
        tick.tick().await;
        size += stage.import(file).await?.accepted;
        acknowledged.push((Instant::now(), size));
    }
    Ok(acknowledged)
}

/// Does something, and writes down meanwhile how far the replica is, until it has caught up.
async fn while_watched<T>(
    stage: &Stage,
    seen: &Seen,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let look = async {
        loop {
            let size = stage.replicated().await?;
            seen.borrow_mut().push((Instant::now(), size));
            tokio::time::sleep(LOOK).await;
        }
    };
    let both = async {
        let done = work.await?;
        stage.caught_up().await?;
        // The look behind it is written down as well.
        let last = stage.replicated().await?;
        seen.borrow_mut().push((Instant::now(), last));
        anyhow::Ok(done)
    };
    let look: std::pin::Pin<Box<dyn Future<Output = Result<T>>>> = Box::pin(look);
    match select(look, Box::pin(both)).await {
        Either::Left((failed, _)) => failed,
        Either::Right((done, _)) => done,
    }
}

/// When the replica was first seen with that size.
fn arrival(seen: &Seen, size: u64) -> Result<Instant> {
    let seen = seen.borrow();
    let first = seen.iter().find(|(_, reached)| *reached >= size);
    first
        .map(|(at, _)| *at)
        .context("the replica never came that far")
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
