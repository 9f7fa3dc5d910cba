//! Streams of submissions and of questions: one bad item harms no other, and what becomes of
//! a stream that is cut off can be found out afterwards.

use std::collections::{BTreeMap, BTreeSet};

use huren_core::codes::Region;
use huren_proto::v1::{self, submit_many_response::Result as Outcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{
    nodes::{Node, Nodes, Settings},
    refusal::check,
    samples::Sample,
};

const SMALL: Settings<'_> = &[("HUREN_LIMITS__MAX_MESSAGE_BYTES", "16384")];

/// Certificates of a stream.
const COUNT: u64 = 40;

fn number(serial: u64) -> String {
    format!("S000033010006243{serial:06}")
}

fn sample(number: &str) -> Sample<'_> {
    Sample {
        number,
        name: "张三",
        id: "11010519491231002X",
    }
}

/// The submission of a certificate, referred to by its serial.
fn item(serial: u64) -> v1::SubmitManyRequest {
    let submission = v1::SubmitRequest {
        client_ref: serial,
        ..sample(&number(serial)).submission()
    };
    v1::SubmitManyRequest {
        submission: Some(submission),
        progress: None,
    }
}

/// A stream that stays open for as long as the sender is held.
fn open<T>(items: impl IntoIterator<Item = T>) -> (mpsc::Sender<T>, ReceiverStream<T>) {
    let items: Vec<T> = items.into_iter().collect();
    let (sender, receiver) = mpsc::channel(items.len() + 1);
    for item in items {
        assert!(sender.try_send(item).is_ok(), "room for all");
    }
    (sender, ReceiverStream::new(receiver))
}

/// Zhejiang, and a member that cosigns: without one nothing is ever known for certain.
async fn zhejiang(settings: Settings<'_>) -> Nodes {
    Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, settings).await
}

async fn is_known(node: &Node, serial: u64) -> bool {
    let number = number(serial);
    let question = sample(&number).question("张三");
    let answer = node.verification().verify(question).await.unwrap();
    answer.into_inner().verdict() != v1::Verdict::NotFound
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_submission_among_good_ones_is_refused_alone() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut items: Vec<_> = (1..=COUNT).map(item).collect();
    let bad = |change: fn(&mut v1::SubmitRequest)| {
        move |item: &mut v1::SubmitManyRequest| change(item.submission.as_mut().unwrap())
    };
    bad(|request| request.writer_region = "31".into())(&mut items[10]);
    bad(|request| request.body = None)(&mut items[20]);
    items[30].submission = None;
    let mut twice = item(2);
    twice.submission.as_mut().unwrap().client_ref = 1000;
    items.push(twice);

    let stream = tokio_stream::iter(items);
    let mut answers = node
        .issuance()
        .submit_many(stream)
        .await
        .unwrap()
        .into_inner();
    let (mut placed, mut refused) = (BTreeMap::new(), BTreeMap::new());
    while let Some(answer) = answers.message().await.unwrap() {
        let before = match answer.result.unwrap() {
            Outcome::Accepted(accepted) => placed.insert(answer.client_ref, accepted).is_some(),
            Outcome::Rejected(rejection) => {
                assert!(!rejection.retryable && !rejection.message_zh.is_empty());
                assert!(rejection.message_en.is_ascii() && !rejection.message_en.is_empty());
                refused.insert(answer.client_ref, rejection.code).is_some()
            }
        };
        assert!(!before, "{} is answered twice", answer.client_ref);
    }
    let expected = [
        (0, "WRITER_REGION"),
        (11, "CALLER_KIND_OR_REGION"),
        (21, "BODY_MISSING"),
    ];
    // Without a submission there is no reference either.
    let refused: Vec<_> = refused
        .iter()
        .map(|(of, code)| (*of, code.as_str()))
        .collect();
    assert_eq!(refused, expected);
    assert_eq!(placed.len() as u64, COUNT - 3 + 1);
    let indices: BTreeSet<u64> = placed.values().map(|placed| placed.index).collect();
    assert_eq!(
        indices.len() as u64,
        COUNT - 3,
        "every certificate has a place of its own"
    );
    assert_eq!(placed[&2].index, placed[&1000].index);
    assert!(placed[&2].duplicate != placed[&1000].duplicate);
    assert_eq!(node.size().await, indices.last().unwrap() + 1);
    nodes.settle().await;
    assert!(!is_known(node, 11).await && is_known(node, 12).await);
}

/// The caller goes away in the middle of a stream and submits everything again: each has one
/// place in the end, those that were acknowledged the one of their acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_off_is_simply_sent_again() {
    let nodes = zhejiang(&[("HUREN_LIMITS__BATCH_MAX_RECORDS", "4")]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let first_size = node.size().await;
    let (sender, stream) = open((1..=COUNT).map(item));
    let mut client = node.issuance();
    let mut answers = client.submit_many(stream).await.unwrap().into_inner();
    let mut acknowledged = BTreeMap::new();
    for _ in 0..5 {
        let answer = answers.message().await.unwrap().unwrap();
        let Some(Outcome::Accepted(placed)) = answer.result else {
            panic!("{answer:?}");
        };
        acknowledged.insert(answer.client_ref, placed.index);
    }
    drop((answers, sender, client));

    let stream = tokio_stream::iter((1..=COUNT).map(item));
    let mut answers = node
        .issuance()
        .submit_many(stream)
        .await
        .unwrap()
        .into_inner();
    let mut places = BTreeMap::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let Some(Outcome::Accepted(placed)) = answer.result else {
            panic!("{answer:?}");
        };
        places.insert(answer.client_ref, placed.index);
    }
    assert_eq!(places.len() as u64, COUNT);
    for (serial, index) in acknowledged {
        assert_eq!(places[&serial], index);
    }
    let indices: BTreeSet<u64> = places.into_values().collect();
    assert_eq!(
        indices,
        (first_size..first_size + COUNT).collect(),
        "no place was left empty"
    );
    assert_eq!(node.size().await, first_size + COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_cannot_be_read_ends_its_stream_with_a_reason() {
    let nodes = zhejiang(SMALL).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut too_long = item(2);
    too_long.submission.as_mut().unwrap().writer_region = "长".repeat(8000);
    let (_sender, stream) = open([item(1), too_long, item(3)]);
    let mut answers = node
        .issuance()
        .submit_many(stream)
        .await
        .unwrap()
        .into_inner();
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) => assert_eq!(answer.client_ref, 1),
            Ok(None) => panic!("the stream ends as if all were well"),
            Err(status) => break status,
        }
    };
    check::<()>(Err(ended), Code::OutOfRange, "MESSAGE_TOO_LARGE");

    let question = v1::VerifyManyRequest {
        question: Some(sample(&"9".repeat(17_000)).question("张三")),
    };
    let (_sender, stream) = open([question]);
    let mut answers = node
        .verification()
        .verify_many(stream)
        .await
        .unwrap()
        .into_inner();
    let ended = answers.message().await.unwrap_err();
    check::<()>(Err(ended), Code::OutOfRange, "MESSAGE_TOO_LARGE");

    // What came behind it was not looked at, and the first is there whole, if at all.
    nodes.settle().await;
    assert!(!is_known(node, 3).await);
    let mut issuance = node.issuance();
    let first = issuance
        .submit(item(1).submission.unwrap())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(node.size().await, first.index + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_of_a_stream_gets_its_own_answer() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let stream = tokio_stream::iter((1..=COUNT).map(item));
    let mut placed = node
        .issuance()
        .submit_many(stream)
        .await
        .unwrap()
        .into_inner();
    while placed.message().await.unwrap().is_some() {}
    nodes.settle().await;

    let question = |serial: u64| {
        let number = match serial {
            20 => String::new(),
            serial => number(serial),
        };
        let question = v1::VerifyRequest {
            client_ref: serial,
            ..sample(&number).question(if serial == 10 { "李四" } else { "张三" })
        };
        v1::VerifyManyRequest {
            question: Some(question),
        }
    };
    let stream = tokio_stream::iter((1..=COUNT + 1).map(question));
    let mut answers = node
        .verification()
        .verify_many(stream)
        .await
        .unwrap()
        .into_inner();
    let mut codes = BTreeMap::new();
    while let Some(message) = answers.message().await.unwrap() {
        let answer = message.answer.unwrap();
        let told = (answer.verdict(), !answer.certificate.is_empty());
        let reason = answer.reasons.first().map(|reason| reason.code.clone());
        assert!(
            codes
                .insert(answer.client_ref, (told, reason.unwrap_or_default()))
                .is_none()
        );
    }
    assert_eq!(codes.len() as u64, COUNT + 1);
    for (serial, (told, reason)) in codes {
        match serial {
            10 => assert_eq!(told, (v1::Verdict::HolderMismatch, false)),
            20 => assert_eq!((told.1, reason.as_str()), (false, "NUMBER_MISSING")),
            serial if serial > COUNT => assert_eq!(told, (v1::Verdict::NotFound, false)),
            _ => assert_eq!(told, (v1::Verdict::Valid, true)),
        }
    }
}
