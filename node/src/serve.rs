//! A running node: everything wired together, until it is told to stop.

mod readiness;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use axum::Router;
use huren_core::audit::Actor;
use huren_store::{HighWater, Sqlite, SqliteOptions, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    engine::{Clock, Engine, Options, Parts, SystemClock, SystemRandom, take_data_keys},
    http::{
        self, RequestLimits,
        health::{self, Obstacle},
        page, policy, tiles,
        witness::{self, SubmitLimits},
    },
    rpc::{self, Links, RpcLimits},
    startup::{NodeKeys, NodeTls, load_trust, read_lists},
    telemetry,
    tls::{self, Clients, ServerTls},
};
use readiness::EngineReadiness;

/// How often files are looked at for renewed certificates, and trust lists for new members.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// How often collected durations are put into their buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Calls on one connection at once.
const GRPC_STREAMS: u32 = 256;

/// A certificate or trust list that ends within this time is warned of.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// Runs a node until `shutdown`, then ends what is under way and returns. `accept_loss` is an
/// operator's order for this one start: see [`Options::accept_loss`].
///
/// # Errors
/// If the node cannot start; later failures are logged and shown by `/readyz`.
pub async fn serve(
    config: Config,
    accept_loss: Option<u64>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = telemetry::collect_metrics()?;
    let keys = NodeKeys::load(&config)?;
    let node_tls = NodeTls::load(&config)?;
    let store = Sqlite::open(&config.database, SqliteOptions::default()).await;
    let store: Arc<dyn Store> =
        Arc::new(store.with_context(|| format!("cannot open {}", config.database.display()))?);
    // Before anything is read with them: what is kept under other keys must be known.
    take_data_keys(store.as_ref(), &keys.writer).await?;
    let trust = load_trust(&config, &store.trust_lists().await?)?;
    let clients = Clients::CertifiedBy(node_tls.client_roots(&trust));
    let listeners = Listeners {
        grpc: Arc::new(ServerTls::new(&node_tls.identity, &clients)?),
        http: Arc::new(ServerTls::new(&node_tls.identity, &Clients::Any)?),
    };
    let grpc = bind(config.grpc_listen, "grpc.listen").await?;
    let http = bind(config.http_listen, "http.listen").await?;
    let list = trust.newest().list.clone();
    let mut links = Links::default();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts = Parts {
        region: config.region,
        origin: config.origin.clone(),
        store: Arc::clone(&store),
        high_water: HighWater::open(&config.high_water)?,
        trust,
        peers: links.follow(&list, &config.origin, &node_tls.identity),
        keys: keys.writer,
        signing: keys.signing,
        outside: if config.witness.enabled {
            config.witness.logs.clone()
        } else {
            Vec::new()
        },
        clock: Arc::clone(&clock),
        random: Arc::new(SystemRandom),
        options: engine_options(&config, accept_loss),
    };
    let (engine, runner) = Engine::open(parts).await?;
    let tasks = TaskTracker::new();
    engine.start(runner, &tasks, &shutdown);
    tasks.spawn(
        shutdown
            .clone()
            .run_until_cancelled_owned(upkeep(metrics.clone())),
    );
    let reloading = Reloading {
        config: config.clone(),
        listeners: listeners.clone(),
        engine: Arc::clone(&engine),
        clock: Arc::clone(&clock),
        links,
    };
    let reloading = reloading.run();
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(reloading));

    let rpc_limits = RpcLimits {
        message_bytes: config.limits.max_message_bytes,
        questions: config.limits.verify_in_flight,
        submissions: config.limits.batch_max_records * 2,
        streams: GRPC_STREAMS,
    };
    let calls = tls::incoming(grpc, Arc::clone(&listeners.grpc), shutdown.clone());
    let callers = config.callers.clone();
    let answering = rpc::serve(
        calls,
        Arc::clone(&engine),
        callers,
        rpc_limits,
        tasks.clone(),
        shutdown.clone(),
    );
    tasks.spawn(async move {
        if let Err(error) = answering.await {
            tracing::error!(error = &error as &dyn std::error::Error, "gRPC has stopped");
        }
    });

    let limits = RequestLimits {
        body_bytes: config.limits.max_message_bytes,
        timeout: config.limits.request_timeout(),
    };
    let page_rate = config.limits.page_rate_per_minute;
    let employers = page::routes(Arc::clone(&engine), Arc::clone(&clock), page_rate);
    let policies = policy::routes(Arc::clone(&engine), config.log_path());
    let submissions = if config.witness.enabled {
        let limits = SubmitLimits {
            per_minute: config.witness.rate_per_minute,
            // The rest is for storing and answering.
            reading: config.limits.request_timeout() * 2 / 3,
        };
        witness::routes(Arc::clone(&engine), Arc::clone(&clock), limits)
    } else {
        Router::new()
    };
    let routes = health::routes(
        Arc::new(EngineReadiness {
            engine,
            clock: Arc::clone(&clock),
        }),
        metrics,
    )
    .merge(tiles::routes(
        store,
        config.origin.clone(),
        config.log_path(),
    ))
    .merge(policies)
    .merge(submissions)
    .merge(employers);
    let http_tls = config.http_tls.then_some(listeners.http);
    tracing::info!(region = %config.region, http = %config.http_listen, "the node serves");
    http::serve(http, http::with_limits(routes, limits), http_tls, shutdown).await;
    tasks.close();
    tasks.wait().await;
    tracing::info!("the node has stopped");
    Ok(())
}

async fn bind(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}: see {key} in the configuration"))
}

fn engine_options(config: &Config, accept_loss: Option<u64>) -> Options {
    let (limits, replication) = (&config.limits, &config.replication);
    Options {
        batch_max: limits.batch_max_records,
        queue: limits.submissions_in_flight,
        packages_in_flight: replication.packages_in_flight,
        cache_bytes: limits.cache_bytes,
        poll_seconds: replication.poll.as_secs(),
        recosign_seconds: replication.recosign.as_secs(),
        hold_publish_ms: u64::try_from(replication.hold_publish.as_millis()).unwrap_or(u64::MAX),
        accept_loss,
        anchor_seconds: config.audit.anchor_seconds,
    }
}

/// What the ports present and whom they let in.
#[derive(Clone)]
struct Listeners {
    grpc: Arc<ServerTls>,
    http: Arc<ServerTls>,
}

/// Durations pile up in memory until somebody does this.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}

/// What a running node looks at again: its files every minute and at once on SIGHUP, and
/// everything that follows from a trust list whenever a newer one counts.
struct Reloading {
    config: Config,
    listeners: Listeners,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    links: Links,
}

impl Reloading {
    /// Runs for ever. What cannot be read leaves in force what was.
    async fn run(mut self) {
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
            tokio::select! {
                biased;
                () = hangup => tracing::info!("reading keys, trust lists and certificates again"),
                changed = trust.changed() => if changed.is_err() { return },
                () = self.clock.sleep(RELOAD_INTERVAL) => {}
            }
            // Keys first: a list that names the next one may come right behind it.
            match NodeKeys::signing(&self.config) {
                Ok(keys) => self.engine.set_signing_keys(keys),
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
        }
    }

    /// Takes the lists that the operator put into the file since the start.
    async fn lists(&self) {
        let lists = match read_lists(&self.config) {
            Ok(lists) => lists,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                return tracing::error!(error, "the file of trust lists cannot be read");
            }
        };
        let notes: Vec<&[u8]> = lists.iter().map(String::as_bytes).collect();
        if let Err(error) = self.engine.take_trust_lists(&notes, Actor::Machine).await {
            let code = error.code();
            tracing::error!(code, %error, "a trust list in the file is not taken");
            metrics::counter!("huren_alarms_total", "kind" => "trust_list").increment(1);
        }
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
        let list = &trust.newest().list;
        let links = &mut self.links;
        let peers = links.follow(list, &self.config.origin, &node_tls.identity);
        self.engine.set_peers(peers);

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
