//! A log that contradicted itself is not continued.

use huren_node::engine::AppendError;
use huren_tests::{Federation, certificate_in, origin};

use crate::support::{HOME, OTHER, empty_store, honest, issue, until_known_everywhere};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_log_takes_nothing_more() {
    let federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let home = federation.engine(HOME);
    home.store().freeze(&origin(HOME), b"{}").await.unwrap();
    home.book().reload(&origin(HOME)).await.unwrap();

    let refused = home
        .submit(&certificate_in(HOME, 2))
        .await
        .expect("a sound record");
    assert_eq!(refused, Err(AppendError::Frozen));
    let size = federation.entry(HOME, HOME).state.head.size;
    assert_eq!(size, placed.size);
    // Others go on.
    issue(&federation, OTHER, 3).await;
}
