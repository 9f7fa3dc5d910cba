//! An institution signs with its own SM2 key, its province logs it, the others verify it.

use std::sync::Arc;

use huren_core::{
    codes::Region,
    disclosure::{self, Opening},
    keys::{Algorithm, RecordSigner},
    receipt, submission,
    verdict::Verdict,
};
use huren_node::engine::{AppendError, Placed};
use huren_proto::v1::{self, submit_request::Body};
use huren_store::{Sqlite, SqliteOptions, Store};
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate, change, erasure, groups, origin, question,
};

const HOME: Region = Region::ZHEJIANG;
/// As in the certificates of the harness.
const CODE: &str = "S000033010006";

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

async fn federation() -> Federation {
    Federation::start(|_| huren_tests::store(), honest).await
}

fn key(number: u8) -> RecordSigner {
    RecordSigner::new(Algorithm::Sm2Sm3, &[number; 32]).expect("a key")
}

fn request(body: Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: HOME.to_string(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(body),
        ..Default::default()
    }
}

/// The entry of an institution, with these keys.
fn entry(code: &str, state: v1::InstitutionState, keys: &[&RecordSigner]) -> v1::SubmitRequest {
    let key = |key: &&RecordSigner| v1::InstitutionKey {
        alg: key.algorithm().number(),
        public_key: key.public_key(),
    };
    let institution = v1::Institution {
        code: code.into(),
        name: "浙江某某评价有限公司".into(),
        kind: v1::InstitutionKind::Social as i32,
        home_region: "330106".into(),
        state: state as i32,
        keys: keys.iter().map(key).collect(),
        ..Default::default()
    };
    request(Body::Institution(v1::InstitutionSubmission {
        institution: Some(institution),
        effective_date: 20_240_401,
    }))
}

/// The harness's certificate with that serial, signed by an institution.
fn made(serial: u32, key: &RecordSigner, region: Region) -> (Vec<u8>, Vec<Opening>) {
    let groups = submission::from_proto(&groups(serial)).expect("groups");
    let checked = submission::certificate(&groups, HOME).expect("a certificate");
    let envelope = (region, v1::Provenance::Issued);
    let mut salt = u8::try_from(serial).expect("a small serial");
    let salts = || {
        salt = salt.wrapping_add(1);
        [salt; 16]
    };
    submission::sign(checked, envelope, &origin(HOME), key, salts).expect("a leaf")
}

fn submitted((leaf, openings): (Vec<u8>, Vec<Opening>)) -> v1::SubmitRequest {
    let disclosures = disclosure::to_proto(&openings);
    request(Body::Signed(v1::SignedSubmission { leaf, disclosures }))
}

fn signed(serial: u32, key: &RecordSigner) -> v1::SubmitRequest {
    submitted(made(serial, key, HOME))
}

/// Submits at home; the reason code of a refusal.
async fn submit(
    federation: &Federation,
    request: &v1::SubmitRequest,
) -> Result<Placed, &'static str> {
    match federation.engine(HOME).submit(request).await {
        Err(refused) => Err(refused.0[0].code),
        Ok(placed) => placed.map_err(|error| error.code()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_by_an_institution_proven_in_another_province() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stores = Vec::new();
    for region in REGIONS {
        let path = folder.path().join(region.to_string());
        let store = Sqlite::open(path, SqliteOptions::default()).await;
        stores.push((
            region,
            Arc::new(store.expect("a database")) as Arc<dyn Store>,
        ));
    }
    let of = move |region| {
        let found = stores.iter().find(|(of, _)| *of == region);
        Arc::clone(&found.expect("a store").1)
    };
    let federation = Federation::start(of, honest).await;
    let key = key(1);
    let active = v1::InstitutionState::Active;
    submit(&federation, &entry(CODE, active, &[&key]))
        .await
        .unwrap();
    let request = signed(7, &key);
    let placed = submit(&federation, &request).await.unwrap();
    let Some(Body::Signed(given)) = &request.body else {
        unreachable!("a signed submission");
    };
    let reader = federation.engine(HOME).proofs();
    let logged = reader.leaf(&origin(HOME), placed.index).await.unwrap();
    assert_eq!(
        logged.as_ref(),
        Some(&given.leaf),
        "logged as it was signed"
    );

    for at in REGIONS {
        federation.until_known(at, HOME, placed.index + 1).await;
        let engine = federation.engine(at);
        let answer = engine.verify(question(7, "张三")).await.unwrap();
        assert_eq!(answer.verdict(), v1::Verdict::Valid);
        let checked = receipt::verify(&answer.receipt, &federation.roots).unwrap();
        assert_eq!((checked.home.as_str(), checked.index), ("33", placed.index));
        assert_eq!(checked.assertion.verdict, Verdict::Valid);
        assert!(checked.assertion.institution.is_some());
        let other = engine.verify(question(7, "李四")).await.unwrap();
        assert_eq!(other.verdict(), v1::Verdict::HolderMismatch);
    }

    // The province changes it as it changes its own; receipts prove that too.
    let revoke = change(v1::StatusAction::Revoke, 7);
    let placed = submit(&federation, &revoke).await.unwrap();
    let at = Region::SHANGHAI;
    federation.until_known(at, HOME, placed.index + 1).await;
    let answer = federation.engine(at).verify(question(7, "张三")).await;
    let answer = answer.unwrap();
    assert_eq!(answer.verdict(), v1::Verdict::Revoked);
    receipt::verify(&answer.receipt, &federation.roots).unwrap();

    let placed = submit(&federation, &erasure(7)).await.unwrap();
    federation.until_known(at, HOME, placed.index + 1).await;
    let answer = federation.engine(at).verify(question(7, "张三")).await;
    assert_eq!(answer.unwrap().verdict(), v1::Verdict::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_is_refused_as_the_fold_would_quarantine_it() {
    let federation = federation().await;
    let (first, second) = (key(1), key(2));
    let active = v1::InstitutionState::Active;
    let check = async |request: v1::SubmitRequest, expected: Result<(), &str>| {
        let placed = submit(&federation, &request).await;
        assert_eq!(placed.map(|_| ()), expected);
    };
    check(signed(1, &first), Err("KEY_UNKNOWN")).await;
    check(entry(CODE, active, &[&first]), Ok(())).await;
    check(signed(1, &first), Ok(())).await;
    check(signed(2, &second), Err("KEY_UNKNOWN")).await;
    // The key is another institution's.
    let other = "S000033010014";
    check(entry(other, active, &[&first, &second]), Err("KEY_TAKEN")).await;
    check(entry(other, active, &[&second]), Ok(())).await;
    check(signed(2, &second), Err("KEY_INSTITUTION")).await;
    check(
        entry(CODE, v1::InstitutionState::Suspended, &[&first]),
        Ok(()),
    )
    .await;
    check(signed(2, &first), Err("KEY_INSTITUTION_STATE")).await;
    check(entry(CODE, v1::InstitutionState::Active, &[]), Ok(())).await;
    check(signed(2, &first), Err("KEY_UNKNOWN")).await;
    // What was logged before stays, and nothing of all this was quarantined.
    for at in [HOME, Region::ANHUI] {
        let size = federation.entry(HOME, HOME).state.head.size;
        federation.until_known(at, HOME, size).await;
        let answer = federation.engine(at).verify(question(1, "张三")).await;
        assert_eq!(answer.unwrap().verdict(), v1::Verdict::Valid);
        let store = federation.store(at);
        assert_eq!(store.quarantined(&origin(HOME), 0, 9).await.unwrap().0, 0);
    }
}

/// A code is one institution's for ever: another one does not get it, after an exit neither, in
/// one batch or later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_never_given_twice() {
    let federation = federation().await;
    let of = |uscc: &str, state: v1::InstitutionState, from: u32| {
        let mut request = entry(CODE, state, &[]);
        if let Some(Body::Institution(submission)) = &mut request.body {
            submission.effective_date = from;
            let institution = submission.institution.as_mut().expect("an entry");
            institution.uscc = uscc.into();
        }
        request
    };
    let (first, second) = ("91350100M000100Y43", "91110000101623741K");
    let (active, exited) = (v1::InstitutionState::Active, v1::InstitutionState::Exited);
    let requests = [
        of(first, active, 20_200_101),
        of(second, active, 20_210_101),
    ];
    let [a, b] = &requests;
    let (a, b) = tokio::join!(submit(&federation, a), submit(&federation, b));
    assert_eq!(
        (a.map(|_| ()), b.map(|_| ())),
        (Ok(()), Err("INSTITUTION_CODE_TAKEN"))
    );
    let check = async |request: v1::SubmitRequest, expected: Result<(), &str>| {
        let placed = submit(&federation, &request).await;
        assert_eq!(placed.map(|_| ()), expected);
    };
    check(of(first, exited, 20_250_101), Ok(())).await;
    check(
        of(second, active, 20_260_101),
        Err("INSTITUTION_CODE_TAKEN"),
    )
    .await;
    check(
        of(second, active, 20_190_101),
        Err("INSTITUTION_CODE_TAKEN"),
    )
    .await;
    check(of(first, active, 20_260_101), Ok(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_is_checked_like_any_submission() {
    let federation = federation().await;
    let key = key(1);
    let active = v1::InstitutionState::Active;
    submit(&federation, &entry(CODE, active, &[&key]))
        .await
        .unwrap();
    let check = async |change: &dyn Fn(&mut v1::SignedSubmission), expected: &str| {
        let mut request = signed(1, &key);
        if let Some(Body::Signed(signed)) = &mut request.body {
            change(signed);
        }
        assert_eq!(submit(&federation, &request).await, Err(expected));
    };
    check(&|s| s.leaf.clear(), "RECORD_RULE").await;
    check(&|s| s.leaf.push(0), "LEAF_UNDECODABLE").await;
    let flip = |s: &mut v1::SignedSubmission| *s.leaf.last_mut().unwrap() ^= 1;
    check(&flip, "SIGNATURE_INVALID").await;
    check(&|s| s.disclosures.clear(), "DISCLOSURE_MISSING").await;
    check(&|s| s.disclosures.swap(0, 1), "DISCLOSURE_MISSING").await;
    check(&|s| s.disclosures[1].fields.clear(), "DISCLOSURE_MISSING").await;
    check(&|s| s.disclosures[1].salt[0] ^= 1, "DISCLOSURE_WRONG").await;
    check(&|s| s.disclosures[1].salt.push(0), "DISCLOSURE_MALFORMED").await;
    let rename = |s: &mut v1::SignedSubmission| s.disclosures[1].fields[0].value = "李四".into();
    check(&rename, "DISCLOSURE_WRONG").await;

    // Values that are signed and opened, and that no node would have written like this.
    let mut openings = made(1, &key, HOME).1;
    let spaced = disclosure::Values::new([("name", "张 三")]);
    openings[1].values = Some(spaced);
    let request = resigned(&openings, &key);
    assert_eq!(submit(&federation, &request).await, Err("NOT_CANONICAL"));
    // Salts that members could not check.
    let mut openings = made(1, &key, HOME).1;
    openings[0].salt.0[0] ^= 1;
    let request = resigned(&openings, &key);
    assert_eq!(submit(&federation, &request).await, Err("DISCLOSURE_WRONG"));
    // Not a certificate, and not for the region that the request names.
    let mut status = signed(1, &key);
    status.writer_region = "3301".into();
    assert_eq!(submit(&federation, &status).await, Err("SIGNED_ENVELOPE"));
    let county = Region::parse("330106").unwrap();
    let request = submitted(made(1, &key, county));
    assert_eq!(submit(&federation, &request).await, Err("SIGNED_ENVELOPE"));

    // The same certificate in clear, by the province's own key, is the same submission.
    let first = submit(&federation, &signed(1, &key)).await.unwrap();
    let again = submit(&federation, &certificate(1)).await.unwrap();
    assert_eq!((again.index, again.duplicate), (first.index, true));
    let taken = AppendError::NumberTaken.code();
    let mut openings = made(1, &key, HOME).1;
    openings[1].values = Some(disclosure::Values::new([("name", "李四")]));
    let request = resigned(&openings, &key);
    assert_eq!(submit(&federation, &request).await, Err(taken));
}

/// A certificate with exactly these openings, signed without any check.
fn resigned(openings: &[Opening], key: &RecordSigner) -> v1::SubmitRequest {
    use prost::Message as _;
    let groups = disclosure::GroupDigests::of(openings).to_proto();
    let body = v1::Certificate {
        normaliser: 1,
        groups,
    };
    let draft = huren_core::record::Draft {
        envelope: huren_core::record::Envelope {
            kind: v1::Kind::Certificate as i32,
            writer_region: HOME,
            provenance: v1::Provenance::Issued,
            effective_date: 0,
            target: None,
            previous: None,
        },
        body: body.encode_to_vec(),
    };
    let leaf = draft.sign(origin(HOME).as_str(), key).expect("a leaf");
    submitted((leaf, openings.to_vec()))
}
