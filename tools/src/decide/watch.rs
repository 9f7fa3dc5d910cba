//! `huren decide --watch`: a decision, and whatever becomes of it.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use huren_proto::v1::{self, recognition_service_client::RecognitionServiceClient};
use tonic::{Code, Status};

use super::{decided_json, outcome, print};
use crate::connect::{Calls, NodeArgs};

/// Pauses after a connection that broke: from one second up to a minute, with jitter.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is watched, and how far it is known.
struct Watched {
    asked: v1::DecideRequest,
    /// Digest of the decision that was said last.
    last: Vec<u8>,
    /// Whether one was said in full.
    is_said: bool,
    json_out: bool,
}

/// Watches until Ctrl-C.
pub(super) async fn run(
    node: &NodeArgs,
    asked: v1::DecideRequest,
    last: Vec<u8>,
    json_out: bool,
) -> Result<ExitCode> {
    let watched = Watched {
        asked,
        last,
        is_said: false,
        json_out,
    };
    tokio::select! {
        biased;
        ended = tokio::signal::ctrl_c() => {
            ended.context("无法接收 Ctrl-C / Ctrl-C cannot be heard")?;
            Ok(ExitCode::SUCCESS)
        }
        ended = for_ever(node, watched) => ended,
    }
}

/// Resumes whenever the stream breaks: with the digest of what was said last, so that nothing
/// is missed and nothing is said twice.
async fn for_ever(node: &NodeArgs, mut watched: Watched) -> Result<ExitCode> {
    let mut client = RecognitionServiceClient::new(node.caller()?);
    let mut pauses = pauses();
    loop {
        let (heard, broken) = watched.follow(&mut client).await?;
        if heard {
            pauses = self::pauses();
        }
        let pause = pauses.next().unwrap_or(PAUSES.1);
        let seconds = pause.as_secs_f32();
        eprintln!(
            "连接中断，{seconds:.0} 秒后续接 / the connection broke, resuming in {seconds:.0} s: {broken}"
        );
        tokio::time::sleep(pause).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(PAUSES.0)
        .with_max_delay(PAUSES.1)
        .with_jitter()
        .with_jitter_seed(rand::random())
        .without_max_times()
        .build()
}

impl Watched {
    /// Follows one stream until it breaks. Says whether it was taken, and how it broke.
    async fn follow(
        &mut self,
        client: &mut RecognitionServiceClient<Calls>,
    ) -> Result<(bool, String)> {
        let request = v1::WatchDecisionsRequest {
            question: Some(self.asked.clone()),
            last: self.last.clone(),
        };
        // The requests' side stays open, as whoever closes it may be taken to be going away.
        let requests = tokio_stream::once(request).chain(futures::stream::pending());
        let mut answers = match client.watch_decisions(requests).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ok((false, passing(status)?)),
        };
        loop {
            match answers.message().await {
                Ok(Some(told)) => self.say(told)?,
                Ok(None) => return Ok((true, "节点停止 / the node stopped".to_owned())),
                Err(status) => return Ok((true, passing(status)?)),
            }
        }
    }

    fn say(&mut self, told: v1::WatchDecisionsResponse) -> Result<()> {
        let decided = told.answer.unwrap_or_default();
        if told.refused {
            let reasons = decided.findings.into_iter().filter_map(|f| f.reason);
            let reasons: Vec<String> = reasons
                .map(|reason| format!("{}: {} {}", reason.code, reason.zh, reason.en))
                .collect();
            bail!("{}", reasons.join("; "));
        }
        if self.json_out {
            writeln!(stdout(), "{}", decided_json(&decided))?;
        } else if self.is_said || !self.last.is_empty() {
            let reasons = decided.findings.iter().filter_map(|f| f.reason.as_ref());
            let codes: Vec<&str> = reasons.map(|reason| reason.code.as_str()).collect();
            let (outcome, codes) = (outcome(&decided), codes.join(" "));
            writeln!(stdout(), "变更 changed: {outcome}  {codes}")?;
        } else {
            print(&decided)?;
        }
        stdout().flush()?;
        self.is_said = true;
        self.last = decided.digest;
        Ok(())
    }
}

/// Words for what may pass; what will be refused again is an error.
fn passing(status: Status) -> Result<String> {
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::Unimplemented => Err(status.into()),
        _ => Ok(status.message().to_owned()),
    }
}
