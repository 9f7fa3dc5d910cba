use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosign::Cosigner;
use crate::merkle::leaf_hash;
use crate::note::{NoteSigner, SignatureError, VerifierKeyError};

fn log(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed(format!("w{seed}.example").parse().unwrap(), &[seed; 32])
}

fn name(text: &str) -> PolicyName {
    PolicyName::new(text).unwrap()
}

/// Replaces `<log1>` and `<w2>` by verifier keys.
fn with_keys(text: &str) -> String {
    (1..20u8).fold(text.to_owned(), |text, seed| {
        let log = log("log.example", seed).verifier_key().to_string();
        let witness = cosigner(seed).verifier_key().to_string();
        text.replace(&format!("<log{seed}>"), &log)
            .replace(&format!("<w{seed}>"), &witness)
    })
}

/// `tlog-policy`, "Example policy".
const EXAMPLE: &str = "log <log1>

witness X1 <w1>
witness X2 <w2>
witness X3 <w3>
group X-witnesses 2 X1 X2 X3

witness Y1 <w4>
witness Y2 <w5>
witness Y3 <w6>
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
";

fn signed(cosigners: &[(u8, u64)]) -> SignedCheckpoint {
    let head = Checkpoint::new("log.example".parse().unwrap(), 1, leaf_hash(b""));
    let mut signed = SignedCheckpoint::sign(head.clone(), &log("log.example", 1)).unwrap();
    for (seed, time) in cosigners {
        signed
            .add(cosigner(*seed).cosign(&head, *time).unwrap())
            .unwrap();
    }
    signed
}

#[test]
fn the_example_of_the_specification() {
    let policy = Policy::parse(with_keys(EXAMPLE)).unwrap();
    assert_eq!(policy.logs().len(), 1);
    assert_eq!(policy.witnesses().count(), 6);
    let time = |cosigners: &[(u8, u64)]| {
        policy
            .evaluate(&signed(cosigners))
            .ok()
            .map(|witnessed| witnessed.quorum_time.unwrap())
    };
    assert_eq!(time(&[(1, 10), (2, 20), (4, 30)]), Some(10));
    assert_eq!(
        time(&[(1, 10), (2, 20), (3, 30), (4, 5), (5, 25)]),
        Some(20)
    );
    assert_eq!(time(&[(1, 10), (2, 20), (3, 30)]), None);
    assert_eq!(time(&[(1, 10), (4, 20), (5, 30), (6, 40)]), None);
    assert_eq!(Policy::parse(policy.to_bytes()), Ok(policy.clone()));
    assert_eq!(policy.to_string().into_bytes(), policy.to_bytes());
}

#[test]
fn a_witness_with_two_keys_counts_once() {
    let text = with_keys(
        "log <log1>\nwitness m31-witness <w2>\nwitness m31-mirror <w3>\nwitness m32 <w4>\n\
         group m31 any m31-witness m31-mirror\ngroup q 2 m31 m32\nquorum q\n",
    );
    let policy = Policy::parse(text).unwrap();
    let both = policy.evaluate(&signed(&[(2, 10), (3, 20)])).unwrap_err();
    let have = BTreeMap::from([(name("m31-witness"), 10), (name("m31-mirror"), 20)]);
    assert_eq!(both, PolicyError::QuorumNotMet(QuorumNotMet { have }));
    let witnessed = policy
        .evaluate(&signed(&[(2, 10), (3, 20), (4, 15)]))
        .unwrap();
    assert_eq!(witnessed.quorum_time, Some(15));
}

#[test]
fn k_of_n_is_the_kth_newest() {
    let witnesses = [2, 3, 4].map(|seed| {
        (
            name(&format!("m{seed}")),
            cosigner(seed).verifier_key().clone(),
            None,
        )
    });
    let key = log("log.example", 1).verifier_key().clone();
    let policy = Policy::quorum_of(key.clone(), witnesses.clone(), 2).unwrap();
    let witnessed = policy
        .evaluate(&signed(&[(2, 10), (3, 30), (4, 20)]))
        .unwrap();
    assert_eq!(witnessed.quorum_time, Some(20));
    // A witness that signed twice is as new as its newer cosignature.
    let witnessed = policy
        .evaluate(&signed(&[(2, 40), (2, 10), (3, 30)]))
        .unwrap();
    assert_eq!(witnessed.quorum_time, Some(30));
    for threshold in [0, 4] {
        let refused = Policy::quorum_of(key.clone(), witnesses.clone(), threshold);
        assert!(matches!(
            refused,
            Err(PolicyBuildError::Threshold { members: 3, .. })
        ));
    }
}

#[test]
fn what_is_rejected() {
    let policy = Policy::parse(with_keys("log <log1>\nwitness a <w2>\nquorum a\n")).unwrap();
    let good = signed(&[(2, 10), (9, 10)]);
    assert!(policy.evaluate(&good).is_ok());

    let other = Checkpoint::new("other.example".parse().unwrap(), 1, leaf_hash(b""));
    let other = SignedCheckpoint::sign(other, &log("other.example", 1)).unwrap();
    assert_eq!(policy.evaluate(&other), Err(PolicyError::UnknownLog));

    let without_log = good
        .with_signatures(good.note().signatures()[1..].to_vec())
        .unwrap();
    assert_eq!(
        policy.evaluate(&without_log),
        Err(PolicyError::NoLogSignature)
    );
    assert!(policy.evaluate_cosignatures(&without_log).is_ok());

    // Signatures over another checkpoint of the same log.
    let head = Checkpoint::new("log.example".parse().unwrap(), 2, leaf_hash(b""));
    let mut bad_log = good.clone();
    bad_log
        .add(log("log.example", 1).sign(&head.to_text()))
        .unwrap();
    assert_eq!(
        policy.evaluate(&bad_log),
        Err(PolicyError::BadLogSignature(SignatureError::Ed25519))
    );
    let mut bad_witness = good.clone();
    bad_witness
        .add(cosigner(2).cosign(&head, 10).unwrap())
        .unwrap();
    assert_eq!(
        policy.evaluate(&bad_witness),
        Err(PolicyError::BadCosignature {
            witness: name("a"),
            source: SignatureError::Ed25519
        })
    );
    // Of a witness that the policy does not know it does not matter.
    let mut unknown = good;
    unknown.add(cosigner(9).cosign(&head, 10).unwrap()).unwrap();
    assert!(policy.evaluate(&unknown).is_ok());

    let no_logs = Policy::parse("quorum none\n").unwrap();
    assert_eq!(no_logs.evaluate(&unknown), Err(PolicyError::UnknownLog));
}

#[test]
fn no_witnesses() {
    let policy = Policy::parse(with_keys("log <log1>\nquorum none\n")).unwrap();
    let witnessed = policy.evaluate(&signed(&[(2, 10)])).unwrap();
    assert_eq!(
        witnessed,
        Witnessed {
            timestamps: BTreeMap::new(),
            quorum_time: None
        }
    );
    assert_eq!(
        policy.to_bytes(),
        with_keys("log <log1>\nquorum none\n").into_bytes()
    );
}

#[test]
fn a_log_may_have_several_keys() {
    let policy = Policy::parse(with_keys("log <log2>\nlog <log1>\nquorum none\n")).unwrap();
    assert!(policy.evaluate(&signed(&[])).is_ok());
}

#[test]
fn blank_space_comments_and_octets() {
    let text = with_keys(
        " \t\n# log\n\t # \u{e9}\nlog\t<log1>   https://log.example \n witness \u{e9} <w2>\thttps://w\nquorum \u{e9}\t\n",
    );
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(
        policy.logs()[0].url().unwrap().as_bytes(),
        b"https://log.example"
    );
    assert_eq!(
        policy
            .witnesses()
            .next()
            .unwrap()
            .url()
            .unwrap()
            .to_string(),
        "https://w"
    );
    assert_eq!(Policy::parse(policy.to_bytes()), Ok(policy));
    // Names are octets: neither UTF-8 nor its normal forms matter.
    let mut text = with_keys("witness K <w1>\nwitness \u{212a} <w2>\nwitness ").into_bytes();
    text.extend_from_slice(b"\xff\xfe ");
    text.extend(with_keys("<w3>\nquorum K\n").into_bytes());
    let policy = Policy::parse(text).unwrap();
    assert_eq!(policy.witnesses().count(), 3);
    assert_eq!(Policy::parse(policy.to_bytes()), Ok(policy));
}

#[test]
fn rules_of_the_text() {
    use PolicyBuildError as Build;
    use PolicyParseReason as Reason;
    let key = |text: &str| {
        with_keys(text)
            .parse::<VerifierKey>()
            .unwrap()
            .name()
            .clone()
    };
    let rule = |rule| Reason::Rule(rule);
    let cases = [
        (1, "", rule(Build::NoQuorum)),
        (2, "# nothing\n", rule(Build::NoQuorum)),
        (1, "quorum none", Reason::Unterminated),
        (1, "quorum none\r\n", Reason::Octet),
        (1, "# \u{7f}\n", Reason::Octet),
        (1, "quorum\u{b}none\n", Reason::Octet),
        (1, "Quorum none\n", Reason::Keyword),
        (1, "quorum\n", Reason::Items),
        (1, "quorum none none\n", Reason::Items),
        (1, "log\n", Reason::Items),
        (1, "log <log1> url more\n", Reason::Items),
        (1, "log x\n", Reason::Key(VerifierKeyError::Structure)),
        (1, "log <w1>\n", rule(Build::KeyType(key("<w1>")))),
        (1, "witness a\n", Reason::Items),
        (1, "witness a <log1>\n", rule(Build::KeyType(key("<log1>")))),
        (
            1,
            "witness none <w1>\n",
            rule(Build::DuplicateName(name("none"))),
        ),
        (
            2,
            "log <log1>\nlog <log1>\n",
            rule(Build::DuplicateKey(key("<log1>"))),
        ),
        (
            2,
            "witness a <w1>\nwitness b <w1>\n",
            rule(Build::DuplicateKey(key("<w1>"))),
        ),
        (
            2,
            "witness a <w1>\nwitness a <w2>\n",
            rule(Build::DuplicateName(name("a"))),
        ),
        (
            2,
            "witness a <w1>\ngroup a any a\n",
            rule(Build::DuplicateName(name("a"))),
        ),
        (
            2,
            "witness a <w1>\ngroup none any a\n",
            rule(Build::DuplicateName(name("none"))),
        ),
        (2, "witness a <w1>\ngroup g any\n", Reason::Items),
        (2, "witness a <w1>\ngroup g a\n", Reason::Items),
        (2, "witness a <w1>\ngroup g some a\n", Reason::Threshold),
        (2, "witness a <w1>\ngroup g 01 a\n", Reason::Threshold),
        (2, "witness a <w1>\ngroup g +1 a\n", Reason::Threshold),
        (2, "witness a <w1>\ngroup g -1 a\n", Reason::Threshold),
        (
            2,
            "witness a <w1>\ngroup g 0 a\n",
            rule(Build::Threshold {
                group: name("g"),
                members: 1,
            }),
        ),
        (
            2,
            "witness a <w1>\ngroup g 2 a\n",
            rule(Build::Threshold {
                group: name("g"),
                members: 1,
            }),
        ),
        (
            2,
            "witness a <w1>\ngroup g any a a\n",
            rule(Build::MemberTwice(name("a"))),
        ),
        (
            3,
            "witness a <w1>\ngroup g any a\ngroup h any a\n",
            rule(Build::MemberTwice(name("a"))),
        ),
        (
            1,
            "group g any a\nwitness a <w1>\n",
            rule(Build::UnknownName(name("a"))),
        ),
        (1, "group g any g\n", rule(Build::UnknownName(name("g")))),
        (
            2,
            "witness a <w1>\ngroup g any none a\n",
            rule(Build::UnknownName(name("none"))),
        ),
        (
            1,
            "quorum a\nwitness a <w1>\n",
            rule(Build::UnknownName(name("a"))),
        ),
        (
            2,
            "quorum none\nquorum none\n",
            rule(Build::DuplicateQuorum),
        ),
    ];
    for (line, text, reason) in cases {
        let expected = PolicyParseError { line, reason };
        assert_eq!(Policy::parse(with_keys(text)), Err(expected), "{text:?}");
    }
    // A second vkey around the same public key is a duplicate too.
    let renamed = log("renamed.example", 1).verifier_key().to_string();
    let error = Policy::parse(with_keys(&format!("log <log1>\nlog {renamed}\n"))).unwrap_err();
    assert!(matches!(error.reason, Reason::Rule(Build::DuplicateKey(_))));
}

#[test]
fn limits() {
    let text = |count: u16| {
        let line = |n: u16| {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            let key = Cosigner::from_seed("w".parse().unwrap(), &seed)
                .verifier_key()
                .to_string();
            format!("witness w{n} {key}\n")
        };
        let witnesses: String = (0..count).map(line).collect();
        format!("{witnesses}quorum none\n")
    };
    assert!(Policy::parse(text(256)).is_ok());
    let error = Policy::parse(text(257)).unwrap_err();
    assert_eq!(
        error.reason,
        PolicyParseReason::Rule(PolicyBuildError::TooMany)
    );
}

proptest! {
    #[test]
    fn the_quorum_time_is_the_latest_that_satisfies_it(
        times in prop::collection::vec(prop::option::of(0u64..8), 6), x in 1usize..=3, y in 1usize..=3, top in 1usize..=2,
    ) {
        let text = EXAMPLE.replace("2 X1", &format!("{x} X1"));
        let text = text.replace("any Y1", &format!("{y} Y1")).replace("all X-", &format!("{top} X-"));
        let policy = Policy::parse(with_keys(&text)).unwrap();
        let names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
        let have: BTreeMap<_, _> =
            names.iter().zip(&times).filter_map(|(n, time)| Some((name(n), (*time)?))).collect();
        // By definition, without times: count who signed at `t` or later.
        let satisfied_at = |t: u64| {
            let count = |part: &[Option<u64>]| part.iter().flatten().filter(|time| **time >= t).count();
            let groups = [count(&times[..3]) >= x, count(&times[3..]) >= y];
            groups.iter().filter(|met| **met).count() >= top
        };
        let expected = (0..8).rev().find(|t| satisfied_at(*t));
        prop_assert_eq!(policy.quorum_timestamp(&have).ok().flatten(), expected);
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(lines in prop::collection::vec(
        prop_oneof![
            Just("log <log1>"), Just("log <log2> u"), Just("witness a <w1>"), Just("witness b <w2> \u{e9}"),
            Just("group g any a b"), Just("group h 2 g c"), Just("witness c <w3>"), Just("quorum none"),
            Just("quorum h"), Just("quorum a"), Just("# x"), Just(""),
        ], 0..10,
    )) {
        let text = with_keys(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        if let Ok(policy) = Policy::parse(text) {
            prop_assert_eq!(Policy::parse(policy.to_bytes()), Ok(policy));
        }
    }
}
