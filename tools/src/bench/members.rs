//! Four members at once: each of them writes at the pace, and replicates what the three others
//! write.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::future::try_join_all;
use huren_core::codes::Region;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use indicatif::ProgressBar;

use super::{
    RunArgs,
    figures::Reading,
    servers::Servers,
    stage::{Stage, climb, rate, reached, split, table},
    steady::{Seen, arrival, chunk, chunk_rows, latest, pace, paced_rows, while_watched, within},
};
use crate::{demo::cast::REGIONS, generate};

/// Between two looks at a node, each of which shows all of its logs: seldom enough that looking
/// takes nothing from the nodes, and often enough for a lag that may be a second.
const LOOK: Duration = Duration::from_millis(20);

/// The files of each member, in the order in which it imports them.
type Files = BTreeMap<Region, Vec<PathBuf>>;

/// What was seen of each writer's log, the first of the two, at each replica.
type Pairs = BTreeMap<(Region, Region), Seen>;

/// When a member's imports were acknowledged, and the size of its log then.
type Acknowledged = BTreeMap<Region, Vec<(Instant, u64)>>;

/// Plays it in a folder of its own.
pub(super) async fn play(
    args: &RunArgs,
    servers: Option<&Servers>,
    folder: &Path,
) -> Result<Vec<Reading>> {
    let mut stage = Stage::lay_out(folder, &REGIONS, servers)?;
    let (mut first, mut paced) = (Files::new(), Files::new());
    for region in REGIONS {
        let (one, rest) = invent(args, region, folder)?;
        first.insert(region, vec![one]);
        paced.insert(region, rest);
    }
    for region in REGIONS {
        stage.start(region).await?;
    }

    let pairs = pairs();
    let watched = REGIONS.map(|replica| watch(&stage, replica, &pairs));
    let (begin, acknowledged) = while_watched(watched, async {
        // Once it has arrived everywhere, every member has met every other one.
        write(&stage, &pairs, &first).await?;
        let begin = Instant::now();
        Ok((begin, write(&stage, &pairs, &paced).await?))
    })
    .await?;
    for region in REGIONS {
        stage.cast.kill(region).await?;
    }

    let (mut lags, mut end) = (Vec::new(), begin);
    for ((writer, _), seen) in &pairs {
        for (at, size) in &acknowledged[writer] {
            let arrived = arrival(seen, *size)?;
            lags.push(arrived.saturating_duration_since(*at));
            end = end.max(arrived);
        }
    }
    lags.sort_unstable();
    Ok(vec![
        ("members_lag_p50", within(&lags, 50)),
        ("members_lag_p99", within(&lags, 99)),
        ("members_rate", rate(paced_rows(args).into(), end - begin)),
    ])
}

/// Invents a member's certificates: a file to begin with, and one for each step at the pace.
fn invent(args: &RunArgs, region: Region, folder: &Path) -> Result<(PathBuf, Vec<PathBuf>)> {
    let csv = folder.join(format!("{region}.csv"));
    let invented = generate::GenArgs {
        region,
        // One seed for all would give the provinces the same holders.
        seed: args.seed.wrapping_add(region.number().into()),
        ..table(args, chunk_rows(args) + paced_rows(args), &csv)
    };
    generate::run(&invented, &ProgressBar::hidden())?;
    let parts = folder.join(format!("parts-{region}"));
    split(&csv, chunk(args), chunk(args), &parts)
}

/// Every member with every other one.
fn pairs() -> Pairs {
    REGIONS
        .into_iter()
        .flat_map(|writer| REGIONS.map(|replica| (writer, replica)))
        .filter(|(writer, replica)| writer != replica)
        .map(|pair| (pair, Seen::default()))
        .collect()
}

/// Has all members import their files at the pace, and waits until each was seen to hold all of
/// them.
async fn write(stage: &Stage, pairs: &Pairs, files: &Files) -> Result<Acknowledged> {
    let imports = files.iter().map(|(region, files)| async move {
        anyhow::Ok((*region, pace(stage, *region, files).await?))
    });
    let acknowledged: Acknowledged = try_join_all(imports).await?.into_iter().collect();
    let whole = |writer: &Region| acknowledged[writer].last().map_or(0, |(_, size)| *size);
    let end: u64 = pairs.keys().map(|(writer, _)| whole(writer)).sum();
    climb("复制 replication", end, async || {
        let reached =
            |((writer, _), seen): (&(Region, Region), &Seen)| latest(seen).min(whole(writer));
        Ok(pairs.iter().map(reached).sum())
    })
    .await?;
    Ok(acknowledged)
}

/// Writes down how far a node knows the others' logs, again and again.
async fn watch(stage: &Stage, replica: Region, pairs: &Pairs) -> Result<Infallible> {
    // Over one connection: a handshake for every look would be work beside what is measured.
    let mut client = OperatorServiceClient::new(stage.cast.caller(replica)?);
    loop {
        let status = client.get_status(v1::GetStatusRequest {}).await?;
        let now = Instant::now();
        for extent in status.get_ref().logs.iter().flat_map(|log| &log.extent) {
            let writer: Region = extent.region.parse()?;
            if let Some(seen) = pairs.get(&(writer, replica)) {
                seen.borrow_mut().push((now, reached(extent)));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
