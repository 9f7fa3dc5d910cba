//! The witness: what it reads, what it refuses, and that it never vouches for two histories.

use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    cosign::verify_cosignature,
    evidence::Evidence,
    merkle::{Hash, empty_root, leaf_hash},
    note::VerifierKey,
    witness::{Accepted, AddCheckpoint, MAX_PROOF_LINES, Refusal, judge},
};
use proptest::prelude::*;

use crate::common::{Federation, Log, Province};

/// The request to cosign the tree of `new` leaves behind that of `old`.
fn request(log: &Log<'_>, old: u64, new: u64) -> AddCheckpoint {
    AddCheckpoint {
        old_size: old,
        proof: match old {
            0 => Vec::new(),
            old => log.consistency(old, new),
        },
        checkpoint: log.signed(new),
    }
}

fn keys(province: &Province) -> Vec<VerifierKey> {
    vec![province.log.verifier_key().clone()]
}

/// What a witness keeps once it has cosigned.
fn cosigned(province: &Province, accepted: &Accepted) -> SignedCheckpoint {
    let (_, kept) = accepted.cosign(&province.witness, 1_700_000_000).unwrap();
    kept
}

// ---- the form ------------------------------------------------------------------------------

#[test]
fn the_example_of_the_specification() {
    let body = "\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";
    let read: AddCheckpoint = body.parse().unwrap();
    assert_eq!((read.old_size, read.proof.len()), (20_852_014, 4));
    assert_eq!(read.checkpoint.checkpoint().size, 20_852_163);
    assert_eq!(read.checkpoint.note().signatures().len(), 2);
    assert_eq!(read.to_string(), body);
}

#[test]
fn other_forms_are_malformed() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 9, "");
    let good = request(&log, 4, 9).to_string();
    assert!(good.parse::<AddCheckpoint>().is_ok());
    let (old, rest) = good.split_once('\n').unwrap();
    let hash = format!("{}\n", leaf_hash(b"").to_base64());
    let with_lines = |count| format!("old 4\n{}\n{}", hash.repeat(count), log.signed(9));
    assert!(with_lines(MAX_PROOF_LINES).parse::<AddCheckpoint>().is_ok());
    let (_, unsigned) = good.split_once("\n\n").unwrap();
    let (unsigned, _) = unsigned.split_once("\n\n").unwrap();
    let bad = [
        String::new(),
        "\n".to_owned(),
        old.to_owned(),
        format!("{old}\n\n"),
        format!("old  4\n{rest}"),
        format!("Old 4\n{rest}"),
        format!(" {good}"),
        format!("old 04\n{rest}"),
        format!("old +4\n{rest}"),
        format!("old -4\n{rest}"),
        format!("old 4 \n{rest}"),
        format!("old\n{rest}"),
        format!("old 18446744073709551616\n{rest}"),
        format!("old 4\r\n{rest}"),
        format!("old 4\nAAAA\n{rest}"),
        format!("old 4\n!\n{rest}"),
        format!("{old}\n{hash}{}", log.signed(9)),
        with_lines(MAX_PROOF_LINES + 1),
        format!("old 4\n{unsigned}\n"),
        format!("old 4\n\n{unsigned}\n\n— x\n"),
        format!("{good}\n"),
        good.trim_end().to_owned(),
    ];
    for body in bad {
        assert_eq!(
            body.parse::<AddCheckpoint>(),
            Err(Refusal::Malformed),
            "{body:?}"
        );
    }
}

// ---- the judgement -------------------------------------------------------------------------

/// What is refused in a state in which nine leaves were cosigned, and why.
#[test]
fn every_refusal_in_its_order() {
    let federation = Federation::new();
    let zhejiang = federation.province("33");
    let log = Log::of_junk(zhejiang, 20, "");
    let first = judge(None, &request(&log, 0, 9), &keys(zhejiang)).unwrap();
    let latest = cosigned(zhejiang, &first);
    let check = |request: AddCheckpoint, expected: Result<u64, Refusal>| {
        let judged = judge(Some(&latest), &request, &keys(zhejiang));
        let judged = judged.map(|accepted| accepted.checkpoint().size);
        assert_eq!(
            judged.map_err(|refused| refused.refusal),
            expected,
            "{request}"
        );
    };
    check(request(&log, 9, 9), Ok(9));
    check(request(&log, 9, 20), Ok(20));

    // Signatures come first, so that nobody else learns the size.
    let unsigned = |checkpoint: &SignedCheckpoint| AddCheckpoint {
        checkpoint: checkpoint.clone(),
        ..request(&log, 3, 4)
    };
    let jiangsu = federation.province("32");
    let by_other_key = SignedCheckpoint::sign(log.checkpoint(4), &jiangsu.log).unwrap();
    check(unsigned(&by_other_key), Err(Refusal::Signature));
    let cosigned_only = by_other_key
        .with_signatures([zhejiang.witness.cosign(&log.checkpoint(4), 1).unwrap()])
        .unwrap();
    check(unsigned(&cosigned_only), Err(Refusal::Signature));
    // A known key's wrong signature is refused also beside its right one.
    let mut both = log.signed(4);
    both.add(log.signed(5).note().signatures()[0].clone())
        .unwrap();
    check(unsigned(&both), Err(Refusal::Signature));
    let mut with_strangers = log.signed(20);
    with_strangers
        .add(by_other_key.note().signatures()[0].clone())
        .unwrap();
    let more_signers = AddCheckpoint {
        checkpoint: with_strangers,
        ..request(&log, 9, 20)
    };
    check(more_signers, Ok(20));

    let larger = AddCheckpoint {
        old_size: 21,
        ..request(&log, 9, 20)
    };
    check(larger, Err(Refusal::OldSize));
    let huge = Checkpoint::new(zhejiang.origin.clone(), 1 << 63, log.root(9));
    let huge = AddCheckpoint {
        checkpoint: SignedCheckpoint::sign(huge, &zhejiang.log).unwrap(),
        ..request(&log, 9, 20)
    };
    check(huge, Err(Refusal::Malformed));
    for (old, new) in [(0, 20), (8, 20), (10, 20), (20, 20), (0, 0), (4, 9)] {
        let conflict = Refusal::Conflict { size: 9 };
        let request = AddCheckpoint {
            old_size: old,
            proof: Vec::new(),
            checkpoint: log.signed(new),
        };
        check(request, Err(conflict));
    }
    let other = Log::of_junk(zhejiang, 20, "other");
    check(request(&other, 9, 9), Err(Refusal::OtherRoot));
    check(request(&other, 9, 20), Err(Refusal::Proof));
    let mut proofs = vec![Vec::new(), log.consistency(8, 20), log.consistency(9, 19)];
    proofs.push([log.consistency(9, 20), vec![log.root(9)]].concat());
    for proof in proofs {
        let wrong = AddCheckpoint {
            proof,
            ..request(&log, 9, 20)
        };
        check(wrong, Err(Refusal::Proof));
    }
    let needless = AddCheckpoint {
        proof: vec![log.root(9)],
        ..request(&log, 9, 9)
    };
    check(needless, Err(Refusal::Proof));
}

#[test]
fn nothing_has_to_be_proven_of_the_first_checkpoint() {
    let federation = Federation::new();
    let zhejiang = federation.province("33");
    let log = Log::of_junk(zhejiang, 5, "");
    let empty = |root| {
        let checkpoint = Checkpoint::new(zhejiang.origin.clone(), 0, root);
        AddCheckpoint {
            old_size: 0,
            proof: Vec::new(),
            checkpoint: SignedCheckpoint::sign(checkpoint, &zhejiang.log).unwrap(),
        }
    };
    let check = |latest: Option<&SignedCheckpoint>, request: &AddCheckpoint, expected| {
        let judged = judge(latest, request, &keys(zhejiang));
        assert_eq!(
            judged.map(drop).map_err(|refused| refused.refusal),
            expected
        );
    };
    let accepted = judge(None, &empty(empty_root()), &keys(zhejiang)).unwrap();
    let empty_tree = cosigned(zhejiang, &accepted);
    for latest in [None, Some(&empty_tree)] {
        check(latest, &empty(empty_root()), Ok(()));
        check(latest, &empty(log.root(1)), Err(Refusal::EmptyRoot));
        check(latest, &request(&log, 0, 5), Ok(()));
        let proven = AddCheckpoint {
            proof: vec![log.root(5)],
            ..request(&log, 0, 5)
        };
        check(latest, &proven, Err(Refusal::Proof));
        let ahead = Err(Refusal::Conflict { size: 0 });
        check(latest, &request(&log, 2, 5), ahead);
    }
}

#[test]
fn a_key_speaks_for_its_own_log_only() {
    let federation = Federation::new();
    let [zhejiang, jiangsu] = ["33", "32"].map(|code| federation.province(code));
    let log = Log::of_junk(zhejiang, 5, "");
    let by_jiangsu = SignedCheckpoint::sign(log.checkpoint(5), &jiangsu.log).unwrap();
    let request = AddCheckpoint {
        checkpoint: by_jiangsu,
        ..request(&log, 0, 5)
    };
    let keys = [keys(zhejiang), keys(jiangsu)].concat();
    let judged = judge(None, &request, &keys).map_err(|refused| refused.refusal);
    assert_eq!(judged, Err(Refusal::Signature));
    let judged = judge(None, &request, &[]).map_err(|refused| refused.refusal);
    assert_eq!(judged, Err(Refusal::Signature));
}

#[test]
fn what_is_kept_has_the_log_s_signature_and_the_cosignature() {
    let federation = Federation::new();
    let zhejiang = federation.province("33");
    let log = Log::of_junk(zhejiang, 5, "");
    let shanghai = federation.province("31");
    let many = (0..60)
        .map(|time| (&shanghai.mirror, time))
        .collect::<Vec<_>>();
    let request = AddCheckpoint {
        checkpoint: log.cosigned(5, &many),
        ..request(&log, 0, 5)
    };
    let accepted = judge(None, &request, &keys(zhejiang)).unwrap();
    let (cosignature, kept) = accepted.cosign(&shanghai.witness, 1_700_000_000).unwrap();
    let text = log.checkpoint(5).to_text();
    let key = shanghai.witness.verifier_key();
    assert_eq!(
        verify_cosignature(&text, &cosignature, key),
        Ok(1_700_000_000)
    );
    assert_eq!(kept.note().text(), text);
    let mut expected = log.signed(5).note().signatures().to_vec();
    expected.push(cosignature);
    assert_eq!(kept.note().signatures(), expected);
    assert!(accepted.cosign(&shanghai.witness, u64::MAX).is_err());
}

#[test]
fn a_fork_that_is_submitted_is_evidence() {
    let federation = Federation::new();
    let zhejiang = federation.province("33");
    let (log, other) = (
        Log::of_junk(zhejiang, 20, ""),
        Log::of_junk(zhejiang, 20, "other"),
    );
    let check = |size, submitted: AddCheckpoint, expected: bool| {
        let first = judge(None, &request(&log, 0, size), &keys(zhejiang)).unwrap();
        let latest = cosigned(zhejiang, &first);
        let refused = judge(Some(&latest), &submitted, &keys(zhejiang)).unwrap_err();
        let proves = |evidence: &Evidence| evidence.proves(&zhejiang.member(), &zhejiang.origin);
        assert_eq!(refused.evidence.as_deref().is_some_and(proves), expected);
        assert_eq!(refused.evidence.is_some(), expected);
    };
    check(9, request(&other, 9, 9), true);
    check(9, request(&other, 9, 20), true);
    // Proofs from a full subtree leave its root out.
    check(8, request(&other, 8, 20), false);
    // A proof that leads nowhere shows nothing.
    let nowhere = AddCheckpoint {
        proof: log.consistency(9, 20),
        ..request(&other, 9, 20)
    };
    check(9, nowhere, false);
}

#[test]
fn every_refusal_has_its_code_and_sentences() {
    let all = [
        Refusal::Malformed,
        Refusal::Oversize,
        Refusal::UnknownLog,
        Refusal::Signature,
        Refusal::OldSize,
        Refusal::Conflict { size: 1 },
        Refusal::EmptyRoot,
        Refusal::Proof,
        Refusal::OtherRoot,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), all.len());
    for refusal in all {
        assert!(refusal.code().starts_with("WITNESS_"));
        assert!(!refusal.zh().is_ascii() && refusal.to_string().is_ascii());
    }
}

// ---- never two histories -------------------------------------------------------------------

/// One request of a log that signs two histories, which part behind `FORK` leaves.
#[derive(Clone, Debug)]
struct Ask {
    /// The first history or the second.
    side: bool,
    /// Old size: as the witness has it, or this.
    old: Option<u64>,
    new: u64,
    /// From which history and which sizes the proof is.
    proof: (bool, Option<(u64, u64)>),
}

const LEAVES: u64 = 12;
const FORK: u64 = 5;

fn ask() -> impl Strategy<Value = Ask> {
    let sizes = (1..=LEAVES, 1..=LEAVES).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let proof = (any::<bool>(), prop::option::weighted(0.2, sizes));
    let old = prop::option::weighted(0.3, 0..=LEAVES);
    (any::<bool>(), old, 0..=LEAVES, proof).prop_map(|(side, old, new, proof)| Ask {
        side,
        old,
        new,
        proof,
    })
}

proptest! {
    /// Against a model that knows the leaves: whatever is asked in whatever order, all trees
    /// that were cosigned are of one history, their sizes never fall, and every honest
    /// continuation is cosigned.
    #[test]
    fn no_sequence_of_requests_gets_two_histories_cosigned(asks in prop::collection::vec(ask(), 1..40)) {
        let federation = Federation::new();
        let zhejiang = federation.province("33");
        let history = |tail: &str| {
            let mut log = Log::of_junk(zhejiang, FORK, "");
            for n in FORK..LEAVES {
                log.append(format!("{tail}{n}").into_bytes());
            }
            log
        };
        let sides = [history("a"), history("b")];
        let of = |side: bool| &sides[usize::from(side)];
        let mut latest: Option<SignedCheckpoint> = None;
        let mut signed: Vec<(u64, Hash)> = Vec::new();
        for ask in asks {
            let held = latest.as_ref().map_or(0, |note| note.checkpoint().size);
            let old = ask.old.unwrap_or(held);
            let (proof_side, sizes) = ask.proof;
            let (from, to) = sizes.unwrap_or((old, ask.new));
            let proof = if (1..=to).contains(&from) && to <= LEAVES {
                of(proof_side).consistency(from, to)
            } else {
                Vec::new()
            };
            let request = AddCheckpoint {
                old_size: old,
                proof,
                checkpoint: of(ask.side).signed(ask.new),
            };
            let is_honest = old == held && old <= ask.new
                && sizes.is_none() && proof_side == ask.side
                && latest.as_ref().is_none_or(|note| note.checkpoint().root == of(ask.side).root(held));
            match judge(latest.as_ref(), &request, &keys(zhejiang)) {
                Ok(accepted) => {
                    latest = Some(cosigned(zhejiang, &accepted));
                    signed.push((ask.new, accepted.checkpoint().root));
                }
                Err(refused) => {
                    prop_assert!(!is_honest, "{:?}: {:?}", request, refused);
                    let proves = |evidence: &Evidence| evidence.proves(&zhejiang.member(), &zhejiang.origin);
                    prop_assert!(refused.evidence.as_deref().is_none_or(proves));
                }
            }
        }
        prop_assert!(signed.is_sorted_by_key(|(size, _)| *size));
        let is_of = |log: &Log<'_>| signed.iter().all(|(size, root)| log.root(*size) == *root);
        prop_assert!(sides.iter().any(is_of), "{:?}", signed);
    }
}
