//! Some games of `huren_tests::simulation`. Many more: `just simulate`.

use std::env;

use huren_tests::simulation::{STEPS, shortest, simulate};

/// Games in an ordinary run of the tests.
const SEEDS: u64 = 200;

#[test]
fn games_hold_what_must_hold() {
    let seeds = env::var("SIMULATION_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok());
    for seed in 0..seeds.unwrap_or(SEEDS) {
        if let Err(broken) = simulate(seed, STEPS) {
            panic!("\n{}", shortest(broken));
        }
    }
}

/// Otherwise a seed would say nothing.
#[test]
fn the_same_seed_plays_the_same_game() {
    for seed in [1, 7, 12] {
        let first = simulate(seed, STEPS).unwrap_or_else(|broken| panic!("\n{broken}"));
        assert_eq!(simulate(seed, STEPS).ok(), Some(first));
    }
}
