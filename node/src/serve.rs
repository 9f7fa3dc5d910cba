//! A running node: everything wired together, until it is told to stop.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use huren_core::{audit::Actor, reason::Reason};
use huren_store::{HighWater, Sqlite, SqliteOptions, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    engine::{Clock, Engine, Options, Parts, SystemClock, SystemRandom},
    http::{
        self, RequestLimits,
        health::{self, Obstacle, Readiness},
        page, policy, tiles,
        witness::{self, SubmitLimits},
    },
    rpc::{self, RpcLimits},
    startup::{NodeKeys, NodeTls, load_trust, read_lists},
    telemetry,
    tls::{self, Clients, ServerTls},
};

/// How often files are looked at for renewed certificates, and trust lists for new members.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// How often collected durations are put into their buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Calls on one connection at once.
const GRPC_STREAMS: u32 = 256;

/// A certificate that ends within this time is warned of.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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
    let trust = load_trust(&config, &store.trust_lists().await?)?;
    let clients = Clients::CertifiedBy(node_tls.client_roots(&trust));
    let listeners = Listeners {
        grpc: Arc::new(ServerTls::new(&node_tls.identity, &clients)?),
        http: Arc::new(ServerTls::new(&node_tls.identity, &Clients::Any)?),
    };
    let grpc = bind(config.grpc_listen, "grpc.listen").await?;
    let http = bind(config.http_listen, "http.listen").await?;
    let list = trust.newest().list.clone();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts = Parts {
        region: config.region,
        origin: config.origin.clone(),
        store: Arc::clone(&store),
        high_water: HighWater::open(&config.high_water)?,
        trust,
        peers: rpc::peers(&list, &config.origin, &node_tls.identity),
        keys: keys.writer,
        log_key: keys.log,
        answer_key: keys.answer,
        mirror: Some(keys.mirror),
        witness: config.witness.enabled.then_some(keys.witness),
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
    let reloading = reload(
        config.clone(),
        listeners.clone(),
        Arc::clone(&engine),
        Arc::clone(&clock),
    );
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
        witness::routes(Arc::clone(&engine), clock, limits)
    } else {
        Router::new()
    };
    let routes = health::routes(Arc::new(EngineReadiness { engine }), metrics)
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

/// Takes up renewed certificates, and the authorities of members in newer trust lists: every
/// minute, and at once on SIGHUP. What cannot be read leaves in force what was.
async fn reload(config: Config, listeners: Listeners, engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    let mut hangups = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "SIGHUP is not listened to"))
        .ok();
    loop {
        let hangup = async {
            match &mut hangups {
                Some(hangups) => drop(hangups.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hangup => tracing::info!("reading certificates again"),
            () = clock.sleep(RELOAD_INTERVAL) => {}
        }
        // Lists first: members that they bring are let in by what is read next.
        reload_lists(&config, &engine).await;
        if let Err(error) = reload_once(&config, &listeners, &engine, clock.as_ref()) {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::error!(error, "the certificates in use stay in use");
        }
    }
}

/// Takes the lists that the operator put into the file since the start.
async fn reload_lists(config: &Config, engine: &Engine) {
    let lists = match read_lists(config) {
        Ok(lists) => lists,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            return tracing::error!(error, "the file of trust lists cannot be read");
        }
    };
    let notes: Vec<&[u8]> = lists.iter().map(String::as_bytes).collect();
    if let Err(error) = engine.take_trust_lists(&notes, Actor::Machine).await {
        let code = error.code();
        tracing::error!(code, %error, "a trust list in the file is not taken");
        metrics::counter!("huren_alarms_total", "kind" => "trust_list").increment(1);
    }
}

fn reload_once(
    config: &Config,
    listeners: &Listeners,
    engine: &Engine,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let node_tls = NodeTls::load(config)?;
    let clients = Clients::CertifiedBy(node_tls.client_roots(&engine.trust()));
    listeners.grpc.replace(&node_tls.identity, &clients)?;
    listeners.http.replace(&node_tls.identity, &Clients::Any)?;

    let end = tls::not_after(node_tls.identity.certificate())?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(clock.now());
    let left = end.duration_since(now).unwrap_or_default();
    metrics::gauge!("huren_tls_certificate_left_seconds").set(left.as_secs_f64());
    if left < EXPIRY_WARNING {
        let days = left.as_secs() / (24 * 60 * 60);
        tracing::warn!(days, file = %config.tls.certificate.display(), "renew the certificate");
    }
    Ok(())
}

/// Ready is a node whose store can be read and whose own log takes submissions.
struct EngineReadiness {
    engine: Arc<Engine>,
}

#[async_trait]
impl Readiness for EngineReadiness {
    async fn obstacles(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if self.engine.store().log(self.engine.origin()).await.is_err() {
            obstacles.push(Obstacle {
                code: "STORE_UNAVAILABLE",
                zh: "数据库无法读取".to_owned(),
                en: "the database cannot be read".to_owned(),
            });
        }
        if self.engine.is_frozen() {
            obstacles.push(Obstacle {
                code: "LOG_FROZEN",
                zh: "本省日志自相矛盾，已被冻结，不接受提交".to_owned(),
                en: "the own log contradicted itself: it is frozen and takes nothing".to_owned(),
            });
        }
        if !self.engine.is_writable() {
            obstacles.push(Obstacle {
                code: "LOG_NOT_WRITABLE",
                zh: "本省日志暂不接受提交，原因见服务器日志".to_owned(),
                en: "the own log takes no submissions; the server's log says why".to_owned(),
            });
        }
        let withheld = self.engine.withheld().join(" ");
        if !withheld.is_empty() {
            obstacles.push(Obstacle {
                code: Reason::RestoredNotCaughtUp.code(),
                zh: format!("数据库由备份恢复，{withheld} 的日志尚未补齐，其披露信息暂不出示"),
                en: format!(
                    "the database was restored, and the logs of {withheld} have not caught up: \
                     their disclosures are withheld"
                ),
            });
        }
        obstacles
    }
}
