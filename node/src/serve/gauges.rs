//! What an operator watches over a running node, as metrics: looked at anew every few seconds, so
//! that whoever reads the metrics never waits for the database.

use std::{sync::Arc, time::Duration};

use huren_proto::v1;

use crate::{
    engine::{Clock, Engine},
    http::health::Readiness,
};

/// How often they are looked at, and how long that may take.
const INTERVAL: Duration = Duration::from_secs(5);

/// Whose state they tell.
pub(super) struct Gauges {
    pub(super) engine: Arc<Engine>,
    pub(super) readiness: Arc<dyn Readiness>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Gauges {
    /// Runs for ever.
    pub(super) async fn run(self) {
        metrics::gauge!("huren_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        loop {
            let looked = tokio::time::timeout(INTERVAL, self.look()).await;
            // A database that does not answer in time is one that cannot be read.
            let is_ready = looked.unwrap_or(false);
            metrics::gauge!("huren_ready").set(f64::from(u8::from(is_ready)));
            self.clock.sleep(INTERVAL).await;
        }
    }

    /// Tells how far every log is held here, and says whether the node is ready.
    async fn look(&self) -> bool {
        let obstacles = self.readiness.obstacles().await;
        // Where the store fails, that is among the obstacles.
        if let Ok(status) = self.engine.status().await {
            status.logs.into_iter().for_each(tell);
        }
        obstacles.is_empty()
    }
}

fn tell(log: v1::LogStatus) {
    let extent = log.extent.unwrap_or_default();
    let tell = |name: &'static str, value: u64| {
        metrics::gauge!(name, "origin" => extent.origin.clone()).set(value as f64);
    };
    tell("huren_log_held_leaves", log.held_size);
    tell("huren_log_known_leaves", log.known_size);
    tell("huren_log_witnessed_leaves", extent.witnessed_size);
    tell("huren_log_quarantined_leaves", log.quarantined);
    // Nobody knows it of a log that no quorum has cosigned yet.
    if let Some(age) = extent.age_seconds {
        tell("huren_log_age_seconds", age);
    }
}
