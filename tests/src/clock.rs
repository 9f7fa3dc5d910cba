//! Time as a test tells it.

use std::time::Duration;

use async_trait::async_trait;
use huren_node::engine::Clock;
use tokio::sync::watch;

use crate::federation::PATIENCE;

/// Where clocks start: 2027-01-15, behind every date in the samples.
const START: Duration = Duration::from_secs(1_800_000_000);

/// A clock that stands still until it is moved. All members of a federation share one.
pub struct ManualClock {
    /// Since 1970.
    time: watch::Sender<Duration>,
    /// How long those want to sleep who sleep now.
    sleepers: watch::Sender<Vec<Duration>>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            time: watch::channel(START).0,
            sleepers: watch::channel(Vec::new()).0,
        }
    }
}

impl ManualClock {
    /// Moves on, and wakes whose time has come.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|time| *time += by);
    }

    /// Waits until somebody sleeps who wants to sleep for just that long.
    ///
    /// # Panics
    /// If nobody does for long.
    pub async fn until_sleeping(&self, duration: Duration) {
        let mut sleepers = self.sleepers.subscribe();
        let sleeps = |sleepers: &Vec<Duration>| sleepers.contains(&duration);
        let waited = tokio::time::timeout(PATIENCE, sleepers.wait_for(sleeps)).await;
        let waited = waited.expect("somebody goes to sleep");
        drop(waited.expect("the clock is there"));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.time.borrow().as_secs()
    }

    async fn sleep(&self, duration: Duration) {
        let mut time = self.time.subscribe();
        let end = *time.borrow() + duration;
        let _asleep = Asleep::new(&self.sleepers, duration);
        let woken = time.wait_for(|time| *time >= end).await;
        drop(woken.expect("the clock is there"));
    }
}

/// A sleeper, also one that is cut off.
struct Asleep<'a> {
    sleepers: &'a watch::Sender<Vec<Duration>>,
    duration: Duration,
}

impl<'a> Asleep<'a> {
    fn new(sleepers: &'a watch::Sender<Vec<Duration>>, duration: Duration) -> Self {
        sleepers.send_modify(|sleepers| sleepers.push(duration));
        Self { sleepers, duration }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.sleepers.send_modify(|sleepers| {
            let position = sleepers.iter().position(|other| *other == self.duration);
            position.map(|position| sleepers.swap_remove(position));
        });
    }
}
