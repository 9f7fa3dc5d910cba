//! A node is given other keys for its database. Everything is found and opened at any moment;
//! no key is let go of that is needed, and none is needed for ever but for what is erased.

use huren_core::{
    codes::Region,
    disclosure::{KeyRing, SecretKey},
};
use huren_node::engine::{AppendError, DataKeysError, Engine, Rekeying};
use huren_proto::v1;
use huren_tests::{Federation, REGIONS, certificate, change, erasure, groups, origin, writer_keys};

use crate::support::{
    HOME, OTHER, answer, empty_store, honest, is_valid_at, is_valid_everywhere, issue, issued,
    says, submit, until_known_everywhere,
};

/// Keys that come in the place of a member's, alone.
fn new_keys() -> (KeyRing, KeyRing) {
    let key = |byte| KeyRing::from(SecretKey::new([byte; 32]));
    (key(21), key(22))
}

/// The same with those in whose place they come.
fn both_keys(region: Region) -> (KeyRing, KeyRing) {
    let (before, (at_rest, index)) = (writer_keys(region), new_keys());
    let earlier = |ring: &KeyRing| ring.keys().to_vec();
    (
        at_rest.with_earlier(earlier(&before.at_rest)),
        index.with_earlier(earlier(&before.index)),
    )
}

async fn reopen(
    federation: &mut Federation,
    at: Region,
    keys: (KeyRing, KeyRing),
) -> Result<(), DataKeysError> {
    federation.stop(at).await;
    federation.give_data_keys(at, keys.0, keys.1);
    federation.open(at).await?;
    federation.until(at, Engine::is_writable).await;
    Ok(())
}

async fn until_done(federation: &Federation, at: Region) -> Rekeying {
    let stands = async |engine: &Engine| engine.rekeying().await.expect("a store");
    let is_done = async |engine: &Engine| {
        let stands = stands(engine).await;
        let mut earlier = stands.keys.iter().filter(|key| !key.current);
        stands.left == 0 && earlier.all(|key| !key.needed || stands.kept > 0)
    };
    federation.until_found(at, is_done).await;
    stands(federation.engine(at)).await
}

/// Everything that a member holds is sealed with one key.
async fn is_sealed_with(federation: &Federation, at: Region, key: &KeyRing) {
    for of in REGIONS {
        let rows = federation.store(at).disclosures(&origin(of), 0..100).await;
        let rows = rows.expect("a store");
        assert!(
            rows.iter().all(|row| key.seals(&row.sealed)),
            "{of} at {at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_found_while_and_after_it_is_put_under_new_keys() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, 3).await;
    let revocation = change(v1::StatusAction::Revoke, 2);
    let revoked = submit(&federation, HOME, &revocation).await;
    until_known_everywhere(&federation, HOME, revoked).await;

    for at in [HOME, OTHER] {
        reopen(&mut federation, at, both_keys(at)).await.unwrap();
        is_valid_at(&federation, at, (HOME, 1)).await;
        is_valid_at(&federation, at, (OTHER, 1)).await;
    }
    // Whatever was submitted under the earlier keys is known.
    let again = submit(&federation, HOME, &certificate(1)).await;
    assert!(again.duplicate);
    assert!(submit(&federation, HOME, &revocation).await.duplicate);

    for at in [HOME, OTHER] {
        let stands = until_done(&federation, at).await;
        assert!(
            stands.keys.iter().all(|key| key.current == key.needed),
            "{stands:?}"
        );
        is_sealed_with(&federation, at, &new_keys().0).await;
        // The earlier keys are not needed any more, and nothing is lost with them.
        reopen(&mut federation, at, new_keys()).await.unwrap();
    }
    is_valid_everywhere(&federation, (HOME, 1)).await;
    is_valid_everywhere(&federation, (OTHER, 1)).await;
    let answered = answer(&federation, HOME, (HOME, 2)).await;
    assert_eq!(answered.verdict(), v1::Verdict::Revoked);
    assert!(submit(&federation, HOME, &certificate(1)).await.duplicate);
    let next = issue(&federation, HOME, 4).await;
    until_known_everywhere(&federation, HOME, next).await;
    is_valid_everywhere(&federation, (HOME, 4)).await;

    // Nobody starts with the earlier keys alone.
    let before = writer_keys(HOME);
    let refused = reopen(&mut federation, HOME, (before.at_rest, before.index)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("DATA_KEY_NEEDED"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_erased_stays_taken_and_its_key_needed() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, 3).await;
    let erased = submit(&federation, HOME, &erasure(2)).await;
    until_known_everywhere(&federation, HOME, erased).await;

    reopen(&mut federation, HOME, both_keys(HOME))
        .await
        .unwrap();
    until_done(&federation, HOME).await;
    is_sealed_with(&federation, HOME, &new_keys().0).await;
    // What is erased from now on keeps its number under the key in use.
    let erased = submit(&federation, HOME, &erasure(3)).await;
    until_known_everywhere(&federation, HOME, erased).await;

    let (at_rest, index) = (new_keys().0, both_keys(HOME).1);
    reopen(&mut federation, HOME, (at_rest, index))
        .await
        .unwrap();
    let stands = until_done(&federation, HOME).await;
    assert_eq!(stands.kept, 1, "{stands:?}");
    for serial in [2, 3] {
        let answered = answer(&federation, HOME, (HOME, serial)).await;
        assert_eq!(answered.verdict(), v1::Verdict::Unknown);
        assert!(says(&answered, "ERASED"), "{:?}", answered.reasons);
        let mut groups = groups(serial);
        groups[1].fields[0].value = "李四".to_owned();
        let body = v1::CertificateSubmission { groups };
        let other = v1::SubmitRequest {
            body: Some(v1::submit_request::Body::Certificate(body)),
            ..certificate(serial)
        };
        let taken = federation.engine(HOME).submit(&other).await;
        assert_eq!(
            taken.expect("a sound submission"),
            Err(AppendError::NumberTaken)
        );
    }
    // Without that key the number would be free again: so there is no start without it.
    let refused = reopen(&mut federation, HOME, new_keys()).await.unwrap_err();
    assert!(matches!(refused, DataKeysError::Missing { .. }));
}
