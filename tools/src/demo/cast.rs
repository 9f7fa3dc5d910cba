//! The four nodes of the demo: their folders, processes and connections.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use huren_core::codes::Region;
use huren_node::{
    engine::{Clock as _, SystemClock},
    init::{self, InitOptions},
};
use huren_proto::v1;
use jiff::Timestamp;
use serde_json::json;
use tokio::process::{Child, Command};
use tonic::transport::Channel;

use crate::{
    connect::{self, NodeArgs},
    peers,
    trust::{self, NewArgs},
};

/// How long a condition is waited for before the demo fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The provinces of the Yangtze delta, in the order of their codes.
pub(crate) const REGIONS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// One province's node.
pub(crate) struct Node {
    pub(crate) region: Region,
    pub(crate) dir: PathBuf,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) origin: String,
    process: Option<Child>,
}

/// All nodes, and what the demo has shown so far.
pub(crate) struct Cast {
    pub(crate) folder: PathBuf,
    pub(crate) nodes: BTreeMap<Region, Node>,
    pub(crate) done: Vec<(&'static str, String)>,
    sample: Option<Sample>,
}

/// A certificate that people can ask for.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) id: String,
}

impl Cast {
    /// Four nodes that run and are ready.
    pub(crate) async fn assemble(folder: &Path) -> Result<Self> {
        let mut cast = Self::lay_out(folder, &REGIONS, 2)?;
        for region in REGIONS {
            cast.start(region)?;
        }
        for region in REGIONS {
            cast.ready(region).await?;
        }
        cast.write_description()?;
        Ok(cast)
    }

    /// Makes keys, certificates, configurations and the trust list; starts nothing.
    pub(crate) fn lay_out(folder: &Path, regions: &[Region], quorum: usize) -> Result<Self> {
        let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now());
        let mut nodes = BTreeMap::new();
        for region in regions.iter().copied() {
            let node = Node::make(folder, region, now)?;
            nodes.insert(region, node);
        }
        let trust_folder = folder.join("trust");
        let new = NewArgs {
            members: nodes
                .values()
                .map(|node| node.dir.join(init::MEMBER))
                .collect(),
            out: trust_folder.clone(),
            roots: 3,
            threshold: 2,
            quorum,
            days: 365,
        };
        trust::new(&new, Timestamp::try_from(now)?)?;
        for node in nodes.values() {
            fs::create_dir_all(node.dir.join("trust"))?;
            for file in ["roots", "lists"] {
                fs::copy(trust_folder.join(file), node.dir.join("trust").join(file))?;
            }
            // Every province hands over the holder key that the federation shares.
            fs::copy(
                trust_folder.join("holder.key"),
                node.dir.join("keys/holder.key"),
            )?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            nodes,
            done: Vec::new(),
            sample: None,
        })
    }

    pub(crate) fn node(&self, region: Region) -> &Node {
        &self.nodes[&region]
    }

    /// Starts a node's process.
    pub(crate) fn start(&mut self, region: Region) -> Result<()> {
        let node = self.nodes.get_mut(&region).context("node")?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(node.dir.join("node.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["node", "serve", "--config"])
            .arg(node.dir.join(init::CONFIG))
            // On this machine alone; a browser would distrust the demo's own authority.
            .env("HUREN_HTTP__TLS", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        node.process = Some(child);
        Ok(())
    }

    /// Kills a node's process, as a power cut would.
    pub(crate) async fn kill(&mut self, region: Region) -> Result<()> {
        let node = self.nodes.get_mut(&region).context("node")?;
        if let Some(mut process) = node.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// The most memory that a running node has had resident, in bytes; `None` where the system
    /// does not tell (proc(5): `VmHWM`).
    pub(crate) fn peak_memory(&self, region: Region) -> Option<u64> {
        let id = self.node(region).process.as_ref()?.id()?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Waits until a node says that it is ready.
    pub(crate) async fn ready(&self, region: Region) -> Result<()> {
        let url = format!("http://{}/readyz", self.node(region).http);
        wait_for(&format!("节点就绪 node {region} ready"), async || {
            Ok(connect::get(&url, None)
                .await
                .is_ok_and(|found| found.is_some())
                .then_some(()))
        })
        .await
    }

    /// A channel to a node, as that province's own system.
    pub(crate) fn channel(&self, region: Region) -> Result<Channel> {
        self.connection(region).channel()
    }

    pub(crate) fn connection(&self, region: Region) -> NodeArgs {
        NodeArgs {
            dir: Some(self.node(region).dir.clone()),
            ..NodeArgs::default()
        }
    }

    pub(crate) async fn status(&self, region: Region) -> Result<v1::GetStatusResponse> {
        peers::status(&self.connection(region)).await
    }

    /// What a node knows of another's log.
    pub(crate) async fn log_at(&self, at: Region, of: Region) -> Result<v1::LogStatus> {
        let status = self.status(at).await?;
        let name = of.to_string();
        let log = status.logs.into_iter().find(|log| {
            log.extent
                .as_ref()
                .is_some_and(|extent| extent.region == name)
        });
        log.with_context(|| format!("{at} 没有 {of} 的日志 / {at} has no log of {of}"))
    }

    pub(crate) fn keep_sample(&mut self, sample: Sample) -> Result<()> {
        self.sample = Some(sample);
        self.write_description()
    }

    /// `demo.json`: addresses and files, for other people's clients.
    fn write_description(&self) -> Result<()> {
        let node = |node: &Node| {
            json!({
                "region": node.region.to_string(),
                "grpc": format!("https://{}", node.grpc),
                "http": format!("http://{}", node.http),
                "config": node.dir.join(init::CONFIG),
                "ca": node.dir.join("tls/ca.crt"),
                "client_cert": node.dir.join("clients/issuer.crt"),
                "client_key": node.dir.join("clients/issuer.key"),
            })
        };
        let trust = self.folder.join("trust");
        let policies: serde_json::Map<_, _> = REGIONS
            .iter()
            .map(|region| {
                (
                    region.to_string(),
                    json!(trust.join(format!("policy-{region}"))),
                )
            })
            .collect();
        let sample = self
            .sample
            .as_ref()
            .map(|sample| json!({"number": sample.number, "name": sample.name, "id": sample.id}));
        let description = json!({
            "nodes": self.nodes.values().map(node).collect::<Vec<_>>(),
            "policies": policies,
            "trust": trust.join("roots"),
            "sample": sample,
        });
        fs::write(self.folder.join("demo.json"), format!("{description:#}\n"))?;
        Ok(())
    }

    /// Prints the ends of the nodes' logs, which hold no personal data.
    pub(crate) fn show_logs(&self) {
        for node in self.nodes.values() {
            let log = fs::read_to_string(node.dir.join("node.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("── {} ──", node.region);
            for line in lines.iter().skip(lines.len().saturating_sub(15)) {
                eprintln!("{line}");
            }
        }
    }

    /// Prints addresses and commands to paste.
    pub(crate) fn show_how_to_go_on(&self) {
        println!("\n节点保持运行，按 Ctrl-C 结束 / the nodes stay up until Ctrl-C");
        for node in self.nodes.values() {
            println!(
                "  {}  网页 page http://{}  gRPC https://{}",
                node.region, node.http, node.grpc
            );
        }
        let shanghai = self.node(Region::SHANGHAI);
        let zhejiang = self.node(Region::ZHEJIANG);
        let tool = std::env::current_exe().unwrap_or_else(|_| "huren".into());
        let tool = tool.display();
        if let Some(Sample { number, name, .. }) = &self.sample {
            println!("\n试一试 / try:");
            println!(
                "  {tool} verify --dir {} --number {number} --name {name} --receipt receipt.json",
                shanghai.dir.display()
            );
            println!(
                "  {tool} receipt verify receipt.json --trust {}",
                self.folder.join("trust/roots").display()
            );
        }
        println!("  {tool} peers --dir {}", shanghai.dir.display());
        let path = zhejiang.origin.split_once('/').map_or("", |(_, path)| path);
        println!(
            "  {tool} log checkpoint --url http://{}/{path}",
            zhejiang.http
        );
        println!(
            "  {tool} log prove --url http://{}/{path} --index 7",
            zhejiang.http
        );
    }
}

impl Node {
    fn make(folder: &Path, region: Region, now: SystemTime) -> Result<Self> {
        let dir = folder.join(format!("node-{region}"));
        let mut options = InitOptions::new(region, &dir)?;
        options.grpc = free_port()?;
        options.http = free_port()?;
        init::init(&options, &mut rand::rng(), now)?;
        Ok(Self {
            region,
            dir,
            grpc: options.grpc,
            http: options.http,
            origin: options.origin.to_string(),
            process: None,
        })
    }
}

/// A port that nobody uses now. It has to be known before the node starts, as the trust list
/// names it.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Asks until there is an answer.
pub(crate) async fn wait_for<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            SystemClock.sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => bail!("等待超时 / waited too long for: {what}"),
    }
}
