//! A replica is killed while it replicates.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use huren::{
    connect,
    local::{LocalNode, wait_for},
    peers,
};
use huren_core::checkpoint::Origin;
use huren_proto::v1::{
    self, issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};

use crate::{
    acks::Acks,
    audit::{Audit, Public},
    client::Client,
    held::Held,
    plan::{Plan, pass},
    stage::{PROGRAM, PUBLISH_AT_ONCE, Stage, play, start},
    tables::{Part, Sample, Tables},
};

/// How often the replica is killed before it holds all.
const KILLS: u32 = 210;

/// Rows by which the log grows at first. They take several calls for packages, so that what was
/// stored before a kill and what is still missing can be told apart.
const MANY: u64 = 17 * 256;

/// Rows by which it grows later.
const FEW: RangeInclusive<u64> = 50..=500;

/// Kills in one episode at most; behind them the replica may finish.
const KILLS_IN_EPISODE: u32 = 50;

/// About what a replica needs, once it has reached the log's home, at least and for each leaf.
const ROUND_MICROS: u64 = 5_000;
const LEAF_MICROS: u64 = 100;

/// A start takes some 20 ms.
const LONGEST_START: Duration = Duration::from_millis(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_goes_on_from_what_it_holds() {
    play("replicate", replicate).await;
}

async fn replicate(stage: &mut Stage, plan: &mut Plan) -> Result<()> {
    let mut tables = Tables::invent(stage.folder(), 40_000)?;
    start(&mut stage.home, &[PUBLISH_AT_ONCE]).await?;
    let mut story = Story {
        origin: stage.home.origin.parse()?,
        original: Audit::new(Public::own(&stage.home)?),
        copy: Audit::new(Public::mirror(&stage.home, &stage.replica)?),
        acks: Acks::default(),
        kills: 0,
    };
    let first = tables.part(MANY)?;
    story.episode(stage, plan, &first).await?;
    while story.kills < KILLS {
        let part = tables.part(plan.number(FEW))?;
        story.episode(stage, plan, &part).await?;
    }
    story.verdicts(stage, &first.samples(20)?).await?;
    start(&mut stage.home, &[PUBLISH_AT_ONCE]).await?;
    story.original.start_over().await?;
    story.copy.start_over().await?;
    story.copy.begins(&story.original)?;
    ensure!(story.copy.size() == story.original.size(), "not all of it");
    story.acks.check_new(&story.copy)
}

struct Story {
    origin: Origin,
    original: Audit,
    copy: Audit,
    acks: Acks,
    kills: u32,
}

impl Story {
    /// The log grows while the replica is away; then the replica is killed again and again
    /// until it has caught up.
    async fn episode(&mut self, stage: &mut Stage, plan: &mut Plan, part: &Part) -> Result<()> {
        let client = Client::start(&stage.home, part, 256)?;
        client.finish(&mut self.acks).await?;
        self.original.up_to(self.acks.end()).await?;
        let size = self.original.size();
        if self.kills == 0 {
            // So that there is something to compare the first kill with.
            start(&mut stage.replica, &[]).await?;
            stage.replica.kill().await?;
        }
        let mut held = Held::by(&stage.replica, &self.origin, size).await?;
        for _ in 0..KILLS_IN_EPISODE {
            self.replicate_and_kill(&mut stage.replica, plan, &held)
                .await?;
            let now = self.check(stage, size).await?;
            now.goes_on_from(&held)?;
            if now.is_all() {
                break;
            }
            // Whoever is not complete even now was killed in the middle of the work.
            self.kills += 1;
            held = now;
        }
        self.catch_up(stage, size).await?;
        stage.replica.kill().await
    }

    /// Lets a replica work for a while and kills it. It fetches nothing that it held already.
    async fn replicate_and_kill(
        &self,
        replica: &mut LocalNode,
        plan: &mut Plan,
        held: &Held,
    ) -> Result<()> {
        if plan.one_in(6) {
            // It is killed while it starts.
            replica.start(Path::new(PROGRAM), &[])?;
            pass(plan.delay(LONGEST_START));
            return replica.kill().await;
        }
        start(replica, &[]).await?;
        let wanted = plan.number(0..=held.missing);
        wait_for("the first packages", async || {
            let reached = metric(replica, HOME_IS_REACHED).await? == 1;
            let fetched = metric(replica, PACKAGES).await?;
            Ok((reached && fetched >= wanted).then_some(()))
        })
        .await?;
        let work = ROUND_MICROS + held.closed * LEAF_MICROS;
        pass(Duration::from_micros(plan.number(0..=work)));
        let fetched = metric(replica, PACKAGES).await?;
        replica.kill().await?;
        ensure!(
            fetched <= held.missing,
            "{} packages were missing, and {fetched} were fetched",
            held.missing
        );
        Ok(())
    }

    /// After each kill, with nobody to help: what is public at the replica is the beginning of
    /// the original, under the same heads, and has not become smaller.
    async fn check(&mut self, stage: &mut Stage, size: u64) -> Result<Held> {
        let Stage { home, replica, .. } = stage;
        home.kill().await?;
        let held = Held::by(replica, &self.origin, size).await?;
        start(replica, &[]).await?;
        self.copy.up_to(0).await?;
        self.copy.begins(&self.original)?;
        replica.kill().await?;
        start(home, &[PUBLISH_AT_ONCE]).await?;
        Ok(held)
    }

    /// Lets the replica finish, and compares.
    async fn catch_up(&mut self, stage: &mut Stage, size: u64) -> Result<()> {
        let replica = &mut stage.replica;
        start(replica, &[]).await?;
        wait_for("the replica to catch up", async || {
            Ok((self.complete(replica).await? >= size).then_some(()))
        })
        .await?;
        self.copy.up_to(size).await?;
        self.copy.begins(&self.original)
    }

    /// Size up to which the replica has folded and disclosed the log.
    async fn complete(&self, replica: &LocalNode) -> Result<u64> {
        let status = peers::status(&replica.connection()).await?;
        let is_it = |log: &v1::LogStatus| {
            let extent = log.extent.as_ref();
            extent.is_some_and(|extent| extent.origin == self.origin.as_str())
        };
        let log = status.logs.into_iter().find(is_it).context("the replica")?;
        let extent = log.extent.unwrap_or_default();
        ensure!(!extent.frozen, "the replica is frozen");
        ensure!(log.quarantined == 0, "{} quarantined", log.quarantined);
        Ok(extent.size)
    }

    /// Two certificates are revoked; then the replica, alone, knows the state of each.
    async fn verdicts(&mut self, stage: &mut Stage, samples: &[Sample]) -> Result<()> {
        let (revoked, valid) = samples.split_at(2);
        for sample in revoked {
            revoke(&stage.home, sample).await?;
        }
        let size = self.acks.end() + revoked.len() as u64;
        self.original.up_to(size).await?;
        self.catch_up(stage, size).await?;
        stage.home.kill().await?;
        let expected = revoked.iter().map(|sample| (sample, v1::Verdict::Revoked));
        let expected = expected.chain(valid.iter().map(|sample| (sample, v1::Verdict::Valid)));
        for (number, (sample, verdict)) in expected.enumerate() {
            let found = ask(&stage.replica, sample).await?;
            ensure!(
                found == verdict,
                "certificate {number}: {found:?} instead of {verdict:?}"
            );
        }
        Ok(())
    }
}

/// Packages that a replica has fetched and proven since it started.
const PACKAGES: &str = "huren_packages_total";

/// Whether a replica has reached the log's home.
const HOME_IS_REACHED: &str = "huren_member_reachable{region=\"33\"}";

/// The value of a metric; 0 as long as nothing was counted.
async fn metric(node: &LocalNode, name: &str) -> Result<u64> {
    let url = format!("http://{}/metrics", node.http);
    let metrics = connect::get(&url, None).await?.context("no metrics")?;
    let value = std::str::from_utf8(&metrics)?
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.map_or(Ok(0), str::parse)?)
}

async fn revoke(home: &LocalNode, sample: &Sample) -> Result<()> {
    let status = v1::StatusSubmission {
        target: Some(v1::Target {
            target: Some(v1::target::Target::Number(sample.number.clone())),
        }),
        action: v1::StatusAction::Revoke as i32,
        reason: v1::StatusReason::Decision as i32,
        effective_date: 20_260_101,
        replaced: Vec::new(),
        reference: String::new(),
    };
    let request = v1::SubmitRequest {
        writer_region: home.region.to_string(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(v1::submit_request::Body::Status(status)),
        ..Default::default()
    };
    let mut issuance = IssuanceServiceClient::new(home.connection().channel()?);
    issuance.submit(request).await?;
    Ok(())
}

async fn ask(replica: &LocalNode, sample: &Sample) -> Result<v1::Verdict> {
    let mut verification = VerificationServiceClient::new(replica.connection().channel()?);
    let question = v1::VerifyRequest {
        purpose: v1::Purpose::Audit.into(),
        number: sample.number.clone(),
        holder_name: sample.name.clone(),
        local_only: true,
        ..Default::default()
    };
    Ok(verification.verify(question).await?.into_inner().verdict())
}
