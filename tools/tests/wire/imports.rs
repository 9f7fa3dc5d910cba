//! Workbooks into a real node: refused rows corrected and fed back, and a watched folder whose
//! program is killed while it works.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use csv::StringRecord;
use huren::local::LocalNode;
use huren_core::codes::Region;
use huren_proto::v1::{
    self, ImportState, issuance_service_client::IssuanceServiceClient,
    operator_service_client::OperatorServiceClient, submit_many_response::Result,
};
use huren_tables::{Options, Table, WorkbookWriter};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{
    page::ISSUED,
    support::nodes::{HUREN, Nodes, Pair, until},
};

fn huren(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(HUREN);
    command.current_dir(folder).args(arguments);
    command
}

fn cells(path: &Path) -> Vec<Vec<String>> {
    let all = |cells: &StringRecord| cells.iter().map(str::to_owned).collect::<Vec<String>>();
    let any = |cells: &StringRecord| Ok::<_, std::convert::Infallible>(all(cells));
    let (mut table, heading) = Table::open(path, &Options::default(), any).unwrap();
    let rows = std::iter::from_fn(|| table.next_row().unwrap());
    let rows: Vec<_> = rows.map(|row| all(&row.cells)).collect();
    [vec![heading], rows].concat()
}

fn write(path: &Path, rows: &[Vec<String>]) {
    let mut writer = WorkbookWriter::new("证书", &rows[0]).unwrap();
    for row in &rows[1..] {
        writer.row(row).unwrap();
    }
    writer.finish(File::create(path).unwrap()).unwrap();
}

fn generate(folder: &Path, count: &str) -> Vec<Vec<String>> {
    let made = [
        "gen", "--region", "33", "--count", count, "--out", "all.csv",
    ];
    assert!(
        huren(folder, &made)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    cells(&folder.join("all.csv"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_and_its_corrected_rejects() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let home = nodes.at(Region::ZHEJIANG);
    let (folder, node) = (nodes.folder.path(), home.dir.to_str().unwrap());
    let mut rows = generate(folder, "30");
    let before = home.size().await;
    let at = rows[0].iter().position(|name| name == "姓名").unwrap();
    let name = std::mem::take(&mut rows[7][at]);
    write(&folder.join("all.xlsx"), &rows);
    let import = |file: &str, more: &[&str], code: i32| {
        let arguments = [&["import", file, "--region", "33", "--dir", node], more].concat();
        let ran = huren(folder, &arguments).output().unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{said}");
        assert!(!said.contains(&rows[1][at]), "a name was said");
        said
    };
    let seen = import("all.xlsx", &["--preview"], 3);
    assert!(seen.contains("证书编号 → 证书编号 (number)") && seen.contains("FIELD_MISSING"));
    assert_eq!(home.size().await, before);
    assert!(!folder.join("all.rejects.xlsx").exists());

    import("all.xlsx", &[], 3);
    assert_eq!(home.size().await, before + 29);
    let rejects = folder.join("all.rejects.xlsx");
    let mut refused = cells(&rejects);
    assert_eq!(
        (refused.len(), &refused[1][rows[0].len()]),
        (2, &"8".to_owned())
    );
    refused[1][at] = name;
    write(&rejects, &refused);
    import("all.rejects.xlsx", &[], 0);
    assert_eq!(home.size().await, before + 30);
}

/// A program that watches.
struct Watching(Child);

impl Watching {
    fn start(folder: &Path, node: &str) -> Self {
        let arguments = [
            "import",
            "in",
            "--watch",
            "--interval",
            "1",
            "--in-flight",
            "4",
        ];
        let place = ["--region", "33", "--dir", node];
        let mut command = huren(folder, &[&arguments[..], &place].concat());
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Ended already where a test says so.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_folder_whose_program_is_killed() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let home = nodes.at(Region::ZHEJIANG);
    let (folder, node) = (nodes.folder.path(), home.dir.to_str().unwrap());
    let rows = generate(folder, "3000");
    let before = home.size().await;
    fs::create_dir(folder.join("in")).unwrap();
    write(&folder.join("in/all.xlsx"), &rows);

    let mut first = Watching::start(folder, node);
    let journal = folder.join("in/working/all.xlsx+journal.jsonl");
    let written = || fs::metadata(&journal).map_or(0, |data| data.len());
    until("a row is acknowledged", async || written() > 0).await;
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert!(folder.join("in/working/all.xlsx").exists());
    assert!(
        home.size().await < before + 3000,
        "it was killed in between"
    );

    let mut second = Watching::start(folder, node);
    let done = folder.join("in/done/all.xlsx");
    until("the file is done", async || done.exists()).await;
    assert_eq!(home.size().await, before + 3000);
    assert!(folder.join("in/done/all.xlsx+report.txt").exists());

    let id = second.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(second.0.wait().unwrap().success());
}

/// What the node's operator sees of streams of submissions, the newest first.
pub(crate) async fn imports(node: &LocalNode) -> Vec<v1::Import> {
    let mut operator = OperatorServiceClient::new(node.connection().channel().unwrap());
    let answer = operator.list_imports(v1::ListImportsRequest {}).await;
    answer.unwrap().into_inner().imports
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_each_import_and_no_value_of_it() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let home = nodes.at(Region::ZHEJIANG);
    let (folder, node) = (nodes.folder.path(), home.dir.to_str().unwrap());
    let mut rows = generate(folder, "40");
    let at = |name: &str| rows[0].iter().position(|of| of == name).unwrap();
    let (name, number) = (at("姓名"), at("证书编号"));
    // One that is refused here, as the last row too, and one that only the node can refuse.
    rows[7][name].clear();
    rows[40][name].clear();
    let taken = rows[8].clone();
    let another = std::mem::replace(&mut rows[9], taken);
    rows[9][name].clone_from(&another[name]);
    write(&folder.join("all.xlsx"), &rows);
    assert_eq!(imports(home).await, []);
    let import = |code: i32| {
        let arguments = ["import", "all.xlsx", "--region", "33", "--dir", node];
        let ran = huren(folder, &arguments).output().unwrap();
        assert_eq!(ran.status.code(), Some(code));
    };
    import(3);
    import(3);
    let seen = imports(home).await;
    let [second, first] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!((first.accepted, first.duplicates), (37, 0));
    assert_eq!((second.accepted, second.duplicates), (0, 37));
    for import in &seen {
        assert_eq!(import.state(), ImportState::Done, "{import:?}");
        assert_eq!(import.caller, "caller:issuer");
        assert_eq!((import.received, import.permille), (38, 1000));
        let mut refused = import.refused.clone();
        refused.sort_by(|one, other| one.code.cmp(&other.code));
        let refused: Vec<_> = refused.iter().map(|of| (&*of.code, of.count)).collect();
        assert_eq!(refused, [("FIELD_MISSING", 2), ("NUMBER_TAKEN", 1)]);
        let mut newest: Vec<_> = import.newest.iter().map(|row| row.client_ref).collect();
        newest.sort_unstable();
        assert_eq!(newest, [8, 10, 41]);
    }
    let told = format!("{seen:?}");
    for row in &rows[1..] {
        assert!(!told.contains(&row[number]), "{told}");
        assert!(row[name].is_empty() || !told.contains(&row[name]), "{told}");
    }
    assert!(!told.contains("all.xlsx"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_is_seen_with_what_had_come() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let home = nodes.at(Region::ZHEJIANG);
    let (sender, requests) = mpsc::channel(2);
    let message = |submission: Option<v1::SubmitRequest>, permille| v1::SubmitManyRequest {
        submission,
        progress: Some(v1::ImportProgress {
            permille,
            ..Default::default()
        }),
    };
    let first = message(Some(ISSUED.submission()), 400);
    sender.send(first).await.unwrap();
    let mut client = home.issuance();
    let answers = client.submit_many(ReceiverStream::new(requests)).await;
    let answers = answers.unwrap();
    assert!(answers.metadata().contains_key("huren-takes-progress"));
    let mut answers = answers.into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(matches!(answer.result, Some(Result::Accepted(_))));
    let seen = imports(home).await;
    assert_eq!(
        (seen[0].state(), seen[0].permille),
        (ImportState::Running, 400)
    );
    // Without a submission it is answered too, and by nothing.
    sender.send(message(None, 500)).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(answer, v1::SubmitManyResponse::default());
    drop((sender, answers));
    // Both of its halves: the stream is reset before its end is seen, or it has ended well.
    until("it is over", async || {
        imports(home).await[0].state() != ImportState::Running
    })
    .await;
    let seen = imports(home).await;
    assert_eq!(
        (seen[0].received, seen[0].accepted, seen[0].permille),
        (1, 1, 500)
    );
    assert_eq!(seen.len(), 1);
}

/// Two processes of one node: what one passes on, the one in charge tells once, and for whom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_passed_on_is_told_under_who_submitted_it() {
    let Some(pair) = Pair::start(&[]).await else {
        return;
    };
    let row = |line: u64, region: &str, permille: u32| {
        let submission = v1::SubmitRequest {
            client_ref: line,
            writer_region: region.to_owned(),
            ..ISSUED.submission()
        };
        let missing = v1::RefusedCode {
            code: "FIELD_MISSING".to_owned(),
            count: line,
        };
        v1::SubmitManyRequest {
            submission: Some(submission),
            progress: Some(v1::ImportProgress {
                permille,
                refused: vec![missing],
                ..Default::default()
            }),
        }
    };
    let channel = pair.beside.connection().channel().unwrap();
    let mut client = IssuanceServiceClient::new(channel);
    // The second is refused where it comes in, and what its caller says goes on without it.
    let rows = [row(1, "33", 600), row(2, "31", 700)];
    let answers = client.submit_many(tokio_stream::iter(rows)).await.unwrap();
    assert!(answers.metadata().contains_key("huren-takes-progress"));
    let mut answers = answers.into_inner();
    let mut answered = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        answered.push(answer.client_ref);
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2]);
    let (missing, elsewhere) = (("FIELD_MISSING", 3), ("CALLER_KIND_OR_REGION", 1));
    for (process, received, expected) in [
        (&pair.charge, 1, vec![missing]),
        (&pair.beside, 2, vec![elsewhere, missing]),
    ] {
        let [import]: [v1::Import; 1] = imports(process).await.try_into().unwrap();
        let counted = (import.received, import.accepted, import.permille);
        assert_eq!(counted, (received, 1, 700), "{import:?}");
        assert_eq!(import.caller, "caller:issuer");
        assert_eq!(import.state(), ImportState::Done);
        let refused = import.refused.iter().map(|of| (&*of.code, of.count));
        let mut refused: Vec<(&str, u64)> = refused.collect();
        refused.sort_unstable();
        assert_eq!(refused, expected);
    }

    // What breaks off where it comes in is whole nowhere.
    let (sender, requests) = mpsc::channel(2);
    sender.send(row(3, "33", 100)).await.unwrap();
    let answers = client.submit_many(ReceiverStream::new(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let longer_than_is_taken = row(4, &"3".repeat(5 << 20), 200);
    sender.send(longer_than_is_taken).await.unwrap();
    assert!(answers.message().await.is_err());
    for process in [&pair.charge, &pair.beside] {
        until("it is over", async || {
            imports(process).await[0].state() != ImportState::Running
        })
        .await;
        let import = imports(process).await.swap_remove(0);
        assert_eq!(import.state(), ImportState::BrokenOff, "{import:?}");
    }

    // Nor is what the process in charge cuts off as it stops.
    let (sender, requests) = mpsc::channel(2);
    sender.send(row(5, "33", 100)).await.unwrap();
    let answers = client.submit_many(ReceiverStream::new(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    pair.charge.signal("TERM").await.unwrap();
    let cut_off = answers.message().await.unwrap_err();
    assert_eq!(cut_off.code(), Code::Unavailable);
    until("it is over", async || {
        imports(&pair.beside).await[0].state() != ImportState::Running
    })
    .await;
    let import = imports(&pair.beside).await.swap_remove(0);
    assert_eq!(import.state(), ImportState::BrokenOff, "{import:?}");
}
