//! Trust lists that are replayed, forged or not there, from the member that is asked first.

use std::sync::Arc;

use huren_core::codes::Region;
use huren_tests::{Closed, Federation, Honest, Lie, origin};

use crate::support::empty_store;

/// Asked first, as it is the first by region.
const LIAR: Region = Region::SHANGHAI;
/// Needs version 2, which Jiangsu's log adopts.
const VICTIM: Region = Region::ZHEJIANG;
const HOME: Region = Region::JIANGSU;

/// What becomes of true lists.
type Change = dyn Fn(&mut Vec<Vec<u8>>) + Send + Sync;

/// Does something to the lists that it is asked for.
struct Lists(Box<Change>);

impl Lie for Lists {
    fn trust_lists(&self, lists: &mut Vec<Vec<u8>>) {
        (self.0)(lists);
    }
}

/// The victim takes version 2 from others, and refuses what the liar sends for that reason.
async fn overcomes(lie: impl Fn(&mut Vec<Vec<u8>>) + Send + Sync + 'static, code: &str) {
    let lie: Arc<dyn Lie> = Arc::new(Lists(Box::new(lie)));
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (LIAR, VICTIM) {
            Arc::clone(&lie)
        } else {
            Arc::new(Honest)
        }
    };
    let mut federation = Federation::new(empty_store, lies);
    federation.give_trust_lists(HOME, 2);
    federation.open_all().await;
    federation
        .until(VICTIM, |engine| {
            let entry = engine.book().entry(&origin(HOME));
            entry.is_some_and(|entry| entry.state.head.size > 0 && entry.view.size > 0)
        })
        .await;
    let engine = federation.engine(VICTIM);
    assert_eq!(engine.trust().newest().list.version, 2);
    assert_eq!(engine.refusals(&LIAR.to_string()).last, code);
    assert_eq!(engine.refusals(&HOME.to_string()).last, "");
    let held = federation
        .store(VICTIM)
        .trust_lists()
        .await
        .expect("a store");
    assert_eq!(held.len(), 2);
}

fn own_lists(versions: u64) -> Vec<Vec<u8>> {
    let lists = huren_tests::trust_list_notes(versions, None);
    lists.into_iter().map(String::into_bytes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_list_is_overcome() {
    overcomes(|lists| *lists = own_lists(1), "TRUST_NOT_NEXT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_list_is_overcome() {
    let forge = |lists: &mut Vec<Vec<u8>>| {
        let second = own_lists(2).remove(1);
        let text = String::from_utf8(second).expect("text");
        *lists = vec![
            text.replacen("\"quorum\": 2", "\"quorum\": 0", 1)
                .into_bytes(),
        ];
    };
    overcomes(forge, "TRUST_SIGNATURE").await;
}

/// Signed by the root keys, for another chain: it names another predecessor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_another_chain_is_overcome() {
    let other = |lists: &mut Vec<Vec<u8>>| {
        let closed = Closed { of: HOME, until: 0 };
        let third = huren_tests::trust_list_notes(3, Some(closed)).remove(2);
        *lists = vec![own_lists(2).remove(1), third.into_bytes()];
    };
    overcomes(other, "TRUST_PREDECESSOR").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_is_overcome() {
    overcomes(|lists| *lists = vec![vec![0; 1 << 20]], "TRUST_FORMAT").await;
}
