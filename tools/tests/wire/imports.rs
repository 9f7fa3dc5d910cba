//! Workbooks into a real node: refused rows corrected and fed back, and a watched folder whose
//! program is killed while it works.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use csv::StringRecord;
use huren_core::codes::Region;
use huren_tables::{Options, Table, WorkbookWriter};

use super::support::nodes::{HUREN, Nodes, until};

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
