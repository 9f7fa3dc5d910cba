//! What `compose/` says of the program is true: metrics that alerts and the dashboard rest on are
//! exported, every alert is tried and explained, and every container is confined.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace")
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).expect(path)
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).expect(path)
}

/// Every word of a text that names a metric of ours.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("huren_"));
    // A histogram is exported under its own name, and asked for by its parts.
    ours.map(|name| name.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// Names of metrics in the node's sources: whole string literals.
fn exported(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            exported(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let source = fs::read_to_string(&path).expect("a source");
            let literals = source
                .split('"')
                .filter(|text| metrics(text).contains(*text));
            // Those of the collector's own test.
            let real = literals.filter(|name| !name.starts_with("huren_test_"));
            found.extend(real.map(str::to_owned));
        }
    }
}

#[test]
fn what_is_watched_is_exported_and_what_is_exported_is_shown() {
    let mut exports = BTreeSet::new();
    exported(&workspace().join("node/src"), &mut exports);
    let rules = yaml("compose/prometheus/rules.yml");
    let dashboard: Value = read("compose/grafana/dashboards/federation.json")
        .parse()
        .expect("JSON");
    let expressions = |value: &Value| metrics(&all(value, "expr").join(" "));
    let alerts = expressions(&rules);
    assert!(alerts.len() > 10, "the rules are read: {alerts:?}");
    assert_eq!(alerts.difference(&exports).next(), None);
    assert_eq!(expressions(&dashboard), exports);
}

/// Every text under a key, wherever it is.
fn all<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match value {
        Value::Array(values) => values.iter().flat_map(|value| all(value, key)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == key => vec![text.as_str()],
                value => all(value, key),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What GitHub makes of a heading, for links to it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_alert_is_tried_and_says_what_to_do() {
    let rules = yaml("compose/prometheus/rules.yml");
    let tried = read("compose/prometheus/rules_test.yml");
    let handbook = read("node/HANDBOOK.md");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    for rule in rules {
        let name = rule["alert"].as_str().expect("an alert");
        let label = format!("alertname=\"{name}\"");
        let is_tried = tried.contains(&label) || tried.contains(&format!("alertname: {name}\n"));
        assert!(is_tried, "{name} has no test");
        let mut rows = handbook.lines().filter(|line| line.starts_with("| `"));
        let is_explained = rows.any(|row| row.contains(&format!("`{name}`")));
        assert!(is_explained, "{name} has no row in the handbook");
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{name}");
        let annotations = &rule["annotations"];
        for field in ["summary", "description"] {
            let text = annotations[field].as_str().expect(name);
            let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            assert!(text.contains(is_chinese), "{name}: {field}");
        }
        let (file, place) = annotations["handbook"]
            .as_str()
            .and_then(|link| link.split_once('#'))
            .expect(name);
        let text = read(file);
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        assert!(
            headings.any(|line| anchor(line) == place),
            "{name}: {file}#{place}"
        );
    }
}

#[test]
fn every_container_is_confined() {
    let compose = yaml("compose/compose.yaml");
    let services = compose["services"].as_object().expect("services");
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        let options = serde_json::json!(["no-new-privileges:true"]);
        assert_eq!(service["security_opt"], options, "{name}");
        let user = service["user"].as_str().expect(name);
        let user: u32 = user.split(':').next().unwrap().parse().expect(name);
        assert_ne!(user, 0, "{name} runs as root");
        let runs_once = service["restart"] == "no";
        assert_eq!(
            service["healthcheck"]["test"].is_array(),
            !runs_once,
            "{name}"
        );
        let tag = service["image"]
            .as_str()
            .and_then(|image| image.rsplit_once(':'));
        let is_pinned = tag.is_some_and(|(_, tag)| tag.contains('.'));
        assert!(
            is_pinned || service["build"].is_object(),
            "{name} is pinned"
        );
    }
    for province in ["31", "32", "33", "34"] {
        for kind in ["node", "db"] {
            assert!(services.contains_key(&format!("{kind}-{province}")));
        }
    }
}

#[test]
fn what_containers_are_given_is_there() {
    let compose = yaml("compose/compose.yaml");
    let is_declared = |kind: &str, name: &str| compose[kind].get(name).is_some();
    for (name, service) in compose["services"].as_object().expect("services") {
        let texts = |key: &str| {
            let list = service[key].as_array().cloned().unwrap_or_default();
            list.into_iter().map(|item| match item {
                Value::String(text) => text,
                item => item["source"].as_str().expect("a source").to_owned(),
            })
        };
        for volume in texts("volumes") {
            let source = volume.split(':').next().unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(file) => workspace().join("compose").join(file).exists(),
                None => is_declared("volumes", source),
            };
            assert!(is_there, "{name}: {source}");
        }
        for kind in ["networks", "secrets"] {
            for used in texts(kind) {
                assert!(is_declared(kind, &used), "{name}: {used}");
            }
        }
        let needs = service["depends_on"].as_object();
        for (other, how) in needs.into_iter().flatten() {
            let other = &compose["services"][other];
            let waits_for_health = how["condition"] == "service_healthy";
            assert!(other.is_object(), "{name}");
            assert_eq!(
                other["healthcheck"]["test"].is_array(),
                waits_for_health,
                "{name}"
            );
        }
    }
}

/// Nodes deliver to it, Grafana reads from it, and both reach it.
#[test]
fn traces_go_where_grafana_finds_them() {
    let compose = yaml("compose/compose.yaml");
    let sources = yaml("compose/grafana/provisioning/datasources/huren.yml");
    let host = |url: &str| {
        let address = url.strip_prefix("http://").expect("an address");
        address.split(':').next().expect("a host").to_owned()
    };
    let networks = |service: &str| -> BTreeSet<String> {
        let list = compose["services"][service]["networks"]
            .as_array()
            .expect(service);
        list.iter()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    };
    let meet = |one: &str, other: &str| !networks(one).is_disjoint(&networks(other));
    let traces = compose["services"]["setup"]["environment"]["TRACES"].as_str();
    let store = host(traces.expect("a collector"));
    assert!(
        ["node-31", "node-32", "node-33", "node-34"]
            .iter()
            .all(|node| meet(node, &store))
    );
    let read: Vec<String> = all(&sources, "url").into_iter().map(host).collect();
    assert!(read.contains(&store), "{read:?}");
    assert!(
        read.iter().all(|source| meet("grafana", source)),
        "{read:?}"
    );
    // What setup.sh replaces is there.
    let example = huren_node::config::example();
    for line in ["endpoint = \"\"", "ratio = 0.1"] {
        assert_eq!(
            example.lines().filter(|found| *found == line).count(),
            1,
            "{line}"
        );
    }
}

#[test]
fn the_image_is_built_from_this_repository_by_its_toolchain() {
    let dockerfile = read("compose/Dockerfile");
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().expect("TOML");
    let version = toolchain["toolchain"]["channel"]
        .as_str()
        .expect("a version");
    for line in [
        format!("FROM rust:{version}-slim-bookworm AS build"),
        format!("ENV RUSTUP_TOOLCHAIN={version}"),
        "USER 10001:10001".to_owned(),
    ] {
        assert!(dockerfile.lines().any(|found| found == line), "{line}");
    }
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let ignored = read(".dockerignore");
    for member in manifest["workspace"]["members"]
        .as_array()
        .expect("members")
    {
        let folder = member.as_str().and_then(|path| path.split('/').next());
        let folder = folder.expect("a folder");
        assert!(
            ignored.lines().any(|line| line == format!("!{folder}")),
            "{folder}"
        );
    }
}
