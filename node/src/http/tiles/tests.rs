//! The read API over a store in memory.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use huren_core::{
    checkpoint::Checkpoint,
    cosign::Cosigner,
    merkle::{decode_bundle, encode_bundle, leaf_hash, root_of},
    note::NoteSigner,
};
use huren_store::{Advance, Append, Bundle, Head, Memory, Notes, Package};
use tower::ServiceExt;

use super::*;

/// A full level 0 tile, a partial one, and a partial one at level 1.
const SIZE: u64 = 300;

/// Leaves that are held beyond the published checkpoint.
const BEYOND: u64 = 20;

fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range
        .map(|index| format!("entry {index}").into_bytes())
        .collect()
}

fn leaves(range: std::ops::Range<u64>) -> Vec<Hash> {
    entries(range)
        .iter()
        .map(|entry| leaf_hash(entry))
        .collect()
}

fn bundle(number: u64, size: u64) -> Bundle {
    let entries = entries(number * 256..size.min((number + 1) * 256));
    let width = u16::try_from(entries.len()).unwrap();
    let entries = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
    Bundle {
        number,
        width,
        entries: entries.into(),
    }
}

fn tiles(size: u64) -> Vec<(TileId, Vec<Hash>)> {
    let tile = |level, index, hashes: Vec<Hash>| {
        (
            TileId::new(level, index, u16::try_from(hashes.len()).unwrap()).unwrap(),
            hashes,
        )
    };
    vec![
        tile(0, 0, leaves(0..256)),
        tile(0, 1, leaves(256..size)),
        tile(1, 0, vec![root_of(&leaves(0..256))]),
    ]
}

fn head(size: u64) -> Head {
    Head {
        size,
        root: root_of(&leaves(0..size)),
    }
}

fn checkpoint(origin: &Origin, size: u64) -> SignedCheckpoint {
    let signer = NoteSigner::from_seed(origin.as_str().parse().unwrap(), &[1; 32]);
    SignedCheckpoint::sign(
        Checkpoint::new(origin.clone(), size, head(size).root),
        &signer,
    )
    .unwrap()
}

fn published(note: Vec<u8>) -> Notes {
    Notes {
        published: note,
        ..Notes::default()
    }
}

fn own() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

fn mirrored() -> Origin {
    "huren.js.example/log/32".parse().unwrap()
}

async fn with_own_log(store: &Memory) {
    let (origin, held) = (own(), SIZE + BEYOND);
    store.create_log(&origin, Role::Own).await.unwrap();
    let append = Append {
        expected: head(0),
        head: head(held),
        checkpoint: checkpoint(&origin, held).note().to_string().into_bytes(),
        bundles: vec![bundle(0, held), bundle(1, held)],
        tiles: tiles(held),
        changes: Default::default(),
        erased: huren_store::Erased::default(),
        disclosures: Vec::new(),
        submissions: Vec::new(),
    };
    store.append(&origin, append).await.unwrap();
    let note = checkpoint(&origin, SIZE).note().to_string().into_bytes();
    store.put_notes(&origin, published(note)).await.unwrap();
}

/// The published checkpoint of a mirrored log carries the mirror's cosignature.
fn mirror_note() -> String {
    let mut signed = checkpoint(&mirrored(), SIZE);
    let mirror = Cosigner::from_seed("huren.zj.example/mirror".parse().unwrap(), &[2; 32]);
    let cosignature = mirror.cosign(signed.checkpoint(), 1_700_000_000).unwrap();
    signed.add(cosignature).unwrap();
    signed.note().to_string()
}

async fn with_mirrored_log(store: &Memory) {
    let origin = mirrored();
    store.create_log(&origin, Role::Mirror).await.unwrap();
    let package = |number: u64| {
        let bundle = bundle(number, SIZE + BEYOND);
        let first = number * 256;
        Package {
            leaves: leaves(first..first + u64::from(bundle.width)),
            bundle,
        }
    };
    store
        .put_packages(&origin, vec![package(0), package(1)])
        .await
        .unwrap();
    let note = mirror_note().into_bytes();
    let advance = Advance {
        expected: head(0),
        head: head(SIZE),
        checkpoint: note.clone(),
        tiles: tiles(SIZE),
    };
    store.advance(&origin, advance).await.unwrap();
    store.put_notes(&origin, published(note)).await.unwrap();
}

struct Answer {
    status: StatusCode,
    content_type: String,
    caching: String,
    body: Vec<u8>,
}

async fn get(store: &Arc<Memory>, path: &str) -> Answer {
    get_from(store, path, true).await
}

async fn get_from(store: &Arc<Memory>, path: &str, is_proven: bool) -> Answer {
    let routes = super::routes(store.clone(), own(), "/log/33", move || is_proven);
    let response = routes
        .oneshot(Request::get(path).body(Body::empty()).unwrap())
        .await
        .unwrap();
    let header = |name| response.headers()[name].to_str().unwrap().to_owned();
    Answer {
        status: response.status(),
        content_type: header(header::CONTENT_TYPE),
        caching: header(header::CACHE_CONTROL),
        body: response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    }
}

async fn logs() -> (Arc<Memory>, [String; 2]) {
    let store = Memory::default();
    with_own_log(&store).await;
    with_mirrored_log(&store).await;
    let mirror = format!("/mirror/{}", origin_hash(&mirrored()));
    (Arc::new(store), ["/log/33".to_owned(), mirror])
}

fn concatenated(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

#[tokio::test]
async fn checkpoints_are_served_as_text_that_is_not_kept() {
    let (store, [own_path, mirror_path]) = logs().await;
    let own_note = checkpoint(&own(), SIZE).note().to_string();
    for (path, note) in [(own_path, own_note), (mirror_path, mirror_note())] {
        let answer = get(&store, &format!("{path}/checkpoint")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.content_type, "text/plain; charset=utf-8");
        assert_eq!(answer.caching, "no-store");
        assert_eq!(String::from_utf8(answer.body).unwrap(), note);
    }
}

#[tokio::test]
async fn tiles_and_entries_are_served_up_to_the_published_size() {
    let (store, paths) = logs().await;
    for path in paths {
        let tiles = [
            ("tile/0/000", leaves(0..256)),
            ("tile/0/000.p/7", leaves(0..7)),
            ("tile/0/001.p/44", leaves(256..300)),
            ("tile/0/001.p/1", leaves(256..257)),
            ("tile/1/000.p/1", vec![root_of(&leaves(0..256))]),
        ];
        for (tile, expected) in tiles {
            let answer = get(&store, &format!("{path}/{tile}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}/{tile}");
            assert_eq!(answer.content_type, "application/octet-stream");
            assert!(answer.caching.contains("immutable"), "{}", answer.caching);
            assert_eq!(answer.body, concatenated(&expected), "{path}/{tile}");
        }
        let bundles = [
            ("tile/entries/000", 0..256),
            ("tile/entries/000.p/255", 0..255),
            ("tile/entries/001.p/44", 256..300),
            ("tile/entries/001.p/3", 256..259),
        ];
        for (name, range) in bundles {
            let answer = get(&store, &format!("{path}/{name}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}/{name}");
            assert!(answer.caching.contains("immutable"));
            assert_eq!(
                decode_bundle(&answer.body).unwrap(),
                entries(range),
                "{path}/{name}"
            );
        }
    }
}

#[tokio::test]
async fn what_lies_beyond_or_is_misspelt_is_not_found_and_not_remembered() {
    let (store, [own_path, mirror_path]) = logs().await;
    let wrong = [
        "tile/0/001.p/45",
        "tile/0/001",
        "tile/0/002.p/1",
        "tile/1/000",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/63/000.p/1",
        "tile/entries/001.p/45",
        "tile/entries/001",
        "tile/entries/002",
        "tile/0/0",
        "tile/00/000",
        "tile/0/x000/000",
        "tile/0/%30%300",
        "tile/0/000.p/256",
        "tile/64/000",
        "tile/data/000",
    ];
    let paths = wrong.iter().flat_map(|name| {
        [
            format!("{own_path}/{name}"),
            format!("{mirror_path}/{name}"),
        ]
    });
    let unknown = [
        // The own log is served at its origin only, and other logs not at all.
        format!("/mirror/{}/checkpoint", origin_hash(&own())),
        format!("/mirror/{}/checkpoint", "0".repeat(64)),
        format!(
            "/mirror/{}/checkpoint",
            origin_hash(&mirrored()).to_uppercase()
        ),
        format!("/mirror/{}/tile/0/000", "0".repeat(64)),
    ];
    for path in paths.chain(unknown) {
        let answer = get(&store, &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.caching, "no-store");
    }
}

#[tokio::test]
async fn a_log_without_a_published_checkpoint_shows_nothing() {
    let store = Memory::default();
    with_own_log(&store).await;
    store.put_notes(&own(), Notes::default()).await.unwrap();
    let store = Arc::new(store);
    for path in [
        "/log/33/checkpoint",
        "/log/33/tile/0/000",
        "/log/33/tile/entries/000",
    ] {
        assert_eq!(get(&store, path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn damage_is_not_taken_for_absence() {
    let store = Memory::default();
    store.create_log(&own(), Role::Own).await.unwrap();
    let note = checkpoint(&own(), SIZE).note().to_string().into_bytes();
    store.put_notes(&own(), published(note)).await.unwrap();
    let answer = get(&Arc::new(store), "/log/33/tile/0/000").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.caching, "no-store");
}

#[test]
fn a_bundle_is_cut_between_entries_only() {
    let bundle = encode_bundle([b"abc".as_slice(), b"", b"x"]).unwrap();
    assert_eq!(
        [1, 2, 3].map(|width| end_of(&bundle, width)),
        [Some(5), Some(7), Some(10)]
    );
    assert_eq!(end_of(&bundle, 4), None);
    assert_eq!(end_of(&bundle[..9], 3), None);
}

#[tokio::test]
async fn nothing_is_served_of_a_database_that_may_be_another_one() {
    let (store, [own, mirror]) = logs().await;
    for path in [format!("{own}/checkpoint"), format!("{own}/tile/0/000")] {
        let answer = get_from(&store, &path, false).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    let mirrored = get_from(&store, &format!("{mirror}/checkpoint"), false).await;
    assert_eq!(mirrored.status, StatusCode::OK);
}
