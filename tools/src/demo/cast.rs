//! The four nodes of the demo: their folders, processes and connections.

use std::io::{Write as _, stdout};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use huren_core::codes::Region;
use huren_node::init;
use huren_proto::v1;
use serde_json::json;
use tonic::transport::Channel;

use crate::{
    connect::Calls,
    local::{LocalNode, federate},
    peers,
};

/// The provinces of the Yangtze delta, in the order of their codes.
pub(crate) const REGIONS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// All nodes, and what the demo has shown so far.
pub(crate) struct Cast {
    pub(crate) folder: PathBuf,
    pub(crate) nodes: BTreeMap<Region, LocalNode>,
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
        let nodes = federate(folder, regions, quorum)?;
        Ok(Self {
            folder: folder.to_owned(),
            nodes: nodes.into_iter().map(|node| (node.region, node)).collect(),
            done: Vec::new(),
            sample: None,
        })
    }

    pub(crate) fn node(&self, region: Region) -> &LocalNode {
        &self.nodes[&region]
    }

    fn node_mut(&mut self, region: Region) -> Result<&mut LocalNode> {
        self.nodes.get_mut(&region).context("node")
    }

    /// Starts a node's process.
    pub(crate) fn start(&mut self, region: Region) -> Result<()> {
        self.node_mut(region)?.start(&std::env::current_exe()?, &[])
    }

    /// Kills a node's process, as a power cut would.
    pub(crate) async fn kill(&mut self, region: Region) -> Result<()> {
        self.node_mut(region)?.kill().await
    }

    /// Waits until a node says that it is ready.
    pub(crate) async fn ready(&mut self, region: Region) -> Result<()> {
        self.node_mut(region)?.ready().await
    }

    /// Calls to a node, as that province's own system.
    pub(crate) fn caller(&self, region: Region) -> Result<Calls> {
        self.node(region).connection().caller()
    }

    /// A channel to a node, as that province's own system.
    pub(crate) fn channel(&self, region: Region) -> Result<Channel> {
        self.node(region).connection().channel()
    }

    pub(crate) async fn status(&self, region: Region) -> Result<v1::GetStatusResponse> {
        peers::status(&self.node(region).connection()).await
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
        let node = |node: &LocalNode| {
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

    /// Prints the ends of the nodes' logs.
    pub(crate) fn show_logs(&self) {
        self.nodes.values().for_each(LocalNode::show_log);
    }

    /// Prints addresses and commands to paste.
    pub(crate) fn show_how_to_go_on(&self) -> Result<()> {
        writeln!(
            stdout(),
            "\n节点保持运行，按 Ctrl-C 结束 / the nodes stay up until Ctrl-C"
        )?;
        for node in self.nodes.values() {
            writeln!(
                stdout(),
                "  {}  网页 page http://{}  gRPC https://{}",
                node.region,
                node.http,
                node.grpc
            )?;
        }
        let shanghai = self.node(Region::SHANGHAI);
        let zhejiang = self.node(Region::ZHEJIANG);
        let tool = std::env::current_exe().unwrap_or_else(|_| "huren".into());
        let tool = tool.display();
        if let Some(Sample { number, name, .. }) = &self.sample {
            writeln!(stdout(), "\n试一试 / try:")?;
            writeln!(
                stdout(),
                "  {tool} verify --dir {} --purpose employment --number {number} --name {name} --receipt receipt.json",
                shanghai.dir.display()
            )?;
            writeln!(
                stdout(),
                "  {tool} receipt verify receipt.json --trust {}",
                self.folder.join("trust/roots").display()
            )?;
        }
        writeln!(stdout(), "  {tool} peers --dir {}", shanghai.dir.display())?;
        writeln!(
            stdout(),
            "  {tool} audit list --dir {}",
            shanghai.dir.display()
        )?;
        writeln!(
            stdout(),
            "  {tool} audit verify --dir {}",
            zhejiang.dir.display()
        )?;
        let path = zhejiang.origin.split_once('/').map_or("", |(_, path)| path);
        writeln!(
            stdout(),
            "  {tool} log checkpoint --url http://{}/{path}",
            zhejiang.http
        )?;
        writeln!(
            stdout(),
            "  {tool} log prove --url http://{}/{path} --index 7",
            zhejiang.http
        )?;
        Ok(())
    }
}
