//! The trail over a store in memory.

use async_trait::async_trait;
use huren_core::audit::{Check, DONE, Purpose, Subject};
use huren_proto::v1::AuditEntry;
use huren_store::Memory;

use super::*;

/// Never wakes anybody, so that nothing is written behind the test's back.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> u64 {
        1_800_000_000
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

fn trail() -> (Arc<Memory>, Audit) {
    let store = Arc::new(Memory::new());
    let audit = Audit::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(Still));
    (store, audit)
}

/// All entries, of a chain that holds.
async fn entries(store: &Memory) -> Vec<AuditEntry> {
    let rows = store.audit(&AuditQuery::all(u32::MAX)).await.unwrap();
    let mut check = Check::new(Vec::new());
    let links: Vec<_> = rows.into_iter().map(|row| row.link).collect();
    check.take(&links).unwrap();
    links.iter().map(|link| link.read().unwrap()).collect()
}

fn query(actor: Actor, subject: u16) -> Act {
    let mut tag = [0; 16];
    tag[..2].copy_from_slice(&subject.to_be_bytes());
    Act::new(actor, AuditAction::CertificatesQueried)
        .outcome(DONE)
        .purpose(Purpose::Employment)
        .subject(Subject(tag))
}

#[tokio::test]
async fn a_recorded_act_is_there_at_once_and_a_noted_one_with_the_next_write() {
    let (store, audit) = trail();
    audit.note(query(Actor::Page, 1));
    assert_eq!(entries(&store).await, []);
    let act = Act::new(Actor::Machine, AuditAction::BackupMade);
    audit.record(act).await.unwrap();
    let found = entries(&store).await;
    let actors: Vec<&str> = found.iter().map(|entry| entry.actor.as_str()).collect();
    assert_eq!(actors, ["page", "machine"]);
}

#[tokio::test]
async fn many_at_once_and_two_programs_make_one_chain() {
    let (store, audit) = trail();
    let other = Audit::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(Still));
    let act = || Act::new(Actor::Node, AuditAction::NodeStarted);
    let recorded = (0..50).map(|n| {
        let audit = if n % 5 == 0 { &other } else { &audit };
        audit.record(act())
    });
    for done in futures::future::join_all(recorded).await {
        done.unwrap();
    }
    let head = audit.flush().await.unwrap();
    assert_eq!(entries(&store).await.len(), 50);
    assert_eq!(head, store.audit_head().await.unwrap());
}

#[tokio::test]
async fn who_is_cut_off_leaves_the_act_to_the_next() {
    let (store, audit) = trail();
    {
        let cut = audit.record(Act::new(Actor::Machine, AuditAction::BackupMade));
        let mut cut = std::pin::pin!(cut);
        let held = audit.chain.lock().await;
        assert!(futures::poll!(&mut cut).is_pending());
        drop(held);
    }
    audit.flush().await.unwrap();
    assert_eq!(entries(&store).await.len(), 1);
}

#[tokio::test]
async fn questions_of_one_caller_are_one_entry_with_all_their_subjects() {
    let (store, audit) = trail();
    let hr = Actor::Caller("hr".into());
    for subject in 0..300 {
        audit.note(query(hr.clone(), subject));
    }
    audit.note(query(Actor::Page, 1));
    audit.flush().await.unwrap();
    let found = entries(&store).await;
    let counts = |actor: &str| {
        let of = found.iter().filter(|entry| entry.actor == actor);
        of.map(|entry| (entry.count, entry.subjects.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts("caller:hr"), [(256, 256), (44, 44)]);
    assert_eq!(counts("page"), [(1, 1)]);
}

#[tokio::test]
async fn a_flood_is_counted_and_held_in_bounded_memory() {
    let (store, audit) = trail();
    let floods = 100_000_u32;
    for n in 0..floods {
        // Every one by another key, as if somebody had made them for it.
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let actor = Actor::Key(huren_core::merkle::Hash(key));
        audit.note(Act::new(actor, AuditAction::CallRefused).outcome("CALLER_UNKNOWN"));
    }
    for n in 0..u16::MAX {
        audit.note(query(Actor::Page, n));
    }
    {
        let waiting = audit.waiting();
        assert!(waiting.tallies.len() <= MAX_KINDS && waiting.full.len() <= MAX_FULL);
    }
    audit.flush().await.unwrap();
    let found = entries(&store).await;
    assert!(found.len() <= MAX_KINDS + MAX_FULL + 2, "{}", found.len());
    let counted = |action: AuditAction| {
        let of = found.iter().filter(|entry| entry.action() == action);
        of.map(|entry| entry.count).sum::<u64>()
    };
    assert_eq!(counted(AuditAction::CallRefused), u64::from(floods));
    let queried = counted(AuditAction::CertificatesQueried);
    assert_eq!(queried, u64::from(u16::MAX));
    assert!(found.iter().any(|entry| entry.outcome == "FURTHER"));
}

#[tokio::test]
async fn more_orders_than_have_room_are_refused() {
    let (_store, audit) = trail();
    let held = audit.chain.lock().await;
    let act = || Act::new(Actor::Machine, AuditAction::BackupMade);
    let mut waiting: Vec<_> = (0..MAX_RECORDED)
        .map(|_| Box::pin(audit.record(act())))
        .collect();
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending());
    }
    let refused = audit.record(act()).await.unwrap_err();
    assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
    drop(held);
    for done in futures::future::join_all(waiting).await {
        done.unwrap();
    }
}
