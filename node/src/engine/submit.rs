//! Submitting the own log's checkpoints to witnesses outside of the federation: their cosignatures
//! are gathered with the members', and count where the trust list says so.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use huren_core::{
    checkpoint::SignedCheckpoint,
    note::VerifierKey,
    witness::{AddCheckpoint, Answer, AnswerError, answer},
};
use huren_proto::v1;
use huren_store::Error as StoreError;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, PeerError, Witness, Witnesses, tasks::MAX_DELAY};

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum SubmitError {
    /// It cannot be reached, or what it sent cannot be read, as it is too long.
    #[error("the witness gave no answer that can be read")]
    Peer(#[from] PeerError),
    /// Its answer is worth nothing.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// It says that it cosigned more than there is, or goes on naming other sizes.
    #[error("the witness says that it cosigned {0} leaves, which does not help")]
    Size(u64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SubmitError {
    fn code(&self) -> &str {
        match self {
            // The same as what the core says of an answer that it cannot read.
            Self::Peer(PeerError::Malformed) => AnswerError::Malformed.code(),
            Self::Peer(_) => "WITNESS_UNREACHABLE",
            Self::Answer(error) => error.code(),
            Self::Size(_) => "WITNESS_SIZE",
            Self::Store(_) => "STORE",
        }
    }
}

impl Engine {
    /// Reaches the witnesses outside of the federation in this way from now on.
    pub fn set_witnesses(&self, witnesses: Witnesses) {
        self.witnesses.send_replace(Arc::new(witnesses));
    }

    /// Submits to every witness, whichever there are: lists bring witnesses and take them away.
    pub(super) async fn attend_witnesses(
        self: Arc<Self>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let mut witnesses = self.witnesses.subscribe();
        let mut running: BTreeMap<String, (Arc<dyn Witness>, CancellationToken)> = BTreeMap::new();
        loop {
            let now = witnesses.borrow_and_update().clone();
            running.retain(|name, (witness, submits)| {
                let stays = now.get(name).is_some_and(|now| Arc::ptr_eq(now, witness));
                if !stays {
                    submits.cancel();
                }
                stays
            });
            for (name, witness) in now.iter() {
                if running.contains_key(name) {
                    continue;
                }
                let submits = stop.child_token();
                running.insert(name.clone(), (Arc::clone(witness), submits.clone()));
                let (engine, name, witness) =
                    (Arc::clone(&self), name.clone(), Arc::clone(witness));
                let submit = async move { engine.submit_to(&name, witness.as_ref()).await };
                tasks.spawn(submits.run_until_cancelled_owned(submit));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = witnesses.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Submits what is published, as soon as it is, and again now and then, so that others see it
    /// is still the newest. After failures with growing, jittered pauses.
    async fn submit_to(&self, name: &str, witness: &dyn Witness) {
        let again = Duration::from_secs(self.options.recosign_seconds);
        let mut changes = self.book.changes();
        let mut delays = self.backoff();
        // What it cosigned last: that it is another size it says itself.
        let mut latest = 0;
        loop {
            let Some(published) = self.published() else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let size = published.checkpoint().size;
            match self
                .submit_checkpoint(name, witness, &published, &mut latest)
                .await
            {
                Ok(()) => delays = self.backoff(),
                Err(error) => {
                    let code = error.code().to_owned();
                    tracing::warn!(witness = name, code, %error, "a witness did not cosign");
                    metrics::counter!("huren_foreign_witness_failures_total",
                        "witness" => name.to_owned(), "code" => code)
                    .increment(1);
                    self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
                    continue;
                }
            }
            let newer = async {
                let is_same = |now: SignedCheckpoint| now.checkpoint().size == size;
                while self.published().is_some_and(is_same) {
                    if changes.changed().await.is_err() {
                        return std::future::pending().await;
                    }
                }
            };
            tokio::select! {
                biased;
                () = newer => {}
                () = self.clock.sleep(again) => {}
            }
        }
    }

    /// What members are shown of the own log.
    fn published(&self) -> Option<SignedCheckpoint> {
        let entry = self.book.shown(&self.origin)?;
        let signed = SignedCheckpoint::parse(&entry.state.notes.published).ok()?;
        (signed.checkpoint().size > 0).then_some(signed)
    }

    /// Submits one checkpoint; where the witness names another size, once more from there.
    async fn submit_checkpoint(
        &self,
        name: &str,
        witness: &dyn Witness,
        published: &SignedCheckpoint,
        latest: &mut u64,
    ) -> Result<(), SubmitError> {
        let size = published.checkpoint().size;
        let Some(key) = self.witness_key(name) else {
            return Ok(());
        };
        let submitted = self.under_log_keys(published);
        for is_last in [false, true] {
            let answered = self.ask(witness, &submitted, *latest).await?;
            match answer(&submitted, &key, (answered.0, &answered.1))? {
                Answer::Cosigned(cosigned, _) => {
                    *latest = size;
                    let head = v1::Head {
                        origin: self.origin.to_string(),
                        checkpoint: cosigned.to_string().into_bytes(),
                        ..Default::default()
                    };
                    // As a member's would: by the list's policy, and no further than the clock
                    // allows. It extends what was submitted, so nothing can be refused.
                    self.hear(&format!("witness {name}"), head).await.ok();
                    return Ok(());
                }
                Answer::Latest(other) if other > size || is_last => {
                    return Err(SubmitError::Size(other));
                }
                Answer::Latest(other) => *latest = other,
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        witness: &dyn Witness,
        submitted: &SignedCheckpoint,
        old_size: u64,
    ) -> Result<(u16, Vec<u8>), SubmitError> {
        let size = submitted.checkpoint().size;
        let proof = match old_size {
            0 => Vec::new(),
            old if old == size => Vec::new(),
            old => {
                let proof = self.reader.consistency(&self.origin, old, size).await?;
                proof.ok_or(SubmitError::Size(old))?
            }
        };
        let request = AddCheckpoint {
            old_size,
            proof,
            checkpoint: submitted.clone(),
        };
        Ok(witness.add_checkpoint(request.to_string()).await?)
    }

    fn witness_key(&self, name: &str) -> Option<VerifierKey> {
        let trust = self.trust();
        let mut witnesses = trust.newest().list.witnesses.iter();
        witnesses
            .find(|witness| witness.name == name)?
            .verifier_key()
    }

    /// A checkpoint without the cosignatures that were gathered: a witness needs the log's alone.
    fn under_log_keys(&self, published: &SignedCheckpoint) -> SignedCheckpoint {
        let trust = self.trust();
        let member = trust.newest().list.log_of(&self.origin);
        let keys = member.map(|member| member.log_keys_at(published.checkpoint().size));
        let keys = keys.unwrap_or_default();
        let signatures = published.note().signatures().iter();
        let own = signatures.filter(|signature| keys.iter().any(|key| signature.is_by(key)));
        let plain = published.with_signatures(own.cloned().collect::<Vec<_>>());
        plain.unwrap_or_else(|_| published.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_long_is_not_called_unreachable() {
        let code = |error: PeerError| SubmitError::from(error).code().to_owned();
        assert_eq!(code(PeerError::Malformed), "WITNESS_ANSWER_MALFORMED");
        assert_eq!(code(PeerError::Unreachable), "WITNESS_UNREACHABLE");
    }
}
