//! A leaf counts if its key had the authority for it: for its kind, for its region and at its
//! place in the log. Any other is kept, proven and passed on, and changes nothing for anybody.

use huren_core::{codes::Region, merkle::Hash};
use huren_proto::v1;
use huren_tests::{
    Draft, Federation, Leaf, REGIONS, RETIRED_AT, audit, change, county, county_pen, newer_pen,
    record_pen, retired_pen, unlisted_pen,
};
use prost::Message as _;

use crate::support::{
    HOME, OTHER, answer, are_kept_and_quarantined, empty_store, honest, is_quarantined_everywhere,
    is_valid_everywhere, issue, says, submit, until_known_everywhere,
};

/// Has provinces issue a certificate each, behind two leaves that a test wrote and that have all
/// the authority that they need. Gives the leaf hash of the one from home.
async fn scene() -> (Federation, Hash) {
    let mut federation = Federation::start(empty_store, honest).await;
    let sound = [
        Draft::certificate(HOME, HOME, 101).sign(&retired_pen(HOME), HOME),
        Draft::certificate(county(HOME), HOME, 102).sign(&county_pen(HOME), HOME),
    ];
    let first = federation.plant(HOME, &sound).await;
    assert_eq!(first + sound.len() as u64, RETIRED_AT);
    let elsewhere = issue(&federation, OTHER, 1).await;
    until_known_everywhere(&federation, OTHER, elsewhere).await;
    let home = issue(&federation, HOME, 1).await;
    (federation, home.leaf)
}

/// What was issued stays valid.
async fn is_unharmed(federation: &Federation) {
    let later = issue(federation, HOME, 2).await;
    until_known_everywhere(federation, HOME, later).await;
    for certificate in [(HOME, 1), (HOME, 2), (HOME, 101), (HOME, 102), (OTHER, 1)] {
        is_valid_everywhere(federation, certificate).await;
    }
}

/// Revokes a certificate, on behalf of a region.
fn revocation(writer: Region, target: Hash) -> Draft {
    Draft::change(writer, v1::StatusAction::Revoke, target)
}

/// Plants leaves that lack authority, each with its reason.
async fn are_refused(leaves: impl FnOnce(Hash) -> Vec<(Leaf, &'static str)>) -> Federation {
    let (mut federation, target) = scene().await;
    let leaves = leaves(target);
    let first = federation
        .plant(HOME, leaves.iter().map(|(leaf, _)| leaf))
        .await;
    is_unharmed(&federation).await;
    are_kept_and_quarantined(&federation, first, &leaves).await;
    federation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_authority_for_its_kinds() {
    are_refused(|target| {
        let groups = vec![v1::Group::Certificate as i32];
        let erasure = v1::Erasure { groups }.encode_to_vec();
        let erasure = Draft::new(county(HOME), v1::Kind::Erasure, erasure).of(target);
        // Not to understand a kind does not mean to let everybody write it.
        let mut unknown = revocation(county(HOME), target);
        unknown.envelope().kind = 99;
        [erasure, unknown]
            .map(|draft| (draft.sign(&county_pen(HOME), HOME), "KEY_KIND"))
            .into()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_authority_for_its_regions() {
    let neighbour = Region::from_number(county(HOME).number() + 1).expect("a county");
    let federation = are_refused(|target| {
        let of_province = Draft::certificate(HOME, HOME, 11);
        let of_neighbour = Draft::certificate(neighbour, HOME, 12);
        // The county writes it for itself, and yet it would change what the province wrote.
        let of_target = revocation(county(HOME), target);
        let mut unknown = of_target.clone();
        unknown.record.body.extend([0xfa, 0x01, 0x00]);
        let county = [of_province, of_neighbour, of_target]
            .map(|draft| (draft.sign(&county_pen(HOME), HOME), "KEY_REGION"));
        let unknown = (unknown.sign(&county_pen(HOME), HOME), "SCHEMA_NEWER");
        let elsewhere = Draft::certificate(OTHER, OTHER, 1);
        let elsewhere = (elsewhere.sign(&record_pen(HOME), HOME), "KEY_REGION");
        county.into_iter().chain([unknown, elsewhere]).collect()
    })
    .await;
    is_quarantined_everywhere(&federation, (HOME, 11)).await;
    is_quarantined_everywhere(&federation, (HOME, 12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_authority_at_its_places() {
    let federation = are_refused(|target| {
        [Draft::certificate(HOME, HOME, 11), revocation(HOME, target)]
            .map(|draft| (draft.sign(&retired_pen(HOME), HOME), "KEY_OUTSIDE_WINDOW"))
            .into()
    })
    .await;
    is_quarantined_everywhere(&federation, (HOME, 11)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_listed_for_the_log_has_none() {
    let federation = are_refused(|target| {
        let mut newer = revocation(HOME, target);
        newer.envelope().schema = 2;
        // The first takes the number of a sound certificate.
        let drafts = [
            Draft::certificate(HOME, HOME, 1),
            Draft::certificate(HOME, HOME, 11),
            revocation(HOME, target),
            newer,
        ];
        [unlisted_pen(HOME), record_pen(OTHER), newer_pen(OTHER)]
            .iter()
            .flat_map(|pen| drafts.each_ref().map(|draft| draft.sign(pen, HOME)))
            .map(|leaf| (leaf, "KEY_UNKNOWN"))
            .collect()
    })
    .await;
    is_quarantined_everywhere(&federation, (HOME, 11)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_must_be_the_key_s_for_this_log() {
    let federation = are_refused(|target| {
        let drafts = [
            Draft::certificate(HOME, HOME, 1),
            Draft::certificate(HOME, HOME, 11),
            revocation(HOME, target),
        ];
        let of_another_log = drafts
            .iter()
            .map(|draft| draft.sign(&record_pen(HOME), OTHER));
        let damaged = |damage: fn(&mut v1::SignedRecord)| {
            let signed = drafts.iter().map(move |draft| {
                let mut signed = record_pen(HOME).sign(HOME, draft.record.encode_to_vec());
                damage(&mut signed);
                Leaf {
                    bytes: signed.encode_to_vec(),
                    openings: draft.openings.clone(),
                }
            });
            signed.collect::<Vec<_>>()
        };
        let flipped = damaged(|signed| signed.signature[5] ^= 1);
        let missing = damaged(|signed| signed.signature.clear());
        let forged = damaged(|signed| {
            signed.signature = unlisted_pen(HOME)
                .sign(HOME, signed.record.clone())
                .signature;
        });
        of_another_log
            .chain(flipped)
            .chain(missing)
            .chain(forged)
            .map(|leaf| (leaf, "SIGNATURE_INVALID"))
            .collect()
    })
    .await;
    is_quarantined_everywhere(&federation, (HOME, 11)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_appended_again_changes_nothing() {
    let (mut federation, _) = scene().await;
    let third = issue(&federation, HOME, 3).await;
    let submitted = [
        change(v1::StatusAction::Suspend, 1),
        change(v1::StatusAction::Reinstate, 1),
        change(v1::StatusAction::Suspend, 3),
        change(v1::StatusAction::Reinstate, 3),
        change(v1::StatusAction::Revoke, 3),
    ];
    let mut places = vec![third];
    for request in &submitted {
        places.push(submit(&federation, HOME, request).await);
    }
    let elsewhere = issue(&federation, OTHER, 3).await;

    let held = audit(&federation, HOME, HOME).await;
    let old = |place: usize| {
        Leaf::from(held.0[usize::try_from(places[place].index).expect("small")].clone())
    };
    let others = audit(&federation, OTHER, OTHER).await;
    let other = others.0[usize::try_from(elsewhere.index).expect("small")].clone();
    let again = vec![
        (old(0), "RECORD_REPEATED"),
        // It would suspend what is in force.
        (old(1), "STATUS_PREDECESSOR"),
        // They would put in force what is revoked.
        (old(4), "STATUS_PREDECESSOR"),
        (old(3), "STATUS_PREDECESSOR"),
        (Leaf::from(other), "KEY_UNKNOWN"),
    ];
    let first = federation
        .plant(HOME, again.iter().map(|(leaf, _)| leaf))
        .await;
    is_unharmed(&federation).await;
    are_kept_and_quarantined(&federation, first, &again).await;
    for at in REGIONS {
        let answer = answer(&federation, at, (HOME, 3)).await;
        assert_eq!(answer.verdict(), v1::Verdict::Revoked, "at {at}");
    }
    is_valid_everywhere(&federation, (OTHER, 3)).await;

    // What the province itself changes next builds on what has effect.
    let mut reinstatement = change(v1::StatusAction::Reinstate, 3);
    let Some(v1::submit_request::Body::Status(status)) = &mut reinstatement.body else {
        unreachable!("a change of status");
    };
    // On the same day it would be the first one, submitted again.
    status.effective_date += 1;
    let next = submit(&federation, HOME, &reinstatement).await;
    until_known_everywhere(&federation, HOME, next).await;
    is_valid_everywhere(&federation, (HOME, 3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_counts_before_the_log_adopts_a_trust_list() {
    let mut federation = Federation::new(empty_store, honest);
    let leaf = Draft::certificate(HOME, HOME, 11).sign(&record_pen(HOME), HOME);
    assert_eq!(federation.plant(HOME, [&leaf]).await, 0);
    federation.open_all().await;
    let elsewhere = issue(&federation, OTHER, 1).await;
    until_known_everywhere(&federation, OTHER, elsewhere).await;
    let later = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, later).await;
    is_valid_everywhere(&federation, (HOME, 1)).await;
    is_valid_everywhere(&federation, (OTHER, 1)).await;
    are_kept_and_quarantined(&federation, 0, &[(leaf, "TRUST_NOT_ADOPTED")]).await;
    is_quarantined_everywhere(&federation, (HOME, 11)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_adopts_each_trust_list_once_and_as_it_is() {
    are_refused(|_| {
        [(1, [0; 32]), (1, [1; 32])]
            .map(|(version, digest)| {
                let digest = digest.to_vec();
                let body = v1::TrustListAdoption { version, digest }.encode_to_vec();
                let draft = Draft::new(HOME, v1::Kind::TrustListAdoption, body);
                (draft.sign(&record_pen(HOME), HOME), "TRUST_ADOPTION")
            })
            .into()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_another_province_is_no_conflict_there() {
    let (mut federation, _) = scene().await;
    // Nothing in these leaves shows whose number they carry: they are no quarantine's matter.
    let foreign =
        [1, 11].map(|serial| Draft::certificate(HOME, OTHER, serial).sign(&record_pen(HOME), HOME));
    let first = federation.plant(HOME, &foreign).await;
    is_unharmed(&federation).await;
    let later = first + foreign.len() as u64;
    are_kept_and_quarantined(&federation, later, &[]).await;
    for at in REGIONS {
        let answer = answer(&federation, at, (OTHER, 11)).await;
        assert_eq!(answer.verdict(), v1::Verdict::NotFound, "at {at}");
        assert!(answer.receipt.is_empty());
    }
}

/// With the authority that the others lack, the same leaf is a conflict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sound_records_of_a_number_are_a_conflict() {
    let (mut federation, _) = scene().await;
    let second = Draft::certificate(HOME, HOME, 1).sign(&record_pen(HOME), HOME);
    federation.plant(HOME, [&second]).await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    for at in REGIONS {
        let answer = answer(&federation, at, (HOME, 1)).await;
        assert_eq!(answer.verdict(), v1::Verdict::Unknown, "at {at}");
        assert!(says(&answer, "DUPLICATE_NO"), "{:?}", answer.reasons);
    }
    is_valid_everywhere(&federation, (HOME, 2)).await;
}
