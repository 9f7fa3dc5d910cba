use std::collections::BTreeSet;

use huren_core::codes::Region;

use super::*;

fn args(directory: &Path, seed: &str) -> GenArgs {
    GenArgs {
        region: Region::ZHEJIANG,
        count: 3_000,
        seed: seed.parse().unwrap(),
        faulty: "5%".parse().unwrap(),
        out: Some(directory.join("certificates.csv")),
        dir: None,
        encoding: Encoding::Utf8,
        institutions: Some(directory.join("institutions.csv")),
        registers: None,
        statuses: 40,
        statuses_out: Some(directory.join("statuses.csv")),
    }
}

fn files(seed: &str) -> (Summary, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let summary = run(&args(directory.path(), seed), &ProgressBar::hidden()).unwrap();
    let names = ["certificates.csv", "institutions.csv", "statuses.csv"];
    (
        summary,
        names
            .map(|name| std::fs::read(directory.path().join(name)).unwrap())
            .into(),
    )
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (summary, bytes) = files("7");
    assert_eq!((summary.clone(), bytes.clone()), files("7"));
    assert_ne!(bytes, files("8").1);
    assert_eq!((summary.certificates, summary.statuses), (3_000, 40));
    assert_eq!(summary.faulty.len(), Fault::ALL.len());
}

/// Other versions of this program must go on making the files that others have measured with.
#[test]
fn the_first_rows_are_what_they_were() {
    let mut certificates = Certificates::new(Region::ZHEJIANG, 7, 1_000, 0).unwrap();
    let numbers: Vec<String> = (0..4)
        .map(|_| {
            certificates
                .next_certificate()
                .unwrap()
                .row
                .get("number")
                .to_owned()
        })
        .collect();
    assert_eq!(numbers, FIRST_NUMBERS);
}

const FIRST_NUMBERS: [&str; 4] = [
    "S000033110017214000001",
    "Y000033020016265000001",
    "Y000033030000194000001",
    "Y000033030000223000001",
];

#[test]
fn numbers_are_unique_and_names_vary() {
    for region in [
        Region::SHANGHAI,
        Region::JIANGSU,
        Region::ZHEJIANG,
        Region::ANHUI,
    ] {
        let mut certificates = Certificates::new(region, 3, 4_000, 0).unwrap();
        let rows: Vec<Row> = (0..4_000)
            .map(|_| certificates.next_certificate().unwrap().row)
            .collect();
        let distinct = |field| {
            rows.iter()
                .map(|row| row.get(field))
                .collect::<BTreeSet<_>>()
                .len()
        };
        assert_eq!(distinct("number"), rows.len());
        assert!(distinct("name") > 2_000);
        assert_eq!(distinct("track"), 3);
        assert!(rows.iter().any(|row| row.get("name").contains('·')));
        assert!(rows.iter().any(|row| row.get("name").contains('𠮷')));
        for length in [16, 18, 20, 22] {
            assert!(
                rows.iter().any(|row| row.get("number").len() == length),
                "{length}"
            );
        }
    }
}

#[test]
fn shares() {
    let check = |text: &str, expected| {
        assert_eq!(
            text.parse::<Share>().ok().map(|share| share.per_mille),
            expected,
            "{text}"
        );
    };
    check("3%", Some(30));
    check("0.03", Some(30));
    check("0.5％", Some(5));
    check("100%", Some(1_000));
    check("101%", None);
    check("-1%", None);
    check("三", None);
    check("NaN", None);
}

#[test]
fn the_command_line_is_sound() {
    use clap::{Args as _, Command};
    GenArgs::augment_args(Command::new("gen")).debug_assert();
    crate::import::ImportArgs::augment_args(Command::new("import")).debug_assert();
    let parse = |line: &str| {
        let command = GenArgs::augment_args(Command::new("gen"));
        command.try_get_matches_from(line.split(' ')).is_ok()
    };
    assert!(parse(
        "gen --region 33 --count 5000 --seed 7 --faulty 3% --out a.csv --encoding gb18030"
    ));
    assert!(parse(
        "gen --region 33 --out a.csv --statuses 3 --statuses-out s.csv"
    ));
    assert!(!parse("gen --region 33 --out a.csv --statuses 3"));
    assert!(!parse("gen --region 330 --out a.csv"));
}
