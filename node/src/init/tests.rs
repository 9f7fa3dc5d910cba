use huren_core::trust::TrustList;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::tls::Identity;

fn options(directory: &Path) -> InitOptions {
    InitOptions::new(Region::ZHEJIANG, directory).unwrap()
}

fn make(options: &InitOptions) -> Result<InitReport, InitError> {
    init(
        options,
        &mut StdRng::seed_from_u64(1),
        SystemTime::UNIX_EPOCH + YEARS_50,
    )
}

const YEARS_50: std::time::Duration = std::time::Duration::from_secs(50 * 365 * 24 * 60 * 60);

#[test]
fn a_new_node_has_all_that_its_configuration_names() {
    let dir = tempfile::tempdir().unwrap();
    let report = make(&options(&dir.path().join("new/node"))).unwrap();

    let text = fs::read_to_string(&report.config).unwrap();
    let config = Config::parse(&text, report.config.parent().unwrap()).unwrap();
    for purpose in Purpose::ALL {
        keys::load(&purpose.file_in(&config.keys_dir), purpose).unwrap();
    }
    let identity = Identity::load(&config.tls.certificate, &config.tls.key).unwrap();
    assert_eq!(report.member.tls_keys, [identity.spki_sha256().to_string()]);
    let issuer = Identity::load(&report.issuer.0, &report.issuer.1).unwrap();
    assert_eq!(config.callers[0].tls_key, issuer.spki_sha256());
    let (origin, head) = HighWater::open(&config.high_water)
        .unwrap()
        .read()
        .unwrap()
        .unwrap();
    assert_eq!(
        (origin, head.size, head.root),
        (config.origin, 0, empty_root())
    );
    assert!(report.holder_key_is_new);
}

#[test]
fn its_state_may_lie_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let elsewhere = |directory: &str| InitOptions {
        state: Some(state.clone()),
        ..options(&dir.path().join(directory))
    };
    let report = make(&elsewhere("node")).unwrap();
    let config = Config::load(&report.config).unwrap();
    assert_eq!(config.data_dir, state.join("data"));
    assert_eq!(config.high_water, state.join("high-water"));
    assert!(config.data_dir.is_dir() && config.high_water.exists());
    // Another node does not begin over the database of this one.
    fs::write(config.data_dir.join("huren.db"), "").unwrap();
    let refused = make(&elsewhere("other")).unwrap_err();
    assert!(matches!(refused, InitError::NotEmpty { directory } if directory == config.data_dir));
}

#[test]
fn what_it_tells_the_federation_makes_a_trust_list() {
    let dir = tempfile::tempdir().unwrap();
    let mut members = Vec::new();
    for region in [Region::SHANGHAI, Region::ZHEJIANG] {
        let directory = dir.path().join(region.to_string());
        let mut options = InitOptions::new(region, &directory).unwrap();
        if region == Region::ZHEJIANG {
            options.record_algorithm = Algorithm::Sm2Sm3;
        }
        let mut rng = StdRng::seed_from_u64(members.len() as u64);
        let report = init(&options, &mut rng, SystemTime::UNIX_EPOCH + YEARS_50).unwrap();
        let text = fs::read_to_string(directory.join(MEMBER)).unwrap();
        assert_eq!(
            serde_json::from_str::<Member>(&text).unwrap(),
            report.member
        );
        members.push(report.member);
    }
    let key = members[0].record_keys[0].clone();
    assert!(key.writes_for(&Region::parse("310115").unwrap()) && key.signs_kind(1));
    let algorithms = members
        .iter()
        .map(|member| member.record_keys[0].alg.as_str());
    assert_eq!(algorithms.collect::<Vec<_>>(), ["ed25519", "sm2-sm3"]);
    assert_eq!(members[1].grpc, "https://127.0.0.1:4433");
    let origin = members[1].origin.parse().unwrap();
    let list = TrustList {
        version: 1,
        previous: String::new(),
        issued: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: "2027-01-01T00:00:00Z".parse().unwrap(),
        root: huren_core::trust::RootRole {
            threshold: 1,
            keys: Vec::new(),
        },
        quorum: 1,
        members,
        former_members: Vec::new(),
        witnesses: Vec::new(),
    };
    list.policy(&origin).unwrap();
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "x").unwrap();
    assert!(matches!(
        make(&options(dir.path())),
        Err(InitError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let node = dir.path().join("node");
    make(&options(&node)).unwrap();
    assert!(matches!(
        make(&options(&node)),
        Err(InitError::NotEmpty { .. })
    ));
}

#[test]
fn options_that_cannot_work_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let bad = [
        InitOptions {
            name: "a\"b".to_owned(),
            ..options(&node)
        },
        InitOptions {
            region: Region::parse("3302").unwrap(),
            ..options(&node)
        },
        InitOptions {
            origin: "a b".parse().unwrap(),
            ..options(&node)
        },
        InitOptions {
            origin: "a/mirror".parse().unwrap(),
            ..options(&node)
        },
    ];
    for options in bad {
        assert!(make(&options).is_err(), "{options:?}");
        assert!(!node.exists());
    }
}

#[test]
fn the_shared_key_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = make(&options(&dir.path().join("first"))).unwrap();
    let shared = Purpose::Holder.file_in(&first.config.with_file_name("keys"));
    let shared = keys::load(&shared, Purpose::Holder).unwrap();
    let second = InitOptions {
        holder_key: Some(shared.clone()),
        ..InitOptions::new(Region::ANHUI, dir.path().join("second")).unwrap()
    };
    let second = init(
        &second,
        &mut StdRng::seed_from_u64(2),
        SystemTime::UNIX_EPOCH + YEARS_50,
    );
    let second = second.unwrap();
    let held = Purpose::Holder.file_in(&second.config.with_file_name("keys"));
    assert_eq!(
        keys::load(&held, Purpose::Holder).unwrap().expose(),
        shared.expose()
    );
    assert!(!second.holder_key_is_new);
}

#[test]
fn a_node_is_reached_where_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let all = SocketAddr::from(([0, 0, 0, 0], 443));
    let everywhere = InitOptions {
        grpc: all,
        http: all,
        ..options(dir.path())
    };
    assert_eq!(everywhere.host(), "huren.zj.example");
    let named = InitOptions {
        host: Some("::1".to_owned()),
        ..everywhere
    };
    assert_eq!(endpoint(&named.host(), 443), "https://[::1]:443");
    assert_eq!(names_of("::1").1.len(), 2);
    assert_eq!(names_of("localhost").0, ["localhost"]);
}
