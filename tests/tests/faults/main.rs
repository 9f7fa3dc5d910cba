//! Every write to the store fails, early and late, with and without having been done; then
//! the log is checked from end to end, in the running members and after a restart.

mod beside;
mod mended;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    codes::Region,
    cosign::verify_cosignature,
    disclosure::{KeyRing, SecretKey},
    merkle::Hash,
    witness::Refusal,
};
use huren_node::engine::{Engine, Placed, WitnessError};
use huren_proto::v1;
use huren_store::{DataKeyKind, Release, Role, Store};
use huren_tests::{
    Fault, FaultyStore, Federation, Fork, History, Honest, Lie, Operation, Outcome, REGIONS, Shown,
    audit, certificate, change, erasure, origin, outside_signer, question, witness, writer_keys,
};

const HOME: Region = Region::ZHEJIANG;

/// Which calls of an operation fail, and how: each a federation of its own.
fn scripts(operation: Operation) -> Vec<Vec<Fault>> {
    use Outcome::{Full, NotPersisted, Persisted};
    let scripts = match operation {
        // Called once for the first list, when the member is opened, and for the second one later.
        Operation::PutTrustList => vec![
            vec![(1, NotPersisted), (3, Persisted)],
            vec![(1, Persisted), (2, NotPersisted)],
            vec![(1, Full), (3, Full)],
        ],
        // Called again only where it was not done.
        Operation::Freeze | Operation::Release => vec![
            vec![(1, NotPersisted), (2, Persisted)],
            vec![(1, Full), (2, NotPersisted)],
            vec![(1, Persisted)],
        ],
        Operation::CreateLog
        | Operation::PutCosigned
        | Operation::PutDataKeys
        | Operation::Rekey
        | Operation::PutNotes
        | Operation::PutRestored
        | Operation::Append
        | Operation::PutPackages
        | Operation::Advance
        | Operation::Mend
        | Operation::Apply
        | Operation::PutCounts
        | Operation::PutDisclosures
        | Operation::DropRegister
        | Operation::AppendAudit
        | Operation::PutToken
        | Operation::RevokeToken => vec![
            vec![(1, NotPersisted), (2, Persisted)],
            vec![(1, Persisted), (2, NotPersisted)],
            vec![(1, Full), (3, Full)],
        ],
    };
    let fault = |(call, outcome)| Fault {
        operation,
        call,
        outcome,
    };
    let script = |script: Vec<_>| script.into_iter().map(fault).collect();
    scripts.into_iter().map(script).collect()
}

/// Whether a member calls the operation when nothing but the log of [`HOME`] grows.
fn is_called_later(operation: Operation, at: Region) -> bool {
    match operation {
        Operation::PutNotes => true,
        Operation::Append => at == HOME,
        Operation::PutPackages
        | Operation::Advance
        | Operation::Apply
        | Operation::PutDisclosures => at != HOME,
        Operation::CreateLog
        | Operation::Freeze
        | Operation::Release
        | Operation::PutRestored
        | Operation::Mend
        | Operation::PutCounts
        | Operation::DropRegister
        | Operation::PutTrustList
        | Operation::PutCosigned
        | Operation::PutDataKeys
        | Operation::Rekey
        | Operation::AppendAudit
        | Operation::PutToken
        | Operation::RevokeToken => false,
    }
}

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// The faulty store at one member, sound ones at the others.
fn only_at(at: Region, faulty: &Arc<FaultyStore>) -> impl Fn(Region) -> Arc<dyn Store> {
    let faulty = Arc::clone(faulty);
    move |region| -> Arc<dyn Store> {
        if region == at {
            faulty.clone()
        } else {
            huren_tests::store()
        }
    }
}

/// A federation in which one member's store has these faults.
async fn with_faults(at: Region, faults: Vec<Fault>) -> (Federation, Arc<FaultyStore>) {
    let faulty = Arc::new(FaultyStore::new(huren_tests::store()));
    faulty.arm(faults);
    let mut federation = Federation::new(only_at(at, &faulty), honest);
    // A list that the others have to fetch when they come to its adoption in Jiangsu's log.
    federation.give_trust_lists(Region::JIANGSU, 2);
    for region in REGIONS {
        // Its operator starts a node again that did not come up.
        while let Err(error) = federation.open(region).await {
            assert_eq!(region, at, "{error:?}");
        }
    }
    for region in REGIONS {
        federation
            .until(region, |engine| engine.is_writable())
            .await;
    }
    (federation, faulty)
}

/// Submits until the answer is a place: what is refused as retryable is submitted again.
async fn submit(federation: &Federation, request: &v1::SubmitRequest) -> Placed {
    for _ in 0..8 {
        let answer = federation.engine(HOME).submit(request).await;
        match answer.expect("a sound submission") {
            Ok(placed) => return placed,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    panic!("refused again and again");
}

/// What is submitted, in rounds that each wait until every member knows the one before.
fn rounds() -> [Vec<v1::SubmitRequest>; 3] {
    [
        (1..=4).map(certificate).collect(),
        vec![change(v1::StatusAction::Revoke, 2), certificate(5)],
        vec![erasure(3)],
    ]
}

/// Submits a round; notes each submission's place.
async fn submit_round(
    federation: &Federation,
    round: &[v1::SubmitRequest],
    places: &mut BTreeMap<u64, Hash>,
) {
    let placed = join_all(round.iter().map(|request| submit(federation, request))).await;
    for placed in placed {
        assert_eq!(places.insert(placed.index, placed.leaf), None, "one each");
    }
    known_everywhere(federation).await;
}

/// Waits until every member knows every log as its own province has it.
async fn known_everywhere(federation: &Federation) {
    for of in REGIONS {
        let store = federation.store(of);
        let size = store
            .log(&origin(of))
            .await
            .expect("a store")
            .expect("a log")
            .head
            .size;
        for at in REGIONS {
            federation.until_known(at, of, size).await;
        }
    }
}

/// Everything that must hold, whatever failed on the way.
async fn check(federation: &Federation, places: &BTreeMap<u64, Hash>) {
    known_everywhere(federation).await;
    for of in REGIONS {
        let leaves = audit(federation, of, of).await;
        assert!(leaves.are_distinct());
        for at in REGIONS {
            assert_eq!(audit(federation, at, of).await, leaves, "{of} at {at}");
        }
        if of == HOME {
            let hashes = leaves.hashes();
            let placed: BTreeMap<u64, Hash> = (0..).zip(hashes).collect();
            for (index, leaf) in places {
                assert_eq!(placed.get(index), Some(leaf));
            }
            assert_eq!(leaves.submitted(), places.len(), "nothing is there twice");
        }
    }
    for request in rounds().iter().flatten() {
        let again = submit(federation, request).await;
        assert_eq!(places.get(&again.index), Some(&again.leaf));
        assert!(again.duplicate);
    }
    verdicts(federation, &REGIONS).await;
}

/// Every one of these members knows what became of each certificate.
async fn verdicts(federation: &Federation, members: &[Region]) {
    for &at in members {
        let verdict = async |serial, name| {
            let answer = federation.engine(at).verify(question(serial, name)).await;
            answer.expect("an answer").verdict()
        };
        assert_eq!(verdict(1, "张三").await, v1::Verdict::Valid, "{at}");
        assert_eq!(verdict(2, "张三").await, v1::Verdict::Revoked, "{at}");
        assert_eq!(verdict(3, "张三").await, v1::Verdict::Unknown, "{at}");
        assert_eq!(verdict(5, "李四").await, v1::Verdict::HolderMismatch);
        assert_eq!(verdict(8, "张三").await, v1::Verdict::NotFound);
    }
}

/// The operation fails at home, and in other federations at a replica: in each when the first
/// records arrive, and again when everything has calmed down.
async fn survives(operation: Operation) {
    let members = match operation {
        // Nothing but its trust list enters a log that nobody submits to.
        Operation::Append => vec![HOME],
        _ => vec![HOME, Region::SHANGHAI],
    };
    let runs = members.into_iter().flat_map(|at| {
        scripts(operation)
            .into_iter()
            .map(move |faults| (at, faults))
    });
    let runs = runs.map(async |(at, faults)| {
        let (mut federation, faulty) = with_faults(at, faults.clone()).await;
        let mut places = BTreeMap::new();
        let [first, later @ ..] = rounds();
        submit_round(&federation, &first, &mut places).await;
        assert_eq!(
            faulty.outstanding(),
            [],
            "every early fault happened at {at}"
        );
        if is_called_later(operation, at) {
            faulty.arm(faults);
        }
        for round in later {
            submit_round(&federation, &round, &mut places).await;
        }
        assert_eq!(
            faulty.outstanding(),
            [],
            "every late fault happened at {at}"
        );
        check(&federation, &places).await;
        federation.restart(at).await;
        federation.until(at, |engine| engine.is_writable()).await;
        check(&federation, &places).await;
    });
    join_all(runs).await;
}

/// The log of [`HOME`] contradicts itself before a replica that cannot note it at once.
async fn freezes(operation: Operation) {
    for faults in scripts(operation) {
        let faulty = Arc::new(FaultyStore::new(huren_tests::store()));
        let given = Arc::clone(&faulty);
        let store = move |region| -> Arc<dyn Store> {
            if region == Region::SHANGHAI {
                given.clone()
            } else {
                huren_tests::store()
            }
        };
        let fork = Fork::default();
        let shown = fork.clone();
        let lie = move |from, to| -> Arc<dyn Lie> {
            if (from, to) == (HOME, Region::SHANGHAI) {
                Arc::new(shown.clone())
            } else {
                Arc::new(Honest)
            }
        };
        let mut federation = Federation::start(store, lie).await;
        let mut places = BTreeMap::new();
        submit_round(&federation, &[certificate(1)], &mut places).await;
        faulty.arm(faults);
        let truth = audit(&federation, HOME, HOME).await;
        let history = Shown::instead_of(HOME, &truth, truth.0.len());
        fork.show(Shown {
            of: HOME,
            checkpoint: Some(history.checkpoint(truth.0.len() as u64)),
            history,
            witnessed: None,
        });
        let is_frozen = |engine: &Engine| {
            let entry = engine.book().entry(&origin(HOME));
            entry.is_some_and(|entry| entry.view.frozen)
        };
        federation.until(Region::SHANGHAI, is_frozen).await;
        federation.restart(Region::SHANGHAI).await;
        assert!(is_frozen(federation.engine(Region::SHANGHAI)));
        federation.until(HOME, is_frozen).await;
        assert_eq!(faulty.outstanding(), []);
    }
}

/// An operator lets a log go on, as often as it takes: the act is there once.
async fn releases(operation: Operation) {
    for faults in scripts(operation) {
        let faulty = FaultyStore::new(huren_tests::store());
        let log = origin(HOME);
        faulty
            .create_log(&log, Role::Mirror)
            .await
            .expect("a store");
        faulty.freeze(&log, b"evidence").await.expect("a store");
        faulty.arm(faults);
        let release = Release {
            evidence: b"evidence".to_vec(),
            time: 1_800_000_000,
            actor: "ab".repeat(32),
            reason: "TWO_WRITERS".to_owned(),
        };
        let is_frozen = async || {
            let state = faulty.log(&log).await.expect("a store").expect("a log");
            state.frozen.is_some()
        };
        // Whoever was told of a failure looks which it was, as the engine does.
        while is_frozen().await {
            assert_eq!(faulty.releases(&log).await.expect("a store"), []);
            let _ = faulty.release(&log, release.clone()).await;
        }
        assert_eq!(faulty.releases(&log).await.expect("a store"), [release]);
        assert_eq!(faulty.outstanding(), []);
    }
}

/// An operator drops every register of a member, as often as it takes.
async fn registers_are_rebuilt(operation: Operation) {
    for faults in scripts(operation) {
        let (mut federation, faulty) = with_faults(HOME, faults).await;
        let mut places = BTreeMap::new();
        for round in rounds() {
            submit_round(&federation, &round, &mut places).await;
        }
        federation.stop(HOME).await;
        for of in REGIONS {
            while faulty.drop_register(&origin(of)).await.is_err() {}
        }
        assert_eq!(faulty.outstanding(), []);
        federation.open(HOME).await.expect("an engine");
        federation.until(HOME, |engine| engine.is_writable()).await;
        check(&federation, &places).await;
    }
}

/// A member is given other keys for its database, under which everything comes.
async fn keys_are_changed(operation: Operation) {
    for faults in scripts(operation) {
        let (mut federation, faulty) = with_faults(HOME, Vec::new()).await;
        let mut places = BTreeMap::new();
        for round in rounds() {
            submit_round(&federation, &round, &mut places).await;
        }
        federation.stop(HOME).await;
        let before = writer_keys(HOME);
        let at_rest = KeyRing::from(SecretKey::new([21; 32]));
        let index = KeyRing::from(SecretKey::new([22; 32]));
        let all = at_rest.clone().with_earlier(before.at_rest.keys().to_vec());
        let index = index.with_earlier(before.index.keys().to_vec());
        federation.give_data_keys(HOME, all, index);
        faulty.arm(faults);
        while federation.open(HOME).await.is_err() {}
        federation.until(HOME, |engine| engine.is_writable()).await;
        let is_done = async |engine: &Engine| {
            let stands = engine.rekeying().await.expect("a store");
            let mut keys = stands
                .keys
                .iter()
                .filter(|key| key.kind == DataKeyKind::AtRest);
            stands.left == 0 && keys.all(|key| key.current == key.needed)
        };
        federation.until_found(HOME, is_done).await;
        assert_eq!(faulty.outstanding(), []);
        for of in REGIONS {
            let rows = faulty.disclosures(&origin(of), 0..100).await;
            let mut rows = rows.expect("a store").into_iter();
            assert!(rows.all(|row| at_rest.seals(&row.sealed)));
        }
        check(&federation, &places).await;
    }
}

/// Every log of a member is marked as restored; it catches up with all of them.
async fn restored_logs_catch_up(operation: Operation) {
    for faults in scripts(operation) {
        let (mut federation, faulty) = with_faults(HOME, Vec::new()).await;
        let mut places = BTreeMap::new();
        for round in rounds() {
            submit_round(&federation, &round, &mut places).await;
        }
        federation.stop(HOME).await;
        for of in REGIONS {
            let marked = faulty.put_restored(&origin(of), Some(1)).await;
            marked.expect("no fault yet");
        }
        faulty.arm(faults);
        federation.open(HOME).await.expect("an engine");
        federation.until(HOME, |engine| engine.is_writable()).await;
        federation
            .until(HOME, |engine| engine.withheld().is_empty())
            .await;
        assert_eq!(faulty.outstanding(), []);
        check(&federation, &places).await;
    }
}

/// A log is submitted to a member's witness, which cannot keep what it is to cosign: no
/// cosignature leaves then, and what left is never contradicted, also behind a restart.
async fn cosigns(operation: Operation) {
    const AT: Region = Region::SHANGHAI;
    for faults in scripts(operation) {
        let (mut federation, faulty) = with_faults(AT, Vec::new()).await;
        let leaves = |last: &[u8]| (0..20).map(|n| vec![n]).chain([last.to_vec()]).collect();
        let truth = History::signed_by(outside_signer(), leaves(b"one"));
        let fork = History::signed_by(outside_signer(), leaves(b"other"));
        let log: Origin = outside_signer().name().as_str().parse().expect("an origin");
        faulty.arm(faults);
        let mut known = 0;
        for size in [3, 4, 21] {
            let cosignature = loop {
                let request = truth.add_checkpoint(known, size);
                match federation.engine(AT).add_checkpoint(&request).await {
                    Ok(cosignature) => break cosignature,
                    Err(WitnessError::Refused(Refusal::Conflict { size })) => known = size,
                    Err(WitnessError::Store(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            let checkpoint = truth.checkpoint(size);
            let (text, key) = (checkpoint.note().text(), witness(AT));
            let time = verify_cosignature(text, &cosignature, key.verifier_key());
            time.expect("a cosignature");
            known = size;
        }
        assert_eq!(faulty.outstanding(), []);
        federation.restart(AT).await;
        let engine = federation.engine(AT);
        let kept = engine.cosigned_checkpoint(&log).await.expect("a store");
        let kept = SignedCheckpoint::parse(kept.expect("a checkpoint")).expect("a note");
        assert_eq!(*kept.checkpoint(), *truth.checkpoint(21).checkpoint());
        for request in [fork.add_checkpoint(21, 21), fork.add_checkpoint(4, 21)] {
            engine.add_checkpoint(&request).await.expect_err("a fork");
        }
    }
}

/// A province that lost its database takes its log back through a store that fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_log_is_taken_back_through_faults() {
    let operations = [
        Operation::PutNotes,
        Operation::PutPackages,
        Operation::Advance,
        Operation::Apply,
        Operation::PutDisclosures,
    ];
    let first = |script: Vec<Fault>| script[0];
    let faults = operations.into_iter().flat_map(scripts).map(first);
    let runs = faults.map(async |fault| {
        let (mut federation, _) = with_faults(HOME, Vec::new()).await;
        let mut places = BTreeMap::new();
        for round in rounds() {
            submit_round(&federation, &round, &mut places).await;
        }
        let before = audit(&federation, Region::SHANGHAI, HOME).await;
        federation.stop(HOME).await;
        let empty = Arc::new(FaultyStore::new(huren_tests::store()));
        empty.arm(vec![fault]);
        federation.replace_store(HOME, empty.clone());
        federation.open(HOME).await.expect("an engine");
        federation.until(HOME, |engine| engine.is_writable()).await;
        assert_eq!(empty.outstanding(), []);
        let next = submit(&federation, &certificate(6)).await;
        known_everywhere(&federation).await;
        let after = audit(&federation, HOME, HOME).await;
        assert_eq!(after, audit(&federation, Region::SHANGHAI, HOME).await);
        assert_eq!(after.0[..before.0.len()], before.0);
        assert_eq!(after.hashes().last(), Some(&next.leaf));
        let others = REGIONS.into_iter().filter(|region| *region != HOME);
        verdicts(&federation, &others.collect::<Vec<_>>()).await;
        // No member can tell it any more which number the erased certificate had.
        for (serial, expected) in [
            (1, v1::Verdict::Valid),
            (2, v1::Verdict::Revoked),
            (3, v1::Verdict::NotFound),
        ] {
            let question = question(serial, "张三");
            let answer = federation.engine(HOME).verify(question).await;
            assert_eq!(answer.expect("an answer").verdict(), expected);
        }
    });
    join_all(runs).await;
}

use beside::{counts_are_whole, the_trail_is_whole, tokens_are_whole};
use mended::logs_are_mended;

macro_rules! survive {
    ($($name:ident: $operation:ident $test:ident,)*) => {
        #[test]
        fn every_write_is_covered() {
            let covered = [$(Operation::$operation),*];
            for operation in Operation::ALL {
                assert!(covered.contains(operation), "{operation:?}");
            }
        }

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $test(Operation::$operation).await;
            }
        )*
    };
}

survive! {
    create_log_fails: CreateLog survives,
    put_notes_fails: PutNotes survives,
    freeze_fails: Freeze freezes,
    release_fails: Release releases,
    put_restored_fails: PutRestored restored_logs_catch_up,
    append_fails: Append survives,
    put_packages_fails: PutPackages survives,
    advance_fails: Advance survives,
    mend_fails: Mend logs_are_mended,
    apply_fails: Apply survives,
    put_counts_fails: PutCounts counts_are_whole,
    put_disclosures_fails: PutDisclosures survives,
    drop_register_fails: DropRegister registers_are_rebuilt,
    put_trust_list_fails: PutTrustList survives,
    put_cosigned_fails: PutCosigned cosigns,
    append_audit_fails: AppendAudit the_trail_is_whole,
    put_token_fails: PutToken tokens_are_whole,
    revoke_token_fails: RevokeToken tokens_are_whole,
    put_data_keys_fails: PutDataKeys keys_are_changed,
    rekey_fails: Rekey keys_are_changed,
}

/// A batch that was written and reported failed was answered as not placed. It is in the log
/// all the same, so the others are shown it, whether or not anybody ever submits again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_and_reported_failed_is_shown() {
    let faulty = Arc::new(FaultyStore::new(huren_tests::store()));
    // One trust list everywhere: nobody appends anything but what is submitted here.
    let federation = Federation::start(only_at(HOME, &faulty), honest).await;
    faulty.arm(vec![Fault {
        operation: Operation::Append,
        call: 1,
        outcome: Outcome::Persisted,
    }]);
    let before = federation.entry(HOME, HOME).state.head.size;
    let answer = federation.engine(HOME).submit(&certificate(1)).await;
    assert!(answer.expect("a sound submission").is_err());
    for region in REGIONS {
        federation.until_known(region, HOME, before + 1).await;
    }
}
