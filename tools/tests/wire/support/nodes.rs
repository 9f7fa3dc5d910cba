//! Nodes of one federation, each the process that an operator would run.

use std::{collections::BTreeMap, fs, ops::Deref, path::Path};

use huren::{
    local::{LocalNode, federate, wait_for},
    peers,
};
use huren_core::{codes::Region, trust::RootKeys};
use huren_proto::v1::{
    issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};
use tempfile::TempDir;
use tonic::transport::Channel;

/// The program under test.
pub(crate) const HUREN: &str = env!("CARGO_BIN_EXE_huren");

/// Nodes on one machine need not wait for each other as long as provinces do.
const SWIFT: [(&str, &str); 2] = [
    ("HUREN_REPLICATION__POLL_SECONDS", "1"),
    ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "200"),
];

/// Environment variables that override a node's configuration.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

/// One province's node, and how tests speak to it.
pub(crate) struct Node(LocalNode);

impl Deref for Node {
    type Target = LocalNode;

    fn deref(&self) -> &LocalNode {
        &self.0
    }
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
        let nodes = federate(folder.path(), regions, quorum).expect("a federation");
        let by_region = nodes.into_iter().map(|node| (node.region, Node(node)));
        Self {
            by_region: by_region.collect(),
            folder,
        }
    }

    /// Starts all of them.
    pub(crate) async fn launch(&mut self, settings: Settings<'_>) {
        for node in self.by_region.values_mut() {
            node.run(settings);
        }
        for node in self.by_region.values_mut() {
            node.0.ready().await.expect("a node that is ready");
        }
    }

    /// Kills a node's process and starts another one.
    pub(crate) async fn restart(&mut self, region: Region, settings: Settings<'_>) {
        self.kill(region).await;
        let node = self.by_region.get_mut(&region).expect("a node");
        node.run(settings);
        node.0.ready().await.expect("a node that is ready");
    }

    /// Kills a node's process, so that it has no chance to tidy up.
    pub(crate) async fn kill(&mut self, region: Region) {
        let node = self.by_region.get_mut(&region).expect("a node");
        node.0.kill().await.expect("an end");
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
    fn run(&mut self, settings: Settings<'_>) {
        let settings = [SWIFT.as_slice(), settings].concat();
        let started = self.0.start(Path::new(HUREN), &settings);
        started.expect("a process");
    }

    /// A channel for the system that the province issues with.
    pub(crate) fn channel(&self) -> Channel {
        self.connection().channel().expect("a channel")
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
        let status = peers::status(&self.connection()).await.expect("a status");
        let extents = status.logs.into_iter().filter_map(|log| log.extent);
        let extent = extents.into_iter().find(|extent| extent.origin == origin);
        extent.map_or((0, 0), |extent| (extent.size, extent.witnessed_size))
    }

    /// Leaves of its own log.
    pub(crate) async fn size(&self) -> u64 {
        self.extent_of(&self.origin).await.0
    }
}

/// Two processes of Zhejiang's node over one PostgreSQL database.
pub(crate) struct Pair {
    /// In charge of the logs.
    pub(crate) charge: LocalNode,
    /// Passes submissions on to it.
    pub(crate) beside: LocalNode,
    /// Deleted with the processes.
    _folder: TempDir,
}

impl Pair {
    /// Starts them; `None` where there is no PostgreSQL.
    pub(crate) async fn start(settings: Settings<'_>) -> Option<Self> {
        let server = huren_postgres_server::server()?;
        let folder = tempfile::tempdir().expect("a folder");
        let nodes = federate(folder.path(), &[Region::ZHEJIANG], 0).expect("a federation");
        let mut charge = nodes.into_iter().next().expect("a node");
        let mut beside = charge.twin().expect("a twin");
        let database = server.database().expect("a database");
        for process in [&mut charge, &mut beside] {
            process.use_database(&database).expect("a shared database");
            let started = process.start(Path::new(HUREN), settings);
            started.expect("a process");
            process.ready().await.expect("a process that is ready");
        }
        Some(Self {
            charge,
            beside,
            _folder: folder,
        })
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = wait_for(what, async || Ok(holds().await.then_some(()))).await;
    waited.expect("the condition in time");
}
