//! Two processes of a node over one PostgreSQL database: the one in charge is killed, or stopped and
//! woken up later, while a client imports through the other.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use huren::{
    connect::NodeArgs,
    local::{LocalNode, wait_for},
    peers,
};
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};

use crate::{
    acks::Acks,
    audit::{Audit, Public},
    client::Client,
    plan::{Plan, pass},
    stage::{PROGRAM, PUBLISH_AT_ONCE, play, start},
    tables::{Part, Tables},
    watch::Watch,
};

/// How often another process takes charge. It takes seconds each time.
const TURNS: u32 = 6;

/// Rows that the client has in flight.
const IN_FLIGHT: usize = 16;

/// A commit takes some milliseconds.
const LONGEST_DELAY: std::time::Duration = std::time::Duration::from_millis(10);

/// Leaves that are not imported: the log adopts the first trust list.
const ADOPTIONS: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_takes_charge() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    take_turns(
        "cluster",
        Place::direct(server.database().expect("a database")),
    )
    .await;
}

/// The processes share the few connections that a pooler has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_takes_charge_behind_a_pooler() {
    let Some(pooler) = huren_postgres_server::pooler() else {
        return;
    };
    let server = huren_postgres_server::server().expect("it is before one");
    let place = Place {
        url: pooler.same(&server.database().expect("a database")),
        is_pooled: true,
    };
    take_turns("pooled", place).await;
}

async fn take_turns(name: &str, place: Place) {
    play(name, async |stage, plan| {
        let tables = Tables::invent(stage.folder(), 20_000)?;
        let mut twin = stage.home.twin()?;
        let mut story = Story::begin([&mut stage.home, &mut twin], &place, tables).await?;
        for turn in 0..TURNS {
            // Both ways in turn, so that every seed has both.
            story.turn(plan, turn % 2 == 1).await?;
        }
        story.end().await
    })
    .await;
}

/// A node's database is moved out of its file by the command, and the node goes on with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_in_another_database() {
    let Some(server) = huren_postgres_server::server() else {
        return;
    };
    play("moved", async |stage, _| {
        let part = Tables::invent(stage.folder(), 2_000)?.part(1_500)?;
        let (home, url) = (&mut stage.home, server.database()?);
        start(home, &[PUBLISH_AT_ONCE]).await?;
        let mut acks = Acks::default();
        Client::start(home, &part, 256)?.finish(&mut acks).await?;
        home.kill().await?;
        let config = home.dir.join("config.toml");
        let migrate = || {
            let mut command = Command::new(PROGRAM);
            command.args(["node", "migrate-store", "--config"]);
            command.arg(&config).args(["--to", &url]).output()
        };
        let told = migrate()?;
        ensure!(told.status.success(), "{told:?}");
        let text = String::from_utf8(told.stdout)?;
        ensure!(
            text.contains("certificates") && text.contains("next steps"),
            "{text}"
        );
        let again = migrate()?;
        ensure!(again.status.code() == Some(1), "{again:?}");

        let mut audit = Audit::new(Public::own(home)?);
        let mut process = Process {
            node: home,
            place: &Place::direct(url),
        };
        process.start().await?;
        // All of it is there, and nothing is recorded twice.
        let client = Client::start(process.node, &part, 256)?;
        client.finish(&mut acks).await?;
        audit.up_to(acks.end()).await?;
        acks.check_all(&audit, ADOPTIONS)
    })
    .await;
}

/// Where the database is.
struct Place {
    url: String,
    is_pooled: bool,
}

impl Place {
    const fn direct(url: String) -> Self {
        Self {
            url,
            is_pooled: false,
        }
    }
}

/// A process, and the database that it starts with.
struct Process<'a> {
    node: &'a mut LocalNode,
    place: &'a Place,
}

impl Process<'_> {
    async fn start(&mut self) -> Result<()> {
        let (url, address) = (
            format!("\"{}\"", self.place.url),
            format!("\"https://{}\"", self.node.grpc),
        );
        let pooled = self.place.is_pooled.to_string();
        let settings = [
            PUBLISH_AT_ONCE,
            ("HUREN_DATABASE__URL", url.as_str()),
            ("HUREN_DATABASE__ADDRESS", address.as_str()),
            ("HUREN_DATABASE__POOLED", pooled.as_str()),
        ];
        self.node.start(Path::new(PROGRAM), &settings)?;
        self.node.ready().await
    }
}

struct Story<'a> {
    /// The one in charge, then the other one.
    processes: [Process<'a>; 2],
    tables: Tables,
    audits: [Audit; 2],
    watches: [Watch; 2],
    acks: Acks,
}

impl<'a> Story<'a> {
    async fn begin(
        nodes: [&'a mut LocalNode; 2],
        place: &'a Place,
        tables: Tables,
    ) -> Result<Self> {
        let publics = [Public::own(nodes[0])?, Public::own(nodes[1])?];
        let mut processes = nodes.map(|node| Process { node, place });
        for process in &mut processes {
            process.start().await?;
        }
        Ok(Self {
            processes,
            tables,
            watches: publics.clone().map(Watch::start),
            audits: publics.map(Audit::new),
            acks: Acks::default(),
        })
    }

    /// A part is imported through the process that is not in charge. The one that is goes away in
    /// the middle, and comes back behind the other one.
    async fn turn(&mut self, plan: &mut Plan, is_stopped: bool) -> Result<()> {
        let part = self.tables.part(plan.number(400..=900))?;
        let [in_charge, other] = &mut self.processes;
        let told = status(other.node).await?.in_charge;
        ensure!(
            told == format!("https://{}", in_charge.node.grpc),
            "in charge is {told}"
        );
        let client = Client::start(other.node, &part, IN_FLIGHT)?;
        let wanted = plan.number(20..=200);
        client.acknowledged(&mut self.acks, wanted).await?;
        ensure!(!client.has_ended(), "nothing is left to import");
        pass(plan.delay(LONGEST_DELAY));
        if is_stopped {
            in_charge.node.signal("STOP").await?;
        } else {
            in_charge.node.kill().await?;
        }
        client.finish(&mut self.acks).await?;
        if is_stopped {
            in_charge.node.signal("CONT").await?;
            // It finds that another one took over, and ends.
            in_charge.node.ended().await?;
        }
        in_charge.start().await?;
        self.processes.reverse();
        self.again(&part).await
    }

    /// Nothing of a part is recorded twice, whichever process it is sent to.
    async fn again(&mut self, part: &Part) -> Result<()> {
        for process in &self.processes {
            let client = Client::start(process.node, part, 256)?;
            client.finish(&mut self.acks).await?;
        }
        Ok(())
    }

    /// A token that is made at one process is known at the other, and revoked there it counts at
    /// neither.
    async fn a_token_comes_and_goes(&self) -> Result<()> {
        let [in_charge, other] = &self.processes;
        let mut operator = OperatorServiceClient::new(other.node.connection().caller()?);
        let new = v1::CreateTokenRequest {
            name: "a program".to_owned(),
            roles: vec!["auditor".to_owned()],
            valid_seconds: 3600,
            ..Default::default()
        };
        let made = operator.create_token(new).await?.into_inner();
        let file = other.node.dir.join("token");
        fs::write(&file, made.token)?;
        let by_token = NodeArgs {
            token: Some(file),
            ..in_charge.node.connection()
        };
        let is_known = async |known: bool| {
            wait_for("the token", async || {
                let answered = peers::status(&by_token).await;
                Ok((answered.is_ok() == known).then_some(()))
            })
            .await
        };
        is_known(true).await?;
        let id = made.info.context("a token")?.id;
        operator.revoke_token(v1::RevokeTokenRequest { id }).await?;
        is_known(false).await
    }

    async fn end(mut self) -> Result<()> {
        self.a_token_comes_and_goes().await?;
        let end = self.acks.end();
        for (audit, watch) in self.audits.iter_mut().zip(&mut self.watches) {
            audit.up_to(end).await?;
            watch.report_to(audit)?;
            audit.start_over().await?;
            self.acks.check_all(audit, ADOPTIONS)?;
        }
        // Who is told to stop gives the lease up: the other need not wait for its end.
        let [in_charge, other] = &mut self.processes;
        in_charge.node.signal("TERM").await?;
        in_charge.node.ended().await?;
        wait_for("the other in charge", async || {
            let status = status(other.node).await?;
            Ok(status.in_charge.is_empty().then_some(()))
        })
        .await
        .context("it did not take charge")
    }
}

async fn status(node: &LocalNode) -> Result<v1::GetStatusResponse> {
    peers::status(&node.connection()).await
}
