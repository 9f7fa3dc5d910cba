//! The importing client, which outlives the node.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use huren::{
    import::{self, ImportArgs, Report, Retry},
    local::LocalNode,
};
use huren_core::codes::Region;
use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use indicatif::ProgressBar;
use tokio::task::{AbortHandle, JoinSet};

use crate::{acks::Acks, tables::Part};

/// Goes on connecting for as long as a test takes.
const RETRY: Retry = Retry {
    attempts: 100_000,
    first_delay: Duration::from_millis(2),
    longest_delay: Duration::from_millis(20),
};

/// How often the journal is looked at.
const GLANCE: Duration = Duration::from_micros(500);

/// An import under way. Dropping it cuts it off at whatever it does.
pub(crate) struct Client {
    part: Part,
    task: JoinSet<Report>,
    handle: AbortHandle,
}

impl Client {
    /// Begins to import a part, with a number of rows in flight.
    pub(crate) fn start(node: &LocalNode, part: &Part, in_flight: usize) -> Result<Self> {
        let args = ImportArgs {
            file: part.file.clone(),
            region: Region::ZHEJIANG,
            kind: None,
            encoding: None,
            sheet: None,
            backfilled: false,
            witnessed: false,
            edition: 2022,
            check: false,
            rejects: None,
            journal: Some(part.journal()),
            in_flight,
            retry: RETRY,
        };
        let issuance = IssuanceServiceClient::new(node.connection().caller()?);
        let mut task = JoinSet::new();
        let handle =
            task.spawn(async move { import::run(issuance, &args, &ProgressBar::hidden()).await });
        Ok(Self {
            part: part.clone(),
            task,
            handle,
        })
    }

    /// Waits until a number of further rows were acknowledged, or the import has ended.
    pub(crate) async fn acknowledged(&self, acks: &mut Acks, wanted: u64) -> Result<()> {
        acks.read(&self.part)?;
        let wanted = acks.rows() + wanted;
        while acks.rows() < wanted && !self.has_ended() {
            tokio::time::sleep(GLANCE).await;
            acks.read(&self.part)?;
        }
        Ok(())
    }

    /// Whether every row was answered, or the client has given up.
    pub(crate) fn has_ended(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the end: every row is in the log.
    pub(crate) async fn finish(mut self, acks: &mut Acks) -> Result<()> {
        let report = self.task.join_next().await.context("an import")??;
        acks.read(&self.part)?;
        ensure!(report.failure.is_none(), "the import failed:\n{report}");
        ensure!(
            report.accepted + report.duplicates == self.part.rows,
            "rows were lost or refused:\n{report}"
        );
        Ok(())
    }
}
