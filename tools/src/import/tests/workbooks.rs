//! Workbooks: imported, refused rows corrected and fed back; previews; a watched folder.

use std::fs::File;
use std::time::Duration;

use csv::StringRecord;
use huren_tables::{Table, WorkbookWriter};

use super::node::{Node, Trouble};
use super::*;

/// Every row of a table with its heading, as text.
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

/// Generated certificates as a workbook, of which so many have no name.
fn workbook(files: &Files, nameless: usize) -> PathBuf {
    let mut rows = cells(&files.path("certificates.csv"));
    let at = rows[0].iter().position(|name| name == "姓名").unwrap();
    for row in &mut rows[1..=nameless] {
        row[at].clear();
    }
    let path = files.path("certificates.xlsx");
    write(&path, &rows);
    path
}

#[tokio::test]
async fn refused_rows_are_corrected_in_their_workbook_and_fed_back() {
    let files = Files::generate(200, "0%", Encoding::Utf8);
    let path = workbook(&files, 3);
    let (node, client, _tasks) = Node::start(Trouble::default()).await;
    let first = run(client.clone(), &args(&path), &ProgressBar::hidden()).await;
    assert_eq!(first.failure, None);
    assert_eq!((first.accepted, first.rejected), (197, 3));
    assert_eq!(first.sheet.as_deref(), Some("证书"));

    let rejects = first.rejects_file.unwrap();
    assert_eq!(rejects, files.path("certificates.rejects.xlsx"));
    let mut rows = cells(&rejects);
    let sent = cells(&path);
    let own = sent[0].len();
    assert_eq!(rows[0][..own], sent[0]);
    assert_eq!(rows[0][own..], ["行号", "列", "原因代码", "原因", "reason"]);
    assert_eq!(rows[1][..own], sent[1]);
    let beside = ["2", "姓名", "FIELD_MISSING", "缺少必填字段"];
    assert_eq!(rows[1][own..own + 4], beside);
    assert!(rows[1][own + 4].is_ascii() && !rows[1][own + 4].is_empty());

    let at = sent[0].iter().position(|name| name == "姓名").unwrap();
    for row in &mut rows[1..] {
        row[at] = "王五".into();
    }
    write(&rejects, &rows);
    let second = run(client, &args(&rejects), &ProgressBar::hidden()).await;
    assert_eq!(second.unknown_columns, Vec::<String>::new());
    assert_eq!((second.accepted, second.rejected), (3, 0), "{second}");
    assert_eq!(node.log().len(), 200);
}

#[tokio::test]
async fn a_workbook_of_rejects_can_be_had_of_text_too() {
    let files = Files::generate(60, "30%", Encoding::Gb18030);
    let path = files.path("certificates.csv");
    let rejects = files.path("refused.xlsx");
    let args = ImportArgs {
        rejects: Some(rejects.clone()),
        ..args(&path)
    };
    let report = check(&args, &ProgressBar::hidden()).await;
    assert_eq!(report.rejects_file.as_deref(), Some(&*rejects));
    assert_eq!(cells(&rejects).len() as u64, report.rejected + 1);
}

#[tokio::test]
async fn a_number_that_lost_digits_is_refused_and_not_imported() {
    let files = Files::generate(1, "0%", Encoding::Utf8);
    let rows = cells(&files.path("certificates.csv"));
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write(0, 0, "某省技能人才证书一览表").unwrap();
    for (column, (name, value)) in (0u16..).zip(rows[0].iter().zip(&rows[1])) {
        sheet.write(2, column, name).unwrap();
        match name.as_str() {
            "证件号码" => sheet.write(3, column, 3.301_061_990_010_11e17),
            _ => sheet.write(3, column, value),
        }
        .unwrap();
    }
    let path = files.path("numbers.xlsx");
    workbook.save(&path).unwrap();
    let report = checked(&path).await;
    let codes: Vec<_> = report.rejected_by_code.keys().collect();
    assert_eq!(codes, ["CELL_DIGITS_LOST"]);
    let rejects = cells(&report.rejects_file.unwrap());
    let own = rejects[0].len() - 5;
    assert_eq!(rejects[1][own..own + 2], ["4", "证件号码"]);
}

#[tokio::test]
async fn a_preview_shows_columns_and_rows_and_writes_nothing() {
    let files = Files::generate(40, "0%", Encoding::Utf8);
    let path = workbook(&files, 2);
    let preview = Preview::of(&args(&path)).unwrap();
    assert_eq!((preview.read, preview.rejected), (40, 2));
    assert_eq!(preview.rejected_by_code["FIELD_MISSING"], 2);
    assert_eq!((preview.header_line, preview.exit_code()), (1, 3));
    assert_eq!(preview.first_rows.len(), 5);
    assert_eq!(preview.first_rows[0].rejected, ["FIELD_MISSING"]);
    let sent = cells(&path);
    let number = sent[0].iter().position(|name| name == "证书编号").unwrap();
    assert_eq!(preview.first_rows[2].fields["number"], sent[3][number]);
    let said = format!("{preview}{}", serde_json::to_string(&preview).unwrap());
    for (name, column) in [("姓名", "name"), ("证件号码", "id_number")] {
        let found = preview
            .columns
            .iter()
            .find(|one| one.header == name)
            .unwrap();
        assert_eq!((found.field, found.meaning), (Some(column), Some(name)));
        let at = sent[0].iter().position(|header| header == name).unwrap();
        assert!(!said.contains(&sent[3][at]), "{column} is not masked");
    }
    let there = std::fs::read_dir(files.directory.path()).unwrap();
    let rejects = there
        .flatten()
        .any(|e| e.file_name().to_string_lossy().contains("rejects"));
    assert!(!rejects);

    let lacking = files.path("lacking.csv");
    std::fs::write(&lacking, "证书编号,姓名\n1,2\n").unwrap();
    assert!(
        Preview::of(&args(&lacking))
            .unwrap_err()
            .contains("证件号码")
    );
}

/// Waits for a condition that a future beside it brings about.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_watched_folder_is_worked_through_and_taken_up_again() {
    let files = Files::generate(120, "0%", Encoding::Utf8);
    let folder = files.path("in");
    let at = |name: &str| folder.join(name);
    std::fs::create_dir_all(at("working")).unwrap();
    let good = files.path("certificates.csv");
    // Somebody was killed while importing this one, having written some results.
    std::fs::copy(&good, at("working/a.csv")).unwrap();
    std::fs::write(at("working/a.csv+journal.jsonl"), "").unwrap();
    std::fs::rename(workbook(&files, 2), at("b.xlsx")).unwrap();
    std::fs::write(at("c.pdf"), "%PDF-1.7 \u{0}").unwrap();
    for unfinished in ["~$b.xlsx", ".d.csv", "e.csv.part", "f.tmp"] {
        std::fs::copy(&good, at(unfinished)).unwrap();
    }
    let (node, client, _tasks) = Node::start(Trouble::default()).await;
    let args = args(&folder);
    let watching = || watch(client.clone(), &args, Duration::from_millis(1), true);
    tokio::select! {
        ended = watching() => panic!("{ended:?}"),
        () = until(|| at("refused/c.pdf").exists()) => {}
    }
    assert!(at("done/a.csv").exists() && at("done/a.csv+report.txt").exists());
    assert!(at("rejected/b.xlsx").exists());
    assert_eq!(cells(&at("rejected/b.xlsx+rejects.xlsx")).len(), 3);
    assert!(at("refused/c.pdf+report.txt").exists());
    // What the second file has, the first had brought, but for the rows without a name.
    assert_eq!(node.log().len(), 120);
    for unfinished in ["~$b.xlsx", ".d.csv", "e.csv.part", "f.tmp"] {
        assert!(at(unfinished).exists(), "{unfinished}");
    }

    // The same name again, and a program that stops while it works.
    std::fs::copy(&good, at("a.csv")).unwrap();
    tokio::select! {
        ended = watching() => panic!("{ended:?}"),
        () = until(|| at("working/a-2.csv").exists()) => {}
    }
    tokio::select! {
        ended = watching() => panic!("{ended:?}"),
        () = until(|| at("done/a-2.csv").exists()) => {}
    }
    assert_eq!(node.log().len(), 120);
}

#[tokio::test]
async fn a_folder_is_watched_once_and_a_file_waits_for_its_node() {
    let files = Files::generate(5, "0%", Encoding::Utf8);
    let folder = files.path("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(files.path("certificates.csv"), folder.join("a.csv")).unwrap();
    let refuses = Trouble {
        refuses: true,
        ..Trouble::default()
    };
    let (_node, client, _tasks) = Node::start(refuses).await;
    let args = args(&folder);
    let watching = || watch(client.clone(), &args, Duration::from_millis(1), true);
    let journal = folder.join("working/a.csv+journal.jsonl");
    tokio::select! {
        ended = watching() => panic!("{ended:?}"),
        // While the first one watches.
        refused = async {
            until(|| journal.exists()).await;
            watching().await
        } => assert!(refused.unwrap_err().to_string().contains("another")),
    }
    assert!(folder.join("working/a.csv").exists());
}

#[test]
fn strangers_bytes_are_read_as_workbooks_too() {
    let files = Files::generate(3, "0%", Encoding::Utf8);
    let bytes = std::fs::read(workbook(&files, 1)).unwrap();
    let rows = read_table(&bytes, Region::ZHEJIANG).unwrap();
    let lines: Vec<_> = rows
        .iter()
        .map(|row| (row.line, row.result.is_ok()))
        .collect();
    assert_eq!(lines, [(2, false), (3, true), (4, true)]);
}
