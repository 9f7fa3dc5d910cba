//! Keys that turn out to be stolen.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use huren_core::{
    checkpoint::Origin,
    codes::Region,
    receipt::{self, ReceiptError},
    trust::Role,
};
use huren_node::engine::{Engine, Entry, PeerPackage, Placed};
use huren_proto::v1;
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate_in, change, erasure, next_signing_keys, origin,
    question_in,
};

use crate::support::*;

/// A record key was stolen: what it signed from the third certificate on counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_record_key_ends_where_the_list_says() {
    let federation = Federation::start(empty_store, honest).await;
    let mut places = Vec::new();
    for serial in 1..=4 {
        places.push(issue(&federation, HOME, serial).await);
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    let mut receipts = Vec::new();
    for serial in [1, 3] {
        receipts.push(answer(&federation, OTHER, (HOME, serial)).await.receipt);
    }

    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let until_index = Some(places[2].index);
    let note = federation.next_list(HOME, |list| {
        replace_key(list, Role::Record, until_index);
    });
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;
    let again = issue(&federation, HOME, 3).await;
    until_known_everywhere(&federation, HOME, again).await;
    assert!(again.index > revoked.index && !again.duplicate);
    assert_eq!(issue(&federation, HOME, 3).await.index, again.index);
    check(&federation, (HOME, 1), VALID).await;
    // The revocation was signed by whoever had the key.
    check(&federation, (HOME, 2), VALID).await;
    let reissued = answer(&federation, OTHER, (HOME, 3)).await;
    assert_eq!(
        (reissued.verdict(), reissued.index),
        (v1::Verdict::Valid, again.index)
    );
    check(&federation, (HOME, 4), QUARANTINED).await;
    registers_agree(&federation, HOME).await;

    let known = federation.engine(OTHER).trust();
    let by_known = |receipt: &[u8]| receipt::verify_known(receipt, &federation.roots, &known);
    by_known(&receipts[0]).expect("a receipt of before");
    assert_eq!(
        by_known(&receipts[1]).expect_err("a closed key"),
        ReceiptError::Record("KEY_OUTSIDE_WINDOW")
    );
    // Submitted again the other two are in force again, as what they were.
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    let again = issue(&federation, HOME, 4).await;
    until_known_everywhere(&federation, HOME, again).await;
    assert!(again.index > revoked.index);
    check(
        &federation,
        (HOME, 2),
        (v1::Verdict::Revoked, "STATUS_REVOKED"),
    )
    .await;
    check(&federation, (HOME, 4), VALID).await;
}

/// The list comes before the next key is in place: until then nothing is written, and then the
/// list is adopted, and what was refused is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_next_key_that_comes_after_the_list_is_taken_up() {
    let federation = Federation::start(empty_store, honest).await;
    let first = issue(&federation, HOME, 1).await;
    let stolen = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, stolen).await;
    let until_index = Some(first.index + 1);
    let note = federation.next_list(HOME, |list| {
        for role in [Role::Record, Role::Mirror] {
            replace_key(list, role, until_index);
        }
    });
    federation.install(HOME, &note).await;
    let home = federation.engine(HOME);
    assert_eq!(home.unnamed_keys(), ["record", "mirror"]);
    let refused = home.submit(&certificate_in(HOME, 3)).await;
    let refused = refused.expect("a sound submission").expect_err("no key");
    assert_eq!(refused.code(), "KEY_OUTSIDE_WINDOW");

    home.set_signing_keys(next_signing_keys(HOME));
    assert_eq!(home.unnamed_keys(), [""; 0]);
    federation.until_adopted(2).await;
    let third = issue(&federation, HOME, 3).await;
    let again = issue(&federation, HOME, 2).await;
    assert!(!again.duplicate && again.index > third.index);
    until_known_everywhere(&federation, HOME, again).await;
    for serial in 1..=3 {
        check(&federation, (HOME, serial), VALID).await;
    }
    registers_agree(&federation, HOME).await;
}

/// A log key was stolen: the head that stands is signed anew with the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_log_key_ends_where_the_list_says() {
    let federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    let first = answer(&federation, OTHER, (HOME, 1)).await.receipt;
    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let until_index = Some(placed.index + 1);
    let note = federation.next_list(HOME, |list| {
        replace_key(list, Role::Log, until_index);
    });
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;
    let third = issue(&federation, HOME, 3).await;
    until_known_everywhere(&federation, HOME, third).await;
    for serial in 1..=3 {
        check(&federation, (HOME, serial), VALID).await;
    }
    receipt::verify(&first, &federation.roots).expect("a receipt of before");
    let known = federation.engine(OTHER).trust();
    let judged = receipt::verify_known(&first, &federation.roots, &known);
    assert_eq!(
        judged.expect_err("behind its end"),
        ReceiptError::LogSignature
    );
}

/// While a register is folded again nobody is told that something revoked is in force, or that
/// something in force is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_false_is_said_while_a_log_is_folded_again() {
    let federation = Federation::start(empty_store, honest).await;
    for serial in 1..=600 {
        issue(&federation, HOME, serial).await;
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 1)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    for version in 2..=5u64 {
        let note = federation.next_list(OTHER, |list| {
            // A county's key, which signed nothing: a place of the log changes its authority
            // and no record does.
            list.members[2].record_keys[1].until_index = Some(600 - version);
        });
        let engine = Arc::clone(federation.engine(OTHER));
        let taking = async { federation.install(OTHER, &note).await };
        let asking = async {
            for _ in 0..200 {
                for (serial, wrong) in [
                    (1, [v1::Verdict::Valid, v1::Verdict::NotFound]),
                    (2, [v1::Verdict::Revoked, v1::Verdict::NotFound]),
                ] {
                    let question = question_in(HOME, serial, "张三");
                    let verdict = engine.verify(question).await.expect("an answer").verdict();
                    assert!(!wrong.contains(&verdict), "{serial}: {verdict:?}");
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(taking, asking);
        federation.until_adopted(version).await;
        federation.until_known(OTHER, HOME, revoked.index + 1).await;
        let status = answer(&federation, OTHER, (HOME, 1)).await;
        assert_eq!(status.verdict(), v1::Verdict::Revoked);
    }
}

/// What keeps home's log from a member.
#[derive(Default)]
struct Kept {
    /// Nobody shows it any head of the log.
    heads: AtomicBool,
    /// Nobody gives it a package.
    packages: AtomicBool,
}

struct Keeps(Arc<Kept>);

impl Lie for Keeps {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        if self.0.heads.load(Ordering::Relaxed) {
            heads.retain(|head| head.origin != origin(HOME).as_str());
        }
    }

    fn packages(&self, of: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        if self.0.packages.load(Ordering::Relaxed) && *of == origin(HOME) {
            packages.clear();
        }
    }
}

/// A thief has a certificate erased, and members do it in good faith. When the key is closed the
/// erasure counts no more, but what it named is gone: who takes the log only then must get the
/// rest all the same, and what it named from whoever still has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_thief_had_erased_holds_up_nothing_else() {
    for is_held_somewhere in [false, true] {
        let (late, ignorant) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        let (to_late, to_ignorant) = (Arc::clone(&late), Arc::clone(&ignorant));
        late.heads.store(true, Ordering::Relaxed);
        let federation = Federation::start(empty_store, move |_, to| -> Arc<dyn Lie> {
            match to {
                OTHER => Arc::new(Keeps(Arc::clone(&to_late))),
                Region::JIANGSU => Arc::new(Keeps(Arc::clone(&to_ignorant))),
                _ => Arc::new(Honest),
            }
        });
        let federation = federation.await;
        let until_disclosed = async |at: Region, placed: Placed| {
            let has = |entry: Arc<Entry>| entry.state.disclosed > placed.index;
            let holds = |engine: &Engine| engine.book().entry(&origin(HOME)).is_some_and(has);
            federation.until(at, holds).await;
        };
        let mut placed = issue(&federation, HOME, 1).await;
        for serial in 2..=3 {
            placed = issue(&federation, HOME, serial).await;
        }
        for at in [Region::JIANGSU, Region::ANHUI] {
            until_disclosed(at, placed).await;
        }
        ignorant.heads.store(is_held_somewhere, Ordering::Relaxed);
        let erased = submit(&federation, HOME, &erasure(2)).await;
        until_disclosed(Region::ANHUI, erased).await;
        if !is_held_somewhere {
            until_disclosed(Region::JIANGSU, erased).await;
        }

        federation
            .engine(HOME)
            .set_signing_keys(next_signing_keys(HOME));
        let note = federation.next_list(HOME, |list| {
            replace_key(list, Role::Record, Some(erased.index));
        });
        for at in REGIONS {
            federation.install(at, &note).await;
        }
        let fourth = issue(&federation, HOME, 4).await;
        ignorant.heads.store(false, Ordering::Relaxed);
        until_disclosed(Region::JIANGSU, fourth).await;
        // It hears of all who have something before it can take anything.
        late.packages.store(true, Ordering::Relaxed);
        late.heads.store(false, Ordering::Relaxed);
        let hears_all = |engine: &Engine| {
            let seen = engine.book().seen(&origin(HOME));
            let has = |head: &&v1::Head| head.disclosed_size > fourth.index;
            seen.values().filter(has).count() == 3
        };
        federation.until(OTHER, hears_all).await;
        late.packages.store(false, Ordering::Relaxed);
        until_disclosed(OTHER, fourth).await;
        until_known_everywhere(&federation, HOME, fourth).await;
        for serial in [1, 3, 4] {
            check(&federation, (HOME, serial), VALID).await;
        }
        let found = answer(&federation, OTHER, (HOME, 2)).await.verdict();
        match is_held_somewhere {
            true => assert_eq!(found, v1::Verdict::Valid),
            false => assert_eq!(found, v1::Verdict::NotFound),
        }
    }
}
