//! Nodes of one federation, each the process that an operator would run.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use huren::{
    connect::NodeArgs,
    peers,
    trust::{self, NewArgs},
};
use huren_core::{codes::Region, trust::RootKeys};
use huren_node::{
    engine::{Clock as _, SystemClock},
    init::{self, InitOptions},
};
use huren_proto::v1::{
    issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::Channel;

use super::http;

/// The program under test.
pub(crate) const HUREN: &str = env!("CARGO_BIN_EXE_huren");

/// How long a condition is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nodes on one machine need not wait for each other as long as provinces do.
const SWIFT: [(&str, &str); 2] = [
    ("HUREN_REPLICATION__POLL_SECONDS", "1"),
    ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "200"),
];

/// Environment variables that override a node's configuration.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

/// One province's node.
pub(crate) struct Node {
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Where gRPC is served.
    pub(crate) grpc: SocketAddr,
    /// Where HTTP is served, without TLS.
    pub(crate) http: SocketAddr,
    /// The origin of its log.
    pub(crate) origin: String,
    process: Option<Child>,
}

/// The nodes, and the folder that holds everything they write.
pub(crate) struct Nodes {
    by_region: BTreeMap<Region, Node>,
    /// Deleted with the nodes.
    pub(crate) folder: TempDir,
}

impl Nodes {
    /// Makes nodes that trust each other and starts them. `quorum` counts other members.
    pub(crate) async fn start(regions: &[Region], quorum: usize, settings: Settings<'_>) -> Self {
        let mut nodes = Self::make(regions, quorum);
        nodes.launch(settings).await;
        nodes
    }

    /// Makes nodes that trust each other, as yet without processes.
    pub(crate) fn make(regions: &[Region], quorum: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let by_region = regions
            .iter()
            .map(|region| (*region, make(&folder, *region)));
        let nodes = Self {
            by_region: by_region.collect(),
            folder,
        };
        nodes.federate(quorum);
        nodes
    }

    /// Starts all of them.
    pub(crate) async fn launch(&mut self, settings: Settings<'_>) {
        let regions: Vec<Region> = self.by_region.keys().copied().collect();
        regions
            .iter()
            .for_each(|region| self.run(*region, settings));
        for node in self.all() {
            node.ready().await;
        }
    }

    fn federate(&self, quorum: usize) {
        let trust = self.folder.path().join("trust");
        let members = self
            .by_region
            .values()
            .map(|node| node.dir.join(init::MEMBER));
        let new = NewArgs {
            members: members.collect(),
            out: trust.clone(),
            roots: 1,
            threshold: 1,
            quorum,
            days: 365,
        };
        let now = Timestamp::from_second(SystemClock.now().cast_signed()).expect("a time");
        trust::new(&new, now).expect("a trust list");
        for node in self.by_region.values() {
            for file in ["roots", "lists"] {
                let to = node.dir.join("trust").join(file);
                fs::copy(trust.join(file), to).expect("a copy");
            }
            let key = node.dir.join("keys/holder.key");
            fs::copy(trust.join("holder.key"), key).expect("a copy");
        }
    }

    /// Starts a node's process.
    pub(crate) fn run(&mut self, region: Region, settings: Settings<'_>) {
        let node = self.by_region.get_mut(&region).expect("a node");
        let log = File::options()
            .create(true)
            .append(true)
            .open(node.dir.join("node.log"));
        let process = Command::new(HUREN)
            .args(["node", "serve", "--config"])
            .arg(node.dir.join(init::CONFIG))
            .env("HUREN_HTTP__TLS", "false")
            .envs(SWIFT)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .kill_on_drop(true)
            .spawn();
        node.process = Some(process.expect("a process"));
    }

    /// Kills a node's process, so that it has no chance to tidy up.
    pub(crate) async fn kill(&mut self, region: Region) {
        let node = self.by_region.get_mut(&region).expect("a node");
        if let Some(mut process) = node.process.take() {
            process.kill().await.expect("an end");
        }
    }

    /// A province's node.
    pub(crate) fn at(&self, region: Region) -> &Node {
        &self.by_region[&region]
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Node> {
        self.by_region.values()
    }

    /// What receipts are checked with.
    pub(crate) fn roots(&self) -> RootKeys {
        let file = self.folder.path().join("trust/roots");
        let text = fs::read_to_string(file).expect("root keys");
        text.parse().expect("root keys")
    }

    /// Waits until every node holds every log as far as that log goes, cosigned by a quorum.
    pub(crate) async fn settle(&self) {
        for of in self.all() {
            let size = of.extent_of(&of.origin).await.0;
            for at in self.all() {
                until("a log arrives", async || {
                    let (held, witnessed) = at.extent_of(&of.origin).await;
                    held >= size && witnessed >= size
                })
                .await;
            }
        }
    }
}

impl Node {
    /// How to call it, as the system that the province issues with.
    pub(crate) fn caller(&self) -> NodeArgs {
        NodeArgs {
            dir: Some(self.dir.clone()),
            ..NodeArgs::default()
        }
    }

    /// A channel for that system.
    pub(crate) fn channel(&self) -> Channel {
        self.caller().channel().expect("a channel")
    }

    /// Submits for the province.
    pub(crate) fn issuance(&self) -> IssuanceServiceClient<Channel> {
        IssuanceServiceClient::new(self.channel())
    }

    /// Asks for verdicts.
    pub(crate) fn verification(&self) -> VerificationServiceClient<Channel> {
        VerificationServiceClient::new(self.channel())
    }

    /// Leaves of a log that are folded here, and the newest size that a quorum cosigned.
    pub(crate) async fn extent_of(&self, origin: &str) -> (u64, u64) {
        let status = peers::status(&self.caller()).await.expect("a status");
        let extents = status.logs.into_iter().filter_map(|log| log.extent);
        let extent = extents.into_iter().find(|extent| extent.origin == origin);
        extent.map_or((0, 0), |extent| (extent.size, extent.witnessed_size))
    }

    /// Leaves of its own log.
    pub(crate) async fn size(&self) -> u64 {
        self.extent_of(&self.origin).await.0
    }

    /// Waits until it serves.
    pub(crate) async fn ready(&self) {
        until("a node is ready", async || {
            let answer = http::try_get(self.http, "/readyz").await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }
}

fn make(folder: &TempDir, region: Region) -> Node {
    let dir = folder.path().join(format!("node-{region}"));
    let mut options = InitOptions::new(region, &dir).expect("options");
    // Known before the node starts, as the trust list names them.
    (options.grpc, options.http) = (free_port(), free_port());
    let now = std::time::UNIX_EPOCH + Duration::from_secs(SystemClock.now());
    init::init(&options, &mut rand::rng(), now).expect("a node");
    Node {
        dir,
        grpc: options.grpc,
        http: options.http,
        origin: options.origin.to_string(),
        process: None,
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("a port")
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited too long until {what}");
}
