//! A member's disk: writes take their time, and fail while the disk is ill.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use huren_core::codes::Region;

use super::{dice::Dice, trace::Trace};
use crate::{Operation, Outcome, faulty::Mishaps};

/// What befalls the writes of one member's store. Clones are the same disk.
#[derive(Clone)]
pub(super) struct Disk(Arc<State>);

struct State {
    of: Region,
    dice: Dice,
    trace: Trace,
    /// Of a hundred writes so many fail.
    failing: AtomicU64,
}

/// The longest pause before and behind a write: long enough to crash in.
const SLOWEST_MS: u64 = 20;

impl Disk {
    pub(super) fn new(of: Region, dice: Dice, trace: Trace) -> Self {
        Self(Arc::new(State {
            of,
            dice,
            trace,
            failing: AtomicU64::new(0),
        }))
    }

    /// From now on so many of a hundred writes fail.
    pub(super) fn set_failing(&self, chance: u64) {
        self.0.failing.store(chance, Ordering::Relaxed);
    }

    async fn pause(&self) {
        // Mostly none: a pause is a place to crash in, and costs a turn of the runtime.
        if self.0.dice.percent(30) {
            let pause = self.0.dice.below(SLOWEST_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

#[async_trait]
impl Mishaps for Disk {
    async fn before(&self, operation: Operation) -> Option<Outcome> {
        self.pause().await;
        let outcomes = [Outcome::NotPersisted, Outcome::Persisted, Outcome::Full];
        let fails = self.0.dice.percent(self.0.failing.load(Ordering::Relaxed));
        let outcome = fails.then(|| *self.0.dice.one_of(&outcomes));
        let of = self.0.of;
        self.0
            .trace
            .note(format_args!("{of} writes {operation:?}: {outcome:?}"));
        outcome
    }

    async fn behind(&self, _operation: Operation) {
        self.pause().await;
    }
}
