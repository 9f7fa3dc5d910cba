//! Three custodians, each with a key of their own, and nobody with all of them.

use crate::support::{Table, codes};

/// A federation of two provinces and three custodians, with its first list signed.
fn first() -> Table {
    let table = Table::new();
    for (region, name) in [("31", "sh"), ("33", "zj")] {
        table.done(&format!("node init --region {region} --dir {name}"));
    }
    let mut line = "trust propose --first --roots-out roots --out draft-1 --quorum 1".to_owned();
    for number in 1..=3 {
        table.write(
            &format!("pass-{number}"),
            &format!("correct horse battery {number}\n"),
        );
        let made = table.done(&format!(
            "trust key new --name huren.example/root/{number} --out root-{number} --passphrase-file pass-{number}"
        ));
        let shown = table.done(&format!("trust key show root-{number}"));
        assert_eq!(made["public_key"], shown["public_key"]);
        line += &format!(
            " --add-root-key {}",
            made["public_key"].as_str().expect("a key")
        );
    }
    line += " --add-member sh/member.json --add-member zj/member.json";
    let proposed = table.done(&line);
    assert_eq!(
        (&proposed["version"], &proposed["grave"]),
        (&1.into(), &0.into())
    );
    for number in [1, 3] {
        table.done(&format!(
            "trust sign draft-1 --key root-{number} --passphrase-file pass-{number} --out sig-1-{number}"
        ));
    }
    table.done("trust assemble draft-1 --signature sig-1-1 --signature sig-1-3 --out lists");
    table
}

const HELD: &str = "--trust roots --lists lists";

#[test]
fn a_key_is_encrypted_and_opens_with_its_passphrase_alone() {
    let table = first();
    let text = std::fs::read_to_string(table.path("root-1")).unwrap();
    assert!(text.contains("BEGIN ENCRYPTED PRIVATE KEY"));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(table.path("root-1"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    table.done(&format!("trust propose {HELD} --quorum 0 --out draft"));
    let sign = |key: &str, pass: &str| {
        format!("trust sign draft {HELD} --key {key} --passphrase-file {pass} --out sig")
    };
    table.refused("ROOT_KEY_PASSPHRASE", &sign("root-1", "pass-2"));
    // A key under another's public key is not used.
    let other = std::fs::read_to_string(table.path("root-2")).unwrap();
    let (head, _) = other.split_once("-----BEGIN").unwrap();
    let (_, body) = text.split_once("-----BEGIN").unwrap();
    table.write("mixed", &format!("{head}-----BEGIN{body}"));
    table.refused("damaged", &sign("mixed", "pass-1"));
    table.write("short", "too short\n");
    table.refused(
        "12",
        "trust key new --name huren.example/root/9 --out root-9 --passphrase-file short",
    );
    table.refused(
        "overwritten",
        "trust key new --name huren.example/root/9 --out root-1 --passphrase-file pass-1",
    );
    assert!(!table.has("sig") && !table.has("root-9"));
}

#[test]
fn every_step_says_what_changes_and_refuses_what_does_not_fit() {
    let table = first();
    table.done("trust verify lists --trust roots");
    table.done("node key next --config zj/config.toml --role record --out zj-next.json");
    let proposed = table.done(&format!(
        "trust propose {HELD} --replace-key record=zj-next.json --until-index 5 --threshold 1 --out draft-2"
    ));
    assert_eq!(
        codes(&proposed),
        [
            "THRESHOLD_LOWERED",
            "THRESHOLD_ONE",
            "EXPIRY",
            "KEY_CLOSED",
            "KEY_ADDED"
        ]
    );
    assert_eq!(proposed["grave"], 2);
    let told = table.done(&format!("trust diff draft-2 {HELD}"));
    assert_eq!(told["changes"], proposed["changes"]);
    let said = table.says(&format!("trust diff draft-2 {HELD}"));
    assert!(
        said.contains("慎") && said.contains("root threshold: 2 → 1"),
        "{said}"
    );

    let sign = |draft: &str, number: u32, out: &str| {
        format!(
            "trust sign {draft} {HELD} --key root-{number} --passphrase-file pass-{number} --out {out}"
        )
    };
    let signed = table.done(&sign("draft-2", 1, "sig-2-1"));
    assert_eq!(signed["signed_by"], "huren.example/root/1");
    let assemble =
        |signatures: &str| format!("trust assemble draft-2 {HELD} {signatures} --out list-2");
    table.refused("TRUST_THRESHOLD", &assemble("--signature sig-2-1"));
    table.refused(
        "TRUST_THRESHOLD",
        &assemble("--signature sig-2-1 --signature sig-2-1"),
    );
    table.refused(
        "SIGNATURE_OTHER_TEXT",
        &assemble("--signature sig-2-1 --signature sig-1-3"),
    );
    table.refused(
        "SIGNATURE_FORMAT",
        &assemble("--signature sig-2-1 --signature roots"),
    );
    // A draft that was changed behind the signature's back.
    let draft = std::fs::read_to_string(table.path("draft-2")).unwrap();
    table.write("other", &draft.replace("\"quorum\": 1", "\"quorum\": 0"));
    table.done(&sign("other", 2, "sig-other"));
    table.refused(
        "SIGNATURE_OTHER_TEXT",
        &assemble("--signature sig-2-1 --signature sig-other"),
    );
    // One that breaks a rule is not signed, nor one that says the same in another form.
    table.write(
        "opened",
        &draft.replace("\"until_index\": 5", "\"until_index\": 5, \"x\": 1"),
    );
    table.refused("TRUST_CONTENT", &sign("opened", 1, "sig"));
    table.write("spaced", &draft.replace("\"quorum\": 1", "\"quorum\":  1"));
    table.refused("canonical", &sign("spaced", 1, "sig"));
    table.refused("SIGNATURE_NOT_A_ROOT", &{
        let line =
            "trust key new --name huren.example/root/1 --out stranger --passphrase-file pass-1";
        table.done(line);
        format!("trust sign draft-2 {HELD} --key stranger --passphrase-file pass-1 --out sig")
    });
    assert!(!table.has("sig") && !table.has("list-2"));

    table.done(&sign("draft-2", 2, "sig-2-2"));
    let made = table.done(&assemble("--signature sig-2-1 --signature sig-2-2"));
    assert_eq!(
        (&made["previous"]["have"], &made["new"]["need"]),
        (&2.into(), &1.into())
    );
    let verified = table.done("trust verify lists list-2 --trust roots");
    assert_eq!(verified["versions"], 2);
    table.refused("TRUST_FORMAT", "trust verify draft-2 --trust roots");
}

#[test]
fn a_list_is_installed_whole_or_not_at_all() {
    let table = first();
    for node in ["sh", "zj"] {
        std::fs::create_dir_all(table.path(&format!("{node}/trust"))).unwrap();
        std::fs::copy(
            table.path("roots"),
            table.path(&format!("{node}/trust/roots")),
        )
        .unwrap();
        let told = table.done(&format!("trust install lists --dir {node}"));
        assert_eq!((&told["version"], &told["before"]), (&1.into(), &0.into()));
    }
    let make = |draft: &str, quorum: u32| {
        table.done(&format!(
            "trust propose {HELD} --quorum {quorum} --out {draft}"
        ));
        for number in [1, 2] {
            table.done(&format!(
                "trust sign {draft} {HELD} --key root-{number} --passphrase-file pass-{number} --out {draft}-{number}"
            ));
        }
        table.done(&format!(
            "trust assemble {draft} {HELD} --signature {draft}-1 --signature {draft}-2 --out {draft}-signed"
        ));
    };
    make("two", 0);
    make("fork", 1);
    let said = table.says("trust install two-signed --dir zj");
    assert!(said.contains("SIGHUP"), "{said}");
    let installed = std::fs::read_to_string(table.path("zj/trust/lists")).unwrap();
    table.done("trust verify zj/trust/lists --trust roots");
    // Again, or only the first part of it: nothing to do.
    for file in ["two-signed", "lists"] {
        let told = table.done(&format!("trust install {file} --dir zj"));
        assert_eq!((&told["version"], &told["before"]), (&2.into(), &2.into()));
    }
    table.refused("TRUST_HELD_DIFFERS", "trust install fork-signed --dir zj");
    table.refused("TRUST_FORMAT", "trust install roots --dir zj");
    let kept = std::fs::read_to_string(table.path("zj/trust/lists")).unwrap();
    assert_eq!(kept, installed);
}

#[test]
fn root_keys_change_hands() {
    let table = first();
    table.write("pass-4", "correct horse battery 4\n");
    let made = table
        .done("trust key new --name huren.example/root/4 --out root-4 --passphrase-file pass-4");
    let key = made["public_key"].as_str().unwrap();
    let told = table.done(&format!(
        "trust propose {HELD} --add-root-key {key} --remove-root-key huren.example/root/1 --out draft"
    ));
    assert_eq!(
        codes(&told),
        ["ROOT_KEY_ADDED", "ROOT_KEY_REMOVED", "EXPIRY"]
    );
    let sign = |number: u32| {
        table.done(&format!(
            "trust sign draft {HELD} --key root-{number} --passphrase-file pass-{number} --out sig-{number}"
        ));
        format!(" --signature sig-{number}")
    };
    let by: Vec<String> = (1..=4).map(sign).collect();
    let assemble = |by: &[&str]| format!("trust assemble draft {HELD}{} --out list-2", by.concat());
    table.refused("TRUST_THRESHOLD", &assemble(&[&by[0], &by[1]]));
    table.refused("TRUST_THRESHOLD", &assemble(&[&by[2], &by[3]]));
    table.done(&assemble(&[&by[1], &by[2], &by[3]]));
    table.done("trust verify lists list-2 --trust roots");
}

#[test]
fn a_pilot_s_first_list_has_encrypted_root_keys_unless_it_is_a_demo() {
    let table = Table::new();
    table.done("node init --region 33 --dir zj");
    table.write("pass", "correct horse battery\n");
    let new = "trust new --member zj/member.json --quorum 0 --roots 2";
    table.done(&format!("{new} --out pilot --passphrase-file pass"));
    table.done(&format!("{new} --out demo --plain-roots"));
    let is_encrypted = |file: &str| {
        let text = std::fs::read_to_string(table.path(file)).unwrap();
        text.contains("BEGIN ENCRYPTED PRIVATE KEY")
    };
    assert!(is_encrypted("pilot/root-1.key") && !is_encrypted("demo/root-1.key"));
    for (folder, pass) in [("pilot", " --passphrase-file pass"), ("demo", "")] {
        let held = format!("--trust {folder}/roots --lists {folder}/lists");
        table.done(&format!(
            "trust propose {held} --days 30 --out {folder}/draft"
        ));
        table.done(&format!(
            "trust sign {folder}/draft {held} --key {folder}/root-1.key{pass} --out {folder}/sig"
        ));
    }
}
