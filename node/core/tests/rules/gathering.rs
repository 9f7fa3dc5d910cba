//! Gathering cosignatures: the newest that verify, and nothing else.

use huren_core::{
    checkpoint::SignedCheckpoint,
    cosign::verify_cosignature,
    gather::{gather, is_ahead},
};

use crate::common::{Federation, Log, NOW};

/// Names and times of the cosignatures that are kept, and whether the log's signature is.
fn kept(federation: &Federation, notes: &[&SignedCheckpoint], latest: u64) -> Vec<(String, u64)> {
    let province = federation.province("33");
    let policy = federation.list().policy(&province.origin).unwrap();
    let gathered = gather(&policy, notes, latest).unwrap();
    assert_eq!(gathered.checkpoint(), notes[0].checkpoint());
    gathered.verify_log(province.log.verifier_key()).unwrap();
    let mut times = Vec::new();
    for signature in &gathered.note().signatures()[1..] {
        let witness = policy
            .witnesses()
            .find(|witness| signature.is_by(witness.key()))
            .unwrap();
        let time = verify_cosignature(gathered.note().text(), signature, witness.key()).unwrap();
        times.push((signature.name().to_string(), time));
    }
    times
}

fn check(expected: &[(&str, u64)], notes: &[&SignedCheckpoint]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, time)| (format!("huren.example/{name}"), *time))
        .collect();
    assert_eq!(kept(&Federation::new(), notes, NOW), expected);
}

#[test]
fn the_newest_of_every_witness_is_kept() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 5, "");
    let (shanghai, jiangsu) = (federation.province("31"), federation.province("32"));
    let one = log.cosigned(5, &[(&shanghai.witness, NOW - 60), (&jiangsu.mirror, NOW)]);
    let two = log.cosigned(
        5,
        &[(&shanghai.witness, NOW - 30), (&shanghai.mirror, NOW - 90)],
    );
    let three = log.cosigned(
        5,
        &[(&shanghai.witness, NOW - 45), (&jiangsu.mirror, NOW - 1)],
    );
    let all = [
        ("witness/31", NOW - 30),
        ("mirror/31", NOW - 90),
        ("mirror/32", NOW),
    ];
    check(&all, &[&one, &two, &three]);
    check(&all, &[&three, &two, &one]);
    check(&[("witness/31", NOW - 60), ("mirror/32", NOW)], &[&one]);
    check(&[], &[&log.signed(5)]);
}

#[test]
fn the_future_and_the_unknown_are_dropped() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 5, "");
    let shanghai = federation.province("31");
    let early = log.cosigned(5, &[(&shanghai.witness, NOW)]);
    let late = log.cosigned(
        5,
        &[
            (&shanghai.witness, NOW + 1),
            (&shanghai.mirror, u64::MAX / 2),
        ],
    );
    check(&[("witness/31", NOW)], &[&late, &early]);
    let policy = federation.list().policy(&log.province.origin).unwrap();
    let ahead =
        |note: &SignedCheckpoint, latest| is_ahead(&policy, std::slice::from_ref(note), latest);
    assert!(ahead(&late, NOW) && !ahead(&early, NOW) && ahead(&early, NOW - 1));
    // A time that nobody signed tells nothing of clocks.
    let other = Log::of_junk(federation.province("33"), 6, "");
    let moved = other
        .signed(6)
        .with_signatures(late.note().signatures().to_vec());
    assert!(!ahead(&moved.unwrap(), NOW));
    check(&[], &[&late]);
    // The log's own member never counts for its log, so its cosignature is of no use.
    let own = federation.province("33");
    check(
        &[],
        &[&log.cosigned(5, &[(&own.witness, NOW), (&own.mirror, NOW)])],
    );
}

#[test]
fn what_does_not_verify_is_dropped() {
    let federation = Federation::new();
    let province = federation.province("33");
    let (log, other) = (Log::of_junk(province, 5, ""), Log::of_junk(province, 6, ""));
    let (shanghai, jiangsu) = (federation.province("31"), federation.province("32"));
    let good = log.cosigned(5, &[(&shanghai.witness, NOW - 60)]);
    let other = other.cosigned(6, &[(&shanghai.witness, NOW), (&jiangsu.witness, NOW)]);
    // Signatures of another checkpoint: as a note of their own, and moved under this one.
    check(&[("witness/31", NOW - 60)], &[&good, &other]);
    let moved = good
        .with_signatures(other.note().signatures().to_vec())
        .unwrap();
    check(&[("witness/31", NOW - 60)], &[&moved, &good]);

    let policy = federation.list().policy(&province.origin).unwrap();
    let gathered = gather(&policy, &[&moved], NOW).unwrap();
    assert!(gathered.note().signatures().is_empty());
    assert!(gather(&policy, &[], NOW).is_none());
}
