use huren_proto::v1::Kind;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/huren"))
}

/// The example with one piece of text replaced.
fn changed(from: &str, to: &str) -> Result<Config, ConfigError> {
    let example = example();
    assert!(example.contains(from), "{from}");
    parse(&example.replacen(from, to, 1))
}

fn refusal(from: &str, to: &str) -> String {
    changed(from, to).unwrap_err().to_string()
}

#[test]
fn the_example_is_a_configuration() {
    let config = parse(&example()).unwrap();
    assert_eq!(
        (config.region, config.name.as_str()),
        (Region::ZHEJIANG, "浙江省")
    );
    assert_eq!(config.log_path(), "/log/33");
    assert_eq!(
        config.database.file(),
        Ok(Path::new("/etc/huren/data/huren.db"))
    );
    assert_eq!(config.high_water, Path::new("/etc/huren/high-water"));
    assert_eq!(config.replication.poll, Duration::from_secs(10));
    let caller = &config.callers[0];
    let rights = &caller.rights;
    assert!(rights.may_write(Kind::Certificate, &Region::parse("330206").unwrap()));
    assert!(!rights.may_write(Kind::Certificate, &Region::SHANGHAI));
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let shown: toml::Table = example().parse().unwrap();
    let file = file::parse(&example()).unwrap();
    let every = toml::Table::try_from(&file).unwrap();
    assert_eq!(shown, every);
    assert_eq!(file.limits, Limits::default());
    assert_eq!(file.log, Log::default());
    assert_eq!(file.backup, Backup::default());
    let defaults = toml::Table::try_from(ReplicationTable::default()).unwrap();
    assert_eq!(every["replication"].as_table(), Some(&defaults));
    let defaults = toml::Table::try_from(file::WitnessTable::default()).unwrap();
    assert_eq!(every["witness"].as_table(), Some(&defaults));
    let defaults = toml::Table::try_from(traces::TracesTable::default()).unwrap();
    assert_eq!(every["traces"].as_table(), Some(&defaults));
    // Tables with defaults can be left out.
    for table in [
        "limits",
        "replication",
        "backup",
        "witness",
        "log",
        "traces",
        "audit",
        "callers",
        "data_dir",
        "high_water",
    ] {
        let mut fewer = every.clone();
        fewer.remove(table);
        parse(&fewer.to_string()).unwrap();
    }
}

#[test]
fn unknown_and_missing_keys_are_refused_by_name() {
    assert!(refusal("name = ", "nmae = ").contains("nmae"));
    assert!(refusal("poll_seconds", "poll_secs").contains("poll_secs"));
    assert!(refusal("origin = \"huren.zj.example/log/33\"", "").contains("origin"));
    assert!(refusal("tls = true", "tls = \"yes\"").contains("http.tls"));
    assert!(refusal("[grpc]", "[grpc").contains("config example"));
}

/// The example with a PostgreSQL database, and one piece of text replaced.
fn shared(from: &str, to: &str) -> Result<Config, ConfigError> {
    let url = "\nurl = \"postgres://huren:secret@db.example/huren\"\n";
    let address = "\naddress = \"https://10.0.0.5:4433\"\n";
    let example =
        example()
            .replacen("\nurl = \"\"\n", url, 1)
            .replacen("\naddress = \"\"\n", address, 1);
    assert!(example.contains(from), "{from}");
    parse(&example.replacen(from, to, 1))
}

#[test]
fn a_shared_database_is_refused_by_name_and_its_passwords_are_not_shown() {
    let cases = [
        (
            "\nurl = \"postgres://",
            "\nurl = \"mysql://",
            "database.url = ...",
        ),
        (
            "address = \"https://10.0.0.5:4433\"",
            "address = \"10.0.0.5\"",
            "database.address",
        ),
        (
            "replica_url = \"\"",
            "replica_url = \"huren:secret@standby.example/huren\"",
            "database.replica_url = ...",
        ),
        (
            "replica_lag_max = 30",
            "replica_lag_max = 0",
            "database.replica_lag_max = 0",
        ),
        (
            "replica_lag_max = 30",
            "replica_lag_max = 3601",
            "database.replica_lag_max = 3601",
        ),
        (
            "replica_lag_max = 30",
            "replica_lag_max = -1",
            "database.replica_lag_max",
        ),
        (
            "connections = 8",
            "connections = 0",
            "database.connections = 0",
        ),
        (
            "pooled = false",
            "pooled = \"transaction\"",
            "database.pooled",
        ),
    ];
    for (from, to, expected) in cases {
        let told = shared(from, to).unwrap_err().to_string();
        assert!(told.contains(expected), "{to}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn a_shared_database_may_have_a_pooler_and_a_replica() {
    let options = |from, to| match shared(from, to).unwrap().database {
        Database::Shared(shared) => {
            assert!(!format!("{shared:?}").contains("secret"), "{shared:?}");
            shared.options
        }
        Database::File(path) => panic!("{path:?}"),
    };
    let plain = options("", "");
    assert_eq!((plain.pooled, plain.replica), (false, None));
    assert!(options("pooled = false", "pooled = true").pooled);
    let standby = "postgres://huren:secret@standby.example/huren";
    let replica = format!("replica_url = \"{standby}\"");
    assert_eq!(
        options("replica_url = \"\"", &replica).replica.as_deref(),
        Some(standby)
    );
    let patient = options("replica_lag_max = 30", "replica_lag_max = 3600");
    assert_eq!(patient.replica_lag_max, Duration::from_secs(3_600));
}

#[test]
fn wrong_values_are_refused_by_name() {
    let cases = [
        ("region = \"33\"", "region = \"99\"", "region = 99"),
        ("region = \"33\"", "region = \"3302\"", "two digits"),
        (
            "listen = \"0.0.0.0:4433\"",
            "listen = \"localhost\"",
            "grpc.listen = localhost",
        ),
        (
            "high_water = \"high-water\"",
            "high_water = \"data/hw\"",
            "outside data_dir",
        ),
        (
            "high_water = \"high-water\"",
            "high_water = \"x/../data/hw\"",
            "outside data_dir",
        ),
        (
            "batch_max_records = 4096",
            "batch_max_records = 0",
            "limits.batch_max_records = 0",
        ),
        (
            "poll_seconds = 10",
            "poll_seconds = 0",
            "replication.poll_seconds = 0",
        ),
        (
            "recipients = []",
            "recipients = [\"age1me\"]",
            "backup.recipients = age1me",
        ),
        (
            "kinds = [\"*\"]",
            "kinds = [\"certificates\"]",
            "callers.issuer.kinds",
        ),
        (
            "kinds = [\"*\"]",
            "kinds = [\"unspecified\"]",
            "callers.issuer.kinds",
        ),
        (
            "regions = [\"33\"]",
            "regions = [\"3\"]",
            "callers.issuer.regions",
        ),
        (
            "\"issuer\", \"verifier\", \"operator\"]\n",
            "]\n",
            "callers.issuer.roles",
        ),
        ("tls_key = \"00", "tls_key = \"0", "callers.issuer.tls_key"),
    ];
    for (from, to, expected) in cases {
        let text = refusal(from, to);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn proxies_are_addresses_or_networks() {
    let read = |listed: &str| {
        let listed = format!("proxies = [{listed}]");
        parse(&example().replacen("proxies = []", &listed, 1)).map(|config| config.http_proxies)
    };
    assert_eq!(read("").unwrap(), []);
    let two = read(r#""10.0.0.5", "2001:db8::/32""#).unwrap();
    assert_eq!(
        two.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.5/32", "2001:db8::/32"]
    );
    for bad in ["proxy.example", "10.0.0.0/33", "0.0.0.0/0", ""] {
        let error = read(&format!("{bad:?}")).unwrap_err().to_string();
        assert!(error.starts_with("http.proxies = "), "{error}");
    }
}

#[test]
fn traces_go_where_they_can_be_sent() {
    let to = |endpoint: &str, ca: &str| {
        let addressed = format!("endpoint = {endpoint:?}");
        let example = example().replacen("endpoint = \"\"", &addressed, 1);
        parse(&example.replacen("\nca = \"\"", &format!("\nca = {ca:?}"), 1)).map(|c| c.traces)
    };
    assert_eq!(to("", "").unwrap(), None);
    let plain = to("http://127.0.0.1:4317", "").unwrap().unwrap();
    assert_eq!((plain.ratio, plain.headers, plain.ca), (0.1, None, None));
    let secure = to("https://traces.example:4317", "tls/t.crt").unwrap();
    let ca = secure.unwrap().ca;
    assert_eq!(ca.as_deref(), Some(Path::new("/etc/huren/tls/t.crt")));
    let bad = [
        ("127.0.0.1:4317", ""),
        ("http://127.0.0.1", ""),
        ("http://127.0.0.1:4318/v1/traces", ""),
        ("https://traces.example:4317", ""),
        ("http://127.0.0.1:4317", "tls/t.crt"),
    ];
    for (endpoint, ca) in bad {
        let error = to(endpoint, ca).unwrap_err().to_string();
        assert!(
            error.starts_with("traces.endpoint = "),
            "{endpoint}: {error}"
        );
    }
    for ratio in ["-0.1", "1.5", "nan"] {
        let error = refusal("ratio = 0.1", &format!("ratio = {ratio}"));
        assert!(error.starts_with("traces.ratio = "), "{error}");
    }
}

#[test]
fn an_origin_is_an_address_of_its_own() {
    let origin = |text: &str| changed("huren.zj.example/log/33\"\n", &format!("{text}\"\n"));
    for good in ["huren.zj.example", "localhost:8443/log/33", "a/b"] {
        assert!(origin(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "https://huren.zj.example/log",
        "huren.zj.example/",
        "a//b",
        "a/../b",
        "/log",
        "a/b?c",
        "a/b%20",
        "日志",
        "a/mirror/x",
        "a/api",
    ] {
        let error = origin(bad).unwrap_err().to_string();
        assert!(error.starts_with("origin = "), "{bad}: {error}");
    }
}

#[test]
fn callers_are_told_apart() {
    let config = example();
    let (_, caller) = config.split_once("[[callers]]").unwrap();
    let with = |second: &str| parse(&format!("{config}\n[[callers]]{second}"));
    assert!(with(caller).unwrap_err().to_string().contains("same key"));
    let other_key = caller.replace(&"0".repeat(64), &"1".repeat(64));
    assert!(
        with(&other_key)
            .unwrap_err()
            .to_string()
            .contains("callers.name")
    );
    let config = with(&other_key.replace("name = \"issuer\"", "name = \"second\"")).unwrap();
    assert_eq!(config.callers.len(), 2);
}

#[test]
fn another_configuration_has_another_digest() {
    let digest = |from, to| changed(from, to).unwrap().digest;
    let same = digest("poll_seconds = 10", "poll_seconds = 10 # often");
    assert_eq!(same, parse(&example()).unwrap().digest);
    assert_ne!(same, digest("poll_seconds = 10", "poll_seconds = 11"));
}

#[test]
fn a_missing_file_is_no_empty_configuration() {
    let error = Config::load(Path::new("/nonexistent/config.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}

#[test]
fn witnessed_logs_are_verifier_keys_of_others() {
    use huren_core::{cosign::Cosigner, note::NoteSigner};

    let log = |name: &str, seed| {
        let signer = NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32]);
        signer.verifier_key().to_string()
    };
    let logs = |keys: &[String]| changed("logs = []", &format!("logs = {keys:?}"));
    // Two keys of one log while it changes over from one to the other.
    let good = [log("a.example/log", 1), log("a.example/log", 2)];
    let witness = logs(&good).unwrap().witness;
    let names: Vec<String> = witness.logs.iter().map(ToString::to_string).collect();
    assert_eq!((names.as_slice(), witness.enabled), (&good[..], false));
    let cosigner = Cosigner::from_seed("a.example".parse().unwrap(), &[3; 32]);
    let bad = [
        (vec!["a.example".to_owned()], "name+id+key"),
        (vec![cosigner.verifier_key().to_string()], "checkpoints"),
        (vec![log("huren.zj.example/log/33", 1)], "own log"),
        (vec![log("a.example", 1), log("b.example", 1)], "twice"),
    ];
    for (keys, why) in bad {
        let error = logs(&keys).unwrap_err().to_string();
        assert!(
            error.starts_with("witness.logs = ") && error.contains(why),
            "{error}"
        );
    }
    let rate = refusal("rate_per_minute = 120", "rate_per_minute = 0");
    assert!(rate.contains("witness.rate_per_minute = 0"), "{rate}");
}
