//! Somebody who looks at the public checkpoint all the time.

use std::time::Duration;

use anyhow::Result;
use huren_core::checkpoint::Checkpoint;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
};

use crate::audit::{Audit, Public};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks for as long as it exists.
pub(crate) struct Watch {
    seen: UnboundedReceiver<Result<Checkpoint>>,
    _task: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(public: Public) -> Self {
        let (report, seen) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                if let Some(found) = public.checkpoint().await.transpose()
                    && report.send(found).is_err()
                {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { seen, _task: task }
    }

    /// Hands over what was seen since the last time.
    pub(crate) fn report_to(&mut self, audit: &mut Audit) -> Result<()> {
        while let Ok(checkpoint) = self.seen.try_recv() {
            let checkpoint = checkpoint?;
            audit.saw(checkpoint.size, checkpoint.root)?;
        }
        Ok(())
    }
}
