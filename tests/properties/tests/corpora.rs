//! Every property over its seeds, over damaged copies of them, and over what fuzzing kept.

use std::{fs, panic, path::Path};

use huren_properties::{PROPERTIES, seeds};

/// Damaged copies of each seed.
const COPIES: u64 = 150;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(folder.join(name)).expect("a corpus for every property");
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Which bytes break a property is what whoever repairs it needs to know.
fn hold(name: &str, property: fn(&[u8]), bytes: &[u8]) {
    let outcome = panic::catch_unwind(|| property(bytes));
    assert!(outcome.is_ok(), "{name}: {}", hex::encode(bytes));
}

#[test]
fn properties_hold_over_the_corpora() {
    for (name, property) in PROPERTIES {
        let kept = corpus(name);
        assert!(!kept.is_empty(), "no corpus for {name}");
        kept.iter().for_each(|bytes| hold(name, *property, bytes));
    }
}

#[test]
fn properties_hold_over_damaged_seeds() {
    for (name, property) in PROPERTIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "no seeds for {name}");
        for (seed, number) in seeds.iter().zip(0..) {
            hold(name, *property, seed);
            // The largest seeds take longest, and are seldom alone.
            let copies = COPIES / (1 + seed.len() as u64 / 2048);
            for copy in 0..copies {
                let other = &seeds[copy as usize % seeds.len()];
                let damaged = damaged(seed, other, Numbers(1 + (number << 32) + copy));
                hold(name, *property, &damaged);
            }
        }
    }
}

/// Every fuzz target is one of the properties, and each has its target.
#[test]
fn every_property_is_fuzzed() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let targets: Vec<_> = manifest
        .lines()
        .filter_map(|line| {
            line.strip_prefix("path = \"targets/")?
                .strip_suffix(".rs\"")
        })
        .collect();
    let names: Vec<_> = PROPERTIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, names);
}

/// Numbers that are always the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

fn damaged(seed: &[u8], other: &[u8], mut numbers: Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + 1 + numbers.below(16)).min(bytes.len());
        match numbers.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            3 => bytes.insert(at, b"\n\0 0+/,\""[numbers.below(8)]),
            4 if at < end => drop(bytes.drain(at..end)),
            5 if at < end => {
                drop(bytes.splice(at..at, seed[at.min(seed.len())..].iter().take(9).copied()))
            }
            _ => {
                bytes.truncate(at);
                bytes.extend(&other[numbers.below(other.len())..]);
            }
        }
    }
    bytes
}
