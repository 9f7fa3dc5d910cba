//! Many calls to a node, a fixed number of them under way at a time.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// How fast calls were answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    /// Answers a second.
    pub(super) per_second: f64,
    /// Milliseconds within which half of the calls were answered.
    pub(super) p50_ms: f64,
    /// Milliseconds within which 99 of 100 calls were answered.
    pub(super) p99_ms: f64,
}

impl Calls {
    /// Makes a call for each question; the first failure ends it.
    pub(super) async fn measure<Q>(
        questions: Vec<Q>,
        in_flight: u16,
        call: impl AsyncFn(Q) -> Result<()>,
    ) -> Result<Self> {
        let count = questions.len();
        let call = &call;
        let begin = Instant::now();
        let mut spans: Vec<Duration> = stream::iter(questions)
            .map(|question| async move {
                let begin = Instant::now();
                call(question).await?;
                anyhow::Ok(begin.elapsed())
            })
            .buffer_unordered(in_flight.into())
            .try_collect()
            .await?;
        let elapsed = begin.elapsed().as_secs_f64();
        spans.sort_unstable();
        let within = |percent: usize| {
            let place = (count * percent / 100).min(count.saturating_sub(1));
            spans
                .get(place)
                .map_or(0.0, |span| span.as_secs_f64() * 1e3)
        };
        Ok(Self {
            per_second: count as f64 / elapsed,
            p50_ms: within(50),
            p99_ms: within(99),
        })
    }
}
