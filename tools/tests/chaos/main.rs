//! Four nodes as real processes, each in a network namespace of its own. Wires between them are
//! cut, slowed down and mended, and nodes are killed with SIGKILL, all at random, while every
//! province goes on issuing. Then a full check: nothing that was acknowledged is missing
//! anywhere, and no log has forked.
//!
//! `just chaos 600` plays for ten minutes, `just chaos 60 7` for one with another seed. The seed
//! decides what is done and when; it cannot decide what the operating system does meanwhile.
//! Where the machine allows no network namespaces the program says so and ends with code 77.

#[path = "../crash/audit.rs"]
mod audit;
mod check;
mod clients;
mod network;

use std::{
    env,
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use huren::local::{LocalNode, federate_at};
use huren_core::codes::Region;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    check::{Audits, ask_around, together},
    clients::{Clients, Ledger},
    network::{Network, address, namespace},
};

/// The tool, which has the node in it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_huren");
/// The exit code where the machine does not allow the game.
const NOT_ALLOWED: u8 = 77;

const MEMBERS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];
/// Two of the three others stand behind a checkpoint.
const QUORUM: usize = 2;
/// A head that no quorum cosigns holds the next one up for so long.
const SETTINGS: [(&str, &str); 1] = [("HUREN_REPLICATION__HOLD_PUBLISH_MS", "200")];
/// Milliseconds between two acts.
const PAUSES: std::ops::RangeInclusive<u64> = 200..=2_500;

/// What was done.
#[derive(Debug, Default)]
struct Done {
    kills: u32,
    cuts: u32,
    cut_offs: u32,
    slowed: u32,
    mends: u32,
    looks: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut numbers = env::args().skip(1).map(|word| word.parse::<u64>().ok());
    let (seconds, seed) = (numbers.next(), numbers.next());
    let (Some(seconds), Some(seed)) = (seconds.unwrap_or(Some(60)), seed.unwrap_or(Some(1))) else {
        eprintln!("chaos [SECONDS [SEED]]");
        return ExitCode::from(2);
    };
    let network = match Network::make(&MEMBERS) {
        Ok(network) => network,
        Err(error) => {
            eprintln!(
                "本机不允许使用网络命名空间，未进行测试 / this machine allows no network \
                 namespaces, nothing was tested: {error:#}"
            );
            return ExitCode::from(NOT_ALLOWED);
        }
    };
    let folder = tempfile::tempdir().expect("a folder");
    let address_of = |region| -> Result<(SocketAddr, SocketAddr)> {
        let at = address(region);
        Ok(((at, 4433).into(), (at, 8080).into()))
    };
    let mut nodes = federate_at(folder.path(), &MEMBERS, QUORUM, address_of).expect("nodes");
    for node in &mut nodes {
        node.namespace = Some(namespace(node.region));
    }
    let outcome = play(&mut nodes, &network, seconds, seed).await;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            nodes.iter().for_each(LocalNode::show_log);
            drop(nodes);
            let kept = folder.keep();
            eprintln!(
                "broken, seed {seed}, after at most {seconds} s, in {}: {error:#}",
                kept.display()
            );
            ExitCode::FAILURE
        }
    }
}

async fn play(nodes: &mut [LocalNode], network: &Network, seconds: u64, seed: u64) -> Result<()> {
    let program = Path::new(PROGRAM);
    together(nodes, program).await?;
    let ledger = Ledger::default();
    let mut clients = Clients::start(nodes, &ledger)?;
    let mut audits = Audits::new(nodes)?;
    let mut choices = ChaCha8Rng::seed_from_u64(seed);
    let mut done = Done::default();
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    while start.elapsed() < length {
        act(nodes, network, &mut choices, &mut done).await?;
        let pause = Duration::from_millis(choices.random_range(PAUSES));
        let until = Instant::now() + pause;
        done.looks += audits.look().await?;
        tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
        ledger.check()?;
        ensure!(clients.all_run(), "a client has ended");
    }
    drop(clients);
    ledger.check()?;
    network.mend_all()?;
    let took = together(nodes, program).await?;
    let placed = ledger.placed();
    let leaves = audits.read_all(&placed).await?;
    let asked = ask_around(nodes, &placed).await?;
    let (failed, repeated) = ledger.counts();
    println!(
        "seed {seed}, {seconds} s, slowed by {:?}: {} killed, {} wires cut, {} cut off, {} slowed, \
         {} mended; {} certificates acknowledged ({failed} tries failed, {repeated} repeated), {} \
         checkpoints seen; together after {took:.1?}: {leaves} leaves in {} logs, each the same at \
         {} nodes, nothing missing, no fork; {asked} verdicts",
        network.slowing,
        done.kills,
        done.cuts,
        done.cut_offs,
        done.slowed,
        done.mends,
        placed.len(),
        done.looks,
        nodes.len(),
        nodes.len(),
    );
    Ok(())
}

/// One thing happens.
async fn act(
    nodes: &mut [LocalNode],
    network: &Network,
    choices: &mut ChaCha8Rng,
    done: &mut Done,
) -> Result<()> {
    let pairs = network.pairs();
    let (a, b) = pairs[choices.random_range(0..pairs.len())];
    let node = choices.random_range(0..nodes.len());
    let slow = choices.random_range(20..=800);
    match choices.random_range(0..100) {
        0..25 => {
            let node = &mut nodes[node];
            if node.is_running() {
                node.kill().await?;
                done.kills += 1;
            }
        }
        25..50 => {
            let down = nodes.iter_mut().find(|node| !node.is_running());
            if let Some(node) = down {
                node.start(Path::new(PROGRAM), &SETTINGS)?;
            }
        }
        50..62 => {
            network.cut(a, b)?;
            done.cuts += 1;
        }
        62..68 => {
            let off = nodes[node].region;
            for (a, b) in pairs.into_iter().filter(|(a, b)| [a, b].contains(&&off)) {
                network.cut(a, b)?;
            }
            done.cut_offs += 1;
        }
        68..80 => {
            network.slow(a, b, slow)?;
            done.slowed += 1;
        }
        80..92 => {
            network.mend(a, b)?;
            done.mends += 1;
        }
        _ => {
            network.mend_all().context("mending")?;
            done.mends += 1;
        }
    }
    // A node that ended by itself broke.
    nodes.iter_mut().try_for_each(LocalNode::check_runs)
}
