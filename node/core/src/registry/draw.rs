//! Draws that anybody can play again: by a seed that nobody could choose.
//!
//! Candidates are fixed first, in an entry or by their digest; the seed comes from a checkpoint
//! that was cosigned later. So neither who draws nor who is drawn can steer the outcome.

use std::collections::BTreeMap;

use huren_proto::v1;

use crate::{checkpoint::Origin, framing, merkle::Hash};

/// The line that hashes of draws start with.
const DOMAIN: &[u8] = b"huren/draw/v1\n";

/// The line that seeds start with.
const SEED_DOMAIN: &[u8] = b"huren/draw/seed/v1\n";

/// The line that digests of candidates start with.
const CANDIDATES_DOMAIN: &[u8] = b"huren/draw/candidates/v1\n";

/// The seed that a checkpoint gives: SHA-256 over the domain line, the log's origin, its size
/// (uint64, big-endian) and its root hash, each length-prefixed.
pub fn seed_of(origin: &Origin, size: u64, root: &Hash) -> [u8; 32] {
    let size = size.to_be_bytes();
    framing::hash([
        SEED_DOMAIN,
        origin.as_str().as_bytes(),
        &size,
        root.as_bytes(),
    ])
}

/// The seed that an entry names; `None` if it names no checkpoint. That the checkpoint is one of
/// its log, and later than the candidates, is for the caller to check.
pub fn seed_named(seed: &v1::DrawSeed) -> Option<[u8; 32]> {
    let origin: Origin = seed.origin.parse().ok()?;
    let root = Hash::from_slice(&seed.root)?;
    Some(seed_of(&origin, seed.size, &root))
}

/// Draws `count` of the candidates without replacement, each equally likely, and gives their
/// places in the order of the draw. Fewer candidates are all drawn.
///
/// Candidates are sorted by their bytes first, and those of one name count once (by the first
/// place), so the outcome does not depend on the order in which they are given. Then the list is
/// shuffled from its start: each place is exchanged with one drawn from itself and those behind it.
pub fn draw(seed: &[u8; 32], purpose: &str, candidates: &[&str], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = sorted(candidates).into_values().collect();
    let mut numbers = Numbers {
        seed,
        purpose,
        counter: 0,
    };
    let count = count.min(places.len());
    for place in 0..count {
        let drawn = place + numbers.below(places.len() - place);
        places.swap(place, drawn);
    }
    places.truncate(count);
    places
}

/// What fixes the candidates: SHA-256 over the domain line and the distinct names, ascending by
/// their bytes, each length-prefixed.
pub fn digest(candidates: &[&str]) -> Hash {
    let names = sorted(candidates);
    let names = names.keys().map(|name| name.as_bytes());
    Hash(framing::hash(
        std::iter::once(CANDIDATES_DOMAIN).chain(names),
    ))
}

/// How many candidates there are, those of one name counted once.
pub fn distinct(candidates: &[&str]) -> usize {
    sorted(candidates).len()
}

/// The first place of each name.
fn sorted<'a>(candidates: &[&'a str]) -> BTreeMap<&'a str, usize> {
    let mut names = BTreeMap::new();
    for (place, name) in candidates.iter().enumerate() {
        names.entry(*name).or_insert(place);
    }
    names
}

/// The numbers of a draw: the first eight bytes, big-endian, of SHA-256 over the domain line,
/// seed, purpose and counter (uint64, big-endian, from 0), each length-prefixed.
struct Numbers<'a> {
    seed: &'a [u8; 32],
    purpose: &'a str,
    counter: u64,
}

impl Numbers<'_> {
    fn next(&mut self) -> u64 {
        let counter = self.counter.to_be_bytes();
        let purpose = self.purpose.as_bytes();
        let [a, b, c, d, e, f, g, h, ..] = framing::hash([DOMAIN, self.seed, purpose, &counter]);
        self.counter += 1;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number from 0 to `bound` - 1, each equally likely; 0 if there is none. Numbers of the
    /// last, incomplete run of `bound` are passed over: they would favour small results.
    fn below(&mut self, bound: usize) -> usize {
        let Some(bound) = u64::try_from(bound).ok().filter(|bound| *bound > 0) else {
            return 0;
        };
        let incomplete = (u64::MAX % bound + 1) % bound;
        loop {
            let number = self.next();
            if number <= u64::MAX - incomplete {
                return usize::try_from(number % bound).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin() -> Origin {
        "huren.example/log/33".parse().unwrap()
    }

    fn seed() -> [u8; 32] {
        seed_of(&origin(), 4_096, &Hash([7; 32]))
    }

    fn names() -> Vec<String> {
        (1..=20).map(|n| format!("33/KP-{n:04}")).collect()
    }

    fn check(seed: &[u8; 32], purpose: &str, expected: [u32; 5]) {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let drawn = draw(seed, purpose, &names, 5);
        let numbers = drawn.iter().map(|place| u32::try_from(place + 1).unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
    }

    /// Computed by another program from the description alone: changed, they change every draw
    /// that was ever published.
    #[test]
    fn golden_draws() {
        assert_eq!(
            hex::encode(seed()),
            "3dce821a379364be920d60996440586800b5bb65dac494305ca34b44787e54e2"
        );
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            hex::encode(digest(&names).as_bytes()),
            "66aaed6f1ac9443efa9eaba59b7e13f9fd2e2515854a95a06703b803b1a1cd29"
        );
        check(&seed(), "test", [17, 12, 8, 3, 13]);
        check(&seed(), "other", [9, 16, 18, 4, 1]);
        check(&[0; 32], "test", [8, 3, 10, 18, 1]);
        let all = [
            17, 12, 8, 3, 13, 11, 16, 2, 14, 1, 10, 7, 6, 4, 5, 19, 20, 18, 15, 9,
        ];
        assert_eq!(draw(&seed(), "test", &names, 99), all.map(|n| n - 1));
    }

    /// With such a bound every other number is passed over.
    #[test]
    fn numbers_that_would_favour_some_are_passed_over() {
        let seed = seed();
        let mut numbers = Numbers {
            seed: &seed,
            purpose: "rejection",
            counter: 0,
        };
        let bound = (1 << 63) + 1;
        let drawn = [0; 4].map(|_| numbers.below(bound));
        assert_eq!(
            (drawn, numbers.counter),
            (
                [
                    1_768_542_965_000_898_958,
                    6_894_677_559_183_002_988,
                    2_354_323_242_461_676_353,
                    3_821_345_439_310_590_396
                ],
                10
            )
        );
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(draw(&seed(), "test", &[], 3), [0; 0]);
        assert_eq!(draw(&seed(), "test", &["a"], 0), [0; 0]);
        assert_eq!(draw(&seed(), "test", &["a", "a"], 2), [0]);
        assert_eq!(distinct(&["a", "b", "a"]), 2);
    }

    /// 6,000 draws of 1 out of 6: each comes about as often (five standard deviations).
    #[test]
    fn each_is_drawn_about_as_often() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut counts = [0i32; 6];
        for n in 0..6_000 {
            for place in draw(&seed(), &format!("test/{n}"), &names, 1) {
                counts[place] += 1;
            }
        }
        assert!(counts.iter().all(|c| (c - 1_000).abs() < 145), "{counts:?}");
    }

    proptest! {
        #[test]
        fn the_order_of_the_candidates_does_not_matter(
            seed: [u8; 32],
            names in prop::collection::vec("[a-c]{1,3}", 0..30)
                .prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
            count in 0usize..40,
        ) {
            let (given, shuffled) = &names;
            let drawn = |names: &[String]| -> Vec<String> {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let places = draw(&seed, "p", &names, count);
                places.into_iter().map(|place| names[place].to_owned()).collect()
            };
            let outcome = drawn(given);
            prop_assert_eq!(&outcome, &drawn(shuffled));
            let mut distinct = outcome.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), outcome.len());
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            prop_assert_eq!(outcome.len(), count.min(super::distinct(&given)));
        }
    }
}
