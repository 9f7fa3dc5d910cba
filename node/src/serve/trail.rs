//! What a node writes down about itself: its configuration, its keys, and that it runs.

use std::collections::BTreeSet;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    merkle::Hash,
};
use huren_store::AuditQuery;

use crate::{config::Config, engine::Engine};

/// Entries about keys that are read back at most. Beyond them a key would be told of again.
const KEY_ENTRIES: u32 = 10_000;

/// Writes down that the node starts, and as what.
pub(super) async fn record_start(engine: &Engine, config: &Config) -> anyhow::Result<()> {
    let configured = Hash(config.digest);
    let before = AuditQuery {
        action: Some(AuditAction::ConfigurationChanged.into()),
        newest_first: true,
        ..AuditQuery::all(1)
    };
    let before = engine.audit_entries(&before).await?;
    let before = before.first().and_then(|row| row.link.read().ok());
    if before.is_none_or(|entry| entry.digest != configured.as_bytes()) {
        let act = Act::new(Actor::Machine, AuditAction::ConfigurationChanged);
        engine.audit().record(act.digest(configured)).await?;
    }
    record_keys(engine).await?;
    let version = engine.trust().newest().list.version;
    let act = Act::new(Actor::Node, AuditAction::NodeStarted).version(version);
    Ok(engine.audit().record(act).await?)
}

/// Writes down every key that was not here before, be it in use or the next one: which one signs
/// is for the trust list to say, and that is in the trail too.
pub(super) async fn record_keys(engine: &Engine) -> anyhow::Result<()> {
    let act = || Act::new(Actor::Machine, AuditAction::KeyRotated);
    let told = AuditQuery {
        action: Some(AuditAction::KeyRotated.into()),
        newest_first: true,
        ..AuditQuery::all(KEY_ENTRIES)
    };
    let told = engine.audit_entries(&told).await?;
    let told = told.iter().filter_map(|row| row.link.read().ok());
    let told: BTreeSet<String> = told.map(|entry| entry.key).collect();
    for (role, id) in engine.key_ids() {
        let act = act().key(role, &id);
        if !told.contains(act.named_key()) {
            engine.audit().record(act).await?;
        }
    }
    Ok(())
}
