//! The floors hold: each part names only what lies below it.
//!
//! Crates are walls that Cargo holds once their dependencies are right, so those are read from
//! the manifests; inside of `huren-node` floors are modules, so there the sources are read.

mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use scan::{Named, Scan, Source, sources};
use toml::Table;

/// What does IO or runs a program that does.
const IO: [&str; 22] = [
    "async-std",
    "axum",
    "figment",
    "h2",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "mio",
    "openssl",
    "quinn",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tokio-rustls",
    "tonic",
    "tower",
];

/// Modules of the standard library that a pure function has no use for.
const OUTSIDE: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];

/// Crates that know a wire, a file format or a screen.
const WIRES: [&str; 16] = [
    "axum",
    "clap",
    "figment",
    "http",
    "http_body_util",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_proto",
    "opentelemetry_sdk",
    "rustls",
    "tokio_rustls",
    "tonic",
    "tower",
    "tracing_opentelemetry",
    "x509_parser",
];

/// What reads configurations, arguments and environments, or ends the program.
const WIRING: [&str; 6] = [
    "anyhow",
    "clap",
    "figment",
    "std::env",
    "std::process",
    "toml",
];

/// What floor 4 needs to know of the store: to serve tiles and the audit trail, and to translate
/// its errors.
const READS: [&str; 6] = [
    "AuditQuery",
    "AuditRow",
    "Error",
    "LogState",
    "Role",
    "Store",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace")
}

fn read_table(path: &str) -> Table {
    let text = fs::read_to_string(workspace().join(path)).expect("a file");
    text.parse().expect("TOML")
}

fn dependencies(manifest: &Table, kind: &str) -> BTreeSet<String> {
    let of = manifest.get(kind).and_then(|table| table.as_table());
    of.map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

/// Fails with every place of `scanned` for which `offence` gives a reason.
fn hold(scanned: &[Source], offence: impl Fn(&Source, &Named) -> Option<String>) {
    assert!(!scanned.is_empty(), "no sources were read");
    let mut offences = Vec::new();
    for source in scanned {
        for named in &source.named {
            if let Some(why) = offence(source, named) {
                let file = source
                    .file
                    .strip_prefix(workspace())
                    .unwrap_or(&source.file);
                let path = named.path.join("::");
                offences.push(format!("{}:{}: {path}: {why}", file.display(), named.line));
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

fn names_any(named: &Named, crates: &[&str]) -> bool {
    crates.iter().any(|prefix| named.is_in(prefix))
}

/// Sources of one top-level module of `huren-node`.
fn node_module(module: &str) -> Vec<Source> {
    let all = sources(&workspace().join("node/src"));
    let of = all
        .into_iter()
        .filter(|source| source.module.first().is_some_and(|m| m == module));
    of.collect()
}

/// The floor of a top-level module of `huren-node`. What is not named here is wiring.
fn floor(module: &str) -> u8 {
    match module {
        "engine" => 3,
        "rpc" | "http" | "tls" => 4,
        _ => 5,
    }
}

#[test]
fn crates_depend_only_on_lower_ones() {
    let allowed = [
        ("proto", &[][..]),
        ("node/core", &["huren-proto"]),
        ("node/store", &["huren-core"]),
        ("node/tables", &[]),
        (
            "node",
            &["huren-core", "huren-proto", "huren-store", "huren-tables"],
        ),
    ];
    for (folder, lower) in allowed {
        let manifest = read_table(&format!("{folder}/Cargo.toml"));
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for name in dependencies(&manifest, kind) {
                // A database server, which uses nothing of this project.
                let is_server = name == "huren-postgres-server" && kind == "dev-dependencies";
                let is_own = (name == "huren" || name.starts_with("huren-")) && !is_server;
                let file = format!("{folder}/Cargo.toml [{kind}]");
                assert!(!is_own || lower.contains(&name.as_str()), "{file}: {name}");
            }
        }
    }
}

#[test]
fn only_the_store_knows_sql() {
    let members = read_table("Cargo.toml")["workspace"]["members"].clone();
    let mut knows = BTreeSet::new();
    for member in members.as_array().unwrap() {
        let folder = member.as_str().unwrap();
        let manifest = read_table(&format!("{folder}/Cargo.toml"));
        let all = ["dependencies", "build-dependencies", "dev-dependencies"];
        let mut names = all.iter().flat_map(|kind| dependencies(&manifest, kind));
        if names.any(|name| ["sqlx", "rusqlite", "libsqlite3-sys"].contains(&name.as_str())) {
            knows.insert(folder.to_owned());
        }
    }
    assert_eq!(knows, BTreeSet::from(["node/store".to_owned()]));
}

/// With everything that it draws in, as the lock file has it.
#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let manifest = read_table("node/core/Cargo.toml");
    let lock = read_table("Cargo.lock");
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let drawn = package.get("dependencies").and_then(|list| list.as_array());
        let drawn = drawn.into_iter().flatten().filter_map(|name| name.as_str());
        // `name version` where several versions are locked; both are looked at then.
        let drawn = drawn.filter_map(|name| name.split(' ').next());
        graph
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .extend(drawn);
    }
    // The lock file lists the services' dependencies with the messages': see the next test.
    let messages = BTreeSet::from(["prost"]);
    assert!(graph.insert("huren-proto", messages).is_some());

    let direct = dependencies(&manifest, "dependencies");
    let mut ways: BTreeMap<&str, String> = BTreeMap::new();
    let mut open: Vec<(&str, String)> = direct
        .iter()
        .map(|name| (name.as_str(), "huren-core".to_owned()))
        .collect();
    while let Some((name, way)) = open.pop() {
        let way = format!("{way} → {name}");
        if ways.insert(name, way.clone()).is_none() {
            open.extend(graph[name].iter().map(|drawn| (*drawn, way.clone())));
        }
    }
    assert!(
        ways.contains_key("sha2") && ways.len() > direct.len(),
        "nothing was followed"
    );
    let offences: Vec<&String> = IO.iter().filter_map(|name| ways.get(name)).collect();
    assert!(offences.is_empty(), "node/core/Cargo.toml: {offences:?}");
}

#[test]
fn the_core_takes_the_messages_without_the_services() {
    let proto = read_table("proto/Cargo.toml");
    assert!(
        proto["features"].get("default").is_none(),
        "proto/Cargo.toml: default features"
    );
    for (name, wanted) in proto["dependencies"].as_table().unwrap() {
        let is_optional = wanted
            .get("optional")
            .is_some_and(|value| value.as_bool() == Some(true));
        assert!(
            is_optional || name == "prost",
            "proto/Cargo.toml: {name} is not optional"
        );
    }
    let shared = read_table("Cargo.toml")["workspace"]["dependencies"]["huren-proto"].clone();
    assert!(
        shared.get("features").is_none(),
        "Cargo.toml: services for everybody"
    );
    let core = read_table("node/core/Cargo.toml")["dependencies"]["huren-proto"].clone();
    assert!(
        core.get("features").is_none(),
        "node/core/Cargo.toml: huren-proto with services"
    );
}

#[test]
fn the_core_touches_nothing() {
    let core = sources(&workspace().join("node/core/src"));
    hold(&core, |_, named| {
        let is_service = named
            .path
            .iter()
            .any(|segment| segment.contains("_service"));
        match () {
            () if names_any(named, &OUTSIDE) => Some("the core touches nothing".into()),
            () if is_service => Some("the core knows messages, not services".into()),
            () => None,
        }
    });
    assert!(
        core.iter()
            .any(|source| source.named.iter().any(|n| n.is_in("huren_proto::v1")))
    );
}

#[test]
fn the_store_knows_no_wire() {
    let store = sources(&workspace().join("node/store/src"));
    hold(&store, |_, named| {
        names_any(named, &WIRES).then(|| "the store persists, nothing else".into())
    });
    assert!(
        store
            .iter()
            .any(|source| source.named.iter().any(|n| n.is_in("sqlx")))
    );
}

#[test]
fn the_node_s_modules_name_only_lower_ones() {
    let node = sources(&workspace().join("node/src"));
    let is_module = |name: &str| {
        node.iter()
            .any(|s| s.module.first().is_some_and(|m| m == name))
    };
    hold(&node, |source, named| {
        let own = source.module.first()?;
        let [root, other, ..] = named.path.as_slice() else {
            return None;
        };
        // What else stands behind `crate` is what `lib.rs` takes up from its modules.
        let (here, there) = (floor(own), if is_module(other) { floor(other) } else { 5 });
        (root == "crate" && own != other && there > here)
            .then(|| format!("floor {here} reaches up to floor {there}"))
    });
    for module in ["engine", "rpc", "http", "tls"] {
        assert!(
            is_module(module),
            "{module} has gone: the floors above are out of date"
        );
    }
}

/// It speaks to members through the trait `Peer` and to its store through the trait `Store`.
#[test]
fn the_engine_knows_no_wire_and_no_back_end() {
    hold(&node_module("engine"), |_, named| {
        let is_service = named
            .path
            .iter()
            .any(|segment| segment.contains("_service"));
        let is_back_end = names_any(
            named,
            &[
                "huren_store::Sqlite",
                "huren_store::Postgres",
                "huren_store::Memory",
                "sqlx",
            ],
        );
        match () {
            () if names_any(named, &WIRES) => Some("the engine knows no wire".into()),
            () if is_service => Some("the engine knows no service".into()),
            () if is_back_end => Some("the engine knows no back end".into()),
            () if named.is_in("anyhow") => Some("the engine's errors are typed".into()),
            () => None,
        }
    });
}

/// Whoever makes a span knows `tracing` alone: OpenTelemetry's types stand where spans enter and
/// leave the process, and where they are delivered.
#[test]
fn traces_are_translated_in_one_place() {
    let types = [
        "opentelemetry",
        "opentelemetry_proto",
        "opentelemetry_sdk",
        "tracing_opentelemetry",
    ];
    let mut places = BTreeSet::new();
    for source in sources(&workspace().join("node/src")) {
        if source.named.iter().any(|named| names_any(named, &types)) {
            places.insert(source.module.join("::"));
        }
    }
    let expected = ["http::trace_context", "telemetry", "telemetry::traces"];
    assert_eq!(places, expected.map(str::to_owned).into());
}

/// Otherwise a simulated game could not be played again.
#[test]
fn the_engine_makes_no_choice_without_an_order() {
    let sources = node_module("engine");
    let mut choices = 0;
    for source in &sources {
        let text = fs::read_to_string(&source.file).expect("a source");
        for choice in text.split("select! {").skip(1) {
            choices += 1;
            let file = source.file.display();
            assert!(choice.trim_start().starts_with("biased;"), "{file}");
        }
    }
    assert!(choices > 5, "the sources were read: {choices}");
}

#[test]
fn what_translates_writes_nothing() {
    let translating: Vec<Source> = ["rpc", "http", "tls"]
        .into_iter()
        .flat_map(node_module)
        .collect();
    let writes = writing_methods();
    assert!(writes.len() > 5 && writes.contains(".append"), "{writes:?}");
    hold(&translating, |_, named| {
        let is_read = named
            .path
            .get(1)
            .is_some_and(|name| READS.contains(&name.as_str()));
        match () {
            () if named.is_in("huren_store") && !is_read => Some("only to read".into()),
            () if writes.contains(&named.path[0]) => Some("only the engine writes".into()),
            () if names_any(named, &WIRING) => Some("floor 5 wires".into()),
            () => None,
        }
    });
}

/// Methods of the contract that return nothing but success: those that write.
fn writing_methods() -> BTreeSet<String> {
    let file = workspace().join("node/store/src/contract/mod.rs");
    let text = fs::read_to_string(file).expect("the contract");
    let declared = text.split("async fn ").skip(1);
    let declared = declared.filter_map(|rest| rest.split_once(';')?.0.split_once('('));
    declared
        .filter(|(_, rest)| rest.ends_with("-> Result<(), Error>"))
        .map(|(name, _)| format!(".{name}"))
        .collect()
}

/// The scanner sees what the rules are about: without this the tests above could pass blindly.
#[test]
fn every_spelling_of_a_path_is_seen() {
    let text = r#"
        //! crate::comment::is::none
        use std::{fs, io::{self, Read as _}};
        use super::super::config;
        use crate::{engine::{Book, Engine}, tls::TlsStream};
        #[tonic::async_trait]
        impl Peer for A { fn f(&self) -> http::Uri { tokio::select! { x = a => sqlx::query("b::c") } } }
        fn g() { store.append(self::x::y()).await; "crate::string" }
        mod inner { use super::sibling::Thing; }
        #[cfg(test)] use crate::only::tests;
        #[cfg(test)] mod tests { use crate::in_tests::a; }
        #[cfg(test)] mod vectors;
        fn h() { crate::after::all::<Vec<u8>>() }
    "#;
    let mut scan = Scan::new(vec!["rpc".into(), "access".into()]);
    scan.text(text);
    let seen: BTreeSet<String> = scan
        .named
        .iter()
        .map(|named| named.path.join("::"))
        .collect();
    let expected = [
        "std::fs",
        "std::io::self",
        "std::io::Read",
        "crate::config",
        "crate::engine::Book",
        "crate::engine::Engine",
        "crate::tls::TlsStream",
        "tonic::async_trait",
        "http::Uri",
        "tokio::select",
        "sqlx::query",
        ".append",
        "crate::rpc::access::x::y",
        "crate::rpc::access::sibling::Thing",
        "crate::after::all",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
    assert_eq!(scan.for_tests, [["rpc", "access", "vectors"]]);
    let line = scan
        .named
        .iter()
        .find(|named| named.is_in("sqlx"))
        .map(|named| named.line);
    assert_eq!(line, Some(7));
}
