//! The ceremony of a trust list, played through the commands: every step is a file.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_huren");

/// Runs a command in a folder.
fn huren(folder: &Path, line: &str) -> Output {
    Command::new(PROGRAM)
        .current_dir(folder)
        .args(line.split(' '))
        .output()
        .unwrap()
}

/// What a command that succeeds says, for programs.
fn told(folder: &Path, line: &str) -> Value {
    let output = huren(folder, &format!("--json {line}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A command that is refused with that code, and changes no file.
fn check_refused(folder: &Path, line: &str, code: &str) {
    let files = || {
        let files = std::fs::read_dir(folder).unwrap();
        files
            .map(|file| file.unwrap().file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = files();
    let output = huren(folder, line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains(code),
        "{line}: {stderr}"
    );
    assert_eq!(files(), before, "{line}");
}

#[test]
fn a_federation_makes_its_first_list_and_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, passphrase) in [
        ("pass", "correct horse battery"),
        ("wrong", "another horse here"),
        ("short", "short"),
    ] {
        std::fs::write(folder.join(name), passphrase).unwrap();
    }
    for (region, dir, port) in [("31", "sh", 1), ("33", "zj", 3)] {
        let line = format!(
            "node init --region {region} --dir {dir} --grpc 127.0.0.1:2{port} --http 127.0.0.1:3{port}"
        );
        assert!(huren(folder, &line).status.success());
    }
    let weak = "trust key --name huren.test/root/a --out a.key --passphrase-file short";
    check_refused(folder, weak, "12");
    let key = |name: &str| {
        let line = format!(
            "trust key --name huren.test/root/{name} --out {name}.key --passphrase-file pass"
        );
        told(folder, &line)["key"].as_str().unwrap().to_owned()
    };
    let (a, b, c) = (key("a"), key("b"), key("c"));

    // The first list: each keeper signs on a machine of their own.
    let first = told(
        folder,
        &format!(
            "trust propose --out one --add-member sh/member.json --add-member zj/member.json \
            --add-root-key {a} --add-root-key {b} --threshold 2 --quorum 1"
        )
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" "),
    );
    assert_eq!(first["version"], 1);
    check_refused(
        folder,
        "trust sign one --key a.key --out one.a --passphrase-file wrong",
        "PASSPHRASE_WRONG",
    );
    check_refused(
        folder,
        "trust sign one --key c.key --out one.c --passphrase-file pass",
        "SIGNATURE_NOT_A_ROOT",
    );
    told(
        folder,
        "trust sign one --key a.key --out one.a --passphrase-file pass",
    );
    told(
        folder,
        "trust sign one --key b.key --out one.b --passphrase-file pass",
    );
    let output = huren(
        folder,
        "trust assemble one --signature one.a --out lists --roots-out roots",
    );
    assert_eq!(output.status.code(), Some(3), "one of two signatures");
    assert!(!folder.join("lists").exists());
    told(
        folder,
        "trust assemble one --signature one.a --signature one.b --out lists --roots-out roots",
    );
    assert_eq!(
        told(folder, "trust show lists --trust roots")["list"]["version"],
        1
    );
    for dir in ["sh", "zj"] {
        std::fs::create_dir_all(folder.join(dir).join("trust")).unwrap();
        for file in ["roots", "lists"] {
            std::fs::copy(folder.join(file), folder.join(dir).join("trust").join(file)).unwrap();
        }
    }

    // The next one: a root key goes, another comes, and a key is closed after a compromise.
    let member = std::fs::read_to_string(folder.join("zj/member.json")).unwrap();
    let member: Value = serde_json::from_str(&member).unwrap();
    let stolen = member["record_keys"][0]["public_key"].as_str().unwrap();
    let edits =
        format!("--remove-root-key huren.test/root/b --add-root-key {c} --close-key {stolen}@7");
    let second = told(
        folder,
        &format!("trust propose --lists lists --trust roots --out two {edits}"),
    );
    let codes: Vec<_> = second["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["code"].as_str().unwrap())
        .collect();
    assert!(codes.len() >= 3, "{codes:?}");
    assert_eq!(
        told(folder, "trust diff two --lists lists --trust roots")["changes"],
        second["changes"]
    );
    let words = huren(folder, "trust diff two --lists lists --trust roots");
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(
        words.contains("第 2 版") && words.contains("version 2"),
        "{words}"
    );
    let held = "--lists lists --trust roots";
    for keeper in ["a", "b", "c"] {
        told(
            folder,
            &format!(
                "trust sign two {held} --key {keeper}.key --out two.{keeper} --passphrase-file pass"
            ),
        );
    }
    // Both thresholds count: a and c are enough of the new keys, and not of the old ones.
    let assemble = |signatures: &str| {
        huren(
            folder,
            &format!("trust assemble two {held} {signatures} --out next"),
        )
    };
    let few = assemble("--signature two.a --signature two.c");
    assert_eq!(few.status.code(), Some(3));
    check_refused(
        folder,
        &format!("trust assemble two {held} --signature one.a --out next"),
        "SIGNATURE_OTHER_TEXT",
    );
    assert!(
        assemble("--signature two.a --signature two.b --signature two.c")
            .status
            .success()
    );

    let installed = told(folder, "trust install next --dir zj");
    assert_eq!(
        (&installed["before"], &installed["version"]),
        (&1.into(), &2.into())
    );
    let again = told(folder, "trust install next --dir zj");
    assert_eq!(
        (&again["before"], &again["version"]),
        (&2.into(), &2.into())
    );
    // A list that is signed by too few is none.
    let forged = std::fs::read_to_string(folder.join("next"))
        .unwrap()
        .replace("\"quorum\": 1", "\"quorum\": 0");
    std::fs::write(folder.join("forged"), forged).unwrap();
    check_refused(folder, "trust install forged --dir sh", "TRUST_");
}
