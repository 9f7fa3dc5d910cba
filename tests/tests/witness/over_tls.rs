//! Our own client of `add-checkpoint` asks our own routes, over TLS.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use huren_core::{
    note::VerifierKey,
    trust::ForeignWitness,
    witness::{AddCheckpoint, Answer, AnswerError, answer},
};
use huren_node::{
    engine::{Clock as _, SystemClock, Witness as _},
    http::{self, submit::HttpWitness},
    tls::{Authority, Clients, ServerTls},
};
use huren_tests::witness;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{AT, Node, history};

/// What a witness says to a request, as whoever submitted reads it.
async fn ask(
    client: &HttpWitness,
    key: &VerifierKey,
    request: &AddCheckpoint,
) -> Result<Answer, AnswerError> {
    let (status, body) = client
        .add_checkpoint(request.to_string())
        .await
        .expect("an answer");
    answer(&request.checkpoint, key, (status, &body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_routes_answer_is_what_the_client_reads() {
    let node = Node::start().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(SystemClock.now());
    let authority = Authority::new("witness", now).expect("an authority");
    let issued = authority.node("w", &[], &[[127, 0, 0, 1].into()], now);
    let identity = issued.expect("a certificate").identity();
    let tls = ServerTls::new(&identity.expect("an identity"), &Clients::Any).expect("TLS");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let serving = http::serve(
        listener,
        node.routes.clone(),
        Some(Arc::new(tls)),
        stop.clone(),
    );
    let tasks = TaskTracker::new();
    tasks.spawn(serving);

    let key = witness(AT).verifier_key().clone();
    let client = HttpWitness::new(&ForeignWitness {
        name: "w".into(),
        key: key.to_string(),
        url: format!("https://{address}/witness"),
        tls_ca: authority.own().certificate_pem().to_owned(),
        counts: true,
    });
    let client = client.expect("an entry");
    let log = history(300, 300, "");
    // It has cosigned nothing yet, and then says from where to prove.
    let early = ask(&client, &key, &log.add_checkpoint(3, 7)).await;
    assert_eq!(early, Ok(Answer::Latest(0)));
    for (old, new) in [(0, 7), (7, 7), (7, 300)] {
        let cosigned = ask(&client, &key, &log.add_checkpoint(old, new)).await;
        let Ok(Answer::Cosigned(note, _)) = cosigned else {
            panic!("{cosigned:?}");
        };
        assert_eq!(note.checkpoint().size, new);
    }
    let late = ask(&client, &key, &log.add_checkpoint(7, 300)).await;
    assert_eq!(late, Ok(Answer::Latest(300)));
    // Another history is refused.
    let other = history(300, 4, "other");
    let forked = ask(&client, &key, &other.add_checkpoint(300, 300)).await;
    assert_eq!(forked, Err(AnswerError::Status(422)));
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
