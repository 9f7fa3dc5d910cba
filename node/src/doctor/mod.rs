//! `huren-node doctor`: whether a node is in order, and what to do where it is not.
//!
//! Each check has a module: what is looked at there is judged by functions that look at nothing.
//! It changes nothing and may run beside the node.

mod backups;
mod certificates;
mod clock;
mod database;
mod disk;
mod finding;
mod keys;
mod peers;
mod replica;
mod traces;
mod trust_list;

use std::path::PathBuf;

use clap::Args;

use crate::{
    config::{Config, Database},
    engine::Clock,
    startup::{NodeTls, load_trust},
    telemetry::send_none,
};

pub use finding::{Check, Finding, Level, Report, Words};

/// What is examined.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// 节点配置 / the node's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// 备份所在的文件夹（backup --out 所写） / folder of backups, that of `backup --out`.
    #[arg(long, value_name = "DIR")]
    pub backups: Option<PathBuf>,
    /// 输出 JSON，供程序读取 / print JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Some of what was found are problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("发现 {0} 个问题 / problems found: {0}")]
pub struct Problems(pub usize);

/// An error with its causes, in one line. Some say those of theirs already.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes = causes.map(ToString::to_string);
    causes.fold(error.to_string(), |text, cause| {
        match text.ends_with(&cause) {
            true => text,
            false => format!("{text}: {cause}"),
        }
    })
}

/// Examines a node. What rests on something that cannot be read is left out: that it cannot is what
/// is found.
pub async fn examine(args: &DoctorArgs, clock: &dyn Clock) -> Report {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(error) => {
            let words = Words::new("配置不可用，其余未检查", in_full(&error));
            let remedy = Words::new(
                "按所述更正；可与 huren-node config example 对照",
                "correct it, beside what `huren-node config example` prints; nothing else was checked",
            );
            let found = Finding::problem(Check::Configuration, words, remedy);
            return Report::new(vec![found]);
        }
    };
    let now = clock.now();
    let file = args.config.display();
    let mut findings = vec![Finding::ok(
        Check::Configuration,
        Words::new(
            format!("{} {}，{file}", config.region, config.name),
            config.origin.as_str(),
        ),
    )];
    // The mark first: the database is written before it, so it is never behind it in a node that runs.
    let mark = database::mark(&config);
    let held = database::look(&config).await;
    let (lists, logs) = match &held {
        Ok(held) => (held.lists.as_slice(), held.logs.as_slice()),
        Err(_) => (&[][..], &[][..]),
    };
    let own = logs.iter().find(|log| log.origin == config.origin);
    let chain = load_trust(&config, lists);
    let known = chain.as_ref().ok();
    let tls = NodeTls::load(&config);

    findings.extend(keys::check(
        &config,
        known.zip(own.map(|own| own.head.size)),
    ));
    findings.extend(certificates::check(&config, &tls, known, now));
    findings.extend(trust_list::check(&config, &chain, now));
    let answers = match (&tls, known) {
        (Ok(tls), Some(chain)) => {
            peers::ask(&config, (&tls.identity, &chain.newest().list), clock).await
        }
        _ => Vec::new(),
    };
    findings.extend(clock::check(&answers).await);
    findings.extend(disk::check(&config));
    findings.push(database::judge(&config.database, &held, mark.is_empty()));
    if let Ok(held) = &held
        && let (Some(found), Database::Shared(at)) = (&held.replica, &config.database)
    {
        findings.push(replica::judge(found, at.options.replica_lag_max));
    }
    findings.push(mark.judge(&config.origin, held.is_ok().then_some(own)));
    findings.extend(peers::judge(&answers));
    findings.extend(backups::check(
        &config,
        (args.backups.as_deref(), known),
        now,
    ));
    if let Some(traces) = &config.traces {
        findings.push(traces::judge(&traces.endpoint, &send_none(traces).await));
    }
    Report::new(findings)
}
