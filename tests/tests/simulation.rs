//! Some games of `huren_tests::simulation`. Many more: `just simulate`.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use huren_tests::simulation::{shortest, simulate};

/// Games in an ordinary run of the tests: a little more than a minute of two cores.
const SEEDS: u64 = 200;

/// Steps of a game: some are short, so that little hides what breaks, and some are long.
const fn steps(seed: u64) -> u64 {
    20 + seed % 3 * 20
}

#[test]
fn games_hold_what_must_hold() {
    let seeds = env::var("SIMULATION_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok());
    let (next, end) = (AtomicU64::new(0), seeds.unwrap_or(SEEDS));
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return None;
            }
            if let Err(broken) = simulate(seed, steps(seed)) {
                // The others end their game and begin no other.
                next.store(end, Ordering::Relaxed);
                return Some(shortest(broken));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let broken: Vec<_> = thread::scope(|scope| {
        let games: Vec<_> = (0..cores).map(|_| scope.spawn(play)).collect();
        let ended = games.into_iter().map(|game| game.join().expect("no panic"));
        ended.flatten().collect()
    });
    if let Some(broken) = broken.first() {
        panic!("\n{broken}");
    }
}

/// Otherwise a seed would say nothing.
#[test]
fn the_same_seed_plays_the_same_game() {
    for seed in [1, 7, 12] {
        let first = simulate(seed, 60).unwrap_or_else(|broken| panic!("\n{broken}"));
        assert_eq!(simulate(seed, 60).ok(), Some(first));
    }
}
