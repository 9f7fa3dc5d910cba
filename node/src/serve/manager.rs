//! What a service manager is told of the node (sd_notify(3)): when it serves, what it is doing,
//! and that it is alive. Nothing is told where none asked for it by `NOTIFY_SOCKET`.

use std::{env, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Clock, Engine},
    http::health::Readiness,
};

/// How often the state is told where nobody waits for signs of life.
const PAUSE: Duration = Duration::from_secs(10);

/// Signs of life within the time that the manager waits for one, so that one may be late.
const BEATS: u32 = 3;

/// Tells the manager of a node that serves until it stops.
pub(super) struct Telling {
    pub(super) engine: Arc<Engine>,
    pub(super) readiness: Arc<dyn Readiness>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Telling {
    /// Says that the node serves; then, until `stop`, how it is and that it is alive, and at last
    /// that it stops. A node that serves without taking submissions is ready too: to start it again
    /// would take away what it does.
    pub(super) async fn run(self, stop: CancellationToken) {
        if env::var_os("NOTIFY_SOCKET").is_none() {
            return;
        }
        tell(&[NotifyState::Ready]);
        stop.run_until_cancelled(self.beat()).await;
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("正在停止 / stopping"),
        ]);
    }

    /// What reads the store and finds the log's writer gives the sign of life: where either stands
    /// still there is none, and the manager starts the node again.
    async fn beat(&self) {
        let pause = sd_notify::watchdog_enabled().map_or(PAUSE, |within| within / BEATS);
        loop {
            let status = status(&self.obstacles().await);
            let mut state = vec![NotifyState::Status(&status)];
            if self.engine.has_writer() {
                state.push(NotifyState::Watchdog);
            } else {
                tracing::error!("the task that writes the own log has ended");
            }
            tell(&state);
            self.clock.sleep(pause).await;
        }
    }

    async fn obstacles(&self) -> Vec<&'static str> {
        let obstacles = self.readiness.obstacles().await;
        obstacles.iter().map(|obstacle| obstacle.code).collect()
    }
}

/// Tells that files are being read again. [`reloaded`] has to follow.
pub(super) fn reloading() {
    // systemd tells the answer to its signal from an older one by the time (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of reloading"),
    }
}

/// Tells that they were.
pub(super) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The state in one line.
fn status(obstacles: &[&'static str]) -> String {
    if obstacles.is_empty() {
        return "就绪 / ready".to_owned();
    }
    format!("在应答，但 / serving, but: {}", obstacles.join(" "))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_one_line_that_names_what_is_in_the_way() {
        assert_eq!(status(&[]), "就绪 / ready");
        let told = status(&["LOG_FROZEN", "STORE_UNAVAILABLE"]);
        assert!(told.ends_with("LOG_FROZEN STORE_UNAVAILABLE"), "{told}");
        assert!(!told.contains('\n'));
    }
}
