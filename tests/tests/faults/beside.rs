//! What a node keeps beside its logs: the audit trail, tokens, and what is counted.

use std::sync::Arc;

use huren_core::{
    audit::{Act, Actor, AuditAction, Check, Link},
    codes::Region,
};
use huren_node::engine::{Audit, Engine};
use huren_proto::v1;
use huren_store::{AuditQuery, Store, TokenRow};
use huren_tests::{FaultyStore, ManualClock, Operation, certificate, change, origin};

use crate::{HOME, scripts, submit, with_faults};

/// Acts are recorded and noted while the trail cannot always be written.
pub(crate) async fn the_trail_is_whole(operation: Operation) {
    for faults in scripts(operation) {
        let store = Arc::new(FaultyStore::new(huren_tests::store()));
        store.arm(faults);
        let clock = Arc::new(ManualClock::default());
        let trail = Audit::new(Arc::clone(&store) as Arc<dyn Store>, clock);
        let mut acknowledged = Vec::new();
        for version in 1..=6 {
            trail.note(Act::new(Actor::Unknown, AuditAction::CallRefused));
            let act = Act::new(Actor::Machine, AuditAction::BackupMade);
            if trail.record(act.version(version)).await.is_ok() {
                acknowledged.push(version);
            }
        }
        assert_eq!(store.outstanding(), []);
        trail.flush().await.expect("no more faults");

        let rows = store.audit(&AuditQuery::all(100)).await.expect("a store");
        let links: Vec<Link> = rows.into_iter().map(|row| row.link).collect();
        let mut chain = Check::new(Vec::new());
        chain.take(&links).expect("a chain that holds");
        let entries: Vec<_> = links
            .iter()
            .map(|link| link.read().expect("an entry"))
            .collect();
        let of = |action| entries.iter().filter(move |entry| entry.action() == action);
        let refused: u64 = of(AuditAction::CallRefused).map(|entry| entry.count).sum();
        assert_eq!(refused, 6, "nothing that was noted is lost or there twice");
        let written: Vec<u64> = of(AuditAction::BackupMade).map(|e| e.version).collect();
        assert!(written.is_sorted_by(|a, b| a < b), "nothing is there twice");
        for version in &acknowledged {
            assert!(written.contains(version), "what was acknowledged is there");
        }
        assert!(acknowledged.len() >= 4);
    }
}

/// An operator makes and revokes tokens, as often as it takes.
pub(crate) async fn tokens_are_whole(operation: Operation) {
    for faults in scripts(operation) {
        let store = FaultyStore::new(huren_tests::store());
        store.arm(faults);
        for id in ["a", "b", "c"] {
            let token = TokenRow {
                id: id.to_owned(),
                hash: [1; 32],
                name: String::new(),
                roles: "verifier".to_owned(),
                kinds: String::new(),
                regions: "33".to_owned(),
                created: 1,
                expires: 2,
                revoked: None,
            };
            while let Err(error) = store.put_token(token.clone()).await {
                // It had been kept, though a failure was reported.
                if matches!(error, huren_store::Error::Conflict) {
                    break;
                }
            }
            while store.revoke_token(id, 1).await.is_err() {}
        }
        assert_eq!(store.outstanding(), []);
        let held = store.tokens().await.expect("a store");
        assert_eq!(held.len(), 3);
        assert!(held.iter().all(|token| token.revoked == Some(1)));
    }
}

/// What is counted is counted once, whatever became of the write.
pub(crate) async fn counts_are_whole(operation: Operation) {
    const AT: Region = Region::SHANGHAI;
    for faults in scripts(operation) {
        let (federation, faulty) = with_faults(AT, faults).await;
        for serial in 1..=3 {
            submit(&federation, &certificate(serial)).await;
        }
        let placed = submit(&federation, &change(v1::StatusAction::Revoke, 2)).await;
        let mut cells = Vec::new();
        for at in [AT, HOME] {
            let is_counted = async |engine: &Engine| {
                let counted = engine.counted().await.expect("a store");
                let of_home = counted.get(&origin(HOME)).copied();
                of_home.is_some_and(|size| size > placed.index)
            };
            federation.until_found(at, is_counted).await;
            let held = federation.store(at).cells_page("", "", u32::MAX).await;
            cells.push(held.expect("a store"));
        }
        assert_eq!(faulty.outstanding(), []);
        assert!(!cells[0].is_empty());
        assert_eq!(cells[0], cells[1]);
    }
}
