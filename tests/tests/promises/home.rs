//! A miss is not the end: what is not found or too old here is asked of its home, and the answer
//! says whose it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join;
use huren_core::receipt;
use huren_node::engine::Engine;
use huren_proto::v1;
use huren_tests::{Federation, Honest, Lie, origin, question};

use crate::support::{HOME, OTHER, empty_store, issue, issued, says};

/// How long a home member is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What keeps home's log from a member.
#[derive(Default)]
struct Cut {
    /// Nobody shows it any head of the log.
    hidden: AtomicBool,
    /// Home lets it wait for a verdict.
    silent: AtomicBool,
}

struct Obstructs(Arc<Cut>);

impl Lie for Obstructs {
    fn gives_verdicts(&self) -> bool {
        !self.0.silent.load(Ordering::Relaxed)
    }

    fn heads(&self, heads: &mut Vec<v1::Head>) {
        if self.0.hidden.load(Ordering::Relaxed) {
            heads.retain(|head| head.origin != origin(HOME).as_str());
        }
    }
}

/// A federation in which home has issued a certificate that all know, and another one that
/// [`OTHER`] does not know.
async fn scene() -> (Federation, Arc<Cut>) {
    let cut = Arc::new(Cut::default());
    let obstructing = Arc::clone(&cut);
    let lie = move |_, to| -> Arc<dyn Lie> {
        if to == OTHER {
            Arc::new(Obstructs(Arc::clone(&obstructing)))
        } else {
            Arc::new(Honest)
        }
    };
    let federation = Federation::start(empty_store, lie).await;
    issued(&federation, 1).await;
    cut.hidden.store(true, Ordering::Relaxed);
    let second = issue(&federation, HOME, 2).await;
    federation.until_known(HOME, HOME, second.index + 1).await;
    (federation, cut)
}

/// What [`OTHER`] says, asking home if it has to.
async fn asked(federation: &Federation, serial: u32, name: &str) -> v1::VerifyResponse {
    let question = v1::VerifyRequest {
        local_only: false,
        client_ref: 7,
        ..question(serial, name)
    };
    let answer = federation.engine(OTHER).verify(question).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.client_ref, 7);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn home_answers_what_is_not_known_here() {
    let (federation, _) = scene().await;
    let known = asked(&federation, 1, "张三").await;
    assert_eq!(known.verdict(), v1::Verdict::Valid);
    assert_eq!(known.answered_by, OTHER.to_string());
    assert!(!says(&known, "HOME_ANSWERED"));

    for (serial, name, verdict) in [
        (2, "张三", v1::Verdict::Valid),
        (2, "李四", v1::Verdict::HolderMismatch),
        (3, "张三", v1::Verdict::NotFound),
        // Nobody learns from who answers whether the number or the holder is wrong.
        (1, "李四", v1::Verdict::HolderMismatch),
    ] {
        let answer = asked(&federation, serial, name).await;
        assert_eq!(answer.verdict(), verdict, "{serial}");
        assert_eq!(answer.answered_by, HOME.to_string());
        assert!(says(&answer, "HOME_ANSWERED") && !says(&answer, "HOME_UNREACHABLE"));
    }
    let answer = asked(&federation, 2, "张三").await;
    let checked = receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
    assert_eq!(checked.assertion.answered_by, HOME.to_string());

    let here_alone = federation.engine(OTHER).verify(question(2, "张三")).await;
    let here_alone = here_alone.expect("an answer");
    assert_eq!(here_alone.verdict(), v1::Verdict::NotFound);
    assert_eq!(here_alone.answered_by, OTHER.to_string());
    assert!(!says(&here_alone, "HOME_UNREACHABLE"));
}

/// The answer of a member that home does not help.
fn is_of_its_own(answer: &v1::VerifyResponse, verdict: v1::Verdict) {
    assert_eq!(answer.verdict(), verdict);
    assert_eq!(answer.answered_by, OTHER.to_string());
    assert!(says(answer, "HOME_UNREACHABLE") && !says(answer, "HOME_ANSWERED"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_says_that_home_cannot_be_reached() {
    let (mut federation, cut) = scene().await;
    // It is there, and takes its time.
    cut.silent.store(true, Ordering::Relaxed);
    let clock = Arc::clone(&federation.clock);
    let time = async {
        clock.until_sleeping(PATIENCE).await;
        clock.advance(PATIENCE);
    };
    let (answer, ()) = join(asked(&federation, 2, "张三"), time).await;
    is_of_its_own(&answer, v1::Verdict::NotFound);

    cut.silent.store(false, Ordering::Relaxed);
    let helped = asked(&federation, 2, "张三").await;
    assert_eq!(helped.verdict(), v1::Verdict::Valid);

    federation.stop(HOME).await;
    let answer = asked(&federation, 2, "张三").await;
    is_of_its_own(&answer, v1::Verdict::NotFound);
    // What is known here needs nobody.
    let known = asked(&federation, 1, "张三").await;
    assert_eq!(known.verdict(), v1::Verdict::Valid);
    assert!(!says(&known, "HOME_UNREACHABLE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn home_answers_where_evidence_is_too_old() {
    let (mut federation, _) = scene().await;
    federation.clock.advance(Duration::from_secs(25 * 60 * 60));
    let is_fresh = async |home: &Engine| {
        let answer = home.verify(question(1, "张三")).await;
        answer.expect("an answer").verdict() == v1::Verdict::Valid
    };
    federation.until_found(HOME, is_fresh).await;
    let here_alone = federation.engine(OTHER).verify(question(1, "张三")).await;
    assert_eq!(
        here_alone.expect("an answer").verdict(),
        v1::Verdict::Unknown
    );
    let answer = asked(&federation, 1, "张三").await;
    assert_eq!(answer.verdict(), v1::Verdict::Valid);
    assert_eq!(answer.answered_by, HOME.to_string());
    assert!(says(&answer, "HOME_ANSWERED"));

    federation.stop(HOME).await;
    let answer = asked(&federation, 1, "张三").await;
    is_of_its_own(&answer, v1::Verdict::Unknown);
    assert_eq!(answer.last_known(), v1::Verdict::Valid);
    assert!(says(&answer, "STALE_EVIDENCE"));
}
