//! What a service manager hears from a node (sd_notify(3)).

use std::path::Path;

use huren::local::wait_for;
use huren_core::codes::Region;
use tokio::net::UnixDatagram;

use crate::support::nodes::Nodes;

/// A manager as far as a service sees it: a socket.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message that has this line, and gives all of it.
    async fn hears(&self, line: &str) -> Vec<String> {
        wait_for(line, async || {
            let mut bytes = [0; 4096];
            let length = self.0.recv(&mut bytes).await?;
            let text = std::str::from_utf8(&bytes[..length])?;
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            Ok(lines.iter().any(|told| told == line).then_some(lines))
        })
        .await
        .expect("the message")
    }
}

fn socket_in(folder: &Path) -> (Manager, String) {
    let path = folder.join("manager");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    (Manager(socket), path.to_str().expect("a path").to_owned())
}

#[tokio::test]
async fn a_service_manager_hears_when_a_node_serves_lives_reloads_and_stops() {
    let mut nodes = Nodes::make(&[Region::ZHEJIANG], 0);
    let (manager, path) = socket_in(nodes.folder.path());
    let settings = [
        ("NOTIFY_SOCKET", path.as_str()),
        ("WATCHDOG_USEC", "300000"),
    ];
    let (ready, ()) = tokio::join!(manager.hears("READY=1"), nodes.launch(&settings));
    assert_eq!(ready, ["READY=1"]);
    let alive = manager.hears("STATUS=就绪 / ready").await;
    assert!(alive.contains(&"WATCHDOG=1".to_owned()), "{alive:?}");
    // Again and again.
    manager.hears("WATCHDOG=1").await;

    let node = nodes.at(Region::ZHEJIANG);
    node.hang_up().await.expect("a signal");
    let reloading = manager.hears("RELOADING=1").await;
    let time = reloading[1].strip_prefix("MONOTONIC_USEC=");
    assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()));
    manager.hears("READY=1").await;

    node.signal("TERM").await.expect("a signal");
    manager.hears("STOPPING=1").await;
}
