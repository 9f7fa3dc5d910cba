//! How far the replica of the database lags, looked at anew all the time.

use std::{sync::Arc, time::Duration};

use huren_store::{Postgres, ReplicaState};

use crate::engine::Clock;

/// How often it is looked at: as exact is what is said of its lag.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs for ever, if the database has a replica.
pub(super) async fn watch(database: Arc<Postgres>, clock: Arc<dyn Clock>) {
    // Seconds since it began. The clock of the machine may be set back, which must not hide that
    // the replica stopped: each round takes an interval at least.
    let (mut elapsed, mut before) = (0u64, clock.now());
    while let Some(state) = database.measure_replica(elapsed).await {
        tell(state);
        clock.sleep(INTERVAL).await;
        let now = clock.now();
        let passed = now.saturating_sub(before).max(INTERVAL.as_secs());
        (elapsed, before) = (elapsed.saturating_add(passed), now);
    }
}

fn tell(state: ReplicaState) {
    metrics::gauge!("huren_replica_used").set(f64::from(u8::from(state.is_used)));
    // Nobody knows it of one that never answered.
    if let Some(lag) = state.lag {
        metrics::gauge!("huren_replica_lag_seconds").set(lag as f64);
    }
    for (by, count) in [("replica", state.answered), ("database", state.passed_on)] {
        metrics::counter!("huren_replica_lookups_total", "by" => by).absolute(count);
    }
}
