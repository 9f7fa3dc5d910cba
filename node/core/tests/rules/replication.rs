//! Replication: judging checkpoints and checking packages.

use huren_core::{
    merkle::{Hash, empty_root},
    replicate::{
        CheckpointRefusal, Judgement, MAX_CHECKPOINT_BYTES, PACKAGE, PackageRefusal, check_package,
        has_caught_up, judge, missing, packages, read_checkpoint, width,
    },
};
use proptest::prelude::*;

use crate::common::{Federation, Log};

#[test]
fn checkpoints_are_judged_by_size_and_root() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 6, "");
    let check = |held: (u64, Hash), seen, expected| {
        assert_eq!(judge((held.0, &held.1), &log.checkpoint(seen)), expected);
    };
    let held = (4, log.root(4));
    check(held, 3, Judgement::Older);
    check(held, 0, Judgement::Older);
    check(held, 4, Judgement::Same);
    check(held, 6, Judgement::NeedsProof { old: 4, new: 6 });
    check((4, log.root(3)), 4, Judgement::Contradiction);
    check((0, empty_root()), 0, Judgement::Same);
    check((0, empty_root()), 1, Judgement::Adopt);
}

#[test]
fn checkpoints_are_read_under_the_keys_of_their_size() {
    let federation = Federation::new();
    let province = federation.province("33");
    let log = Log::of_junk(province, 6, "");
    let mut member = province.member();
    (
        member.log_keys[0].from_index,
        member.log_keys[0].until_index,
    ) = (2, Some(5));
    let check = |note: &str, expected: Result<u64, CheckpointRefusal>| {
        let read = read_checkpoint(&member, &province.origin, note.as_bytes());
        assert_eq!(read.map(|signed| signed.checkpoint().size), expected);
    };
    let signature = Err(CheckpointRefusal::Signature);
    for (size, expected) in [(2, signature), (3, Ok(3)), (5, Ok(5)), (6, signature)] {
        check(&log.signed(size).to_string(), expected);
    }
    check("no note\n", Err(CheckpointRefusal::Malformed));
    let endless = format!("{}{}", log.signed(3), "\n".repeat(MAX_CHECKPOINT_BYTES));
    check(&endless, Err(CheckpointRefusal::Oversize));
    let jiangsu = federation.province("32");
    let foreign = Log::of_junk(jiangsu, 4, "");
    check(
        &foreign.signed(4).to_string(),
        Err(CheckpointRefusal::OtherLog),
    );
    // Cosigned only, or with the signature of another size.
    let bare = log.signed(4).with_signatures([]).unwrap();
    let mut cosigned = bare.clone();
    cosigned
        .add(jiangsu.witness.cosign(bare.checkpoint(), 1).unwrap())
        .unwrap();
    check(&cosigned.to_string(), signature);
    let moved = bare
        .with_signatures(log.signed(3).note().signatures().to_vec())
        .unwrap();
    check(&moved.to_string(), signature);
    let codes = [CheckpointRefusal::Malformed, CheckpointRefusal::OtherLog].map(|r| r.code());
    assert_eq!(codes, ["CHECKPOINT_MALFORMED", "CHECKPOINT_OTHER_LOG"]);
}

#[test]
fn packages_are_proven_or_refused() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 600, "");
    for (size, number) in [
        (600, 0),
        (600, 1),
        (600, 2),
        (256, 0),
        (257, 1),
        (1, 0),
        (300, 0),
    ] {
        let (entries, proof) = log.package(number, size);
        let root = log.root(size);
        let check =
            |number, entries: &[u8], proof: &[Hash], expected: Result<(), PackageRefusal>| {
                let checked = check_package(number, entries, proof, size, &root);
                assert_eq!(checked.map(|_| ()), expected, "package {number} of {size}");
            };
        let proven = check_package(number, &entries, &proof, size, &root).unwrap();
        let first = number * PACKAGE;
        let expected: Vec<Hash> = (first..first + u64::from(width(number, size)))
            .map(|i| log.leaf(i))
            .collect();
        assert_eq!((proven.number, proven.leaves), (number, expected));

        let (wrong, bad) = (Err(PackageRefusal::Entries), Err(PackageRefusal::Proof));
        check(number, &entries[..entries.len() - 1], &proof, wrong);
        check(number, &[], &proof, wrong);
        check(
            number,
            &[&entries[..], &[0, 1, b'x']].concat(),
            &proof,
            wrong,
        );
        check(
            number,
            &[&entries[..], &[0; 2 * 256]].concat(),
            &proof,
            wrong,
        );
        // Flip a bit of the last entry's content.
        let mut flipped = entries.clone();
        *flipped.last_mut().unwrap() ^= 1;
        check(number, &flipped, &proof, bad);
        check(
            number,
            &entries,
            &[&proof[..], &[Hash([1; 32])]].concat(),
            bad,
        );
        for place in 0..proof.len() {
            let mut changed = proof.clone();
            changed[place].0[0] ^= 1;
            check(number, &entries, &changed, bad);
            changed.remove(place);
            check(number, &entries, &changed, bad);
        }
        check(
            packages(size),
            &entries,
            &proof,
            Err(PackageRefusal::OutOfRange),
        );
        check(u64::MAX, &entries, &proof, Err(PackageRefusal::OutOfRange));
    }
    let (entries, proof) = log.package(0, 600);
    let elsewhere = check_package(1, &entries, &proof, 600, &log.root(600));
    assert_eq!(elsewhere, Err(PackageRefusal::Proof));
    let other_size = check_package(0, &entries, &proof, 599, &log.root(599));
    assert_eq!(other_size, Err(PackageRefusal::Proof));
    let refusals = [
        PackageRefusal::OutOfRange,
        PackageRefusal::Entries,
        PackageRefusal::Proof,
    ];
    let codes = refusals.map(|refusal| refusal.code());
    assert_eq!(
        codes,
        ["PACKAGE_OUT_OF_RANGE", "PACKAGE_ENTRIES", "PACKAGE_PROOF"]
    );
}

#[test]
fn a_restored_log_has_caught_up_with_what_enough_members_show() {
    let check = |folded, held, shown: &[u64], expected| {
        assert_eq!(has_caught_up(folded, held, shown, 2), expected, "{shown:?}");
    };
    check(5, 5, &[5, 5], true);
    check(5, 5, &[5, 3, 0], true);
    check(5, 5, &[5], false);
    check(5, 5, &[], false);
    check(5, 5, &[5, 6], false);
    check(5, 5, &[5, 5, 6], false);
    // The erasure may be among what is held and not folded.
    check(5, 6, &[5, 5], false);
    assert!(has_caught_up(0, 0, &[], 0), "a node without members");
}

#[test]
fn packages_count_from_zero() {
    assert_eq!([0, 1, 256, 257].map(packages), [0, 1, 1, 2]);
    assert_eq!(
        (width(0, 10), width(0, 256), width(1, 257), width(2, 257)),
        (10, 256, 1, 0)
    );
    assert_eq!(width(u64::MAX, u64::MAX), 0);
}

proptest! {
    #[test]
    fn missing_runs_are_the_packages_not_held(
        size in 0u64..4_000,
        from in 0u64..18,
        held in prop::collection::btree_map(0u64..18, 0u16..=256, 0..18),
        longest in 1u32..6,
    ) {
        let held_rows: Vec<(u64, u16)> = held.iter().map(|(n, w)| (*n, *w)).collect();
        let runs = missing(size, from, &held_rows, longest);
        let naive: Vec<u64> = (from..packages(size))
            .filter(|n| held.get(n).is_none_or(|w| *w < width(*n, size)))
            .collect();
        let found: Vec<u64> =
            runs.iter().flat_map(|(first, count)| *first..first + u64::from(*count)).collect();
        prop_assert_eq!(found, naive);
        prop_assert!(runs.iter().all(|(_, count)| (1..=longest).contains(count)));
        // No two runs that could have been one.
        let joinable = runs.windows(2).any(|pair| {
            pair[0].0 + u64::from(pair[0].1) == pair[1].0 && pair[0].1 < longest
        });
        prop_assert!(!joinable);
    }
}
