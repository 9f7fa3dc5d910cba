//! The folder in which the manuals are played: four provinces as real processes, on free ports.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Output, Stdio},
};

use age::secrecy::ExposeSecret as _;
use huren::local::{free_port, wait_for};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command as Process},
};

use super::{
    flags,
    reading::{self, Command},
    tables,
};

/// Programs that a manual may use here.
const PROGRAMS: &str = "huren huren-node chmod cp curl echo mkdir mv";

/// What to do about a command that fails.
const REMEDY: &str = "Mend the manual, or say in tools/tests/manuals what has to be there before it \
    (before.txt), what a placeholder stands for (stands_for.txt), or which test runs it \
    (elsewhere.txt). Another exit code than 0 is stated in the line's comment, as 'exit code 3'.";

/// Where everything is, and the nodes that run.
pub(crate) struct World {
    folder: TempDir,
    /// Where the commands of a block are run.
    at: PathBuf,
    environment: Vec<(String, String)>,
    /// By folder. Dropping one kills its process.
    nodes: BTreeMap<String, Child>,
}

impl World {
    /// A folder with what the table of preparations begins with, a key pair for backups, and ports for
    /// every province.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().to_owned();
        let backups = age::x25519::Identity::generate();
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("HUREN", env!("CARGO_BIN_EXE_huren").to_owned()),
            ("PATH", format!("{}/programs:{path}", here.display())),
            ("CURL_HOME", here.display().to_string()),
            (
                "CURL_CA_BUNDLE",
                format!("{}/zj/tls/ca.crt", here.display()),
            ),
            ("no_proxy", "*".to_owned()),
            ("RECIPIENT", backups.to_public().to_string()),
            ("IDENTITY", backups.to_string().expose_secret().to_owned()),
            // Nodes on one machine need not wait for each other as long as provinces do.
            ("HUREN_REPLICATION__POLL_SECONDS", "1".to_owned()),
            ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "200".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let ports = ["SH", "JS", "ZJ", "AH"].map(|of| [format!("{of}_GRPC"), format!("{of}_HTTP")]);
        let ports = ports.into_iter().flatten();
        let ports = ports.map(|name| (name, free_port().expect("a port").to_string()));
        let world = Self {
            folder,
            at: here,
            environment: variables.into_iter().chain(ports).collect(),
            nodes: BTreeMap::new(),
        };
        for line in tables::first() {
            world.must(line, "the first block").await;
        }
        world
    }

    /// Begins with a block. A list is drafted beside the running federation, whose root keys are others.
    pub(crate) fn enter(&mut self, block: &[Command]) {
        let mut texts = block.iter().map(|command| &command.text);
        let drafts = texts.any(|text| text.starts_with("huren trust propose"));
        let below = if drafts { "ceremony" } else { "" };
        self.at = self.folder.path().join(below);
    }

    /// Runs a line of a manual, behind what has to be there first.
    pub(crate) async fn run(&mut self, Command { place, text }: &Command) {
        for (_, script) in tables::before().iter().filter(|(b, _)| text.starts_with(b)) {
            for line in script {
                self.prepare(line, place).await;
            }
        }
        let line = self.filled_in(text, place).await;
        let commands = reading::simple_commands(&line);
        for words in &commands {
            if let Err(error) = flags::parse(words) {
                panic!("{place}: {line}\n{error}\n{REMEDY}");
            }
        }
        let words: Vec<&str> = commands[0].iter().map(String::as_str).collect();
        match words[..] {
            ["systemctl", "stop", "huren-node"] => self.stop("zj").await,
            ["systemctl", "start", "huren-node"] => self.start("zj").await,
            ["systemctl", "restart", "huren-node"] => {
                self.stop("zj").await;
                self.start("zj").await;
            }
            ["huren-node", "serve", "--config", "zj/config.toml"] => self.start("zj").await,
            _ if text.contains("until Ctrl-C") => self.interrupt(&line, place).await,
            _ if commands
                .iter()
                .all(|words| PROGRAMS.contains(words[0].as_str())) =>
            {
                let output = self.shell(&line).await;
                let code = output.status.code().unwrap_or(-1);
                let expected = reading::stated_codes(text).contains(&code);
                assert!(expected, "{place}: {line}\n{}{REMEDY}", said(&output));
            }
            _ => panic!("{place}: {text}\nis run neither here nor elsewhere. {REMEDY}"),
        }
    }

    async fn prepare(&mut self, line: &str, place: &str) {
        match line.split_once(' ') {
            Some(("start", dirs)) => {
                for dir in dirs.split(' ') {
                    self.start(dir).await;
                }
            }
            Some(("stop", dir)) => self.stop(dir).await,
            Some(("until", line)) => self.until(line).await,
            _ => drop(self.must(line, place).await),
        }
    }

    /// A line with what stands for its placeholders, and with paths of this folder for the root's.
    async fn filled_in(&self, text: &str, place: &str) -> String {
        let mut text = text.to_owned();
        for (written, script) in tables::stands_for() {
            if text.contains(written) {
                let said = self.must(script, place).await;
                let mut values = said.lines().cycle();
                let mut parts = text.split(written);
                let mut filled = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    filled += values.next().unwrap_or_default();
                    filled += part;
                }
                text = filled;
            }
        }
        text.replace(" /", " ")
    }

    fn process(&self, line: &str) -> Process {
        let mut shell = Process::new("sh");
        shell.args(["-ec", line]).current_dir(&self.at);
        shell.envs(self.environment.iter().cloned());
        shell.stdin(Stdio::null()).kill_on_drop(true);
        shell
    }

    async fn shell(&self, line: &str) -> Output {
        self.process(line).output().await.expect("a shell")
    }

    /// Runs what has to succeed, and gives what it says.
    async fn must(&self, line: &str, place: &str) -> String {
        let output = self.shell(line).await;
        assert!(
            output.status.success(),
            "for {place}: {line}\n{}",
            said(&output)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs what is to succeed in time.
    async fn until(&self, line: &str) {
        let succeeds = async || Ok(self.shell(line).await.status.success().then_some(()));
        wait_for(line, succeeds).await.expect("success in time");
    }

    /// Runs what goes on until Ctrl-C, which comes behind its first line.
    async fn interrupt(&self, line: &str, place: &str) {
        let mut process = self.process(&format!("exec {line}"));
        let mut child = process.stdout(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = lines.next_line().await.expect("its output");
        assert!(first.is_some(), "{place}: {line}\nsays nothing. {REMEDY}");
        signal("INT", &child).await;
        while lines.next_line().await.expect("its output").is_some() {}
        assert!(
            child.wait().await.expect("an end").success(),
            "{place}: {line}"
        );
    }

    /// Starts a node as its manual does, if it does not run, and waits until it is ready.
    async fn start(&mut self, dir: &str) {
        if !self.nodes.contains_key(dir) {
            let serve =
                format!("exec huren-node serve --config {dir}/config.toml 2>> {dir}/node.log");
            let child = self.process(&serve).spawn().expect("a process");
            self.nodes.insert(dir.to_owned(), child);
        }
        self.until(&format!("huren ready --dir {dir}")).await;
    }

    /// Stops a node, if it runs.
    async fn stop(&mut self, dir: &str) {
        let Some(mut child) = self.nodes.remove(dir) else {
            return;
        };
        signal("TERM", &child).await;
        assert!(child.wait().await.expect("an end").success(), "{dir}");
    }
}

async fn signal(name: &str, child: &Child) {
    let id = child.id().expect("a process that runs").to_string();
    let sent = Process::new("kill").args(["-s", name, &id]).status().await;
    assert!(sent.expect("kill(1)").success());
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}
