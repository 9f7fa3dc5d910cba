//! The audit trail is anchored in the own log in time and goes on behind a restored backup; tokens
//! count as long as they were made for.

use std::time::Duration;

use huren_core::{
    access::{Kinds, Rights, Role},
    audit::{Act, Actor, AuditAction, Check, CheckedChain, Link, Restored},
    token::TokenRefused,
};
use huren_node::engine::{Engine, NewToken, TokenError};
use huren_store::AuditQuery;
use huren_tests::{Federation, REGIONS, audit, origin};

use crate::support::{HOME, empty_store, honest, issued};

/// After which entries are anchored here.
const APART: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn backup() -> Act {
    Act::new(Actor::Machine, AuditAction::BackupMade)
}

fn size(engine: &Engine) -> u64 {
    let entry = engine.book().entry(&origin(HOME)).expect("its own log");
    entry.state.head.size
}

async fn links(engine: &Engine) -> Vec<Link> {
    let rows = engine.audit_entries(&AuditQuery::all(1000)).await;
    let rows = rows.expect("a store").into_iter();
    rows.map(|row| row.link).collect()
}

/// The trail of a member, held against what its log says.
async fn checked(engine: &Engine, links: &[Link]) -> Option<CheckedChain> {
    let anchors = engine.anchors().await.expect("a store").into_iter();
    let mut check = Check::new(anchors.map(|(_, anchor)| anchor).collect());
    check.take(links).expect("a chain that holds");
    check.finish().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_anchored_in_time_for_everybody_to_see() {
    let federation = Federation::start(empty_store, honest).await;
    let engine = federation.engine(HOME);
    engine.audit().record(backup()).await.expect("on disk");
    let before = size(engine);
    assert_eq!(engine.anchors().await.expect("a store"), []);
    federation.clock.until_sleeping(APART).await;
    federation.clock.advance(APART);
    federation
        .until(HOME, |engine| size(engine) == before + 1)
        .await;
    let anchors = engine.anchors().await.expect("a store");
    assert_eq!(anchors.len(), 1);
    let (index, anchored) = (anchors[0].0, anchors[0].1.sequence);
    assert_eq!(index, before);
    // It holds, and would not without its end.
    let links = links(engine).await;
    let chain = checked(engine, &links).await.expect("it holds");
    assert_eq!((chain.anchored, chain.restored), (anchored, Vec::new()));
    let cut = usize::try_from(anchored - 1).expect("a few");
    assert!(checked(engine, &links[..cut]).await.is_none());

    // Every member holds the leaf, and none finds anything wrong with it.
    for at in REGIONS {
        federation.until_known(at, HOME, before + 1).await;
        assert_eq!(audit(&federation, at, HOME).await.submitted(), 0);
        let store = federation.store(at);
        let quarantined = store.quarantined(&origin(HOME), 0, 10).await;
        assert_eq!(quarantined.expect("a store").0, 0, "{at}");
    }
    // Nothing new is nothing to anchor.
    engine.anchor().await.expect("a store");
    let size_then = size(engine);
    assert!(engine.anchor().await.expect("a store").is_none());
    assert_eq!(size(engine), size_then);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_behind_a_restored_backup_and_says_so() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, 3).await;
    let older = federation.backup(HOME, 2).await;
    let engine = federation.engine(HOME);
    for _ in 0..3 {
        engine.audit().record(backup()).await.expect("on disk");
    }
    engine.anchor().await.expect("a log").expect("an anchor");
    let lost = engine.anchors().await.expect("a store")[0].1.sequence;
    let all = size(engine);
    federation.until_known(REGIONS[0], HOME, all).await;
    federation.until_known(REGIONS[1], HOME, all).await;
    federation.until_known(REGIONS[3], HOME, all).await;

    federation.stop(HOME).await;
    federation.replace_store(HOME, older);
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    let engine = federation.engine(HOME);
    let links = links(engine).await;
    let first = links[0].read().expect("an entry");
    assert_eq!(first.action(), AuditAction::BackupRestored);
    let chain = checked(engine, &links).await.expect("it holds");
    assert_eq!(chain.restored[0], Restored { kept: 0, lost });

    // It is anchored again, at a lower place than before, and that holds too.
    engine.audit().record(backup()).await.expect("on disk");
    engine.anchor().await.expect("a log").expect("an anchor");
    let links = self::links(engine).await;
    let chain = checked(engine, &links).await.expect("it holds");
    assert!(chain.anchored > 0);
    assert_eq!(chain.restored[0], Restored { kept: 0, lost });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_counts_until_its_time_is_over() {
    let federation = Federation::start(empty_store, honest).await;
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
