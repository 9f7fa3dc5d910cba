//! What a lying member achieves: nothing where others tell the truth, and where its own log
//! contradicts itself that this log is frozen, alone and with evidence.

use std::sync::Arc;

use huren_core::{checkpoint::Origin, codes::Region, merkle::Hash, replicate::Evidence};
use huren_node::engine::PeerPackage;
use huren_proto::v1;
use huren_store::{Memory, Store};
use huren_tests::{
    Federation, Fork, Honest, Leaves, Lie, REGIONS, Shown, audit, certificate, member, mirror,
    origin, question,
};

/// Whose log it is about, and who lies.
const LIAR: Region = Region::ZHEJIANG;
/// Who is lied to.
const VICTIM: Region = Region::SHANGHAI;

fn memory(_: Region) -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

/// A federation in which the liar lies to the victim, and to nobody else.
async fn federation(lie: impl Lie) -> Federation {
    let lie: Arc<dyn Lie> = Arc::new(lie);
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (LIAR, VICTIM) {
            Arc::clone(&lie)
        } else {
            Arc::new(Honest)
        }
    };
    Federation::start(memory, lies).await
}

/// Issues certificates until the log has `size` leaves; every member knows them then.
async fn grow(federation: &Federation, size: u64) {
    let mut held = federation.entry(LIAR, LIAR).state.head.size;
    while held < size {
        let request = certificate(u32::try_from(held).expect("a small log"));
        let placed = federation.engine(LIAR).submit(&request).await;
        held = placed.expect("sound").expect("a place").index + 1;
    }
    for at in REGIONS {
        federation.until_known(at, LIAR, size).await;
    }
}

async fn answer(federation: &Federation, at: Region, serial: u32) -> v1::VerifyResponse {
    let question = question(serial, "张三");
    let answer = federation.engine(at).verify(question).await;
    answer.expect("an answer")
}

// ---- lies that others make up for ---------------------------------------------------------

/// The victim gets the liar's log from the others, right, and has nothing against it.
async fn is_overcome(lie: impl Lie) {
    let federation = federation(lie).await;
    for size in [2, 4, 7] {
        grow(&federation, size).await;
    }
    let truth = audit(&federation, LIAR, LIAR).await;
    assert_eq!(audit(&federation, VICTIM, LIAR).await, truth);
    assert!(!federation.entry(VICTIM, LIAR).view.frozen);
    let verdict = answer(&federation, VICTIM, 6).await.verdict();
    assert_eq!(verdict, v1::Verdict::Valid);
}

/// Does something to every package.
struct Packages(fn(&mut Vec<PeerPackage>));

impl Lie for Packages {
    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        (self.0)(packages);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_overcome() {
    is_overcome(Packages(|packages| {
        for package in packages {
            let mut entries = package.entries.to_vec();
            let middle = entries.len() / 2;
            entries[middle] ^= 1;
            package.entries = entries.into();
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_package_is_overcome() {
    is_overcome(Packages(|packages| {
        for package in packages {
            package.entries.truncate(package.entries.len() - 1);
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_that_end_early_are_overcome() {
    is_overcome(Packages(Vec::clear)).await;
}

/// Does something to every page of disclosures.
struct Disclosures(fn(&mut Vec<v1::GetDisclosuresResponse>));

impl Lie for Disclosures {
    fn disclosures(&self, pages: &mut Vec<v1::GetDisclosuresResponse>) {
        (self.0)(pages);
    }
}

/// Every disclosure of a group.
fn of_group(
    pages: &mut [v1::GetDisclosuresResponse],
    group: v1::Group,
) -> impl Iterator<Item = &mut v1::Disclosure> {
    pages
        .iter_mut()
        .flat_map(|page| &mut page.records)
        .flat_map(|record| &mut record.disclosures)
        .filter(move |disclosure| disclosure.group == group as i32)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_salts_are_overcome() {
    // True holders would not match.
    is_overcome(Disclosures(|pages| {
        of_group(pages, v1::Group::HolderName).for_each(|disclosure| disclosure.salt[0] ^= 1);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_values_are_overcome() {
    is_overcome(Disclosures(|pages| {
        for disclosure in of_group(pages, v1::Group::Certificate) {
            for field in disclosure.fields.iter_mut().filter(|f| f.name == "level") {
                field.value = "1".into();
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_disclosures_are_overcome() {
    is_overcome(Disclosures(|pages| {
        pages.iter_mut().for_each(|page| page.records.clear());
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disclosures_that_end_early_are_overcome() {
    is_overcome(Disclosures(Vec::clear)).await;
}

/// Never answers.
struct Silence;

impl Lie for Silence {
    fn answers(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_overcome() {
    is_overcome(Silence).await;
}

/// Breaks every consistency proof.
struct WrongProof;

impl Lie for WrongProof {
    fn consistency(
        &self,
        _: &Origin,
        _: (u64, u64),
        truth: Option<Vec<Hash>>,
    ) -> Option<Vec<Hash>> {
        let mut proof = truth?;
        proof.iter_mut().for_each(|hash| hash.0[0] ^= 1);
        Some(proof)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_consistency_proof_is_overcome() {
    is_overcome(WrongProof).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_head_of_the_same_history_changes_nothing() {
    let fork = Fork::default();
    let mut federation = federation(fork.clone()).await;
    grow(&federation, 6).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    let history = huren_tests::History::new(LIAR, truth.0.clone());
    let old = Some(history.checkpoint(3));
    fork.show(Shown {
        of: LIAR,
        checkpoint: old.clone(),
        history,
        witnessed: old.clone(),
    });
    let shown = old.map(|signed| signed.to_string().into_bytes());
    federation
        .until(VICTIM, |engine| {
            let seen = engine.book().seen(&origin(LIAR));
            seen.get(&LIAR.to_string())
                .is_some_and(|head| Some(&head.checkpoint) == shown.as_ref())
        })
        .await;
    federation.restart(VICTIM).await;
    grow(&federation, 8).await;
    assert!(!federation.entry(VICTIM, LIAR).view.frozen);
    let held = audit(&federation, VICTIM, LIAR).await;
    assert_eq!(held.0[..truth.0.len()], truth.0);
}

// ---- lies that prove themselves -----------------------------------------------------------

/// The liar shows something of another history to the victim, when its log has `size` leaves.
async fn freezes(size: u64, lie: impl FnOnce(&Leaves) -> Shown) {
    let fork = Fork::default();
    let mut federation = federation(fork.clone()).await;
    grow(&federation, size).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    assert_eq!(truth.0.len() as u64, size);
    fork.show(lie(&truth));

    federation
        .until(VICTIM, |engine| {
            let entry = engine.book().entry(&origin(LIAR));
            entry.is_some_and(|entry| entry.view.frozen)
        })
        .await;
    let evidence = federation.entry(VICTIM, LIAR).state.frozen.clone();
    let parsed: Evidence =
        serde_json::from_slice(&evidence.clone().expect("evidence")).expect("evidence is JSON");
    assert!(parsed.proves(&member(LIAR), &origin(LIAR)));

    federation.restart(VICTIM).await;
    assert_eq!(federation.entry(VICTIM, LIAR).state.frozen, evidence);
    assert_eq!(audit(&federation, VICTIM, LIAR).await, truth);
    let frozen = answer(&federation, VICTIM, 1).await;
    assert_eq!(frozen.verdict(), v1::Verdict::Unknown);
    assert_eq!(frozen.last_known(), v1::Verdict::Valid);
    assert!(frozen.reasons.iter().any(|r| r.code == "LOG_FROZEN"));
    for other in REGIONS.into_iter().filter(|other| *other != LIAR) {
        assert!(!federation.entry(VICTIM, other).view.frozen, "{other}");
    }
    // Who was told no lie goes on; what the victim holds of the log stays as it is.
    let placed = federation.engine(LIAR).submit(&certificate(999)).await;
    let next = placed.expect("sound").expect("a place").index + 1;
    federation.until_known(Region::ANHUI, LIAR, next).await;
    let honest = answer(&federation, Region::ANHUI, 1).await;
    assert_eq!(honest.verdict(), v1::Verdict::Valid);
    assert_eq!(federation.entry(VICTIM, LIAR).state.head.size, size);
}

/// A head of `shown` leaves whose history differs from the true one at leaf `differs`.
fn head(differs: usize, shown: u64) -> impl FnOnce(&Leaves) -> Shown {
    move |truth| {
        let history = Shown::instead_of(LIAR, truth, differs);
        Shown {
            of: LIAR,
            checkpoint: Some(history.checkpoint(shown)),
            history,
            witnessed: None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_fork_freezes() {
    freezes(5, head(5, 7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_fork_of_a_full_tree_freezes() {
    freezes(4, head(4, 7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_root_of_the_same_size_freezes() {
    freezes(5, head(5, 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_fork_freezes() {
    freezes(7, head(3, 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_fork_of_a_full_tree_freezes() {
    freezes(7, head(3, 4)).await;
}

/// Two members are said to have cosigned another history, under a true head.
async fn collusion_freezes(at: u64) {
    freezes(7, |truth| {
        let history = Shown::instead_of(LIAR, truth, 3);
        let mut witnessed = history.checkpoint(at);
        for colluder in [Region::JIANGSU, Region::ANHUI] {
            let checkpoint = witnessed.checkpoint().clone();
            let cosignature = mirror(colluder).cosign(&checkpoint, 1_700_000_000);
            witnessed.add(cosignature.expect("a time")).expect("room");
        }
        Shown {
            of: LIAR,
            history,
            checkpoint: None,
            witnessed: Some(witnessed),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cosigned_fork_freezes() {
    collusion_freezes(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cosigned_fork_of_a_full_tree_freezes() {
    collusion_freezes(4).await;
}
