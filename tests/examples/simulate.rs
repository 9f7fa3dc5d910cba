//! Plays many games of `huren_tests::simulation`, or one again.
//!
//! `cargo run --release -p huren-tests --example simulate -- --seeds 10000`
//! `cargo run -p huren-tests --example simulate -- --seed 7 --steps 31`

use std::{
    env,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use huren_tests::simulation::{Broken, KEPT, Run, STEPS, replay, shortest};

/// Broken games that are shown.
const SHOWN: usize = 5;

struct Arguments {
    first: u64,
    count: u64,
    steps: u64,
    kept: usize,
}

/// `--seeds N` plays seeds 0 to N - 1, `--from S` begins at another, `--seed S` plays one;
/// `--steps N` makes games longer or shorter, `--events N` shows more of what broke.
fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        first: 0,
        count: 1_000,
        steps: STEPS,
        kept: KEPT,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|number| number.parse().ok());
        let number = number.ok_or(format!("{word} needs a number"))?;
        match word.as_str() {
            "--seeds" => arguments.count = number,
            "--from" => arguments.first = number,
            "--steps" => arguments.steps = number,
            "--events" => arguments.kept = usize::try_from(number).unwrap_or(usize::MAX),
            "--seed" => (arguments.first, arguments.count) = (number, 1),
            _ => {
                return Err(format!(
                    "{word} is not known: --seeds, --from, --seed, --steps, --events"
                ));
            }
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let Arguments {
        first,
        count,
        steps,
        kept,
    } = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let next = AtomicU64::new(first);
    let runs: Mutex<Vec<Run>> = Mutex::default();
    let broken: Mutex<Vec<Box<Broken>>> = Mutex::default();
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            match replay(seed, steps, kept) {
                Ok(run) => runs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(run),
                Err(game) => {
                    eprintln!("seed {seed} is broken: {}", game.what);
                    broken
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(game);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(play);
        }
    });

    let runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sum = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>();
    println!(
        "{} games of {steps} steps in {:.0?}: {} broken; {} leaves, {} acknowledged, \
         {} verdicts compared, {} crashes, {} keys stolen, {} logs of liars frozen, {} events",
        count,
        start.elapsed(),
        broken.len(),
        sum(|run| run.leaves),
        sum(|run| run.acknowledged),
        sum(|run| run.verdicts),
        sum(|run| run.crashes),
        sum(|run| run.thefts),
        sum(|run| run.frozen),
        sum(|run| run.events),
    );
    if let [run] = runs.as_slice() {
        println!("digest {:016x}", run.digest);
    }
    broken.sort_by_key(|game| game.seed);
    let is_empty = broken.is_empty();
    for game in broken.into_iter().take(SHOWN) {
        // Whoever names a game wants to see that one.
        let game = if count == 1 { game } else { shortest(game) };
        println!("\n{game}");
    }
    if is_empty {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
