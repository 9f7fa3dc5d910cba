//! Members upgrade one after the other: this release and the last one understand each other. The
//! last one is there as what it answered when it was recorded.

mod shape;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use huren_core::codes::Region;
use huren_node::engine::{Clock as _, Peer};
use huren_proto::v1;
use huren_tests::{
    Federation, Honest, Lie, REGIONS, origin,
    release::{Answer, Call, Door, HOME, RecordedMember, Recording, play},
};
use prost::Message as _;
use shape::Shapes;

/// The release before this one. Until there are two it is this one, as it was when its formats
/// were laid down.
const LAST: &str = "0.1.0";

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/vectors/huren/releases"
    ))
}

fn last() -> Recording {
    Recording::read(&folder(), LAST).expect("a recording")
}

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// The verdicts that the last release gave, with what was asked.
fn verdicts(recording: &Recording) -> Vec<(v1::VerifyRequest, v1::VerifyResponse)> {
    let asked = recording.calls.iter();
    let asked = asked.filter(|call| call.path.ends_with("/Verify"));
    let both = asked.filter_map(|call| {
        let Answer::Messages(answers) = &call.answer else {
            return None;
        };
        let question = v1::VerifyRequest::decode(call.request.as_slice());
        let answer = v1::VerifyResponse::decode(answers[0].0.as_slice());
        Some((question.expect("a question"), answer.expect("an answer")))
    });
    both.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_everything_from_a_member_of_the_last_release() {
    let at = Region::ANHUI;
    let recording = Arc::new(last());
    let mut federation = Federation::new(|_| huren_tests::store(), honest);
    let begun = Duration::from_secs(federation.clock.now());
    let recorded = Duration::from_secs(recording.at + 1);
    federation.clock.advance(recorded.saturating_sub(begun));
    federation.open(at).await.expect("an engine");
    let member: Arc<dyn Peer> = Arc::new(RecordedMember(Arc::clone(&recording)));
    let heads = member.heads().await.expect("heads");
    assert_eq!(heads.len(), REGIONS.len());
    let peers = [(HOME.to_string(), member)].into();
    federation.engine(at).set_peers(peers);

    for of in REGIONS.into_iter().filter(|of| *of != at) {
        let head = heads.iter().find(|head| head.origin == origin(of).as_str());
        let note = String::from_utf8(head.expect("a head").checkpoint.clone());
        let size = note
            .expect("a note")
            .lines()
            .nth(1)
            .expect("a size")
            .parse();
        federation.until_known(at, of, size.expect("a size")).await;
    }
    let verdicts = verdicts(&recording);
    let kinds: BTreeSet<_> = verdicts.iter().map(|(_, answer)| answer.verdict).collect();
    assert!(kinds.len() >= 4, "verdicts of many kinds: {kinds:?}");
    // Whoever comes behind an erasure never held what was erased, and its home member did.
    let erased = |answer: &v1::VerifyResponse| answer.reasons.iter().any(|r| r.code == "ERASED");
    for (question, before) in verdicts.into_iter().filter(|(_, answer)| !erased(answer)) {
        let now = federation
            .engine(at)
            .verify(question)
            .await
            .expect("an answer");
        assert_eq!(
            (now.verdict(), &now.reasons),
            (before.verdict(), &before.reasons)
        );
    }
}

/// A member on which everything happened that had happened before the recording, asked once more
/// what the last release asked, with `change` made to each message.
async fn asked_again(change: impl Fn(&mut Vec<u8>)) -> Vec<(Call, Answer)> {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    play(&federation).await;
    let door = Door::of(federation.engine(HOME)).await;
    let mut answers = Vec::new();
    for call in last().calls {
        let mut request = call.request.clone();
        change(&mut request);
        let now = door.call(call.by, &call.path, request).await;
        answers.push((call, now));
    }
    answers
}

/// Whoever reads an answer as the last release does misses nothing that it had.
fn check(shapes: &Shapes, path: &str, before: &Answer, now: &Answer) {
    match (before, now) {
        (Answer::Refused(before), Answer::Refused(now)) => assert_eq!(before, now, "{path}"),
        (Answer::Messages(before), Answer::Messages(now)) => {
            assert_eq!(before.len(), now.len(), "{path}");
            let (read, given) = (shapes.filled(path, before), shapes.filled(path, now));
            let lacking: Vec<_> = read.difference(&given).collect();
            assert!(lacking.is_empty(), "{path} leaves out {lacking:?}");
        }
        _ => panic!("{path}: {before:?} before, {now:?} now"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_last_release_asks_is_answered_as_it_reads_it() {
    let shapes = Shapes::of(&folder(), LAST);
    for (call, now) in asked_again(|_| ()).await {
        check(&shapes, &call.path, &call.answer, &now);
    }
}

/// The next release may ask with fields that this one does not know. Only what would go into the
/// log for ever is refused then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_next_release_adds_to_a_question_is_passed_over() {
    let shapes = Shapes::of(&folder(), LAST);
    let added = |request: &mut Vec<u8>| {
        prost::encoding::uint64::encode(15_000, &1, request);
    };
    for (mut call, now) in asked_again(added).await {
        if call.path.contains("/Submit") {
            call.answer = Answer::Refused("MESSAGE_NOT_WHOLE".into());
        }
        check(&shapes, &call.path, &call.answer, &now);
    }
}
