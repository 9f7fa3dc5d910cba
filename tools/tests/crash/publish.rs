//! A node is killed between signing and publishing: its heads wait for a quorum that never
//! forms.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use huren_store::HighWater;

use crate::{
    acks::Acks,
    audit::{Audit, Public},
    client::Client,
    plan::{Plan, pass},
    stage::{HOLD_HEADS, PUBLISH_AT_ONCE, Stage, play, start},
    tables::Tables,
};

/// How often the node is killed.
const KILLS: u32 = 220;

/// Few rows in flight: many small commits, so that kills fall into all of their steps.
const IN_FLIGHT: usize = 4;

/// Rows of a part: some kills' worth.
const ROWS: u64 = 80;

/// A commit takes about a millisecond.
const LONGEST_DELAY: Duration = Duration::from_millis(2);

/// To connect and to make the first commit takes some 20 ms.
const LONGEST_CONNECT: Duration = Duration::from_millis(30);

/// Leaves that are not imported: the log adopts the first trust list.
const ADOPTIONS: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_and_not_published_stays() {
    play("publish", publish).await;
}

async fn publish(stage: &mut Stage, plan: &mut Plan) -> Result<()> {
    let mut tables = Tables::invent(stage.folder(), 10_000)?;
    let home = &mut stage.home;
    let high_water = HighWater::open(home.dir.join("high-water"))?;
    let mut audit = Audit::new(Public::own(home)?);
    let mut acks = Acks::default();
    // The first head of all waits for nothing: it is to be public before the rest begins.
    start(home, &[PUBLISH_AT_ONCE]).await?;
    audit.up_to(ADOPTIONS).await?;
    home.kill().await?;
    let mut part = tables.part(ROWS)?;
    // How often it was seen that acknowledged leaves were not public yet.
    let mut held = 0;
    for _ in 0..KILLS {
        start(home, &[HOLD_HEADS]).await?;
        let before = audit.public_size().await?;
        // Every client begins with the first row of the part again.
        let client = Client::start(home, &part, IN_FLIGHT)?;
        let wanted = plan.number(0..=16);
        client.acknowledged(&mut acks, wanted).await?;
        if wanted > 0 && plan.one_in(2) {
            // So it is between the two. In the other half nothing delays the kill.
            let public = audit.public_size().await?;
            ensure!(public == before, "the head was not held");
            held += u32::from(public < acks.end());
        }
        pass(plan.delay(if wanted == 0 {
            LONGEST_CONNECT
        } else {
            LONGEST_DELAY
        }));
        home.kill().await?;

        // What was signed before anybody could see it binds like what was seen.
        acks.read(&part)?;
        let (_, signed) = high_water.read()?.context("no high-water mark")?;
        ensure!(signed.size >= acks.end(), "acknowledged before the mark");
        audit.saw(signed.size, signed.root)?;
        if client.has_ended() {
            client.finish(&mut acks).await?;
            part = tables.part(ROWS)?;
        } else {
            drop(client);
        }

        start(home, &[PUBLISH_AT_ONCE]).await?;
        audit.up_to(signed.size).await?;
        acks.check_new(&audit)?;
        home.kill().await?;
    }
    ensure!(held > KILLS / 4, "heads were held {held} times only");
    // The last part comes to its end, and then every row is in the log once.
    start(home, &[PUBLISH_AT_ONCE]).await?;
    let client = Client::start(home, &part, IN_FLIGHT)?;
    client.finish(&mut acks).await?;
    audit.up_to(acks.end()).await?;
    audit.start_over().await?;
    acks.check_all(&audit, ADOPTIONS)
}
