//! Leaves put into a member's log behind its node's back, and stores as a backup has them.

use std::sync::Arc;

use huren_core::{
    codes::Region,
    disclosure::{self, Group},
    merkle::leaf_hash,
};
use huren_store::{DisclosureRow, Memory, Role, Store, Tag};

use crate::{Federation, Leaf, audit::leaves, history::History, origin, writer_keys};

impl Federation {
    /// Puts leaves at the end of a member's log, under a checkpoint that the member signed, and
    /// has the member's own register made anew from its log. Gives the index of the first.
    pub async fn plant<'a>(
        &mut self,
        of: Region,
        planted: impl IntoIterator<Item = &'a Leaf>,
    ) -> u64 {
        let planted: Vec<&Leaf> = planted.into_iter().collect();
        let is_running = self.is_running(of);
        self.stop(of).await;
        let (store, log) = (Arc::clone(self.store(of)), origin(of));
        store.create_log(&log, Role::Own).await.expect("a store");
        let held = store.log(&log).await.expect("a store").expect("a log");
        let held = held.head.size;

        let mut all = leaves(store.as_ref(), of, held).await.0;
        all.extend(planted.iter().map(|leaf| leaf.bytes.clone()));
        let opened = (held..)
            .zip(planted)
            .filter(|(_, leaf)| !leaf.openings.is_empty());
        let mut append = History::new(of, all).append(held);
        append.disclosures = opened.map(|(index, leaf)| row(of, index, leaf)).collect();
        store.append(&log, append).await.expect("a store");
        store.drop_register(&log).await.expect("a store");

        if is_running {
            self.open(of).await.expect("an engine");
            self.until(of, |engine| engine.is_writable()).await;
        }
        held
    }

    /// A store as a backup has it that was made when the member's log had `size` leaves. It
    /// holds nothing of other members' logs.
    pub async fn backup(&self, of: Region, size: u64) -> Arc<dyn Store> {
        let (store, log) = (self.store(of), origin(of));
        let mut append = History::new(of, leaves(store.as_ref(), of, size).await.0).append(0);
        append.disclosures = store.disclosures(&log, 0..size).await.expect("a store");
        let backup = Memory::new();
        backup.create_log(&log, Role::Own).await.expect("a store");
        backup.append(&log, append).await.expect("a store");
        // The register is a fold of the log: start-up makes it.
        backup.drop_register(&log).await.expect("a store");
        Arc::new(backup)
    }
}

/// What opens a leaf, as its own province keeps it.
fn row(of: Region, index: u64, leaf: &Leaf) -> DisclosureRow {
    let keys = writer_keys(of);
    let certificate = leaf.openings.iter().find(|o| o.group == Group::Certificate);
    let number = certificate.and_then(|o| o.values.as_ref()?.get("number"));
    let (log, hash) = (origin(of), leaf_hash(&leaf.bytes));
    let place = (&log, &hash);
    let sealed = keys.at_rest.seal([1; 24], place, &leaf.openings);
    DisclosureRow {
        index,
        number_tag: number.map(|number| Tag(disclosure::number_tag(keys.index.current(), number))),
        holder_tag: None,
        sealed: sealed.expect("small openings"),
    }
}
