//! `add-entries`: every status code with its body, prefixes, broken and compressed bodies, and
//! that the mirror signs only what it holds and serves.

use std::{io::Write as _, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt as _, stream};
use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    merkle::{Hash, decode_bundle},
    mirror::UploadHeader,
};
use huren_node::http::tiles::origin_hash;
use huren_tests::{
    Fault, FaultyStore, History, Operation, Outcome, audit, certificate, mirror, origin, witness,
};

use crate::support::{AT, Answer, LIMITS, Node, SubmitLimits, history, outside, root};

const SIZE: u64 = 700;

fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn head(of: &str, start: u64, end: u64) -> Vec<u8> {
    let numbers = [start.to_be_bytes(), end.to_be_bytes()].concat();
    [text(of.as_bytes()), numbers, text(b"")].concat()
}

/// The packages of an upload of the outside log, the head first.
fn parts(log: &History, start: u64, end: u64) -> Vec<Vec<u8>> {
    let header = UploadHeader {
        origin: outside(),
        start,
        end,
        ticket: Vec::new(),
    };
    let mut parts = vec![head(outside().as_str(), start, end)];
    for range in header.packages() {
        let package = log.package(range.number, end);
        let entries = decode_bundle(&package.entries).expect("a bundle");
        let skipped = usize::try_from(range.before()).expect("small");
        let mut bytes: Vec<u8> = entries[skipped..].iter().flat_map(|e| text(e)).collect();
        bytes.push(u8::try_from(package.proof.len()).expect("short"));
        bytes.extend(package.proof.iter().flat_map(Hash::as_bytes));
        parts.push(bytes);
    }
    parts
}

fn body(log: &History, start: u64, end: u64) -> Vec<u8> {
    parts(log, start, end).concat()
}

impl Node {
    async fn upload(&self, body: impl Into<Body>) -> Answer {
        self.upload_encoded(None, body).await
    }

    async fn upload_encoded(&self, encoding: Option<&str>, body: impl Into<Body>) -> Answer {
        let mut request = Request::post("/mirror/add-entries")
            .header(header::CONTENT_TYPE, "application/octet-stream");
        if let Some(encoding) = encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        let answer = self
            .send(request.body(body.into()).expect("a request"))
            .await;
        assert_eq!(answer.header(header::ACCEPT_ENCODING), "gzip");
        answer
    }

    /// Adds checkpoints of the log with these sizes.
    async fn pend(&self, log: &History, sizes: impl IntoIterator<Item = u64>) {
        let mut known = 0;
        for size in sizes {
            let request = log.add_checkpoint(known, size);
            let answer = self.add(request.to_string()).await;
            answer.cosigns(&request.checkpoint, &witness(AT));
            known = size;
        }
    }

    async fn mirrored(&self, path: &str) -> Answer {
        self.get(&format!("/mirror/{}/{path}", origin_hash(&outside())))
            .await
    }

    /// That the mirror serves just this tree, under its own cosignature.
    async fn serves(&self, log: &History, size: u64) {
        let shown = self.mirrored("checkpoint").await;
        let shown = SignedCheckpoint::parse(&shown.body).expect("a checkpoint");
        assert_eq!(root(&shown), root(&log.checkpoint(size)));
        let keys = [
            huren_tests::outside_signer().verifier_key().clone(),
            mirror(AT).verifier_key().clone(),
        ];
        assert_eq!(shown.note().verify(&keys).expect("two signers").len(), 2);
        for number in 0..size.div_ceil(256) {
            let width = (size - number * 256).min(256);
            let part = if width < 256 {
                format!(".p/{width}")
            } else {
                String::new()
            };
            let served = self
                .mirrored(&format!("tile/entries/{number:03}{part}"))
                .await;
            assert_eq!(served.body, log.package(number, size).entries);
        }
    }
}

/// The three lines of 202 and 409.
#[track_caller]
fn tells(answer: &Answer, status: StatusCode, size: u64, next: u64) {
    assert_eq!(answer.status, status, "{answer:?}");
    let content_type = answer.header(header::CONTENT_TYPE);
    assert_eq!(content_type, "text/x.tlog.mirror-info");
    assert_eq!(answer.text(), format!("{size}\n{next}\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_mirrored_in_parts() {
    let node = Node::start().await;
    let log = history(SIZE, SIZE, "");
    node.pend(&log, [300, SIZE]).await;
    // To a checkpoint that is not the newest any more.
    let answer = node.upload(body(&log, 0, 300)).await;
    answer.cosigns(&log.checkpoint(300), &mirror(AT));
    node.serves(&log, 300).await;

    // A prefix, then the rest from where the mirror says, in the middle of a package.
    let prefix = parts(&log, 300, SIZE)[..2].concat();
    let answer = node.upload(prefix).await;
    tells(&answer, StatusCode::ACCEPTED, SIZE, 512);
    node.serves(&log, 300).await;
    let answer = node.upload(body(&log, 512, SIZE)).await;
    answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
    node.serves(&log, SIZE).await;

    // Nothing more to upload: the head is cosigned again.
    for start in [0, 300, SIZE] {
        let answer = node.upload(body(&log, start, SIZE)).await;
        answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
    }
    let node = node.restart().await;
    node.serves(&log, SIZE).await;
    let answer = node.upload(body(&log, SIZE, SIZE)).await;
    answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_status_and_its_body() {
    let node = Node::start().await;
    let log = history(SIZE, SIZE, "");
    let good = body(&log, 0, SIZE);
    let unknown = head("unknown.test/log", 0, 0);
    node.upload(unknown)
        .await
        .refuses(404, "UPLOAD_LOG_UNKNOWN");
    let own = head(origin(AT).as_str(), 0, 0);
    node.upload(own).await.refuses(404, "UPLOAD_LOG_UNKNOWN");
    let answer = node.upload(good.clone()).await;
    answer.refuses(422, "UPLOAD_NO_CHECKPOINT");

    node.pend(&log, [SIZE]).await;
    let malformed = [
        Vec::new(),
        vec![0],
        head("", 0, SIZE),
        head(outside().as_str(), 5, 4),
        parts(&log, 0, SIZE)[0].clone(),
        good[..head(outside().as_str(), 0, 0).len() + 99].to_vec(),
    ];
    for body in malformed {
        node.upload(body).await.refuses(400, "UPLOAD_MALFORMED");
    }
    let conflict = StatusCode::CONFLICT;
    let answer = node.upload(head(outside().as_str(), 0, 600)).await;
    tells(&answer, conflict, SIZE, 0);
    let answer = node.upload(head(outside().as_str(), 1, SIZE)).await;
    tells(&answer, conflict, SIZE, 0);

    // Other leaves, cut off, or without a proof.
    let other = history(SIZE, 0, "other");
    let answer = node.upload(body(&other, 0, SIZE)).await;
    answer.refuses(422, "UPLOAD_PROOF");
    let mut flipped = good.clone();
    flipped[38] ^= 1;
    node.upload(flipped).await.refuses(422, "UPLOAD_PROOF");
    let no_proof = [head(outside().as_str(), 0, SIZE), vec![0; 512], vec![64]].concat();
    node.upload(no_proof).await.refuses(422, "UPLOAD_PROOF");
    // The first package is right and the second is not: that one was kept.
    let mut half = parts(&log, 0, SIZE);
    half[2][9] ^= 1;
    let answer = node.upload(half.concat()).await;
    answer.refuses(422, "UPLOAD_PROOF");
    let answer = node.upload(head(outside().as_str(), 257, SIZE)).await;
    tells(&answer, conflict, SIZE, 256);

    let answer = node.upload(good.clone()).await;
    answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
    // Below the mirror's head.
    let longer = history(SIZE + 9, SIZE + 9, "");
    let request = longer.add_checkpoint(SIZE, SIZE + 9);
    let answer = node.add(request.to_string()).await;
    answer.cosigns(&request.checkpoint, &witness(AT));
    let answer = node.upload(body(&longer, SIZE, SIZE + 9)).await;
    answer.cosigns(&request.checkpoint, &mirror(AT));
    let answer = node.upload(good).await;
    tells(&answer, conflict, SIZE + 9, SIZE + 9);

    for (content_type, encoding) in [
        (None, None),
        (Some("text/plain"), None),
        (Some("application/octet-stream"), Some("br")),
    ] {
        let mut request = Request::post("/mirror/add-entries");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(encoding) = encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        let answer = node.send(request.body(Body::empty()).expect("a request"));
        answer.await.refuses(415, "MEDIA_TYPE");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_log_takes_nothing() {
    let node = Node::start().await;
    let (log, other) = (history(SIZE, SIZE, ""), history(SIZE, 9, "other"));
    node.pend(&log, [SIZE]).await;
    let forked = other.add_checkpoint(SIZE, SIZE).to_string();
    node.add(forked).await.refuses(422, "WITNESS_OTHER_ROOT");
    let answer = node.upload(body(&log, 0, SIZE)).await;
    answer.refuses(403, "LOG_FROZEN");
    let shown = node.mirrored("checkpoint").await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
}

/// Every frame is an event of its own: bodies may be cut anywhere.
fn in_frames(bytes: &[u8], length: usize) -> Body {
    let frames: Vec<Result<Bytes, std::io::Error>> = bytes
        .chunks(length)
        .map(|frame| Ok(Bytes::copy_from_slice(frame)))
        .collect();
    Body::from_stream(stream::iter(frames))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_come_in_frames_and_compressed() {
    let log = history(SIZE, SIZE, "");
    let plain = body(&log, 0, SIZE);
    let packed = gzip(&plain);
    assert!(packed.len() < plain.len());
    let several = [gzip(&plain[..999]), gzip(&plain[999..])].concat();
    let encoded: [(_, &[u8]); 4] = [
        (None, &plain),
        (Some("identity"), &plain),
        (Some("gzip"), &packed),
        (Some("GZIP"), &several),
    ];
    for (encoding, bytes) in encoded {
        for length in [1, 7, 1000, bytes.len()] {
            let node = Node::start().await;
            node.pend(&log, [SIZE]).await;
            let answer = node
                .upload_encoded(encoding, in_frames(bytes, length))
                .await;
            answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
        }
    }
    // What is not compressed though it says so, and what ends in the middle.
    let node = Node::start().await;
    node.pend(&log, [SIZE]).await;
    let answer = node.upload_encoded(Some("gzip"), plain).await;
    answer.refuses(400, "UPLOAD_MALFORMED");
    let cut = packed[..packed.len() * 2 / 3].to_vec();
    let answer = node.upload_encoded(Some("gzip"), cut).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    // A little that becomes a lot is read no further than the first package can go.
    let bomb = gzip(&[head(outside().as_str(), 0, SIZE), vec![0; 64 << 20]].concat());
    let answer = node.upload_encoded(Some("gzip"), bomb).await;
    answer.refuses(422, "UPLOAD_PROOF");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrived_whole_is_kept_when_a_body_breaks_off_or_stalls() {
    let log = history(SIZE, SIZE, "");
    let parts = parts(&log, 0, SIZE);
    let limits = SubmitLimits {
        reading: Duration::from_millis(200),
        ..LIMITS
    };
    let node = Node::with(huren_tests::store(), limits).await;
    node.pend(&log, [SIZE]).await;
    let frames = |count: usize| {
        let bytes: Vec<_> = parts[..count].iter().cloned().map(Bytes::from).collect();
        stream::iter(bytes.into_iter().map(Ok::<_, std::io::Error>))
    };
    let breaks = || stream::iter([Err(std::io::Error::other("gone"))]);
    let stalls = || stream::pending();
    let answer = node
        .upload(Body::from_stream(frames(1).chain(breaks())))
        .await;
    answer.refuses(400, "UPLOAD_MALFORMED");
    let answer = node
        .upload(Body::from_stream(frames(1).chain(stalls())))
        .await;
    answer.refuses(400, "UPLOAD_MALFORMED");
    let answer = node
        .upload(Body::from_stream(frames(2).chain(breaks())))
        .await;
    tells(&answer, StatusCode::ACCEPTED, SIZE, 256);
    let answer = node
        .upload(Body::from_stream(frames(3).chain(stalls())))
        .await;
    tells(&answer, StatusCode::ACCEPTED, SIZE, 512);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_at_once_come_to_one_mirror() {
    let node = Node::start().await;
    let log = history(SIZE, SIZE, "");
    node.pend(&log, [300, 513, SIZE]).await;
    let bodies = [300, 513, SIZE, SIZE, 513, 300].map(|end| (end, body(&log, 0, end)));
    let uploads = bodies.map(|(end, body)| {
        let (node, log) = (&node, &log);
        async move {
            let answer = node.upload(body).await;
            if answer.status == StatusCode::OK {
                answer.cosigns(&log.checkpoint(end), &mirror(AT));
            } else {
                // Another one was further.
                assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
            }
        }
    });
    futures::future::join_all(uploads).await;
    node.serves(&log, SIZE).await;
}

/// Nothing is cosigned before all of it is stored, whatever fails on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_store_costs_no_more_than_another_try() {
    let log = history(SIZE, SIZE, "");
    for operation in [
        Operation::PutPackages,
        Operation::Advance,
        Operation::PutNotes,
    ] {
        for outcome in [Outcome::NotPersisted, Outcome::Persisted, Outcome::Full] {
            let store = Arc::new(FaultyStore::new(huren_tests::store()));
            let node = Node::with(store.clone(), LIMITS).await;
            node.pend(&log, [SIZE]).await;
            // Members' logs move on by themselves: their writes are waited for first.
            for of in huren_tests::REGIONS {
                node.federation.until_known(AT, of, 1).await;
            }
            store.arm(vec![Fault {
                operation,
                call: 1,
                outcome,
            }]);
            let answer = node.upload(body(&log, 0, SIZE)).await;
            if store.outstanding().is_empty() && answer.status != StatusCode::OK {
                answer.refuses(503, "UNAVAILABLE");
            }
            let answer = node.upload(body(&log, 0, SIZE)).await;
            answer.cosigns(&log.checkpoint(SIZE), &mirror(AT));
            assert_eq!(store.outstanding(), []);
            node.restart().await.serves(&log, SIZE).await;
        }
    }
}

/// A member's log takes uploads beside its replication, by the same way in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_s_log_takes_uploads_too() {
    const HOME: Region = Region::ZHEJIANG;
    let node = Node::start().await;
    let placed = node.federation.engine(HOME).submit(&certificate(1)).await;
    let size = placed.expect("sound").expect("a place").index + 1;
    node.federation.until_known(AT, HOME, size).await;
    let log = History::new(HOME, audit(&node.federation, AT, HOME).await.0);
    let upload = [head(origin(HOME).as_str(), 0, size), {
        let package = log.package(0, size);
        let proof: Vec<u8> = package
            .proof
            .iter()
            .flat_map(Hash::as_bytes)
            .copied()
            .collect();
        let count = u8::try_from(package.proof.len()).expect("short");
        [&package.entries[..], &[count], &proof].concat()
    }];
    let answer = node.upload(upload.concat()).await;
    answer.cosigns(&log.checkpoint(size), &mirror(AT));
    // It ends up in the register as everything else.
    node.federation.until_known(AT, HOME, size).await;
}
