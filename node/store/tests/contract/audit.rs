//! The audit trail, and tokens.

use huren_core::audit::{Act, Actor, AuditAction, ChainHead, DONE, Subject};
use huren_store::{AuditQuery, AuditRow, Error, Store, TokenRow};

fn row(head: &mut ChainHead, act: &Act, time: u64) -> AuditRow {
    let link = head.link(act, time);
    *head = (&link).into();
    AuditRow {
        link,
        time,
        action: act.action().into(),
        actor: act.actor().to_string(),
    }
}

fn rows(head: &mut ChainHead, count: u64) -> Vec<AuditRow> {
    let act = Act::new(Actor::Node, AuditAction::NodeStarted);
    (0..count).map(|time| row(head, &act, time)).collect()
}

pub(crate) async fn entries_follow_the_head(store: &dyn Store) {
    assert_eq!(store.audit_head().await.unwrap(), ChainHead::EMPTY);
    let mut head = ChainHead::EMPTY;
    let first = rows(&mut head, 2);
    store
        .append_audit(ChainHead::EMPTY, first.clone())
        .await
        .unwrap();
    assert_eq!(store.audit_head().await.unwrap(), head);

    let before = head;
    let more = rows(&mut head, 1);
    let other = ChainHead {
        hash: more[0].link.hash,
        ..before
    };
    for wrong in [ChainHead::EMPTY, other] {
        let refused = store.append_audit(wrong, more.clone()).await;
        assert!(matches!(refused, Err(Error::Conflict)));
        assert_eq!(store.audit(&AuditQuery::all(9)).await.unwrap(), first);
    }
    store.append_audit(before, more.clone()).await.unwrap();
    let all = [first, more].concat();
    assert_eq!(store.audit(&AuditQuery::all(9)).await.unwrap(), all);
}

pub(crate) async fn entries_are_found_by_what_they_say(store: &dyn Store) {
    let mut head = ChainHead::EMPTY;
    let subject = Subject([7; 16]);
    let caller = Actor::Caller("hr".into());
    let query = Act::new(caller.clone(), AuditAction::CertificatesQueried).outcome(DONE);
    let acts = [
        Act::new(Actor::Node, AuditAction::NodeStarted),
        query.clone().subject(subject),
        query.clone().subject(Subject([8; 16])),
        Act::new(Actor::Page, AuditAction::CertificatesQueried).subject(subject),
        Act::new(Actor::Unknown, AuditAction::CallRefused),
    ];
    let times = (10..).step_by(10);
    let made: Vec<AuditRow> = acts
        .iter()
        .zip(times)
        .map(|(act, time)| row(&mut head, act, time))
        .collect();
    store.append_audit(ChainHead::EMPTY, made).await.unwrap();
    let all = AuditQuery::all(9);
    let check = async |query: AuditQuery, expected: &[u64]| {
        let found = store.audit(&query).await.unwrap();
        let found: Vec<u64> = found.iter().map(|row| row.link.sequence).collect();
        assert_eq!(found, expected, "{query:?}");
    };
    let queried = Some(AuditAction::CertificatesQueried.into());
    check(all.clone(), &[1, 2, 3, 4, 5]).await;
    check(
        AuditQuery {
            limit: 2,
            ..all.clone()
        },
        &[1, 2],
    )
    .await;
    let newest = AuditQuery {
        newest_first: true,
        limit: 2,
        ..all.clone()
    };
    check(newest, &[5, 4]).await;
    check(
        AuditQuery {
            sequences: 2..4,
            ..all.clone()
        },
        &[2, 3],
    )
    .await;
    check(
        AuditQuery {
            times: 20..40,
            ..all.clone()
        },
        &[2, 3],
    )
    .await;
    check(
        AuditQuery {
            action: queried,
            ..all.clone()
        },
        &[2, 3, 4],
    )
    .await;
    let actor = Some(caller.to_string());
    check(
        AuditQuery {
            actor,
            ..all.clone()
        },
        &[2, 3],
    )
    .await;
    check(
        AuditQuery {
            subjects: vec![Subject([9; 16]), subject],
            ..all.clone()
        },
        &[2, 4],
    )
    .await;
    let narrow = AuditQuery {
        subjects: vec![subject],
        action: queried,
        times: 30..u64::MAX,
        ..all.clone()
    };
    check(narrow, &[4]).await;
    check(AuditQuery { limit: 0, ..all }, &[]).await;
}

pub(crate) async fn a_long_trail_is_kept_whole(store: &dyn Store) {
    let mut head = ChainHead::EMPTY;
    let made = rows(&mut head, 1000);
    store
        .append_audit(ChainHead::EMPTY, made.clone())
        .await
        .unwrap();
    assert_eq!(store.audit(&AuditQuery::all(2000)).await.unwrap(), made);
    assert_eq!(store.audit_head().await.unwrap(), head);
}

pub(crate) async fn tokens_are_kept_and_revoked_once(store: &dyn Store) {
    assert_eq!(store.tokens().await.unwrap(), []);
    let token = |id: &str, created| TokenRow {
        id: id.to_owned(),
        hash: [9; 32],
        name: "人社窗口".to_owned(),
        roles: "verifier".to_owned(),
        kinds: String::new(),
        regions: "33 3101".to_owned(),
        created,
        expires: created + 100,
        revoked: None,
    };
    let (late, early) = (token("a", 2), token("b", 1));
    store.put_token(late.clone()).await.unwrap();
    store.put_token(early.clone()).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), [early.clone(), late.clone()]);
    let again = TokenRow {
        hash: [1; 32],
        ..late.clone()
    };
    assert!(matches!(store.put_token(again).await, Err(Error::Conflict)));
    let unknown = store.revoke_token("c", 5).await;
    assert!(matches!(unknown, Err(Error::Conflict)));
    for time in [5, 6] {
        store.revoke_token("a", time).await.unwrap();
        let revoked = TokenRow {
            revoked: Some(5),
            ..late.clone()
        };
        assert_eq!(store.tokens().await.unwrap(), [early.clone(), revoked]);
    }
}
