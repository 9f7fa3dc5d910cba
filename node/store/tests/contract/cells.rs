//! Statistics.

use huren_core::register::Changes;
use huren_store::{Erased, KeptCell, Store};

use crate::{fixtures::*, lookup::disclosed_mirror};

fn cell(key: &str, sums: &[u8]) -> KeptCell {
    KeptCell {
        key: key.to_owned(),
        sums: sums.to_vec(),
    }
}

pub(crate) async fn counting_follows_fold_and_disclosures(store: &dyn Store) {
    disclosed_mirror(store, 5).await;
    store.advance(mirror(), bare_advance(5, 9)).await.unwrap();
    assert!(store.counted().await.unwrap().is_empty());
    let count = |range, sums: &[u8]| store.put_counts(mirror(), range, vec![cell("a/1", sums)]);
    for refused in [1..3, 0..6, 5..5] {
        conflicts(store, mirror(), count(refused, b"no")).await;
    }
    assert_eq!(store.cells(&["a/1".into()]).await.unwrap(), []);
    count(0..3, b"three").await.unwrap();
    conflicts(store, mirror(), count(0..3, b"again")).await;
    count(3..5, b"five").await.unwrap();
    assert_eq!(store.counted().await.unwrap()[mirror()], 5);
    // Disclosures of what is not folded are not counted.
    store
        .put_disclosures(mirror(), 5..7, Vec::new())
        .await
        .unwrap();
    conflicts(store, mirror(), count(5..7, b"seven")).await;
    let cells = store.cells(&["a/1".into(), "b".into()]).await.unwrap();
    assert_eq!(cells, [cell("a/1", b"five")]);
    let missing = store.put_counts(own(), 0..0, Vec::new()).await;
    conflicts(store, own(), async { missing }).await;
}

pub(crate) async fn cells_are_replaced_and_empty_ones_go(store: &dyn Store) {
    own_log(store, 3).await;
    let cells = ["a/1", "a/2", "a/3", "b/1"].map(|key| cell(key, key.as_bytes()));
    store.put_counts(own(), 0..1, cells.to_vec()).await.unwrap();
    let page = |after: &'static str, limit| store.cells_page("a/", after, limit);
    assert_eq!(page("", 2).await.unwrap(), cells[..2]);
    assert_eq!(page("a/2", 9).await.unwrap(), cells[2..3]);
    assert_eq!(page("a/3", 9).await.unwrap(), []);
    let changed = vec![cell("a/1", b"new"), cell("a/2", b"")];
    store.put_counts(own(), 1..2, changed).await.unwrap();
    let held = store.cells_page("", "", 9).await.unwrap();
    let expected = [cell("a/1", b"new"), cells[2].clone(), cells[3].clone()];
    assert_eq!(held, expected);
    let many: Vec<String> = (0..3000).map(|n| format!("n/{n}")).collect();
    let all = many.iter().map(|key| cell(key, b"1")).collect();
    store.put_counts(own(), 2..3, all).await.unwrap();
    assert_eq!(store.cells(&many).await.unwrap().len(), 3000);
}

pub(crate) async fn what_is_erased_leaves_its_cells_at_once(store: &dyn Store) {
    disclosed_mirror(store, 5).await;
    store.advance(mirror(), bare_advance(5, 6)).await.unwrap();
    let before = vec![cell("a", b"1"), cell("b", b"2")];
    store
        .put_counts(mirror(), 0..5, before.clone())
        .await
        .unwrap();
    let erased = || Erased {
        resealed: Vec::new(),
        cells: vec![cell("a", b""), cell("b", b"1")],
    };
    let refused = store.apply(mirror(), 0..1, Changes::default(), erased());
    conflicts(store, mirror(), refused).await;
    assert_eq!(store.cells_page("", "", 9).await.unwrap(), before);
    let applied = store.apply(mirror(), 5..6, Changes::default(), erased());
    applied.await.unwrap();
    assert_eq!(
        store.cells_page("", "", 9).await.unwrap(),
        [cell("b", b"1")]
    );
}

pub(crate) async fn a_dropped_register_drops_what_is_counted_of_all_logs(store: &dyn Store) {
    own_log(store, 3).await;
    disclosed_mirror(store, 5).await;
    store
        .put_counts(own(), 0..3, vec![cell("a", b"1")])
        .await
        .unwrap();
    store
        .put_counts(mirror(), 0..5, vec![cell("b", b"1")])
        .await
        .unwrap();
    store.drop_register(mirror()).await.unwrap();
    assert!(store.counted().await.unwrap().is_empty());
    assert_eq!(store.cells_page("", "", 9).await.unwrap(), []);
}
