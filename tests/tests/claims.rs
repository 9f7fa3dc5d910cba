//! A subsidy that was claimed in one province is found where it is claimed again, by the tag of the
//! holder's document: neither name nor number crosses.

use std::sync::{Arc, Mutex, PoisonError};

use huren_core::{
    checkpoint::Origin,
    codes::Region,
    merkle::leaf_hash,
    recognition::{Rule, Statement},
};
use huren_node::engine::{PeerPackage, Placed};
use huren_proto::v1::{self, ClaimState, Kind, submit_request::Body};
use huren_tests::{
    Federation, Lie, REGIONS, certificate, certificate_in, change_in, groups_in, origin, question,
};
use prost::Message;

const SHANGHAI: Region = REGIONS[0];
const HOME: Region = Region::ZHEJIANG;
/// As in the certificates of the harness.
const ID: &str = "11010519491231002X";
const NAME: &str = "张三";

/// Keeps what members send each other.
#[derive(Clone, Default)]
struct Overheard(Arc<Mutex<Vec<u8>>>);

impl Overheard {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
    }

    fn has(&self, text: &[u8]) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.windows(text.len()).any(|window| window == text)
    }
}

impl Lie for Overheard {
    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        for package in packages {
            self.keep(&package.entries);
        }
    }

    fn disclosures(&self, pages: &mut Vec<v1::GetDisclosuresResponse>) {
        for page in pages {
            self.keep(&page.encode_to_vec());
        }
    }
}

async fn federation(overheard: &Overheard) -> Federation {
    let overheard = overheard.clone();
    let lie = move |_, _| Arc::new(overheard.clone()) as Arc<dyn Lie>;
    Federation::start(|_| huren_tests::store(), lie).await
}

async fn submit(federation: &Federation, at: Region, request: v1::SubmitRequest) -> Placed {
    let submitted = federation.engine(at).submit(&request).await;
    submitted.expect("in order").expect("in the log")
}

/// Everybody has everything, cosigned.
async fn settled(federation: &Federation) {
    for of in REGIONS {
        let size = federation.entry(of, of).state.head.size;
        for at in REGIONS {
            federation.until_known(at, of, size).await;
        }
    }
}

/// A claim for the certificate at a place of a log.
async fn claim(
    federation: &Federation,
    (of, at): (Region, u64),
    region: &str,
    state: ClaimState,
    effective_date: u32,
) -> v1::SubmitRequest {
    let leaf = federation.engine(of).proofs().leaf(&origin(of), at).await;
    let leaf = leaf.expect("a store").expect("a leaf");
    let claim = v1::SubsidyClaim {
        origin: origin(of).to_string(),
        certificate: leaf_hash(&leaf).as_bytes().to_vec(),
        region: region.into(),
        claimed_on: 20_240_916,
        state: state.into(),
        document_number: "沪人社补〔2024〕第9批".into(),
    };
    v1::SubmitRequest {
        writer_region: region.into(),
        provenance: v1::Provenance::Issued.into(),
        body: Some(Body::Entry(v1::EntrySubmission {
            kind: Kind::SubsidyClaim.into(),
            body: claim.encode_to_vec(),
            effective_date,
        })),
        ..Default::default()
    }
}

/// Asked in Zhejiang about its certificate 1; the finding of a claim, and the whole file.
async fn asked(
    federation: &Federation,
    id: &str,
    purpose: v1::Purpose,
    as_of_date: u32,
) -> (Option<v1::RecognitionFinding>, Statement) {
    let asked = v1::DecideRequest {
        question: Some(v1::VerifyRequest {
            purpose: purpose.into(),
            holder_id: id.into(),
            as_of_date,
            ..question(1, NAME)
        }),
        asking_region: String::new(),
    };
    let decided = federation.engine(HOME).decide(asked).await;
    let decided = decided.expect("a decision");
    let code = Rule::DuplicateClaim.code();
    let mut findings = decided.findings.into_iter();
    let found = findings.find(|finding| finding.reason.as_ref().is_some_and(|r| r.code == code));
    let file = String::from_utf8(decided.decision).expect("text");
    let (_, statement) = Statement::read(&file).expect("a statement");
    statement.replay().expect("the same decision");
    (found, statement)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_for_another_certificate_of_the_same_is_found_and_nobody_s_name_crosses() {
    let overheard = Overheard::default();
    let federation = federation(&overheard).await;
    submit(&federation, HOME, certificate(1)).await;
    let other = submit(&federation, SHANGHAI, certificate_in(SHANGHAI, 7)).await;
    // The same person's of another level, for which a subsidy was paid too.
    let mut lower = groups_in(SHANGHAI, 8);
    for field in &mut lower[0].fields {
        if field.name == "level" {
            field.value = "3".into();
        }
        if field.name == "number" {
            field.value = "S000031010006244000008".into();
        }
    }
    let lower = v1::SubmitRequest {
        body: Some(Body::Certificate(v1::CertificateSubmission {
            groups: lower,
        })),
        ..certificate_in(SHANGHAI, 8)
    };
    let lower = submit(&federation, SHANGHAI, lower).await;
    let paid = ClaimState::Paid;
    let of_lower = claim(
        &federation,
        (SHANGHAI, lower.index),
        "310101",
        paid,
        20_240_916,
    );
    submit(&federation, SHANGHAI, of_lower.await).await;
    settled(&federation).await;
    let subsidy = v1::Purpose::Subsidy;
    let (found, _) = asked(&federation, ID, subsidy, 0).await;
    assert_eq!(found, None, "another level");

    let place = (SHANGHAI, other.index);
    let paid = claim(&federation, place, "310118", paid, 20_240_916).await;
    submit(&federation, SHANGHAI, paid).await;
    settled(&federation).await;
    let (found, statement) = asked(&federation, ID, subsidy, 0).await;
    let found = found.expect("a claim");
    assert_eq!(found.effect(), v1::FindingEffect::Condition);
    assert_eq!(found.about["region"], "310118");
    assert_eq!(found.about["claimed_on"], "20240916");
    assert_eq!(found.about["certificate"], "other");
    // The claim is part of what it rests on; of the holder's others only the one that it is for.
    let kind = Kind::SubsidyClaim as u32;
    let claims = statement.evidence.iter().filter(|entry| entry.kind == kind);
    assert_eq!(claims.count(), 1);
    assert_eq!(statement.case.others_claimed.len(), 1);

    // Who does not know the document, asks for something else, or asks about a day before.
    for (id, purpose, day) in [
        ("", subsidy, 0),
        (ID, v1::Purpose::Employment, 0),
        (ID, subsidy, 20_240_915),
    ] {
        let (found, _) = asked(&federation, id, purpose, day).await;
        assert_eq!(found, None, "{purpose:?} {day}");
    }
    // That it was revoked since undoes no claim; that it was withdrawn does.
    let revoked = change_in(SHANGHAI, v1::StatusAction::Revoke, 7);
    submit(&federation, SHANGHAI, revoked).await;
    settled(&federation).await;
    assert!(asked(&federation, ID, subsidy, 0).await.0.is_some());
    let withdrawn = ClaimState::Withdrawn;
    let withdrawn = claim(&federation, place, "310118", withdrawn, 20_241_001).await;
    submit(&federation, SHANGHAI, withdrawn).await;
    settled(&federation).await;
    assert_eq!(asked(&federation, ID, subsidy, 0).await.0, None);
    let before = asked(&federation, ID, subsidy, 20_240_930).await.0;
    assert!(before.is_some());

    // Members have exchanged all of this, by the tag alone.
    assert!(overheard.has(b"S000031010006"));
    for personal in [NAME.as_bytes(), ID.as_bytes()] {
        assert!(!overheard.has(personal));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_for_the_certificate_itself_is_found_without_the_document() {
    let federation = federation(&Overheard::default()).await;
    let own = submit(&federation, HOME, certificate(1)).await;
    settled(&federation).await;
    let subsidy = v1::Purpose::Subsidy;
    assert_eq!(asked(&federation, "", subsidy, 0).await.0, None);
    let state = ClaimState::Claimed;
    for region in ["33", "320509"] {
        let at = Region::parse(region).expect("a region").province();
        let claim = claim(&federation, (HOME, own.index), region, state, 20_240_916);
        submit(&federation, at, claim.await).await;
    }
    settled(&federation).await;
    let (found, _) = asked(&federation, "", subsidy, 0).await;
    let about = found.expect("claims").about;
    // The asking region's own counts too.
    assert_eq!(about["region"], "320509,33");
    assert_eq!(about["certificate"], "this,this");
    assert_eq!(about["state"], "claimed,claimed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_claims_for_another_region() {
    let federation = federation(&Overheard::default()).await;
    let own = submit(&federation, HOME, certificate(1)).await;
    let mut request = claim(
        &federation,
        (HOME, own.index),
        "310118",
        ClaimState::Claimed,
        20_240_916,
    )
    .await;
    request.writer_region = "33".into();
    let refused = federation.engine(HOME).submit(&request).await;
    let refused = refused.expect_err("a refusal");
    assert_eq!(
        (refused.0[0].field, refused.0[0].code),
        ("region", "WRITER_REGION")
    );
}
