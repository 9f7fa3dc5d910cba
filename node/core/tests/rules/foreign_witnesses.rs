//! Witnesses outside of the federation: what a trust list may say of them, and what they count.

use huren_core::{
    cosign::Cosigner,
    gather::gather,
    policy::{Policy, PolicyError},
    trust::{ForeignWitness, TrustChain, TrustList},
};

use crate::common::{Federation, Log, sign};

const NOW: u64 = 1_750_000_000;

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed("witness.example/w1".parse().unwrap(), &[seed; 32])
}

fn foreign(name: &str, counts: bool) -> ForeignWitness {
    ForeignWitness {
        name: name.to_owned(),
        key: cosigner(77).verifier_key().to_string(),
        url: "https://witness.example/submit".to_owned(),
        tls_ca: "PEM".to_owned(),
        counts,
    }
}

/// Whether a list with these foreign witnesses and that quorum is taken.
fn verify(
    federation: &Federation,
    quorum: usize,
    witnesses: Vec<ForeignWitness>,
) -> Result<TrustChain, String> {
    let list = TrustList {
        quorum,
        witnesses,
        ..federation.list()
    };
    let note = sign(&list, &federation.roots[..2]);
    let chain = TrustChain::verify(&federation.root_keys(), [note.as_bytes()]);
    chain.map_err(|error| error.to_string())
}

#[test]
fn a_foreign_witness_counts_where_the_list_says_so_and_is_gathered_anyway() {
    let federation = Federation::new();
    let [zhejiang, shanghai] = ["33", "31"].map(|code| federation.province(code));
    let log = Log::of_junk(zhejiang, 3, "");
    for counts in [false, true] {
        let chain = verify(&federation, 2, vec![foreign("w1", counts)]).unwrap();
        let policy = chain.newest().list.policy(&zhejiang.origin).unwrap();
        let text = policy.to_string();
        let line = format!(
            "witness foreign-w1 {} https://witness.example/submit\n",
            cosigner(77).verifier_key()
        );
        assert!(text.contains(&line), "{text}");
        assert_eq!(Policy::parse(text).unwrap(), policy);

        let by = [(&shanghai.mirror, NOW), (&cosigner(77), NOW + 1)];
        let signed = log.cosigned(3, &by);
        let kept = gather(&policy, &[&signed], NOW + 9).unwrap();
        assert_eq!(kept.note().signatures().len(), 3);
        match policy.evaluate(&kept) {
            Ok(witnessed) => assert_eq!((counts, witnessed.quorum_time), (true, Some(NOW))),
            Err(error) => assert!(!counts && matches!(error, PolicyError::QuorumNotMet(_))),
        }
    }
}

#[test]
fn a_quorum_may_need_those_that_count() {
    let federation = Federation::new();
    assert!(verify(&federation, 4, vec![foreign("w1", true)]).is_ok());
    assert!(verify(&federation, 5, vec![foreign("w1", true)]).is_err());
    assert!(verify(&federation, 3, vec![foreign("w1", false)]).is_ok());
    assert!(verify(&federation, 4, vec![foreign("w1", false)]).is_err());
}

#[test]
fn what_a_list_may_not_say_of_foreign_witnesses() {
    let federation = Federation::new();
    let check = |change: fn(&mut ForeignWitness, &Federation), expected: &str| {
        let mut witness = foreign("w1", true);
        change(&mut witness, &federation);
        let refused = verify(&federation, 2, vec![witness]).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    };
    check(|w, _| w.name.clear(), "not plain");
    check(|w, _| w.name = "见证".to_owned(), "not plain");
    check(|w, _| w.key = "none".to_owned(), "policy");
    check(
        |w, federation| w.key = federation.roots[0].verifier_key().to_string(),
        "policy",
    );
    check(
        |w, federation| {
            let mirror = federation.province("31").mirror.verifier_key();
            w.key = mirror.to_string();
        },
        "policy",
    );
    // The same key with another name is the same key.
    check(
        |w, federation| {
            let answer = federation.province("31").answer.verifier_key().public_key();
            let name = "other.example".parse().unwrap();
            let kind = huren_core::note::SignatureType::CosignatureV1;
            let key = huren_core::note::VerifierKey::new(name, kind, *answer).unwrap();
            w.key = key.to_string();
        },
        "two roles",
    );
    check(|w, _| w.url = "http://witness.example".to_owned(), "https");
    check(|w, _| w.url.push(' '), "https");
    check(|w, _| w.tls_ca.clear(), "https");
    let twice = vec![foreign("w1", true), {
        ForeignWitness {
            key: cosigner(78).verifier_key().to_string(),
            ..foreign("w1", true)
        }
    }];
    assert!(verify(&federation, 2, twice).is_err());
    let unreached = ForeignWitness {
        url: String::new(),
        tls_ca: String::new(),
        ..foreign("w1", true)
    };
    assert!(verify(&federation, 2, vec![unreached]).is_ok());
}

#[test]
fn a_list_without_them_is_written_as_before() {
    let federation = Federation::new();
    let list = federation.list();
    let text = list.to_text().unwrap();
    assert!(!text.contains("\"witnesses\""));
    let (_, json) = text.split_once('\n').unwrap();
    assert_eq!(serde_json::from_str::<TrustList>(json).unwrap(), list);
}
