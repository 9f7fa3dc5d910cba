//! The audit trail is anchored in time, and tokens count as long as they were made for.

use std::time::Duration;

use huren_core::{
    access::{Kinds, Rights, Role},
    audit::{Act, Actor, AuditAction, Check},
    token::TokenRefused,
};
use huren_node::engine::{Engine, NewToken, TokenError};
use huren_store::AuditQuery;
use huren_tests::{Federation, REGIONS, audit, origin};

use crate::support::{HOME, honest, memory};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn backup() -> Act {
    Act::new(Actor::Machine, AuditAction::BackupMade)
}

fn size(engine: &Engine) -> u64 {
    let entry = engine.book().entry(&origin(HOME)).expect("its own log");
    entry.state.head.size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_anchored_a_day_later_for_everybody_to_see() {
    let federation = Federation::start(memory, honest).await;
    let engine = federation.engine(HOME);
    engine.audit().record(backup()).await.expect("on disk");
    engine.audit().record(backup()).await.expect("on disk");
    let before = size(engine);
    assert_eq!(engine.anchors().await.expect("a store"), []);
    federation.clock.until_sleeping(DAY).await;
    federation.clock.advance(DAY);
    federation
        .until(HOME, |engine| size(engine) == before + 1)
        .await;
    let anchors = engine.anchors().await.expect("a store");
    assert_eq!(anchors.len(), 1);
    assert_eq!((anchors[0].0, anchors[0].1.sequence), (before, 2));
    // It holds, and would not without its end.
    let rows = engine.audit_entries(&AuditQuery::all(10)).await;
    let rows = rows.expect("a store").into_iter();
    let links: Vec<_> = rows.map(|row| row.link).collect();
    let anchors: Vec<_> = anchors.into_iter().map(|(_, anchor)| anchor).collect();
    let mut check = Check::new(anchors.clone());
    check.take(&links).expect("a chain that holds");
    assert_eq!(check.finish().expect("anchored").anchored, 2);
    let mut cut = Check::new(anchors);
    cut.take(&links[..1]).expect("a chain that holds");
    assert!(cut.finish().is_err());

    // Every member holds the leaf, and none finds anything wrong with it.
    for at in REGIONS {
        federation.until_known(at, HOME, before + 1).await;
        assert_eq!(audit(&federation, at, HOME).await.submitted(), 0);
        let store = federation.store(at);
        let quarantined = store.quarantined(&origin(HOME), 0, 10).await;
        assert_eq!(quarantined.expect("a store").0, 0, "{at}");
    }
    // Nothing new is nothing to anchor.
    assert!(engine.anchor().await.expect("a store").is_none());
    federation.clock.advance(3 * DAY);
    assert!(engine.anchor().await.expect("a store").is_none());
    assert_eq!(size(engine), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_counts_until_its_time_is_over() {
    let federation = Federation::start(memory, honest).await;
    let tokens = federation.engine(HOME).tokens();
    let new = |valid_seconds| NewToken {
        name: "窗口".into(),
        rights: Rights {
            roles: vec![Role::Verifier],
            kinds: Kinds::All,
            regions: vec![HOME],
        },
        valid_seconds,
    };
    let by = || Actor::Caller("operator".into());
    for out_of_range in [0, 59, u64::MAX] {
        let refused = tokens.create(by(), new(out_of_range)).await;
        assert!(matches!(refused, Err(TokenError::Order { .. })));
    }
    let (secret, made) = tokens.create(by(), new(60)).await.expect("a token");
    let presented = secret.presented();
    let admitted = tokens.admit(&presented).expect("in force");
    assert_eq!(admitted, made);
    federation.clock.advance(Duration::from_secs(60));
    let refused = tokens.admit(&presented).map(|_| ());
    assert_eq!(refused, Err(TokenRefused::Expired));
    assert_eq!(tokens.is_in_force(&made.id), Err(TokenRefused::Expired));
    // Making it was written down before it counted.
    let query = AuditQuery {
        action: Some(AuditAction::TokenCreated.into()),
        ..AuditQuery::all(10)
    };
    let rows = federation.store(HOME).audit(&query).await.expect("a store");
    let entry = rows[0].link.read().expect("an entry");
    assert_eq!(
        (entry.token, entry.actor),
        (made.id.clone(), by().to_string())
    );
}
