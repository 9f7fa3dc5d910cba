//! A province whose database is older than what it signed completes it from the other members
//! before it signs anything, or signs nothing. No size of its log ever has two roots.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use huren_core::{checkpoint::SignedCheckpoint, codes::Region, merkle::Hash};
use huren_node::engine::{AppendError, Engine};
use huren_proto::v1;
use huren_store::{Memory, Notes, Role, Store};
use huren_tests::{Federation, History, Leaves, Lie, audit, certificate, origin};

use crate::support::{
    HOME, OTHER, empty_store, is_valid_at, is_valid_everywhere, issue, issued,
    until_known_everywhere,
};

/// Members other than home, in the order in which they come back.
const OTHERS: [Region; 3] = [OTHER, Region::JIANGSU, Region::ANHUI];

/// Tells the truth, and notes what heads of home's log anybody shows.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Noted>);

#[derive(Default)]
pub(crate) struct Noted {
    roots: Mutex<BTreeMap<u64, BTreeSet<Hash>>>,
    times: AtomicU64,
}

impl Watch {
    /// The sizes of home's log that were shown.
    ///
    /// # Panics
    /// If one was shown with two roots.
    fn sizes(&self) -> BTreeSet<u64> {
        let roots = self.0.roots.lock().unwrap_or_else(PoisonError::into_inner);
        for (size, roots) in roots.iter() {
            assert_eq!(roots.len(), 1, "size {size} has one root");
        }
        roots.keys().copied().collect()
    }

    /// How often heads were shown.
    pub(crate) fn times(&self) -> u64 {
        self.0.times.load(Ordering::Relaxed)
    }
}

impl Lie for Watch {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        let home = origin(HOME).to_string();
        for head in heads.iter().filter(|head| head.origin == home) {
            for note in [&head.checkpoint, &head.witnessed] {
                if let Ok(signed) = SignedCheckpoint::parse(note) {
                    let mut roots = self.0.roots.lock().unwrap_or_else(PoisonError::into_inner);
                    let of_size = roots.entry(signed.checkpoint().size).or_default();
                    of_size.insert(signed.checkpoint().root);
                }
            }
        }
        self.0.times.fetch_add(1, Ordering::Relaxed);
    }
}

/// A federation in which five certificates of home's are known everywhere.
async fn scene() -> (Federation, Watch, Leaves) {
    let watch = Watch::default();
    let lie = watch.clone();
    let federation = Federation::start(empty_store, move |_, _| {
        Arc::new(lie.clone()) as Arc<dyn Lie>
    })
    .await;
    issued(&federation, 5).await;
    let truth = audit(&federation, HOME, HOME).await;
    (federation, watch, truth)
}

async fn stop_others(federation: &mut Federation) {
    for other in OTHERS {
        federation.stop(other).await;
    }
}

pub(crate) async fn takes_nothing(federation: &Federation) {
    assert!(!federation.engine(HOME).is_writable());
    let refused = federation.engine(HOME).submit(&certificate(99)).await;
    let refused = refused.expect("a sound submission");
    // For now, or until the federation has decided about a log that contradicted itself.
    let refused = refused.expect_err("nothing is taken");
    assert!(matches!(
        refused,
        AppendError::Unavailable | AppendError::Frozen
    ));
}

/// Home comes up over a database of its first three leaves, with nobody there to ask, then with
/// one member and then with all.
async fn completes_its_log(high_water_is_lost: bool) {
    let (mut federation, watch, truth) = scene().await;
    let backup = federation.backup(HOME, 3).await;
    federation.stop(HOME).await;
    stop_others(&mut federation).await;
    federation.replace_store(HOME, backup);
    if high_water_is_lost {
        federation.lose_high_water(HOME);
    }
    federation.open(HOME).await.expect("an engine");
    federation
        .clock
        .until_sleeping(Duration::from_secs(1))
        .await;
    takes_nothing(&federation).await;

    // One member might be the one that has not heard the last of it.
    federation.open(OTHERS[0]).await.expect("an engine");
    // By then it has taken that member's log from it, and asked again and again.
    federation.until_known(HOME, OTHERS[0], 2).await;
    let before = watch.times();
    federation
        .until(HOME, |_| watch.times() > before + 12)
        .await;
    takes_nothing(&federation).await;
    assert_eq!(federation.entry(HOME, HOME).state.head.size, 3);

    federation.open(OTHERS[1]).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    assert_eq!(audit(&federation, HOME, HOME).await, truth);
    let size = truth.0.len() as u64;
    federation.until_known(HOME, HOME, size).await;
    let next = issue(&federation, HOME, 6).await;
    assert_eq!(next.index, size);
    federation.open(OTHERS[2]).await.expect("an engine");
    until_known_everywhere(&federation, HOME, next).await;
    for serial in 1..=6 {
        is_valid_everywhere(&federation, (HOME, serial)).await;
    }
    assert!(watch.sizes().contains(&next.size));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_database_is_completed_before_anything_is_signed() {
    completes_its_log(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_high_water_file_too() {
    completes_its_log(true).await;
}

/// Home comes up over a store, and refuses to sign for that reason.
async fn refuses(federation: &mut Federation, store: Arc<dyn Store>, reason: &str) {
    federation.stop(HOME).await;
    federation.replace_store(HOME, store);
    federation.open(HOME).await.expect("an engine");
    federation
        .until_found(HOME, async |engine: &Engine| {
            let status = engine.status().await.expect("a status");
            let mut logs = status.logs.into_iter();
            let own = logs.find(|log| {
                let extent = log.extent.as_ref().expect("an extent");
                extent.origin == origin(HOME).as_str()
            });
            own.expect("its own log").last_error == reason
        })
        .await;
    takes_nothing(federation).await;
    // It goes on as a replica of the others.
    federation.until_known(HOME, OTHER, 2).await;
    takes_nothing(federation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_holds_any_more_is_not_signed_anew() {
    let (mut federation, watch, truth) = scene().await;
    let size = truth.0.len() as u64;
    stop_others(&mut federation).await;
    let alone = issue(&federation, HOME, 6).await;
    assert_eq!(alone.index, size);
    federation.stop(HOME).await;
    for other in OTHERS {
        federation.open(other).await.expect("an engine");
    }
    let whole = Arc::clone(federation.store(HOME));
    let backup = federation.backup(HOME, size).await;
    refuses(&mut federation, backup, "LOG_LOST").await;
    for at in OTHERS {
        is_valid_at(&federation, at, (HOME, 5)).await;
    }
    assert_eq!(watch.sizes().last(), Some(&size));

    // The database is found again.
    federation.stop(HOME).await;
    federation.replace_store(HOME, whole);
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    until_known_everywhere(&federation, HOME, alone).await;
    is_valid_everywhere(&federation, (HOME, 6)).await;
    assert_eq!(watch.sizes().last(), Some(&alone.size));
}

/// Home's last certificate is held by `keepers` alone, its database is lost back to before it,
/// and all others answer. Gives the size without it.
async fn loses_its_last_leaf(keepers: &[Region]) -> (Federation, Watch, u64) {
    let (mut federation, watch, truth) = scene().await;
    let size = truth.0.len() as u64;
    for other in OTHERS.iter().filter(|other| !keepers.contains(other)) {
        federation.stop(*other).await;
    }
    let last = issue(&federation, HOME, 6).await;
    for keeper in keepers {
        let held = |engine: &Engine| {
            let entry = engine.book().entry(&origin(HOME));
            entry.is_some_and(|entry| entry.state.disclosed == last.size)
        };
        federation.until(*keeper, held).await;
    }
    federation.stop(HOME).await;
    stop_others(&mut federation).await;
    for other in OTHERS.iter().filter(|other| !keepers.contains(other)) {
        federation.open(*other).await.expect("an engine");
    }
    let backup = federation.backup(HOME, size).await;
    refuses(&mut federation, backup, "LOG_LOST").await;
    (federation, watch, size)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_what_the_others_do_not_may_come_back() {
    let (mut federation, watch, size) = loses_its_last_leaf(&[Region::ANHUI]).await;
    federation.open(Region::ANHUI).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    let next = issue(&federation, HOME, 7).await;
    assert_eq!(next.index, size + 1);
    until_known_everywhere(&federation, HOME, next).await;
    is_valid_everywhere(&federation, (HOME, 6)).await;
    assert_eq!(federation.lowered(HOME), "");
    watch.sizes();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_given_up_by_order_alone_and_once_everybody_was_asked() {
    let (mut federation, watch, size) = loses_its_last_leaf(&[]).await;
    let store = Arc::clone(federation.store(HOME));

    // Of another size than what is left: no order for this loss.
    federation.accept_loss(HOME, Some(size - 1));
    refuses(&mut federation, Arc::clone(&store), "LOG_LOST").await;

    // One member does not answer, who may hold it.
    federation.stop(OTHER).await;
    federation.accept_loss(HOME, Some(size));
    federation.restart(HOME).await;
    let before = watch.times();
    federation
        .until(HOME, |_| watch.times() > before + 12)
        .await;
    takes_nothing(&federation).await;
    assert_eq!(federation.lowered(HOME), "");

    federation.open(OTHER).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    let acts = federation.lowered(HOME);
    assert_eq!(acts.lines().count(), 1);
    assert!(
        acts.contains(&format!("\"continues\":{{\"size\":{size},")),
        "{acts}"
    );
    assert!(
        acts.contains(&format!("\"signed\":{{\"size\":{},", size + 1)),
        "{acts}"
    );
    let next = issue(&federation, HOME, 7).await;
    assert_eq!(next.index, size);
    until_known_everywhere(&federation, HOME, next).await;
    is_valid_everywhere(&federation, (HOME, 7)).await;

    // The order counts for one loss: nothing is given up when nothing is lost.
    federation.restart(HOME).await;
    federation.until(HOME, Engine::is_writable).await;
    assert_eq!(federation.lowered(HOME), acts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_holds_is_fetched_and_not_given_up() {
    let (mut federation, watch, size) = loses_its_last_leaf(&[Region::ANHUI]).await;
    federation.accept_loss(HOME, Some(size));
    federation.restart(HOME).await;
    federation.open(Region::ANHUI).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    assert_eq!(federation.lowered(HOME), "");
    let next = issue(&federation, HOME, 7).await;
    assert_eq!(next.index, size + 1);
    until_known_everywhere(&federation, HOME, next).await;
    is_valid_everywhere(&federation, (HOME, 6)).await;
    watch.sizes();
}

/// A store with another history of home's log, of that size, which it was about to show: the last
/// leaf of home's, and what follows it, is another.
async fn other_tree(truth: &Leaves, size: usize) -> Arc<dyn Store> {
    let last = truth.0.len().min(size);
    let mut leaves = truth.0[..last - 1].to_vec();
    leaves.resize_with(size, || b"another leaf".to_vec());
    let store = Memory::new();
    let log = origin(HOME);
    store.create_log(&log, Role::Own).await.expect("a store");
    let append = History::new(HOME, leaves).append(0);
    let notes = Notes {
        published: append.checkpoint.clone(),
        ..Notes::default()
    };
    store.append(&log, append).await.expect("a store");
    store.put_notes(&log, notes).await.expect("a store");
    store.drop_register(&log).await.expect("a store");
    Arc::new(store)
}

/// Home refuses its database, and nobody learns what is in it: what home's key signed there, and
/// what it makes of what all others show of home's log, would be proof against home.
async fn refuses_and_tells_nobody(federation: &mut Federation, store: Arc<dyn Store>) {
    refuses(federation, store, "LOG_OTHER_TREE").await;
    let showing = |engine: &Engine| engine.book().seen(&origin(HOME));
    let has_heard_all = |engine: &Engine| showing(engine).len() == OTHERS.len();
    federation.until(HOME, has_heard_all).await;
    federation.restart(OTHER).await;
    federation.until(OTHER, has_heard_all).await;
    shows_nothing(federation);
    assert!(!federation.entry(HOME, HOME).view.frozen);
}

/// What home shows of its log, as the other member has heard it.
fn heard_of_home(federation: &Federation) -> Option<v1::Head> {
    let seen = federation.engine(OTHER).book().seen(&origin(HOME));
    seen.get(&HOME.to_string()).cloned()
}

fn shows_nothing(federation: &Federation) {
    let heard = heard_of_home(federation).expect("a head of home's");
    assert!(heard.checkpoint.is_empty() && heard.evidence.is_empty());
    let book = federation.engine(HOME).book();
    assert!(
        book.shown(&origin(HOME)).is_none(),
        "nor proves it anything"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_a_process_show_it_that_follows_another() {
    let (mut federation, _, truth) = scene().await;
    federation.stop(HOME).await;
    federation.follow(HOME);
    federation.open(HOME).await.expect("an engine");
    federation.restart(OTHER).await;
    let shows_it = |head: &v1::Head| !head.checkpoint.is_empty();
    let home = origin(HOME);
    let is_shown = |engine: &Engine| {
        let seen = engine.book().seen(&home);
        seen.get(&HOME.to_string()).is_some_and(shows_it)
    };
    federation.until(OTHER, is_shown).await;

    let size = truth.0.len();
    for size in [size, size + 2, size - 2] {
        federation.stop(HOME).await;
        let other = other_tree(&truth, size).await;
        federation.replace_store(HOME, other);
        federation.open(HOME).await.expect("an engine");
        // It has looked at the database, and will again.
        let looks = Duration::from_millis(200);
        federation.clock.until_sleeping(looks).await;
        federation.restart(OTHER).await;
        let has_heard = |engine: &Engine| engine.book().seen(&home).len() == OTHERS.len();
        federation.until(OTHER, has_heard).await;
        shows_nothing(&federation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tree_is_not_continued() {
    let (mut federation, watch, truth) = scene().await;
    let size = truth.0.len();
    for size in [size, size + 2, size - 2] {
        let other = other_tree(&truth, size).await;
        refuses_and_tells_nobody(&mut federation, other).await;
    }
    assert_eq!(watch.sizes().last(), Some(&(size as u64)));
    for at in OTHERS {
        assert!(!federation.entry(at, HOME).view.frozen);
        assert_eq!(audit(&federation, at, HOME).await, truth);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tree_is_not_continued_where_the_high_water_file_is_lost() {
    let (mut federation, watch, truth) = scene().await;
    let size = truth.0.len();
    federation.stop(HOME).await;
    // Nothing writes it anew while nothing is signed.
    federation.lose_high_water(HOME);
    for size in [size, size + 2, size - 2] {
        let other = other_tree(&truth, size).await;
        refuses_and_tells_nobody(&mut federation, other).await;
    }
    assert_eq!(watch.sizes().last(), Some(&(size as u64)));
}
