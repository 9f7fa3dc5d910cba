//! Whole lists on the employers' page: uploaded as a browser uploads a file, and taken home as
//! results and receipts.

use std::{
    io::{Cursor, Read as _},
    process::Command,
};

use ::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use huren_core::{codes::Region, receipt};
use huren_tables::WorkbookWriter;

use crate::{
    page::{ISSUED, issued, text},
    support::{
        http,
        nodes::{Node, Nodes},
    },
};

const NOBODY: &str = "S000033010006243000009";

/// A file as browsers post it (RFC 7578).
pub(crate) async fn upload(node: &Node, file: &[u8], lang: &str) -> Response<Bytes> {
    let part = |name: &str| format!("--seam\r\nContent-Disposition: form-data; name=\"{name}\"");
    let mut body = format!("{}\r\n\r\n{lang}\r\n", part("lang")).into_bytes();
    let head = format!("{}; filename=\"list\"\r\n\r\n", part("file"));
    body.extend([head.as_bytes(), file, b"\r\n--seam--\r\n"].concat());
    let request = Request::post("/batch")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=seam")
        .body(Full::from(body))
        .unwrap();
    http::send(node.http, request).await.unwrap()
}

/// The path of an uploaded list's page, without its language.
fn place(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", text(answer));
    let location = answer.headers()[header::LOCATION].to_str().unwrap();
    format!("/{}", location.split('?').next().unwrap())
}

/// Four lines: confirmed, another holder, no number, and one whose document does not match.
fn list() -> String {
    format!(
        "证书编号,姓名,证件号码\n{number},{name},{id}\n{number},尉迟听雨,\n,{name},\n{number},{name},330722197411112520\n{NOBODY},{name},\n",
        number = ISSUED.number,
        name = ISSUED.name,
        id = ISSUED.id,
    )
}

fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut rows = csv::Reader::from_reader(csv.trim_start_matches('\u{feff}').as_bytes());
    let cells = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    rows.records().map(|row| cells(row.unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_answered_line_by_line_and_its_receipts_hold_without_a_node() {
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let place = place(&upload(node, list().as_bytes(), "zh").await);
    // Results are there once the list was looked at to its end, and not before.
    let early = http::get(node.http, &format!("{place}/results.csv")).await;
    assert_eq!(early.status(), StatusCode::SEE_OTHER);
    let page = text(&http::get(node.http, &place).await);
    for shown in [
        "共 5 行",
        ">100%</span>",
        "核验完毕",
        "NUMBER_MISSING",
        "第 4 行",
        "results.csv",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.ends_with("</html>\n"), "{page}");

    let results = http::get(node.http, &format!("{place}/results.csv")).await;
    assert_eq!(results.headers()[header::CACHE_CONTROL], "no-store");
    let results = rows(&text(&results));
    let column = |at: usize| {
        results
            .iter()
            .map(|row| row[at].as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(column(0), ["2", "3", "4", "5", "6"]);
    assert_eq!(column(13), ["0002.json", "", "", "", ""]);
    assert!(
        results[0][3].contains("有效") && results[0][2] == "欧**霄",
        "{:?}",
        results[0]
    );
    assert!(
        results[0][6].contains("无法判定 undetermined"),
        "{:?}",
        results[0]
    );
    assert_eq!(results[2][5], "NUMBER_MISSING");
    // Whatever does not match, and a number that there is not, give one and the same answer.
    for other in [3, 4] {
        assert_eq!(results[1][2..], results[other][2..]);
    }
    assert!(results[1][3].contains("未能核到"));

    let archive = http::get(node.http, &format!("{place}/receipts.zip")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(archive.body().clone())).unwrap();
    assert_eq!(zip.len(), 1);
    let mut kept = Vec::new();
    zip.by_name("0002.json")
        .unwrap()
        .read_to_end(&mut kept)
        .unwrap();
    let roots = nodes.roots();
    assert!(receipt::verify(&kept, &roots).is_ok());
    for file in [kept, archive.body().to_vec()] {
        let folder = tempfile::tempdir().unwrap();
        let receipts = folder.path().join("receipts");
        std::fs::write(&receipts, file).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_huren"))
            .args(["receipt", "verify"])
            .arg(&receipts)
            .arg("--trust")
            .arg(nodes.folder.path().join("trust/roots"))
            .output()
            .unwrap();
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(
            checked.status.success() && said.contains("genuine"),
            "{said}"
        );
    }

    // Whoever uploaded it may have it deleted; then it is as if it had never been.
    let gone = http::post(node.http, &format!("{place}/delete"), &[]).await;
    assert_eq!(gone.status(), StatusCode::SEE_OTHER);
    for path in [
        place.clone(),
        format!("{place}/results.csv"),
        format!("/batch/{}", "0".repeat(32)),
    ] {
        assert_eq!(
            http::get(node.http, &path).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_does_as_well_and_is_answered_in_english() {
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let mut workbook = WorkbookWriter::new("list", ["Number", "Name"]).unwrap();
    workbook.row([ISSUED.number, ISSUED.name]).unwrap();
    let mut file = Cursor::new(Vec::new());
    workbook.finish(&mut file).unwrap();
    let place = place(&upload(node, file.get_ref(), "en").await);
    let page = text(&http::get(node.http, &format!("{place}?lang=en")).await);
    assert!(
        page.contains("<html lang=\"en\">") && page.contains("Lines: 1."),
        "{page}"
    );
    let results = http::get(node.http, &format!("{place}/results.xlsx")).await;
    let options = huren_tables::Options::default();
    let understand = |_: &csv::StringRecord| Ok::<_, ()>(());
    let read = huren_tables::Table::of_bytes(results.body().to_vec(), &options, understand);
    let (mut table, ()) = read.unwrap();
    let row = table.next_row().unwrap().unwrap();
    assert_eq!(&row.cells[1], ISSUED.number);
    assert!(row.cells[3].contains("valid"), "{row:?}");
}

/// A list finds out no more by trying than the form does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_not_confirmed_come_out_of_the_form_s_allowance() {
    // The next question comes half a minute later: none of what follows waits for it.
    let rate = [("HUREN_LIMITS__PAGE_RATE_PER_MINUTE", "2")];
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &rate).await;
    let node = nodes.at(Region::ZHEJIANG);
    let guesses = format!("编号,姓名\n{NOBODY},张三\n{NOBODY},李四\n");
    let place = place(&upload(node, guesses.as_bytes(), "zh").await);
    let request = Request::get(&place).body(Full::default()).unwrap();
    let mut growing = http::open(node.http, request).await.into_body();
    let mut page = Vec::new();
    while !String::from_utf8_lossy(&page).contains(">50%</span>") {
        let frame = growing.frame().await.expect("one line is answered");
        page.extend(frame.unwrap().into_data().unwrap_or_default());
    }
    // Upload and first line were the allowance. Whoever loads the page again asks no sooner, and
    // what else is done with the list does not wait.
    let request = Request::get(&place).body(Full::default()).unwrap();
    let _again = http::open(node.http, request).await;
    let early = http::get(node.http, &format!("{place}/results.csv?lang=en")).await;
    assert_eq!(early.status(), StatusCode::SEE_OTHER);
    let form = [("number", NOBODY), ("name", "张三")];
    let refused = http::post(node.http, "/verify", &form).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    http::post(node.http, &format!("{place}/delete"), &[]).await;
    let gone = http::get(node.http, &format!("{place}/results.csv?lang=en")).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert!(
        text(&gone).contains("There is no such list"),
        "{}",
        text(&gone)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_lists_are_refused_with_a_sentence() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let large = vec![b'x'; (2 << 20) + 1];
    let long = format!("编号,姓名\n{}", "A1,张三\n".repeat(1001));
    let cases: [(&[u8], StatusCode, &str); 5] = [
        (b"", StatusCode::BAD_REQUEST, "There is no line"),
        (
            b"a,b\n1,2\n",
            StatusCode::BAD_REQUEST,
            "The columns are not found",
        ),
        (
            b"PK\x03\x04nothing",
            StatusCode::BAD_REQUEST,
            "cannot be read",
        ),
        (
            long.as_bytes(),
            StatusCode::PAYLOAD_TOO_LARGE,
            "more than 1000 lines",
        ),
        (&large, StatusCode::PAYLOAD_TOO_LARGE, "larger than 2 MiB"),
    ];
    for (file, status, said) in cases {
        let answer = upload(node, file, "en").await;
        assert_eq!(answer.status(), status, "{said}");
        assert!(text(&answer).contains(said), "{said}: {}", text(&answer));
    }
    let nothing = http::post(node.http, "/batch", &[("lang", "en")]).await;
    assert_eq!(nothing.status(), StatusCode::BAD_REQUEST);
    // So many at a time, and no more until one is deleted or over.
    let one = "编号,姓名\nA1,张三\n".as_bytes();
    let mut kept = Vec::new();
    let refused = loop {
        let answer = upload(node, one, "zh").await;
        if answer.status() != StatusCode::SEE_OTHER {
            break answer;
        }
        kept.push(place(&answer));
        assert!(kept.len() < 20, "there is always room");
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    http::post(node.http, &format!("{}/delete", kept[0]), &[]).await;
    assert_eq!(
        upload(node, one, "zh").await.status(),
        StatusCode::SEE_OTHER
    );
}
