//! What statisticians ask of a node: a table of figures, and a month of alerts.

use std::time::Instant;

use anyhow::Result;
use huren_core::codes::Region;
use huren_proto::v1::{
    self, monitoring_service_client::MonitoringServiceClient,
    operator_service_client::OperatorServiceClient,
    statistics_service_client::StatisticsServiceClient,
};
use tonic::{Request, metadata::AsciiMetadataValue};

use super::{
    calls::Calls,
    figures::Reading,
    stage::{HOME, Stage, climb},
};
use crate::demo::cast::Cast;

/// How often the table is asked for.
const TABLES: usize = 200;
/// A month in which certificates were issued: see `generate`.
const MONTH: (u32, u32) = (20_250_301, 20_250_331);

/// A table of cities and levels.
fn asked() -> v1::GetStatisticsRequest {
    v1::GetStatisticsRequest {
        basis: v1::StatisticsBasis::Activity.into(),
        by: vec![
            v1::StatisticsDimension::City.into(),
            v1::StatisticsDimension::Level.into(),
        ],
        ..Default::default()
    }
}

/// Waits until a node has counted everything that it has: behind it, nothing goes on beside what is
/// measured. Gives the seconds.
pub(super) async fn counted(stage: &Stage, region: Region) -> Result<f64> {
    let client = StatisticsServiceClient::new(stage.cast.channel(region)?);
    let logs = stage.cast.status(region).await?.logs;
    let size = logs.iter().map(|log| log.held_size).sum();
    let begin = Instant::now();
    climb("统计 / the count", size, async || {
        let table = client.clone().get_statistics(asked()).await?;
        Ok(table.into_inner().counted.values().sum())
    })
    .await?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Waits until everything is counted, and asks.
pub(super) async fn ask(stage: &Stage) -> Result<Vec<Reading>> {
    let counting_s = counted(stage, HOME).await?;
    let channel = stage.cast.channel(HOME)?;
    let statistics = StatisticsServiceClient::new(channel.clone());
    let table = Calls::measure(vec![asked(); TABLES], 1, async |asked| {
        statistics.clone().get_statistics(asked).await?;
        Ok(())
    })
    .await?;

    let bearer = statistician(&stage.cast).await?;
    let mut client = MonitoringServiceClient::new(channel);
    let mut after = String::new();
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
        after = page.next_page_token;
        if after.is_empty() {
            break;
        }
    }
    Ok(vec![
        ("counting", counting_s),
        ("table", table.p50_ms),
        ("alerts", begin.elapsed().as_secs_f64()),
    ])
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
