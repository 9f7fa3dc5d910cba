//! An answer rests on each log up to the size that it states, and on nothing beyond.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use huren_core::codes::Region;
use huren_proto::v1::{self, Verdict, VerifyResponse};
use huren_tests::{Federation, Honest, Lie, change, origin};

use crate::support::{HOME, OTHER, answer, empty_store, issued, submit};

/// Gives no disclosures while it is told so.
#[derive(Clone, Default)]
struct Withholds(Arc<AtomicBool>);

impl Lie for Withholds {
    fn disclosures(&self, pages: &mut Vec<v1::GetDisclosuresResponse>) {
        if self.0.load(Ordering::Relaxed) {
            pages.clear();
        }
    }
}

/// The size of home's log that an answer states.
fn stated(answer: &VerifyResponse) -> u64 {
    let name = origin(HOME).to_string();
    let extent = answer.as_of.iter().find(|extent| extent.origin == name);
    extent.expect("an extent").size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_beyond_the_stated_size_do_not_count_yet() {
    let withholds = Withholds::default();
    let lie = withholds.clone();
    let lies = move |_: Region, to: Region| -> Arc<dyn Lie> {
        match to == OTHER {
            true => Arc::new(lie.clone()),
            false => Arc::new(Honest),
        }
    };
    let federation = Federation::start(empty_store, lies).await;
    issued(&federation, 1).await;
    withholds.0.store(true, Ordering::Relaxed);
    let suspended = submit(&federation, HOME, &change(v1::StatusAction::Suspend, 1)).await;
    // The register has it; what belongs to its leaves has not arrived.
    federation
        .until(OTHER, |engine| {
            let entry = engine.book().entry(&origin(HOME));
            entry.is_some_and(|entry| entry.state.folded > suspended.index)
        })
        .await;
    let before = answer(&federation, OTHER, (HOME, 1)).await;
    assert_eq!(stated(&before), suspended.index);
    assert_eq!(before.verdict(), Verdict::Valid, "{:?}", before.reasons);

    withholds.0.store(false, Ordering::Relaxed);
    federation
        .until_known(OTHER, HOME, suspended.index + 1)
        .await;
    let behind = answer(&federation, OTHER, (HOME, 1)).await;
    assert_eq!(stated(&behind), suspended.index + 1);
    assert_eq!(behind.verdict(), Verdict::Suspended);
}
