//! Evidence of forks: what proves a contradiction, and the file that a third party checks.

use huren_core::{
    evidence::{Evidence, EvidenceError, EvidenceFile, ReleaseReason, verify},
    trust::LogKey,
};

use crate::common::{Federation, Log};

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

/// The file of genuine evidence, changed.
fn file(federation: &Federation, change: impl FnOnce(&mut EvidenceFile)) -> String {
    let Fork { one, two } = Fork::new(federation);
    let evidence = evidence((&one, 5), (&two, 9));
    let mut file = EvidenceFile::new(&one.province.origin, evidence, &federation.chain());
    change(&mut file);
    file.to_json().unwrap()
}

#[test]
fn a_file_proves_the_contradiction_with_the_root_keys_alone() {
    let federation = Federation::new();
    let proven = verify(
        file(&federation, |_| {}).as_bytes(),
        &federation.root_keys(),
    )
    .unwrap();
    assert_eq!(proven.region, "33");
    assert_eq!(proven.origin, federation.province("33").origin);
    let said = &proven.contradiction;
    assert_eq!((said.smaller.size, said.larger.size), (5, 9));
    let Fork { one, two } = Fork::new(&federation);
    assert_eq!(
        (said.smaller.root, said.root_before),
        (one.root(5), two.root(5))
    );
    assert_eq!((proven.trust_list_version, proven.newest_version), (1, 1));
}

#[test]
fn every_other_file_is_refused_with_its_reason() {
    let federation = Federation::new();
    let roots = federation.root_keys();
    let check = |change: &dyn Fn(&mut EvidenceFile), code: &str, undecided: bool| {
        let refused = verify(file(&federation, change).as_bytes(), &roots).unwrap_err();
        assert_eq!((refused.code(), refused.is_undecided()), (code, undecided));
        assert!(!refused.zh().is_empty() && !refused.to_string().is_empty());
    };
    let Fork { one, two } = Fork::new(&federation);
    let jiangsu = Log::of_junk(federation.province("32"), 5, "");
    check(
        &|f| f.format = "huren/evidence/v2".into(),
        "EVIDENCE_NEWER",
        true,
    );
    check(
        &|f| f.format = "huren/receipt/v1".into(),
        "EVIDENCE_FORMAT",
        false,
    );
    check(&|f| f.origin.clear(), "EVIDENCE_FORMAT", false);
    check(&|f| f.trust_lists.clear(), "EVIDENCE_TRUST", false);
    let forged = |f: &mut EvidenceFile| {
        f.trust_lists[0] = f.trust_lists[0].replacen("\"quorum\": 2", "\"quorum\": 1", 1);
    };
    check(&forged, "EVIDENCE_TRUST", false);
    check(
        &|f| f.origin = "huren.example/log/99".into(),
        "EVIDENCE_LOG_UNKNOWN",
        false,
    );
    check(
        &|f| f.smaller = "no note\n".into(),
        "EVIDENCE_CHECKPOINT",
        false,
    );
    check(
        &|f| f.smaller = jiangsu.signed(5).to_string(),
        "EVIDENCE_OTHER_LOG",
        false,
    );
    let unsigned = two.signed(9).with_signatures([]).unwrap().to_string();
    check(
        &|f| f.larger = unsigned.clone(),
        "EVIDENCE_CHECKPOINT",
        false,
    );
    let cosigned_alone = {
        let mut bare = two.signed(9).with_signatures([]).unwrap();
        let witness = &federation.province("31").witness;
        let cosignature = witness.cosign(bare.checkpoint(), 1).unwrap();
        bare.add(cosignature).unwrap();
        bare.to_string()
    };
    check(
        &|f| f.larger = cosigned_alone.clone(),
        "EVIDENCE_SIGNATURE",
        false,
    );
    let swapped = |f: &mut EvidenceFile| std::mem::swap(&mut f.smaller, &mut f.larger);
    check(&swapped, "EVIDENCE_ORDER", false);
    check(&|f| f.proof.clear(), "EVIDENCE_PROOF", false);
    check(
        &|f| f.smaller = two.signed(5).to_string(),
        "EVIDENCE_CONSISTENT",
        false,
    );
    let same = |f: &mut EvidenceFile| f.smaller.clone_from(&f.larger);
    check(&same, "EVIDENCE_CONSISTENT", false);
    check(
        &|f| f.larger = one.signed(9).to_string(),
        "EVIDENCE_PROOF",
        false,
    );

    let unreadable = |bytes: &[u8]| verify(bytes, &roots).unwrap_err();
    assert_eq!(unreadable(b"{}"), EvidenceError::Format);
    assert_eq!(unreadable(&[0xff; 9]), EvidenceError::Format);
    let endless = vec![b' '; EvidenceFile::MAX_BYTES + 1];
    assert_eq!(unreadable(&endless), EvidenceError::Oversize);
    let more = file(&federation, |_| {}).replacen('{', "{\"more\": 1,", 1);
    assert_eq!(unreadable(more.as_bytes()), EvidenceError::Format);
}

/// The federation closes the key: nothing new can be proven with it, and what was stays.
#[test]
fn a_closed_key_proves_what_it_signed_when_it_was_open_and_freezes_nothing() {
    let federation = Federation::new();
    let Fork { one, two } = Fork::new(&federation);
    let evidence = evidence((&one, 5), (&two, 9));
    let chain = federation.extend(&federation.chain(), |list| {
        let keys = &mut list.members[2].log_keys;
        keys[0].until_index = Some(2);
        let successor = Federation::successor_key(&one.province.origin);
        keys.push(LogKey {
            key: successor.verifier_key().to_string(),
            from_index: 2,
            until_index: None,
        });
    });
    let member = chain.newest().list.member_of(&one.province.origin).unwrap();
    assert_eq!(
        evidence.check(member, &one.province.origin),
        Err(EvidenceError::Signature)
    );
    let file = EvidenceFile::new(&one.province.origin, evidence, &chain);
    let proven = verify(file.to_json().unwrap().as_bytes(), &federation.root_keys()).unwrap();
    assert_eq!((proven.trust_list_version, proven.newest_version), (1, 2));
}

/// What nodes have kept from the first version on.
#[test]
fn evidence_reads_back_and_is_bounded() {
    let federation = Federation::new();
    let Fork { one, two } = Fork::new(&federation);
    let genuine = evidence((&one, 4), (&two, 9));
    let json = genuine.to_json().unwrap();
    assert_eq!(Evidence::from_json(&json), Ok(genuine));
    assert!(json.starts_with(b"{\"smaller\":\"huren.example/log/33\\n4\\n"));
    let mut padded = json.clone();
    padded.resize(Evidence::MAX_BYTES, b' ');
    assert!(Evidence::from_json(&padded).is_ok());
    padded.push(b' ');
    assert_eq!(Evidence::from_json(&padded), Err(EvidenceError::Oversize));
    assert_eq!(Evidence::from_json(b"{}"), Err(EvidenceError::Format));
}

#[test]
fn reasons_for_going_on_have_codes_of_their_own() {
    for reason in ReleaseReason::ALL {
        assert_eq!(ReleaseReason::from_code(reason.code()), Some(reason));
        assert!(!reason.zh().is_empty() && !reason.en().is_empty());
    }
    assert_eq!(ReleaseReason::from_code("BECAUSE"), None);
}
