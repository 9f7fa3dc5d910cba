//! What a running node looks at again: its files, and what follows from a newer trust list.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use huren_core::{
    audit::{Act, Actor, AuditAction},
    merkle::Hash,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::Config,
    engine::{Clock, Engine},
    http::{health::Obstacle, submit::WitnessLinks},
    rpc::{Forward, Links},
    startup::{NodeKeys, NodeTls, read_lists},
    tls::{self, Clients, ServerTls, SpkiSha256},
};

use super::{manager, readiness, trail};

/// How often files are looked at for renewed certificates, and trust lists for new members.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// A certificate or trust list that ends within this time is warned of.
pub(crate) const EXPIRY_WARNING: Duration = Duration::from_secs(30 * DAY);
pub(super) const DAY: u64 = 24 * 60 * 60;

/// What the ports present and whom they let in.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) grpc: Arc<ServerTls>,
    pub(super) http: Arc<ServerTls>,
}

/// What a running node looks at again: its files every minute and at once on SIGHUP, and
/// everything that follows from a trust list whenever a newer one counts.
pub(super) struct Reloading {
    pub(super) config: Config,
    pub(super) listeners: Listeners,
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) links: Links,
    pub(super) witnesses: WitnessLinks,
    pub(super) forward: Option<Arc<Forward>>,
    /// The key of the certificate in use.
    pub(super) presented: SpkiSha256,
    /// Why the file of trust lists was refused when it was last looked at.
    pub(super) refused: Option<&'static str>,
}

impl Reloading {
    /// Runs for ever. What cannot be read leaves in force what was.
    pub(super) async fn run(mut self) {
        let mut hangups = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP is not listened to"))
            .ok();
        let mut trust = self.engine.trust_changes();
        self.warn_of_expiry();
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => drop(hangups.recv().await),
                    None => std::future::pending().await,
                }
            };
            let told_to = tokio::select! {
                biased;
                () = hangup => true,
                changed = trust.changed() => if changed.is_err() { return } else { false },
                () = self.clock.sleep(RELOAD_INTERVAL) => false,
            };
            if told_to {
                tracing::info!("reading keys, trust lists and certificates again");
                manager::reloading();
            }
            // Keys first: a list that names the next one may come right behind it.
            match NodeKeys::signing(&self.config) {
                Ok(keys) => {
                    self.engine.set_signing_keys(keys);
                    if let Err(error) = trail::record_keys(&self.engine).await {
                        tracing::error!(%error, "a new key is not in the audit trail yet");
                    }
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the keys in use stay in use");
                }
            }
            // Then lists: members that they bring are let in by what is read next.
            self.lists().await;
            trust.mark_unchanged();
            if let Err(error) = self.connections() {
                let error: &dyn std::error::Error = error.as_ref();
                tracing::error!(error, "the certificates in use stay in use");
            }
            self.warn_of_expiry();
            if told_to {
                manager::reloaded();
            }
        }
    }

    /// Takes the lists that the operator put into the file since the start.
    async fn lists(&mut self) {
        if self.engine.is_following() {
            return; // For the process in charge to take.
        }
        let lists = match read_lists(&self.config) {
            Ok(lists) => lists,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                return tracing::error!(error, "the file of trust lists cannot be read");
            }
        };
        let notes: Vec<&[u8]> = lists.iter().map(String::as_bytes).collect();
        let taken = self.engine.take_trust_lists(&notes, Actor::Machine).await;
        let refused = taken.err().map(|error| {
            let code = error.code();
            tracing::error!(code, %error, "a trust list in the file is not taken");
            metrics::counter!("huren_alarms_total", "kind" => "trust_list").increment(1);
            code
        });
        // Once, not with every look at a file that stays as it is.
        if let Some(code) = refused.filter(|_| refused != self.refused) {
            let act = Act::new(Actor::Machine, AuditAction::TrustListRefused);
            self.engine.audit().note(act.outcome(code));
        }
        self.refused = refused;
    }

    /// What the ports present and whom they let in, and how the other members are reached.
    fn connections(&mut self) -> anyhow::Result<()> {
        let node_tls = NodeTls::load(&self.config)?;
        let trust = self.engine.trust();
        let clients = Clients::CertifiedBy(node_tls.client_roots(&trust));
        self.listeners.grpc.replace(&node_tls.identity, &clients)?;
        self.listeners
            .http
            .replace(&node_tls.identity, &Clients::Any)?;
        if let Some(forward) = &self.forward {
            let roots = node_tls.client_roots(&trust);
            forward.replace(&node_tls.identity, &roots)?;
        }
        let list = &trust.newest().list;
        let links = &mut self.links;
        let peers = links.follow(list, &self.config.origin, &node_tls.identity);
        self.engine.set_peers(peers);
        self.engine
            .set_witnesses(self.witnesses.follow(&list.witnesses));
        let presented = node_tls.identity.spki_sha256();
        if presented != self.presented {
            self.presented = presented;
            let act = Act::new(Actor::Machine, AuditAction::CertificatesChanged);
            self.engine.audit().note(act.digest(Hash(presented.0)));
        }

        let end = tls::not_after(node_tls.identity.certificate())?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock.now());
        let left = end.duration_since(now).unwrap_or_default();
        metrics::gauge!("huren_tls_certificate_left_seconds").set(left.as_secs_f64());
        if left < EXPIRY_WARNING {
            let days = left.as_secs() / DAY;
            let file = self.config.tls.certificate.display();
            tracing::warn!(days, %file, "renew the certificate");
        }
        Ok(())
    }

    /// An expired list goes on counting, so it is warned of before and complained about after.
    fn warn_of_expiry(&self) {
        let expires = self.engine.trust().newest().list.expires;
        let left = expires.as_second() - self.clock.now().cast_signed();
        metrics::gauge!("huren_trust_list_left_seconds").set(left as f64);
        if let Some(notice) = readiness::expiry(left) {
            let Obstacle { code, zh, en } = &notice;
            tracing::warn!(code, %expires, zh, "{en}");
        }
    }
}
