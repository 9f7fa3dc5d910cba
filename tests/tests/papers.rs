//! What the papers say of the tests is true: every test named in a table is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace")
}

/// Every Rust source below a folder, by its path with `/` and without `.rs`.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).expect("a folder");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.with_extension("").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("a source")));
        }
    }
}

/// Whether a source has a test of that name: a function with an attribute of a test above it, or one
/// that a macro makes tests of, in whose list it stands as a line of its own.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_listed = lines.contains(&name) && lines.contains(&"async fn $test() {");
    is_listed
        || lines.iter().enumerate().any(|(at, line)| {
            let is_it = line.contains(&format!("fn {name}("));
            let above = lines[..at].iter().rev();
            let mut attributes = above.take_while(|line| line.starts_with("#["));
            is_it && attributes.any(|a| a.starts_with("#[test]") || a.starts_with("#[tokio::test"))
        })
}

#[test]
fn every_test_named_in_the_architecture_is_there() {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the paper");
    let mut all = Vec::new();
    for folder in ["node", "tests", "tools"] {
        sources(&workspace().join(folder), &mut all);
    }
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let named: Vec<(&str, &str)> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|name| name.split_once("::"))
        .filter(|(file, _)| file.contains('/'))
        .collect();
    assert!(named.len() > 60, "the tables are read: {}", named.len());
    let is_there = |(file, name): &&(&str, &str)| {
        let ending = format!("/{file}");
        let mut files = all.iter().filter(|(path, _)| path.ends_with(&ending));
        files.any(|(_, source)| has_test(source, name))
    };
    let missing: Vec<_> = named.iter().filter(|named| !is_there(named)).collect();
    assert!(missing.is_empty(), "{missing:#?}");

    // Every promise of the design has a row.
    for promise in 1..=8 {
        let row = format!("| {promise} ");
        assert_eq!(
            text.lines().filter(|line| line.starts_with(&row)).count(),
            1
        );
    }
}

/// No test of a lie is missing from the tables either.
#[test]
fn every_test_of_a_lie_is_named() {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the paper");
    let mut all = Vec::new();
    sources(&workspace().join("tests/tests/hostile"), &mut all);
    let mut tests = 0;
    for (path, source) in all {
        let file = path.rsplit('/').next().unwrap_or_default();
        let names = source.lines().filter_map(|line| {
            let line = line.trim().strip_prefix("async fn ")?;
            line.split_once("() {").map(|(name, _)| name)
        });
        for name in names.filter(|name| has_test(&source, name)) {
            tests += 1;
            let named = format!("`hostile/{file}::{name}`");
            assert!(text.contains(&named), "{named}");
        }
    }
    assert!(tests > 40, "{tests}");
}
