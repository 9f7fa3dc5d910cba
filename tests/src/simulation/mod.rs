//! Four members under a seeded scheduler with virtual time: whole engines over memory stores
//! and an in-memory network, on one thread, whose every choice comes from one seed. What can
//! go wrong does: partitions, crashes, delays, reordering, wrong clocks, failing stores, a
//! member that lies, keys and trust lists that change in the middle. What must hold is checked
//! after every step, and at the end everything has to come together again.
//!
//! The same seed gives the same events, to the millisecond. Not simulated are SQL, TLS and
//! sockets, whose threads and randomness break that: real processes test those.

mod clock;
mod dice;
mod disk;
mod end;
mod keys;
mod liar;
mod network;
mod step;
mod trace;
mod truth;
mod world;

use std::fmt;

use world::World;

/// Steps of a run unless somebody wants others.
pub const STEPS: u64 = 100;

/// Events that are kept to be shown when something breaks, unless somebody wants others.
pub const KEPT: usize = 60;

/// What a run was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Digest of all events in their order: equal for equal seeds.
    pub digest: u64,
    /// Their number.
    pub events: u64,
    /// Leaves in all logs together.
    pub leaves: u64,
    /// Submissions that were acknowledged.
    pub acknowledged: u64,
    /// Verdicts that were compared with the logs.
    pub verdicts: u64,
    /// Crashes.
    pub crashes: u64,
    /// Logs that were frozen somewhere, which only a liar's is.
    pub frozen: u64,
    /// Record keys that a trust list closed before records that they had signed.
    pub thefts: u64,
}

/// A run in which something broke.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its seed.
    pub seed: u64,
    /// The step behind which it showed; all of them if it did at the end.
    pub steps: u64,
    /// What does not hold.
    pub what: String,
    /// The last events.
    pub tail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            steps,
            what,
            tail,
        } = self;
        write!(
            f,
            "{tail}\nseed {seed}, step {steps}: {what}\nplay it again:  \
             cargo run -p huren-tests --example simulate -- --seed {seed} --steps {steps}"
        )
    }
}

/// Plays one game.
///
/// # Errors
/// [`Broken`] with what does not hold, as soon as it does not.
///
/// # Panics
/// If there is no folder for high-water files.
pub fn simulate(seed: u64, steps: u64) -> Result<Run, Box<Broken>> {
    replay(seed, steps, KEPT)
}

/// Plays one game as [`simulate`] does, and keeps so many events of one that breaks.
///
/// # Errors
/// As [`simulate`].
///
/// # Panics
/// As [`simulate`].
pub fn replay(seed: u64, steps: u64, kept: usize) -> Result<Run, Box<Broken>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(seed, kept);
        let outcome = play(&mut world, steps).await;
        world.close().await;
        outcome.map_err(|(steps, what)| {
            Box::new(Broken {
                seed,
                steps,
                what,
                tail: world.trace.tail(),
            })
        })
    })
}

/// The first steps of a broken game that break too: a later choice may have hidden what an
/// earlier one broke until the end.
///
/// # Errors
/// [`Broken`] as [`simulate`] gives it, with as few steps as there can be.
pub fn shortest(broken: Box<Broken>) -> Box<Broken> {
    let shorter = (0..broken.steps).find_map(|steps| simulate(broken.seed, steps).err());
    shorter.unwrap_or(broken)
}

async fn play(world: &mut World, steps: u64) -> Result<Run, (u64, String)> {
    world.open_all().await;
    for step in 1..=steps {
        world.step().await.map_err(|what| (step, what))?;
        world.check().await.map_err(|what| (step, what))?;
    }
    world.come_together().await.map_err(|what| (steps, what))?;
    Ok(world.run())
}
