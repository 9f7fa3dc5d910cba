//! Nodes on this machine as real processes, of one small federation: what the demo and the
//! tests that kill nodes have in common.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use huren_core::{codes::Region, trust::Member};
use huren_node::{
    engine::{Clock as _, SystemClock},
    init::{self, InitOptions},
};
use jiff::Timestamp;
use tokio::process::{Child, Command};

use crate::{
    connect::{self, NodeArgs},
    trust::{self, NewArgs},
};

/// How long a condition is waited for before [`wait_for`] fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first pause between two looks at a condition. A node is ready some 20 ms after its
/// start; what takes longer is looked at less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// One province's node: its folder, and its process while it runs. Dropping it kills it.
pub struct LocalNode {
    /// Its province.
    pub region: Region,
    /// Its folder, with keys, certificates, configuration and database.
    pub dir: PathBuf,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served, without TLS.
    pub http: SocketAddr,
    /// The origin of its log.
    pub origin: String,
    /// The network namespace that its process runs in, if it is not this one's (ip-netns(8)).
    pub namespace: Option<String>,
    process: Option<Child>,
}

/// Makes nodes below `folder`, and in its folder `trust` the first trust list, of which they
/// all are members, with its root keys. `quorum` counts other members.
///
/// # Errors
/// If the folder cannot be written, or the members make no valid trust list.
pub fn federate(folder: &Path, regions: &[Region], quorum: usize) -> Result<Vec<LocalNode>> {
    federate_at(folder, regions, quorum, |_| {
        Ok((free_port()?, free_port()?))
    })
}

/// The same, with the addresses at which each node serves gRPC and HTTP.
///
/// # Errors
/// As [`federate`]; or that of `addresses`.
pub fn federate_at(
    folder: &Path,
    regions: &[Region],
    quorum: usize,
    addresses: impl Fn(Region) -> Result<(SocketAddr, SocketAddr)>,
) -> Result<Vec<LocalNode>> {
    let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now());
    let make = |region: &Region| LocalNode::make(folder, *region, addresses(*region)?, now);
    let nodes: Vec<LocalNode> = regions.iter().map(make).collect::<Result<_>>()?;
    let trust_folder = folder.join("trust");
    let members = nodes.iter().map(|node| node.dir.join(init::MEMBER));
    let new = NewArgs {
        members: members.collect(),
        out: trust_folder.clone(),
        roots: 3,
        threshold: 2,
        quorum,
        days: 365,
    };
    trust::new(&new, Timestamp::try_from(now)?)?;
    for node in &nodes {
        fs::create_dir_all(node.dir.join("trust"))?;
        for file in ["roots", "lists"] {
            fs::copy(trust_folder.join(file), node.dir.join("trust").join(file))?;
        }
        // Every province hands over the holder key that the federation shares.
        let holder_key = node.dir.join("keys/holder.key");
        fs::copy(trust_folder.join("holder.key"), holder_key)?;
    }
    Ok(nodes)
}

impl LocalNode {
    fn make(
        folder: &Path,
        region: Region,
        (grpc, http): (SocketAddr, SocketAddr),
        now: SystemTime,
    ) -> Result<Self> {
        let dir = folder.join(format!("node-{region}"));
        let mut options = InitOptions::new(region, &dir)?;
        (options.grpc, options.http) = (grpc, http);
        init::init(&options, &mut rand::rng(), now)?;
        // On this machine alone; a browser would distrust the node's own authority.
        let config = dir.join(init::CONFIG);
        let written = fs::read_to_string(&config)?;
        fs::write(
            &config,
            written.replacen("\ntls = true\n", "\ntls = false\n", 1),
        )?;
        Ok(Self {
            region,
            dir,
            grpc: options.grpc,
            http: options.http,
            origin: options.origin.to_string(),
            namespace: None,
            process: None,
        })
    }

    /// Another process of the same node, with the same keys and certificates in a folder of its
    /// own, for a database that both share.
    ///
    /// # Errors
    /// If the folder cannot be copied.
    pub fn twin(&self) -> Result<Self> {
        let name = format!("{}-twin", self.dir.display());
        let (dir, grpc, http) = (PathBuf::from(name), free_port()?, free_port()?);
        copy_folder(&self.dir, &dir)?;
        let config = dir.join(init::CONFIG);
        let written = fs::read_to_string(&config)?
            .replace(&self.grpc.to_string(), &grpc.to_string())
            .replace(&self.http.to_string(), &http.to_string());
        fs::write(&config, written)?;
        Ok(Self {
            region: self.region,
            dir,
            grpc,
            http,
            origin: self.origin.clone(),
            namespace: self.namespace.clone(),
            process: None,
        })
    }

    /// Keeps the node's records in a PostgreSQL database instead of a file, from its next start on.
    ///
    /// # Errors
    /// If its configuration cannot be written.
    pub fn use_database(&self, url: &str) -> Result<()> {
        let config = self.dir.join(init::CONFIG);
        let written = fs::read_to_string(&config)?;
        let there = format!("\nurl = {url:?}\n");
        let address = format!("\naddress = \"https://{}\"\n", self.grpc);
        let changed = written.replacen("\nurl = \"\"\n", &there, 1).replacen(
            "\naddress = \"\"\n",
            &address,
            1,
        );
        // A node that stays with its file would go on as if nothing were wrong.
        if !(changed.contains(&there) && changed.contains(&address)) {
            bail!(
                "{} 的配置中没有空的 [database] / has no empty [database]",
                config.display()
            );
        }
        fs::write(&config, changed)?;
        Ok(())
    }

    /// Starts the process: `program` is a `huren`, and `settings` are environment variables
    /// that override its configuration.
    ///
    /// # Errors
    /// If it runs already or cannot be started.
    pub fn start(&mut self, program: &Path, settings: &[(&str, &str)]) -> Result<()> {
        if self.process.is_some() {
            bail!("{} 已在运行 / runs already", self.region);
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = match &self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut inside = Command::new("ip");
                // It becomes the program: killing it kills that.
                inside.args(["netns", "exec", namespace]).arg(program);
                inside
            }
        };
        let child = command
            .args(["node", "serve", "--config"])
            .arg(self.dir.join(init::CONFIG))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.process = Some(child);
        Ok(())
    }

    /// Kills the process with SIGKILL: it has no chance to finish anything. Returns once it is
    /// gone; does nothing if it does not run.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Whether the process was started and not killed since.
    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Sees that the process has not ended by itself.
    ///
    /// # Errors
    /// If it has.
    pub fn check_runs(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.try_wait()?
        {
            bail!("{} 已退出 / has ended: {status}", self.region);
        }
        Ok(())
    }

    /// Waits until the process has ended by itself, as it was told to or not.
    ///
    /// # Errors
    /// If it does not in time.
    pub async fn ended(&mut self) -> Result<()> {
        let what = format!("节点退出 end of node {}", self.region);
        wait_for(&what, async || Ok(self.check_runs().err().map(drop))).await?;
        self.process = None;
        Ok(())
    }

    /// Tells the process to read its files again (SIGHUP).
    ///
    /// # Errors
    /// If it does not run.
    pub async fn hang_up(&self) -> Result<()> {
        self.signal("HUP").await
    }

    /// Sends a signal to the process, by its name as kill(1) knows it.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self.process.as_ref().and_then(Child::id);
        let id = id.with_context(|| format!("{} 未启动 / is not started", self.region))?;
        let id = id.to_string();
        let told = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .await?;
        if !told.success() {
            bail!("{} 未收到信号 / was not told", self.region);
        }
        Ok(())
    }

    /// Waits until the node says that it is ready.
    ///
    /// # Errors
    /// If it ends before, or is not ready in time.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("http://{}/readyz", self.http);
        let Self {
            region, process, ..
        } = self;
        let process = process.as_mut();
        let process = process.with_context(|| format!("{region} 未启动 / is not started"))?;
        let what = format!("节点就绪 node {region} ready");
        wait_for(&what, async || {
            if let Some(status) = process.try_wait()? {
                bail!("{region} 已退出 / has ended: {status}");
            }
            let answer = connect::get(&url, None).await;
            Ok(answer.is_ok_and(|found| found.is_some()).then_some(()))
        })
        .await
    }

    /// How to connect as that province's own system.
    pub fn connection(&self) -> NodeArgs {
        NodeArgs {
            dir: Some(self.dir.clone()),
            ..NodeArgs::default()
        }
    }

    /// The most memory that the process has had resident, in bytes; `None` if it does not run,
    /// or where the system does not tell (proc(5): `VmHWM`).
    pub fn peak_memory(&self) -> Option<u64> {
        let id = self.process.as_ref()?.id()?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// What the federation knows of the node.
    ///
    /// # Errors
    /// If its description cannot be read.
    pub fn member(&self) -> Result<Member> {
        let text = fs::read_to_string(self.dir.join(init::MEMBER))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Prints the end of the node's log, which holds no personal data, to standard error.
    pub fn show_log(&self) {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("── {} ──", self.region);
        for line in lines.iter().skip(lines.len().saturating_sub(15)) {
            eprintln!("{line}");
        }
    }

    /// Where the node's log lines go.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("node.log")
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            // With its mode: keys are their owner's alone.
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A port that nobody uses now. It has to be known before the node starts, as the trust list
/// names it.
///
/// Taken from below those that the system gives out by itself (Linux: from 32768 on): of those any
/// connection that somebody opens could take it before the node does. Each process begins
/// elsewhere, and gives none twice until it has been through all.
pub fn free_port() -> Result<SocketAddr> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    let begin = std::process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + begin.wrapping_add(given) % COUNT)?;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("没有空闲端口 / no port is free")
}

/// Asks until there is an answer.
///
/// # Errors
/// That of `ask`; or that there was no answer for a minute.
pub async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let asking = async {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            SystemClock.sleep(pause).await;
            pause = (pause + pause / 4).min(LONGEST_PAUSE);
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => bail!("等待超时 / waited too long for: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use huren_node::config::{Config, Database};

    use super::*;

    #[test]
    fn a_node_is_given_a_database_once() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = federate(folder.path(), &[Region::SHANGHAI, Region::ZHEJIANG], 1).unwrap();
        let url = "postgres://huren@localhost/one";
        nodes[0].use_database(url).unwrap();
        let config = Config::load(&nodes[0].dir.join(init::CONFIG)).unwrap();
        let Database::Shared(shared) = config.database else {
            panic!("{:?}", config.database);
        };
        assert_eq!(shared.url, url);
        assert_eq!(shared.address, format!("https://{}", nodes[0].grpc));
        assert!(
            nodes[0]
                .use_database("postgres://huren@localhost/two")
                .is_err()
        );
    }
}
