//! A node is killed while a client imports into it.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::{
    acks::Acks,
    audit::{Audit, Public},
    client::Client,
    plan::{Plan, pass},
    stage::{PROGRAM, PUBLISH_AT_ONCE, Stage, play, start},
    tables::{Part, Tables},
    watch::Watch,
};

/// How often the node is killed.
const KILLS: u32 = 220;

/// Rows that the client has in flight: several commits' worth of the small batches that arise.
const IN_FLIGHT: usize = 16;

/// A commit takes about a millisecond.
const LONGEST_DELAY: Duration = Duration::from_millis(4);

/// A start takes some 20 ms.
const LONGEST_START: Duration = Duration::from_millis(30);

/// Leaves that are not imported: the log adopts the first trust list.
const ADOPTIONS: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_survives_its_node() {
    play("import", import).await;
}

async fn import(stage: &mut Stage, plan: &mut Plan) -> Result<()> {
    let mut tables = Tables::invent(stage.folder(), 60_000)?;
    start(&mut stage.home, &[PUBLISH_AT_ONCE]).await?;
    let public = Public::own(&stage.home)?;
    let mut story = Story {
        watch: Watch::start(public.clone()),
        audit: Audit::new(public),
        acks: Acks::default(),
        kills: 0,
    };
    while story.kills < KILLS {
        let rows = plan.number(100..=800);
        let part = tables.part(rows)?;
        story.import(stage, plan, &part).await?;
        if plan.one_in(4) {
            // The whole part again: nothing is recorded twice.
            story.import(stage, plan, &part).await?;
        }
    }
    let end = story.acks.end();
    story.audit.up_to(end).await?;
    story.watch.report_to(&mut story.audit)?;
    story.audit.start_over().await?;
    story.acks.check_all(&story.audit, ADOPTIONS)
}

struct Story {
    audit: Audit,
    watch: Watch,
    acks: Acks,
    kills: u32,
}

impl Story {
    /// Imports a part to its end, through several lives of the node and sometimes of the client.
    async fn import(&mut self, stage: &mut Stage, plan: &mut Plan, part: &Part) -> Result<()> {
        let home = &mut stage.home;
        let mut client = Client::start(home, part, IN_FLIGHT)?;
        while self.kills < KILLS {
            let wanted = plan.number(0..=24);
            client.acknowledged(&mut self.acks, wanted).await?;
            if client.has_ended() {
                break;
            }
            pass(plan.delay(LONGEST_DELAY));
            home.kill().await?;
            self.kills += 1;
            if plan.one_in(8) {
                // It is killed again while it starts.
                home.start(Path::new(PROGRAM), &[PUBLISH_AT_ONCE])?;
                pass(plan.delay(LONGEST_START));
                home.kill().await?;
                self.kills += 1;
            }
            if plan.one_in(16) {
                // The client goes too. Its successor begins with the first row again.
                client = Client::start(home, part, IN_FLIGHT)?;
            }
            start(home, &[PUBLISH_AT_ONCE]).await?;
            self.check(part).await?;
        }
        client.finish(&mut self.acks).await
    }

    /// After each kill: everything acknowledged is public, where it was said to be, under
    /// roots that fit each other and the leaves.
    async fn check(&mut self, part: &Part) -> Result<()> {
        self.acks.read(part)?;
        self.watch.report_to(&mut self.audit)?;
        self.audit.up_to(self.acks.end()).await?;
        self.acks.check_new(&self.audit)
    }
}
