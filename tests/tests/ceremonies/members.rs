//! Members that join and leave.

use huren_core::{
    codes::Region,
    receipt,
    trust::{Edit, TrustList},
};
use huren_node::engine::Engine;
use huren_proto::v1;
use huren_tests::{Federation, REGIONS, certificate_in, change, member};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_member_joins() {
    let fujian = Region::parse("35").expect("a province");
    let mut federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let note = federation.next_list(HOME, |list| {
        list.edit(Edit::AddMember(Box::new(member(fujian))))
            .expect("a member");
        list.edit(Edit::Quorum(3)).expect("a quorum");
    });
    federation.install(HOME, &note).await;
    federation
        .until(OTHER, |engine: &Engine| engine.trust().lists().len() == 2)
        .await;
    federation.join(fujian, empty_store(fujian), OTHER).await;
    federation.until_adopted(2).await;
    let own = issue(&federation, fujian, 1).await;
    until_known_everywhere(&federation, fujian, own).await;
    check(&federation, (fujian, 1), VALID).await;
    // It holds what was there before, and its cosignature counts.
    let later = issue(&federation, HOME, 2).await;
    federation.until_known(fujian, HOME, later.index + 1).await;
    for serial in 1..=2 {
        let answer = answer(&federation, fujian, (HOME, serial)).await;
        assert_eq!(answer.verdict(), v1::Verdict::Valid);
        receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_wrote_stays_when_it_leaves() {
    let mut federation = Federation::start(empty_store, honest).await;
    for serial in 1..=2 {
        issue(&federation, HOME, serial).await;
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    let before = answer(&federation, OTHER, (HOME, 1)).await.receipt;
    let until_index = size(&federation, HOME);
    let note = federation.next_list(OTHER, |list: &mut TrustList| {
        let region = HOME.to_string();
        list.edit(Edit::RemoveMember {
            region,
            until_index,
        })
        .expect("a member");
    });
    federation.install(OTHER, &note).await;
    federation
        .until(HOME, |engine: &Engine| engine.trust().lists().len() == 2)
        .await;
    // It takes nothing any more: nobody would believe it.
    let refused = federation
        .engine(HOME)
        .submit(&certificate_in(HOME, 3))
        .await;
    assert!(refused.expect("a sound submission").is_err());
    federation.stop(HOME).await;
    federation.until_adopted(2).await;
    // The others go on, two of two.
    let placed = issue(&federation, OTHER, 1).await;
    let rest = REGIONS.into_iter().filter(|region| *region != HOME);
    for at in rest {
        federation.until_known(at, OTHER, placed.index + 1).await;
        let expected = [
            ((HOME, 1), v1::Verdict::Valid),
            ((HOME, 2), v1::Verdict::Revoked),
            ((OTHER, 1), v1::Verdict::Valid),
        ];
        for (certificate, verdict) in expected {
            let answer = answer(&federation, at, certificate).await;
            assert_eq!(
                answer.verdict(),
                verdict,
                "{certificate:?} at {at}: {:?}",
                answer.reasons
            );
            receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
        }
    }
    receipt::verify(&before, &federation.roots).expect("a receipt of before");
}
