//! Bytes that are no record, or more than this program understands.

use huren_core::merkle::Hash;
use huren_proto::v1;
use huren_tests::{Draft, Federation, Leaf, REGIONS, newer_pen, record_pen};
use prost::Message as _;

use crate::support::{
    HOME, OTHER, answer, are_kept_and_quarantined, empty_store, honest, is_valid_everywhere, issue,
    says, until_known_everywhere,
};

/// A field that no message has.
const UNKNOWN_FIELD: [u8; 3] = [0xfa, 0x01, 0x00];

/// Provinces that have issued; gives the leaf hashes of home's certificates 1, 2 ..
async fn scene(certificates: u32) -> (Federation, Vec<Hash>) {
    let federation = Federation::start(empty_store, honest).await;
    let elsewhere = issue(&federation, OTHER, 1).await;
    let mut issued = Vec::new();
    for serial in 1..=certificates {
        issued.push(issue(&federation, HOME, serial).await.leaf);
    }
    until_known_everywhere(&federation, OTHER, elsewhere).await;
    (federation, issued)
}

fn sign(draft: &Draft) -> Leaf {
    draft.sign(&record_pen(HOME), HOME)
}

fn sign_bytes(draft: &Draft, record: Vec<u8>) -> Leaf {
    draft.sign_bytes(&record_pen(HOME), HOME, record)
}

/// The same with another envelope.
fn with_envelope(draft: &Draft, change: impl FnOnce(&mut v1::Envelope)) -> Leaf {
    let mut draft = draft.clone();
    change(draft.envelope());
    sign(&draft)
}

/// The same record with its fields in the other order, which means the same.
fn reordered(record: &v1::Record) -> Vec<u8> {
    let body = v1::Record {
        envelope: None,
        body: record.body.clone(),
    };
    let envelope = v1::Record {
        envelope: record.envelope.clone(),
        body: Vec::new(),
    };
    [body.encode_to_vec(), envelope.encode_to_vec()].concat()
}

/// The same record with an unknown field in its envelope.
fn with_larger_envelope(record: &v1::Record) -> Vec<u8> {
    let envelope = record.envelope.clone().expect("an envelope");
    let envelope = [envelope.encode_to_vec().as_slice(), &UNKNOWN_FIELD].concat();
    let length = u8::try_from(envelope.len()).expect("a small envelope");
    assert!(length < 128, "a length of one byte");
    let body = v1::Record {
        envelope: None,
        body: record.body.clone(),
    };
    [[0x0a, length].as_slice(), &envelope, &body.encode_to_vec()].concat()
}

/// The same record in each form that this program does not understand, or does not take for
/// the one form that a record has.
fn newer_forms(draft: &Draft) -> Vec<Leaf> {
    let mut larger_body = draft.clone();
    larger_body.record.body.extend(UNKNOWN_FIELD);
    let mut larger_leaf = sign(draft);
    larger_leaf.bytes.extend(UNKNOWN_FIELD);
    let larger_record = [draft.record.encode_to_vec().as_slice(), &UNKNOWN_FIELD].concat();
    vec![
        with_envelope(draft, |envelope| envelope.schema = 2),
        with_envelope(draft, |envelope| envelope.kind = 99),
        with_envelope(draft, |envelope| envelope.provenance = 99),
        sign(&larger_body),
        larger_leaf,
        sign_bytes(draft, larger_record),
        sign_bytes(draft, with_larger_envelope(&draft.record)),
        sign_bytes(draft, reordered(&draft.record)),
        draft.sign(&newer_pen(HOME), HOME),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_record_is_quarantined() {
    let (mut federation, issued) = scene(1).await;
    let revocation = Draft::change(HOME, v1::StatusAction::Revoke, issued[0]);
    let changed = |change: fn(&mut v1::Record)| {
        let mut draft = revocation.clone();
        change(&mut draft.record);
        sign(&draft)
    };
    let envelope = |change: fn(&mut v1::Envelope)| with_envelope(&revocation, change);
    let whole = sign(&revocation).bytes;
    let leaves = vec![
        (Leaf::from(Vec::new()), "RECORD_RULE"),
        (Leaf::from(b"no record".to_vec()), "LEAF_UNDECODABLE"),
        (
            Leaf::from(whole[..whole.len() - 1].to_vec()),
            "LEAF_UNDECODABLE",
        ),
        (changed(|record| record.envelope = None), "RECORD_RULE"),
        (
            changed(|record| record.body = vec![0xff]),
            "LEAF_UNDECODABLE",
        ),
        (changed(|record| record.body.clear()), "RECORD_RULE"),
        (envelope(|envelope| envelope.kind = 0), "RECORD_RULE"),
        (envelope(|envelope| envelope.provenance = 0), "RECORD_RULE"),
        (
            envelope(|envelope| envelope.effective_date = 20_240_230),
            "RECORD_RULE",
        ),
        (
            envelope(|envelope| envelope.writer_region = "330000".into()),
            "RECORD_RULE",
        ),
        (
            envelope(|envelope| envelope.target.truncate(31)),
            "RECORD_RULE",
        ),
        (envelope(|envelope| envelope.target.clear()), "RECORD_RULE"),
        (
            envelope(|envelope| envelope.target = vec![7; 32]),
            "TARGET_UNKNOWN",
        ),
        (
            envelope(|envelope| envelope.previous = vec![7; 32]),
            "STATUS_PREDECESSOR",
        ),
    ];
    let first = federation
        .plant(HOME, leaves.iter().map(|(leaf, _)| leaf))
        .await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    are_kept_and_quarantined(&federation, first, &leaves).await;
    for certificate in [(HOME, 1), (HOME, 2), (OTHER, 1)] {
        is_valid_everywhere(&federation, certificate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_newer_makes_its_target_unknown_and_nothing_else() {
    let forms = newer_forms(&Draft::change(
        HOME,
        v1::StatusAction::Suspend,
        Hash([0; 32]),
    ));
    let count = u32::try_from(forms.len()).expect("a few");
    let (mut federation, issued) = scene(count + 2).await;
    let mut leaves: Vec<Leaf> = Vec::new();
    for (form, target) in issued[..forms.len()].iter().enumerate() {
        let draft = Draft::change(HOME, v1::StatusAction::Suspend, *target);
        leaves.push(newer_forms(&draft).swap_remove(form));
    }
    // Something else that can be done to a certificate.
    let mut action = Draft::change(HOME, v1::StatusAction::Suspend, issued[forms.len()]);
    action.record.body[1] = 99;
    leaves.push(sign(&action));

    let first = federation.plant(HOME, &leaves).await;
    let later = issue(&federation, HOME, count + 3).await;
    until_known_everywhere(&federation, HOME, later).await;
    are_kept_and_quarantined(&federation, first + leaves.len() as u64, &[]).await;
    for at in REGIONS {
        for serial in 1..=count + 1 {
            let answer = answer(&federation, at, (HOME, serial)).await;
            assert_eq!(
                answer.verdict(),
                v1::Verdict::Unknown,
                "form {serial} at {at}"
            );
            assert!(says(&answer, "SCHEMA_NEWER"), "{:?}", answer.reasons);
        }
    }
    for certificate in [(HOME, count + 2), (HOME, count + 3), (OTHER, 1)] {
        is_valid_everywhere(&federation, certificate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_newer_and_has_no_target_is_quarantined() {
    let (mut federation, _) = scene(1).await;
    // Under the number of a sound certificate.
    let leaves: Vec<_> = newer_forms(&Draft::certificate(HOME, HOME, 1))
        .into_iter()
        .map(|leaf| (leaf, "SCHEMA_NEWER"))
        .collect();
    let first = federation
        .plant(HOME, leaves.iter().map(|(leaf, _)| leaf))
        .await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    are_kept_and_quarantined(&federation, first, &leaves).await;
    for certificate in [(HOME, 1), (HOME, 2), (OTHER, 1)] {
        is_valid_everywhere(&federation, certificate).await;
    }
}
