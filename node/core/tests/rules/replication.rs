//! Replication: judging checkpoints, checking packages, and evidence of forks.

use huren_core::{
    merkle::{Hash, empty_root},
    replicate::{
        CheckpointRefusal, Evidence, Judgement, PACKAGE, PackageRefusal, check_package,
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

/// Two histories of one log that share their first leaves.
struct Fork<'a> {
    one: Log<'a>,
    two: Log<'a>,
}

impl<'a> Fork<'a> {
    fn new(federation: &'a Federation) -> Self {
        let province = federation.province("33");
        let mut fork = Self {
            one: Log::of_junk(province, 2, ""),
            two: Log::of_junk(province, 2, ""),
        };
        for n in 2..20u8 {
            fork.one.append(vec![b'1', n]);
            fork.two.append(vec![b'2', n]);
        }
        fork
    }
}

fn proves(federation: &Federation, evidence: &Evidence) -> bool {
    let province = federation.province("33");
    evidence.proves(&province.member(), &province.origin)
}

/// Evidence that `before` of one history does not belong to `after` of another.
fn evidence(before: (&Log<'_>, u64), after: (&Log<'_>, u64)) -> Evidence {
    let (old, new) = (before.1, after.1);
    Evidence::of_history(
        &before.0.signed(old),
        &after.0.signed(new),
        &after.0.root(old),
        &after.0.consistency(old, new),
    )
}

#[test]
fn two_roots_of_one_size_prove_a_fork() {
    let federation = Federation::new();
    let Fork { one, two } = Fork::new(&federation);
    let same_size = |smaller: String, larger: String| {
        proves(
            &federation,
            &Evidence {
                smaller,
                larger,
                proof: Vec::new(),
            },
        )
    };
    assert!(same_size(
        one.signed(5).to_string(),
        two.signed(5).to_string()
    ));
    assert!(!same_size(
        one.signed(5).to_string(),
        one.signed(5).to_string()
    ));
    assert!(!same_size(
        one.signed(2).to_string(),
        two.signed(2).to_string()
    ));
    let unsigned = two.signed(5).with_signatures([]).unwrap();
    assert!(!same_size(one.signed(5).to_string(), unsigned.to_string()));
    let moved = unsigned
        .with_signatures(one.signed(5).note().signatures().to_vec())
        .unwrap();
    assert!(!same_size(one.signed(5).to_string(), moved.to_string()));
}

#[test]
fn a_consistency_proof_to_another_root_proves_a_fork() {
    let federation = Federation::new();
    let Fork { one, two } = Fork::new(&federation);
    for old in 1..19 {
        for new in old + 1..20 {
            // Up to two leaves both histories are the same.
            let forked = evidence((&one, old), (&two, new));
            assert_eq!(proves(&federation, &forked), old > 2, "{old} to {new}");
            let honest = evidence((&one, old), (&one, new));
            assert!(!proves(&federation, &honest), "{old} to {new}");
        }
    }
}

#[test]
fn made_up_evidence_proves_nothing() {
    let federation = Federation::new();
    let Fork { one, two } = Fork::new(&federation);
    let genuine = evidence((&one, 5), (&two, 9));
    assert!(proves(&federation, &genuine));
    let check = |change: &dyn Fn(&mut Evidence)| {
        let mut changed = genuine.clone();
        change(&mut changed);
        assert!(!proves(&federation, &changed));
    };
    check(&|e| e.proof.truncate(e.proof.len() - 1));
    check(&|e| e.proof.push(e.proof[0].clone()));
    check(&|e| e.proof.swap(0, 1));
    check(&|e| e.proof[0] = "no hash".to_owned());
    check(&|e| e.proof.clear());
    check(&|e| std::mem::swap(&mut e.smaller, &mut e.larger));
    check(&|e| e.larger = e.larger.replacen('9', "10", 1));
    check(&|e| {
        e.smaller = Log::of_junk(federation.province("32"), 5, "")
            .signed(5)
            .to_string()
    });
    // An honest history cannot be framed with a proof of somebody else's tree.
    for size in [4, 5] {
        let mut framed = evidence((&one, size), (&two, 9));
        framed.larger = one.signed(9).to_string();
        assert!(!proves(&federation, &framed));
    }
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
