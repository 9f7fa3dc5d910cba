//! The node's state, for its operator.

use huren_core::{
    checkpoint::Origin, reason::Reason, register::QuarantineRow, replicate::read_checkpoint,
};
use huren_proto::v1;
use huren_store::Error as StoreError;

use super::{DataKeyState, Engine, Progress, Refusals, wire};

impl Engine {
    /// The node's state, for its operator.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, StoreError> {
        let chain = self.trust();
        let list = &chain.newest().list;
        let now = self.clock.now();
        let mut logs = Vec::new();
        for entry in self.book.entries() {
            let state = &entry.state;
            let shown = self.book.seen(&state.origin);
            let member = list.log_of(&state.origin);
            let known = shown
                .values()
                .flat_map(|head| [&head.checkpoint, &head.pending])
                .filter_map(|note| read_checkpoint(member?, &state.origin, note).ok())
                .map(|signed| signed.checkpoint().size)
                .fold(state.head.size, u64::max);
            let (quarantined, _) = self.answers.quarantined(&state.origin, 0, 0).await?;
            let mut progress = Progress::default();
            self.progress(&state.origin, |current| progress = current.clone());
            if entry.view.withheld && progress.last_error.is_empty() {
                progress.last_error = Reason::RestoredNotCaughtUp.code().to_owned();
            }
            logs.push(v1::LogStatus {
                extent: Some(wire::extent(&entry.view, now)),
                held_size: state.head.size,
                known_size: known,
                quarantined,
                reachable: progress.reachable || state.origin == self.origin,
                last_error: progress.last_error,
                source: progress.source,
            });
        }
        let rekeying = self.rekeying().await?;
        Ok(v1::GetStatusResponse {
            in_charge: String::new(),
            data_keys: rekeying.keys.iter().map(DataKeyState::status).collect(),
            rekey_left: rekeying.left,
            rekey_kept: rekeying.kept,
            region: self.region.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust_list_version: list.version,
            trust_list_expires: list.expires.to_string(),
            logs,
            members: self
                .peers()
                .keys()
                .map(|region| {
                    let Refusals { count, last } = self.refusals(region);
                    v1::MemberStatus {
                        region: region.clone(),
                        refused: count,
                        last_refusal: last,
                    }
                })
                .collect(),
        })
    }

    /// Leaves of a log that take no effect, from an index on, at most `limit`; before them how many
    /// there are.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), StoreError> {
        self.answers.quarantined(origin, from, limit).await
    }
}
