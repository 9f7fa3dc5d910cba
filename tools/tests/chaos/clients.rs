//! The provinces' own systems: each hands certificates in at its node, again and again until
//! they are acknowledged, and writes down what is.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use huren::local::LocalNode;
use huren_core::{codes::Region, merkle::Hash};
use huren_proto::v1::{self, issuance_service_client::IssuanceServiceClient};
use huren_tests::certificate_in;
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two submissions, and before one is made again.
const PAUSE: Duration = Duration::from_millis(40);
/// Of so many submissions one is of a certificate that was acknowledged before.
const AGAIN: u32 = 10;

/// Where acknowledged certificates are, by their province and serial.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    placed: BTreeMap<(Region, u32), (u64, Hash)>,
    /// Submissions that were not acknowledged, and were made again.
    failed: u64,
    repeated: u64,
    broken: Option<String>,
}

/// What was acknowledged: index and leaf of each certificate.
pub(crate) type Placed = BTreeMap<(Region, u32), (u64, Hash)>;

impl Ledger {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that was acknowledged so far.
    pub(crate) fn placed(&self) -> Placed {
        self.change(|state| state.placed.clone())
    }

    /// Submissions that failed, and those that were repeated once acknowledged.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.change(|state| (state.failed, state.repeated))
    }

    /// Fails if a client was told something that cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let broken = self.change(|state| state.broken.take());
        ensure!(broken.is_none(), "{}", broken.unwrap_or_default());
        Ok(())
    }

    fn note(&self, certificate: (Region, u32), answer: &v1::SubmitResponse) -> Result<()> {
        let leaf: [u8; 32] = answer.leaf_hash.as_slice().try_into()?;
        let place = (answer.index, Hash(leaf));
        let first = self.change(|state| *state.placed.entry(certificate).or_insert(place));
        ensure!(
            first == place,
            "{certificate:?} is at {first:?}, and then at {place:?}"
        );
        Ok(())
    }
}

/// Clients under way, one for each node. Dropping them cuts them off at whatever they do.
pub(crate) struct Clients(JoinSet<()>);

impl Clients {
    pub(crate) fn start(nodes: &[LocalNode], ledger: &Ledger) -> Result<Self> {
        let mut tasks = JoinSet::new();
        for node in nodes {
            let channel = node.connection().channel()?;
            let (region, ledger) = (node.region, ledger.clone());
            tasks.spawn(async move {
                if let Err(error) = hand_in(region, channel, &ledger).await {
                    ledger.change(|state| state.broken = Some(format!("{error:#}")));
                }
            });
        }
        Ok(Self(tasks))
    }

    /// Whether none has ended, which happens only when something cannot be.
    pub(crate) fn all_run(&mut self) -> bool {
        self.0.try_join_next().is_none()
    }
}

async fn hand_in(region: Region, channel: Channel, ledger: &Ledger) -> Result<()> {
    let mut issuance = IssuanceServiceClient::new(channel);
    for serial in 1.. {
        acknowledged(&mut issuance, (region, serial), ledger).await?;
        if serial % AGAIN == 0 {
            // Whoever submits again gets the first index.
            acknowledged(&mut issuance, (region, serial / 2), ledger).await?;
            ledger.change(|state| state.repeated += 1);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn acknowledged(
    issuance: &mut IssuanceServiceClient<Channel>,
    certificate: (Region, u32),
    ledger: &Ledger,
) -> Result<()> {
    loop {
        let submission = issuance.submit(certificate_in(certificate.0, certificate.1));
        match tokio::time::timeout(PATIENCE, submission).await {
            Ok(Ok(answer)) => return ledger.note(certificate, answer.get_ref()),
            Ok(Err(status)) => may_pass(&status)?,
            Err(_) => {}
        }
        ledger.change(|state| state.failed += 1);
        tokio::time::sleep(PAUSE).await;
    }
}

/// A node that is gone, or takes nothing at present, is asked again; a sound submission is not
/// refused for good.
fn may_pass(status: &tonic::Status) -> Result<()> {
    use tonic::Code::{Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable, Unknown};
    let passes = [
        Cancelled,
        DeadlineExceeded,
        ResourceExhausted,
        Unavailable,
        Unknown,
    ];
    let refused = || format!("a sound submission is refused: {status}");
    passes
        .contains(&status.code())
        .then_some(())
        .with_context(refused)
}
