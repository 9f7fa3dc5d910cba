//! Trust lists: what makes one follow another, and what each must satisfy.

use huren_core::{
    codes::Region,
    note::NoteSigner,
    policy::{Policy, PolicyError},
    trust::{Refusal, RootKeys, RootRole, TrustChain, TrustList, kind_name},
};
use huren_proto::v1::Kind;

use crate::common::{Federation, Log, NOW, record_key, sign, sign_text, successor};

/// The code with which version 1 is refused, after a change of its content.
fn check_content(expected: Result<(), &str>, change: impl FnOnce(&mut TrustList)) {
    let federation = Federation::new();
    let mut list = federation.list();
    change(&mut list);
    check_text(expected, list.to_text().unwrap());
}

fn check_text(expected: Result<(), &str>, text: String) {
    let federation = Federation::new();
    let note = sign_text(text, &federation.roots);
    let verified = TrustChain::verify(&federation.root_keys(), [note.as_bytes()]);
    assert_eq!(verified.map(|_| ()).map_err(|error| error.code()), expected);
}

fn check_signed<'a>(expected: Result<(), &str>, signers: impl IntoIterator<Item = &'a NoteSigner>) {
    let federation = Federation::new();
    let note = sign(&federation.list(), signers);
    let verified = TrustChain::verify(&federation.root_keys(), [note.as_bytes()]);
    assert_eq!(verified.map(|_| ()).map_err(|error| error.code()), expected);
}

#[test]
fn a_threshold_of_root_keys_must_sign() {
    let Federation { roots, provinces } = &Federation::new();
    check_signed(Ok(()), &roots[..2]);
    check_signed(Ok(()), &roots[1..]);
    check_signed(Ok(()), roots);
    check_signed(Err("TRUST_THRESHOLD"), &roots[..1]);
    check_signed(Err("TRUST_THRESHOLD"), [&roots[0], &roots[0]]);
    check_signed(Err("TRUST_THRESHOLD"), [&roots[0], &provinces[0].answer]);
    // Another key under the name of a root key is no root key.
    let name = roots[1].name().clone();
    let impostor = NoteSigner::from_seed(name, &[9; 32]);
    check_signed(Err("TRUST_THRESHOLD"), [&roots[0], &impostor]);
}

#[test]
fn a_bad_signature_of_a_root_key_is_refused() {
    let federation = Federation::new();
    let note = sign(&federation.list(), &federation.roots[..2]);
    let other = TrustList {
        quorum: 3,
        ..federation.list()
    };
    let signatures = note.split_once("\n\n— ").unwrap().1;
    let forged = format!("{}\n— {signatures}", other.to_text().unwrap());
    let verified = TrustChain::verify(&federation.root_keys(), [forged.as_bytes()]);
    assert_eq!(verified.unwrap_err().code(), "TRUST_SIGNATURE");
    let none: [&[u8]; 0] = [];
    let verified = TrustChain::verify(&federation.root_keys(), none);
    assert_eq!(verified.unwrap_err().code(), "TRUST_EMPTY");
    let verified = TrustChain::verify(&federation.root_keys(), [&note.as_bytes()[1..]]);
    assert_eq!(verified.unwrap_err().code(), "TRUST_FORMAT");
}

#[test]
fn rules_of_the_content() {
    let content = Err("TRUST_CONTENT");
    check_content(Ok(()), |_| ());
    check_content(Ok(()), |l| l.quorum = 3);
    check_content(content, |l| l.quorum = 4);
    check_content(content, |l| l.expires = l.issued);
    check_content(content, |l| l.members.swap(0, 1));
    check_content(content, |l| l.members.insert(0, l.members[0].clone()));
    check_content(content, |l| l.members[0].region = "3101".to_owned());
    check_content(content, |l| l.members[0].region = "310000".to_owned());
    check_content(content, |l| l.members[0].origin = String::new());
    check_content(content, |l| l.members[0].log_keys.clear());
    check_content(content, |l| l.members[0].witness_key.push('A'));
    check_content(content, |l| l.members[0].answer_keys[0].push('A'));
    check_content(content, |l| {
        l.members[0].record_keys[0].public_key.push('A')
    });
    check_content(content, |l| {
        l.members[0].record_keys[0].public_key = "AAAA".to_owned()
    });
    // A key of another log would leave this one without checkpoints.
    check_content(content, |l| {
        l.members[0].log_keys[0].key = l.members[1].log_keys[0].key.clone()
    });
    check_content(content, |l| {
        l.members[0].origin = l.members[1].origin.clone();
        let name = l.members[0].origin.parse().unwrap();
        let key = NoteSigner::from_seed(name, &crate::common::seed("log", "other"));
        l.members[0].log_keys[0].key = key.verifier_key().to_string();
    });
    // The signature types: 0x01 signs, 0x04 cosigns.
    check_content(content, |l| {
        l.members[0].witness_key = l.members[0].answer_keys.remove(0)
    });
    check_content(content, |l| {
        l.members[0].answer_keys = vec![std::mem::take(&mut l.members[0].witness_key)];
    });
    // Algorithms that come later are no reason to refuse the list.
    check_content(Ok(()), |l| {
        l.members[0].record_keys[0].alg = "ml-dsa-44".to_owned()
    });
    // A key is one of its own algorithm.
    check_content(content, |l| {
        l.members[0].record_keys[0].alg = "sm2-sm3".to_owned()
    });
}

#[test]
fn every_key_has_one_role() {
    let content = Err("TRUST_CONTENT");
    check_content(content, |l| {
        l.members[0].mirror_key = l.members[0].witness_key.clone()
    });
    check_content(content, |l| {
        l.members[0].witness_key = l.members[1].witness_key.clone()
    });
    check_content(content, |l| {
        l.members[0].answer_keys = l.members[1].answer_keys.clone()
    });
    check_content(content, |l| {
        l.members[0].record_keys = l.members[1].record_keys.clone()
    });
    check_content(content, |l| {
        let again = l.members[0].record_keys[0].clone();
        l.members[0].record_keys.push(again);
    });
    // The bytes of a log key in the role of a record key.
    check_content(content, |l| {
        let key = huren_core::keys::RecordSigner::from_seed(&crate::common::seed("log", "31"));
        l.members[0]
            .record_keys
            .push(record_key(&key, &["*"], Region::SHANGHAI));
    });
}

#[test]
fn unknown_fields_are_newer_and_refused() {
    let text = Federation::new().list().to_text().unwrap();
    check_text(Ok(()), text.clone());
    let content = Err("TRUST_CONTENT");
    for place in [
        "\"version\"",
        "\"threshold\"",
        "\"region\"",
        "\"from_index\"",
        "\"alg\"",
    ] {
        let newer = text.replacen(place, &format!("\"newer\": 1,\n{place}"), 1);
        check_text(content, newer);
    }
    check_text(content, text.replacen("\"version\": 1,", "", 1));
    check_text(Err("TRUST_FORMAT"), text.replacen("/v1", "/v2", 1));
}

#[test]
fn root_roles() {
    let federation = Federation::new();
    let role = federation.root_role();
    let code = |role: &RootRole| {
        RootKeys::new(role)
            .map(|_| ())
            .map_err(|error| error.code())
    };
    assert_eq!(code(&role), Ok(()));
    let roots = Err("TRUST_ROOTS");
    assert_eq!(
        code(&RootRole {
            threshold: 0,
            ..role.clone()
        }),
        roots
    );
    assert_eq!(
        code(&RootRole {
            threshold: 4,
            ..role.clone()
        }),
        roots
    );
    let twice = vec![role.keys[0].clone(), role.keys[0].clone()];
    assert_eq!(
        code(&RootRole {
            threshold: 2,
            keys: twice
        }),
        roots
    );
    // The same key under another name would count twice.
    let alias = NoteSigner::from_seed("alias".parse().unwrap(), &crate::common::seed("root", "1"));
    let twice = vec![role.keys[0].clone(), alias.verifier_key().to_string()];
    assert_eq!(
        code(&RootRole {
            threshold: 2,
            keys: twice
        }),
        roots
    );
    assert_eq!(
        code(&RootRole {
            threshold: 1,
            keys: vec!["x".to_owned()]
        }),
        roots
    );
}

#[test]
fn root_keys_read_back_from_their_file() {
    let keys = Federation::new().root_keys();
    let text = keys.to_text();
    assert_eq!(text.parse::<RootKeys>().unwrap().to_text(), text);
    let spaced = text.replace('\n', "  \n\n");
    assert_eq!(spaced.parse::<RootKeys>().unwrap().to_text(), text);
    let broken = [
        text.replace("threshold 2", "threshold x"),
        text.replace("threshold 2", "threshold 2\nthreshold 1"),
        text.replace("threshold 2", ""),
        text.replace("threshold 2", "threshold 4"),
        format!("{text}word\n"),
        format!("{text}other {}\n", Federation::root("4").verifier_key()),
        String::new(),
    ];
    for text in broken {
        assert_eq!(
            text.parse::<RootKeys>().unwrap_err().code(),
            "TRUST_ROOTS",
            "{text}"
        );
    }
}

#[test]
fn lists_follow_one_another() {
    let federation = Federation::new();
    let chain = federation.chain();
    let next = successor(&chain);
    let extend = |list: &TrustList| {
        let note = sign(list, &federation.roots[..2]);
        chain
            .extended(note.as_bytes())
            .map(|c| c.newest().list.version)
            .map_err(|e| e.code())
    };
    assert_eq!(extend(&next), Ok(2));
    assert_eq!(extend(&federation.list()), Err("TRUST_NOT_NEXT"));
    assert_eq!(
        extend(&TrustList {
            version: 3,
            ..next.clone()
        }),
        Err("TRUST_NOT_NEXT")
    );
    let other = TrustList {
        previous: "00".repeat(32),
        ..next.clone()
    };
    assert_eq!(extend(&other), Err("TRUST_PREDECESSOR"));
    let other = TrustList {
        previous: String::new(),
        ..next
    };
    assert_eq!(extend(&other), Err("TRUST_PREDECESSOR"));
    check_content(Err("TRUST_PREDECESSOR"), |l| l.previous = "00".repeat(32));
    check_content(Err("TRUST_NOT_NEXT"), |l| l.version = 2);

    let chain = federation.extend(&chain, |list| list.quorum = 3);
    assert_eq!((chain.newest().list.version, chain.lists().len()), (2, 2));
    assert_eq!(chain.version(1).unwrap().list.quorum, 2);
    assert!(chain.version(0).is_none() && chain.version(3).is_none());
    assert_eq!((chain.up_to(1).len(), chain.up_to(9).len()), (1, 2));
    let notes: Vec<String> = chain.lists().iter().map(|list| list.note()).collect();
    let again = TrustChain::verify(&federation.root_keys(), notes.iter().map(String::as_bytes));
    assert_eq!(again.unwrap().newest().digest, chain.newest().digest);
}

#[test]
fn root_keys_rotate_under_both_thresholds() {
    let federation = Federation::new();
    let chain = federation.chain();
    let (new, old) = (["4", "5", "6"].map(Federation::root), &federation.roots);
    let keys = new
        .iter()
        .map(|root| root.verifier_key().to_string())
        .collect();
    let list = TrustList {
        root: RootRole { threshold: 2, keys },
        ..successor(&chain)
    };
    let extend = |chain: &TrustChain, list: &TrustList, signers: &[&NoteSigner]| {
        let note = sign(list, signers.iter().copied());
        chain
            .extended(note.as_bytes())
            .map_err(|error| error.code())
    };
    let refused = |signers: &[&NoteSigner]| {
        assert_eq!(
            extend(&chain, &list, signers).unwrap_err(),
            "TRUST_THRESHOLD"
        );
    };
    refused(&[&old[0], &old[1]]);
    refused(&[&new[0], &new[1]]);
    refused(&[&old[0], &new[0], &new[1]]);
    refused(&[&old[0], &old[1], &new[0]]);
    let chain = extend(&chain, &list, &[&old[0], &old[1], &new[0], &new[1]]).unwrap();
    // From here on the old keys are nobody's.
    let list = successor(&chain);
    assert_eq!(
        extend(&chain, &list, &[&old[0], &old[1]]).unwrap_err(),
        "TRUST_THRESHOLD"
    );
    assert!(extend(&chain, &list, &[&new[1], &new[2]]).is_ok());
}

/// How many members a checkpoint's cosignatures count for, by what the policy says of 1, 2, 3.
fn counted(policies: &[Policy], log: &Log<'_>, by: &[(&str, &str)]) -> usize {
    let federation = Federation::new();
    let cosigners = by.iter().map(|(role, code)| {
        let province = federation.province(code);
        let cosigner = if *role == "witness" {
            &province.witness
        } else {
            &province.mirror
        };
        (cosigner, NOW)
    });
    let cosigners: Vec<_> = cosigners.collect();
    let signed = log.cosigned(log.size(), &cosigners);
    let satisfied = policies
        .iter()
        .filter(|policy| match policy.evaluate(&signed) {
            Ok(_) => true,
            Err(PolicyError::QuorumNotMet(_)) => false,
            Err(error) => panic!("{error}"),
        });
    satisfied.count()
}

#[test]
fn the_policy_counts_every_other_member_once() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 3, "");
    let origin = &federation.province("33").origin;
    let policy = |quorum| {
        TrustList {
            quorum,
            ..federation.list()
        }
        .policy(origin)
        .unwrap()
    };
    let policies = [policy(1), policy(2), policy(3)];
    let check = |expected, by: &[(&str, &str)]| {
        assert_eq!(counted(&policies, &log, by), expected, "{by:?}");
    };
    check(0, &[]);
    check(0, &[("witness", "33"), ("mirror", "33")]);
    check(1, &[("witness", "33"), ("mirror", "33"), ("witness", "31")]);
    check(1, &[("witness", "31"), ("mirror", "31")]);
    check(2, &[("witness", "31"), ("mirror", "31"), ("mirror", "34")]);
    check(2, &[("witness", "31"), ("witness", "32")]);
    check(3, &[("mirror", "31"), ("witness", "32"), ("mirror", "34")]);
    // Without quorum or other members nothing is asked for.
    assert_eq!(counted(&[policy(0)], &log, &[]), 1);
    assert!(
        federation
            .list()
            .policy(&"huren.example/log/11".parse().unwrap())
            .is_ok()
    );
}

#[test]
fn log_keys_hold_for_their_sizes() {
    let federation = Federation::new();
    let mut member = federation.province("33").member();
    (
        member.log_keys[0].from_index,
        member.log_keys[0].until_index,
    ) = (2, Some(5));
    let held: Vec<usize> = (0..8).map(|size| member.log_keys_at(size).len()).collect();
    // A checkpoint of size n speaks for the leaves up to n - 1; that of nothing for none.
    assert_eq!(held, [1, 0, 0, 1, 1, 1, 0, 0]);
}

#[test]
fn record_keys_hold_for_place_kind_and_region() {
    let federation = Federation::new();
    let mut list = federation.list();
    list.members[2].record_keys[1].until_index = Some(10);
    let chain = federation.chain_of(&list);
    let province = federation.province("33");
    let check = |expected, key, index, kind: Kind, region: &str| {
        let region = Region::parse(region).unwrap();
        let authority = chain.newest().authority();
        let found = authority.check(&province.origin, key, index, kind as i32, &region);
        assert_eq!(found, expected);
    };
    let (all, county) = (province.record.id(), province.county.id());
    let certificate = Kind::Certificate;
    check(Ok(()), all, u64::MAX, Kind::AuditAnchor, "330206");
    check(Err(Refusal::KeyRegion), all, 0, certificate, "31");
    check(Ok(()), county, 9, certificate, "330206");
    check(
        Err(Refusal::KeyOutsideWindow),
        county,
        10,
        certificate,
        "330206",
    );
    check(Err(Refusal::KeyKind), county, 9, Kind::Erasure, "330206");
    check(Err(Refusal::KeyRegion), county, 9, certificate, "330205");
    check(Err(Refusal::KeyRegion), county, 9, certificate, "3302");
    check(Err(Refusal::KeyRegion), county, 9, certificate, "33");
    check(
        Err(Refusal::KeyUnknown),
        federation.province("34").record.id(),
        0,
        certificate,
        "33",
    );
    let elsewhere = "huren.example/log/11".parse().unwrap();
    let found = chain
        .newest()
        .authority()
        .check(&elsewhere, all, 0, 1, &Region::ZHEJIANG);
    assert_eq!(found, Err(Refusal::LogUnknown));
    assert_eq!(Refusal::LogUnknown.code(), "LOG_UNKNOWN");
}

#[test]
fn kinds_are_named_as_in_the_schema() {
    assert_eq!(kind_name(Kind::StatusChange as i32), "status_change");
    assert_eq!(
        kind_name(Kind::TrustListAdoption as i32),
        "trust_list_adoption"
    );
    assert_eq!(kind_name(900), "900");
}
