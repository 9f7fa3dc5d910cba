//! What must hold at the end, and what is watched all the time.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use huren::{local::LocalNode, peers};
use huren_core::codes::Region;
use huren_proto::v1::{self, verification_service_client::VerificationServiceClient};
use huren_tests::question_in;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    audit::{Audit, Public},
    clients::Placed,
};

/// How long one look at a node takes at most.
const GLANCE: Duration = Duration::from_secs(2);
/// Within this time everything comes together once nothing is wrong any more: pauses after
/// failures grow to minutes.
const PATIENCE: Duration = Duration::from_secs(600);
/// Certificates that every node is asked about at the end.
const ASKED: usize = 60;

/// Every log as every node shows it to the public.
pub(crate) struct Audits(Vec<(Region, Region, Audit)>);

impl Audits {
    pub(crate) fn new(nodes: &[LocalNode]) -> Result<Self> {
        let mut audits = Vec::new();
        for home in nodes {
            for at in nodes {
                let public = match at.region == home.region {
                    true => Public::own(home)?,
                    false => Public::mirror(home, at)?,
                };
                audits.push((home.region, at.region, Audit::new(public)));
            }
        }
        Ok(Self(audits))
    }

    /// Looks at every checkpoint: it is signed, has not become smaller, and no size has two
    /// roots. Who does not answer is not there at present.
    pub(crate) async fn look(&mut self) -> Result<u64> {
        let mut seen = 0;
        for (home, at, audit) in &mut self.0 {
            match timeout(GLANCE, audit.public_size()).await {
                Ok(size) => {
                    let size = size.with_context(|| format!("the log of {home} at {at}"))?;
                    seen += u64::from(size > 0);
                }
                Err(_) => continue,
            }
        }
        Ok(seen)
    }

    /// Reads every leaf of every log from every node: all have the same, everything that was
    /// acknowledged is where it was said to be, and every checkpoint that anybody ever showed
    /// is one of this one history.
    pub(crate) async fn read_all(&mut self, placed: &Placed) -> Result<u64> {
        let mut leaves = 0;
        let homes: Vec<Region> = self.0.iter().map(|(home, ..)| *home).collect();
        for (home, at, audit) in &mut self.0 {
            let context = || format!("the log of {home} at {at}");
            let size = audit.public_size().await.with_context(context)?;
            audit.up_to(size).await.with_context(context)?;
            audit.start_over().await.with_context(context)?;
        }
        for home in homes {
            let of_home = || self.0.iter().filter(|(of, ..)| *of == home);
            let (.., own) = of_home().find(|(_, at, _)| *at == home).context("a log")?;
            for (_, at, audit) in of_home() {
                let context = || format!("the log of {home} at {at}");
                audit.begins(own).with_context(context)?;
                ensure!(audit.size() == own.size(), "{at} has not all of {home}");
            }
            for ((region, serial), (index, leaf)) in placed {
                ensure!(
                    *region != home || own.leaf(*index) == Some(leaf),
                    "certificate {serial} of {home} was acknowledged at {index}, where the log \
                     has something else"
                );
            }
        }
        for (home, at, audit) in &self.0 {
            leaves += if home == at { audit.size() } else { 0 };
        }
        let mut places: Vec<_> = placed.iter().map(|((of, _), (at, _))| (of, at)).collect();
        places.sort_unstable();
        places.dedup();
        ensure!(
            places.len() == placed.len(),
            "two certificates at one place"
        );
        Ok(leaves)
    }
}

/// Starts what does not run, and waits until every node has every log whole, witnessed and not
/// frozen. Gives the time that took.
pub(crate) async fn together(nodes: &mut [LocalNode], program: &Path) -> Result<Duration> {
    for node in nodes.iter_mut() {
        if !node.is_running() {
            node.start(program, &crate::SETTINGS)?;
        }
        node.ready().await?;
    }
    let start = Instant::now();
    loop {
        let Some(apart) = apart(nodes).await else {
            return Ok(start.elapsed());
        };
        if start.elapsed() > PATIENCE {
            bail!("apart after {PATIENCE:?} without faults: {apart}");
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// What is not yet as it should be.
async fn apart(nodes: &[LocalNode]) -> Option<String> {
    let mut sizes: Vec<(String, u64)> = Vec::new();
    for node in nodes {
        let at = node.region;
        let status = match timeout(GLANCE, peers::status(&node.connection())).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Some(format!("{at}: {error}")),
            Err(_) => return Some(format!("{at} does not answer")),
        };
        if status.logs.len() != nodes.len() {
            return Some(format!("{at} has {} logs", status.logs.len()));
        }
        for log in status.logs {
            let extent = log.extent.clone().unwrap_or_default();
            let size = log.held_size;
            let is_whole = [extent.size, extent.witnessed_size, log.known_size] == [size; 3];
            if !is_whole || extent.frozen || log.quarantined > 0 {
                return Some(format!("{at}: {log:?}"));
            }
            sizes.push((extent.origin, size));
        }
    }
    sizes.sort();
    sizes.dedup();
    (sizes.len() != nodes.len()).then(|| format!("sizes differ: {sizes:?}"))
}

/// Every node finds acknowledged certificates valid, from what it holds itself.
pub(crate) async fn ask_around(nodes: &[LocalNode], placed: &Placed) -> Result<usize> {
    let step = placed.len().div_ceil(ASKED).max(1);
    let mut asked = 0;
    for node in nodes {
        let channel = node.connection().channel()?;
        let mut verification = VerificationServiceClient::new(channel);
        for (region, serial) in placed.keys().step_by(step) {
            let mut question = question_in(*region, *serial, "张三");
            question.local_only = true;
            let answer = verification.verify(question).await?.into_inner();
            ensure!(
                answer.verdict() == v1::Verdict::Valid,
                "{} says {:?} of certificate {serial} of {region}",
                node.region,
                answer.verdict()
            );
            asked += 1;
        }
    }
    Ok(asked)
}
