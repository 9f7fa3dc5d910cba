//! A running node: everything wired together, until it is told to stop.

mod charge;
mod gauges;
mod manager;
mod readiness;
mod reloading;
mod replica;
mod trail;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use huren_core::audit::{Act, Actor, AuditAction};
use huren_store::{HighWater, Postgres, Sqlite, SqliteOptions, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Database},
    engine::{Clock, Engine, Options, Parts, SystemClock, SystemRandom, take_data_keys},
    http::{
        self, RequestLimits, api,
        check::{self, CheckPage},
        console, health, map, page, policy, proxies, status,
        submit::WitnessLinks,
        tiles,
        witness::{self, SubmitLimits},
    },
    rpc::{Forward, Links, RpcLimits, Services},
    startup::{NodeKeys, NodeTls, load_trust, read_roots},
    telemetry,
    tls::{self, Clients, ServerTls},
};
use charge::Charge;
use gauges::Gauges;
use manager::Telling;
use readiness::EngineReadiness;
use reloading::{Listeners, Reloading};

pub(crate) use readiness::expiry;
pub(crate) use reloading::EXPIRY_WARNING;

/// How often collected durations are put into their buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Calls on one connection at once.
const GRPC_STREAMS: u32 = 256;

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
    // Before the first use of a table, which would fail in the middle of something.
    let tables = huren_core::data::check()?;
    let placeholders: usize = tables.iter().map(|table| table.placeholders.len()).sum();
    tracing::info!(
        tables = tables.len(),
        placeholders,
        "the built-in tables are in order"
    );
    let keys = NodeKeys::load(&config)?;
    let node_tls = NodeTls::load(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (store, charge) = open_database(&config.database, &clock).await?;
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
    let (engine, runner) = Engine::follow(parts).await?;
    if charge.is_alone() {
        engine.take_charge().await?;
    }
    let mut witnesses = WitnessLinks::default();
    engine.set_witnesses(witnesses.follow(&list.witnesses));
    // Before any of it takes effect.
    trail::record_start(&engine, &config).await?;
    let audit = Arc::clone(engine.audit());
    let tasks = TaskTracker::new();
    // Everything ends with it, whoever asks for that.
    let (stop, done) = (shutdown.child_token(), CancellationToken::new());
    let leading = {
        let (engine, charge) = (Arc::clone(&engine), Arc::clone(&charge));
        let (tasks, stop, done) = (tasks.clone(), stop.clone(), done.clone());
        // Not among the tasks: it goes on until all of them have ended.
        TaskTracker::new().spawn(async move {
            let led = charge.lead(&engine, runner, (&tasks, &stop, &done)).await;
            stop.cancel();
            led
        })
    };
    if let Some(database) = charge.shared() {
        let watched = replica::watch(database, Arc::clone(&clock));
        tasks.spawn(stop.clone().run_until_cancelled_owned(watched));
    }
    let forward = match &config.database {
        Database::File(_) => None,
        Database::Shared(_) => {
            let roots = node_tls.client_roots(&engine.trust());
            let forward = Forward::new(charge.elsewhere(), &node_tls.identity, &roots)?;
            Some(Arc::new(forward))
        }
    };
    tasks.spawn(
        stop.clone()
            .run_until_cancelled_owned(upkeep(metrics.clone())),
    );
    let reloading = Reloading {
        config: config.clone(),
        listeners: listeners.clone(),
        engine: Arc::clone(&engine),
        clock: Arc::clone(&clock),
        links,
        witnesses,
        forward: forward.clone(),
        presented: node_tls.identity.spki_sha256(),
        refused: None,
    };
    let reloading = reloading.run();
    tasks.spawn(stop.clone().run_until_cancelled_owned(reloading));

    let rpc_limits = RpcLimits {
        message_bytes: config.limits.max_message_bytes,
        questions: config.limits.verify_in_flight,
        submissions: config.limits.batch_max_records * 2,
        streams: GRPC_STREAMS,
        calls_per_second: config.limits.calls_per_second,
        unknown_calls_per_minute: config.limits.unknown_calls_per_minute,
    };
    let services = Services::new(
        (Arc::clone(&engine), forward),
        config.callers.clone(),
        rpc_limits,
        tasks.clone(),
        stop.clone(),
    );
    let services = services.await;
    let programs = api::routes(
        services.local(),
        Arc::clone(&clock),
        rpc_limits.message_bytes,
        stop.clone(),
    );
    let calls = tls::incoming(grpc, Arc::clone(&listeners.grpc), stop.clone());
    tasks.spawn(async move {
        if let Err(error) = services.serve(calls).await {
            tracing::error!(error = &error as &dyn std::error::Error, "gRPC has stopped");
        }
    });

    let limits = RequestLimits {
        body_bytes: config.limits.max_message_bytes,
        timeout: config.limits.request_timeout(),
    };
    let page_rate = config.limits.page_rate_per_minute;
    let random = Arc::new(SystemRandom);
    let (asked, now) = (Arc::clone(&engine), Arc::clone(&clock));
    let (employers, sweeping) = page::routes(asked, now, random, page_rate);
    tasks.spawn(stop.clone().run_until_cancelled_owned(sweeping));
    let checking = check::routes(CheckPage::new(&read_roots(&config)?));
    let policies = policy::routes(Arc::clone(&engine), config.log_path());
    let statuses = status::routes(Arc::clone(&engine), config.log_path());
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
    let readiness = Arc::new(EngineReadiness {
        engine: Arc::clone(&engine),
        clock: Arc::clone(&clock),
        elsewhere: charge.elsewhere(),
    });
    let gauges = Gauges {
        engine: Arc::clone(&engine),
        readiness: Arc::clone(&readiness) as Arc<dyn health::Readiness>,
        clock: Arc::clone(&clock),
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(gauges.run()));
    let (book, own) = (Arc::clone(engine.book()), config.origin.clone());
    let is_proven = move || !book.is_unproven(&own);
    let telling = Telling {
        engine,
        readiness: Arc::clone(&readiness) as _,
        clock: Arc::clone(&clock),
    };
    let routes = health::routes(readiness, metrics)
        .merge(tiles::routes(
            store,
            config.origin.clone(),
            config.log_path(),
            is_proven,
        ))
        .merge(policies)
        .merge(statuses)
        .merge(submissions)
        .merge(checking)
        .merge(programs)
        .merge(console::routes())
        .merge(map::routes())
        .merge(employers);
    let routes = proxies::behind(routes, config.http_proxies.clone());
    let http_tls = config.http_tls.then_some(listeners.http);
    tracing::info!(region = %config.region, http = %config.http_listen, "the node serves");
    // Both ports are open: whoever connects is answered.
    tasks.spawn(telling.run(stop.clone()));
    http::serve(
        http,
        http::with_limits(routes, limits, Arc::new(SystemRandom)),
        http_tls,
        stop,
    )
    .await;
    tasks.close();
    tasks.wait().await;
    done.cancel();
    let led = leading.await?;
    charge.resign().await;
    let stopped = Act::new(Actor::Node, AuditAction::NodeStopped);
    // With what was noted at the end.
    if let Err(error) = audit.record(stopped).await {
        tracing::error!(%error, "the end of the audit trail is missing");
    }
    tracing::info!("the node has stopped");
    Ok(led?)
}

/// Opens the database, and finds this process's place among those over it.
async fn open_database(
    database: &Database,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Arc<dyn Store>, Arc<Charge>)> {
    let cannot = || format!("cannot open {database}");
    let (store, shared, address): (Arc<dyn Store>, _, _) = match database {
        Database::File(path) => {
            let store = Sqlite::open(path, SqliteOptions::default()).await;
            (Arc::new(store.with_context(cannot)?), None, String::new())
        }
        Database::Shared(at) => {
            let store = Postgres::open(&at.url, &at.options).await;
            let store = Arc::new(store.with_context(cannot)?);
            let shared = Some(Arc::clone(&store));
            (store, shared, at.address.clone())
        }
    };
    let charge = Charge::new(shared, address, Arc::clone(clock));
    Ok((store, Arc::new(charge)))
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

/// Durations pile up in memory until somebody does this.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}
