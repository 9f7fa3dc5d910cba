//! An institution makes its key and signs a table; its province takes the file in.

use std::{fs, path::Path, process::Command};

use huren_core::{codes::Region, receipt};
use huren_proto::v1;

use super::support::{
    nodes::{HUREN, Nodes},
    samples::Sample,
};

const HEADER: &str =
    "证书编号,姓名,证件号码,职业编码,职业名称,技能等级,评价机构代码,评价机构名称,发证日期";
const ENTRY: &str = "机构代码,机构名称,机构类别,所在地区,生效日期,签名公钥";

/// Runs the tool; its exit code, and what it said.
fn huren(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let run = Command::new(HUREN)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    (run.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_an_institution_signed() {
    let regions = [Region::SHANGHAI, Region::ZHEJIANG];
    let nodes = Nodes::start(&regions, 1, &[]).await;
    let (home, away) = (nodes.at(Region::ZHEJIANG), nodes.at(Region::SHANGHAI));
    let (folder, node) = (nodes.folder.path(), home.dir.to_str().unwrap());
    let check = |arguments: &[&str], code, said: &str| {
        let (found, text) = huren(folder, arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
        text
    };

    let made = check(&["--json", "sign", "key", "--out", "key"], 0, "sm2-sm3:");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let public_key = made["public_key"].as_str().unwrap();
    check(&["sign", "key", "--out", "key"], 1, "exists already");

    let certificate = |number: &str, institution: &str| {
        let holder = "张三,11010519491231002X,4-03-02-01,中式烹调师,高级工";
        format!("{number},{holder},{institution},浙江某某评价有限公司,2024-03-01\n")
    };
    let own = Sample {
        number: "S000033010006243000001",
        name: "张三",
        id: "11010519491231002X",
    };
    let table = [
        format!("{HEADER}\n"),
        certificate(own.number, "S000033010006"),
        certificate("S000033010014243000002", "S000033010014"),
        certificate("S000033010006243000003", ""),
    ];
    fs::write(folder.join("table.csv"), table.concat()).unwrap();
    let sign = [
        "sign",
        "certificates",
        "table.csv",
        "--key",
        "key",
        "--region",
        "33",
        "--origin",
        &home.origin,
        "--out",
        "signed",
    ];
    let said = check(&sign, 3, "FIELD_MISSING");
    assert!(!said.contains("张三") && !said.contains("S0000"), "{said}");

    let submit = ["submit", "signed", "--dir", node];
    check(&submit, 3, "KEY_UNKNOWN");
    let entry = format!(
        "{ENTRY}\nS000033010006,浙江某某评价有限公司,社会培训评价组织,330106,2024-01-01,{public_key}\n"
    );
    fs::write(folder.join("entry.csv"), &entry).unwrap();
    let import = ["import", "entry.csv", "--region", "33", "--dir", node];
    check(&import, 0, "accepted      1");
    let malformed = entry.replace("sm2-sm3:", "sm2:");
    fs::write(folder.join("entry.csv"), malformed).unwrap();
    check(&import, 3, "INSTITUTION_KEY");

    // The second certificate names another institution.
    let said = check(&submit, 3, "KEY_INSTITUTION");
    assert!(said.contains("accepted 1"), "{said}");
    assert!(!said.contains("张三") && !said.contains("S0000"), "{said}");
    let said = check(&submit, 3, "duplicates 1");
    assert!(said.contains("accepted 0"), "{said}");
    fs::write(folder.join("signed"), "张三").unwrap();
    let said = check(&submit, 1, "line 1");
    assert!(!said.contains("张三"), "{said}");

    nodes.settle().await;
    let answer = away.verification().verify(own.question(own.name)).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.verdict(), v1::Verdict::Valid);
    let checked = receipt::verify(&answer.receipt, &nodes.roots()).unwrap();
    assert!(checked.assertion.institution.is_some());
}
