//! What statisticians ask of a node: a table of figures, and a month of alerts.

use std::time::Instant;

use anyhow::Result;
use huren_proto::v1::{
    self, monitoring_service_client::MonitoringServiceClient,
    operator_service_client::OperatorServiceClient,
    statistics_service_client::StatisticsServiceClient,
};
use serde::Serialize;
use tonic::{Request, metadata::AsciiMetadataValue};

use super::{calls::Calls, round::HOME};
use crate::{demo::cast::Cast, local::wait_for};

/// How often the table is asked for.
const TABLES: usize = 200;
/// A month in which certificates were issued: see `generate`.
const MONTH: (u32, u32) = (20_250_301, 20_250_331);

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Seconds until all certificates are counted, since they are folded.
    pub(super) counting_s: f64,
    /// One table of cities and levels after the other.
    pub(super) table: Calls,
    /// Seconds for the alerts of a month, of all institutions.
    pub(super) alerts_s: f64,
    /// Answers that they came in, of 20 institutions each.
    pub(super) pages: u32,
    /// How many alerts there were.
    pub(super) alerts: u64,
}

/// Waits until everything is counted, and asks.
pub(super) async fn ask(cast: &Cast) -> Result<Figures> {
    let channel = cast.channel(HOME)?;
    let logs = cast.status(HOME).await?.logs;
    let size: u64 = logs.iter().map(|log| log.held_size).sum();
    let statistics = StatisticsServiceClient::new(channel.clone());
    let asked = v1::GetStatisticsRequest {
        basis: v1::StatisticsBasis::Activity.into(),
        by: vec![
            v1::StatisticsDimension::City.into(),
            v1::StatisticsDimension::Level.into(),
        ],
        ..Default::default()
    };
    let begin = Instant::now();
    let mut counted = 0;
    while counted < size {
        counted = wait_for("统计 / the count", async || {
            let table = statistics.clone().get_statistics(asked.clone()).await?;
            let further: u64 = table.into_inner().counted.values().sum();
            Ok((further > counted).then_some(further))
        })
        .await?;
    }
    let counting_s = begin.elapsed().as_secs_f64();
    let table = Calls::measure(vec![asked; TABLES], 1, async |asked| {
        statistics.clone().get_statistics(asked).await?;
        Ok(())
    })
    .await?;

    let bearer = statistician(cast).await?;
    let mut client = MonitoringServiceClient::new(channel);
    let (mut pages, mut alerts, mut after) = (0, 0, String::new());
    let begin = Instant::now();
    loop {
        let mut asked = Request::new(v1::ListAlertsRequest {
            from_day: MONTH.0,
            to_day: MONTH.1,
            page_token: after,
            ..Default::default()
        });
        asked.metadata_mut().insert("authorization", bearer.clone());
        let page = client.list_alerts(asked).await?.into_inner();
        alerts += page.alerts.len() as u64;
        pages += 1;
        after = page.next_page_token;
        if after.is_empty() {
            break;
        }
    }
    Ok(Figures {
        counting_s,
        table,
        alerts_s: begin.elapsed().as_secs_f64(),
        pages,
        alerts,
    })
}

/// What a statistician of the province presents.
async fn statistician(cast: &Cast) -> Result<AsciiMetadataValue> {
    let order = v1::CreateTokenRequest {
        name: "bench".into(),
        roles: vec!["statistician".into()],
        valid_seconds: 3_600,
        ..Default::default()
    };
    let mut operator = OperatorServiceClient::new(cast.caller(HOME)?);
    let made = operator.create_token(order).await?.into_inner();
    Ok(format!("Bearer {}", made.token).parse()?)
}
