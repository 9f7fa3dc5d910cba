//! StatisticsService.

use std::collections::{BTreeSet, HashMap};

use huren_core::{
    access::Role,
    codes::{Coded as _, Date, Region},
    statistics::{Basis, Dimension, Month, Query, Row, smallest_cell, suppress},
};
use huren_proto::v1::{self, statistics_service_server::StatisticsService};
use tonic::{Request, Response, Status};

use super::{Context, access::who, refuse};

/// Rows in one answer at most, and when the caller names no number.
const MAX_ROWS: u32 = 10_000;
const DEFAULT_ROWS: u32 = 1_000;

pub(super) struct Service(pub(super) Context);

impl Context {
    /// How far each log is counted, by origin, as answers say it.
    pub(super) async fn counted(&self) -> Result<HashMap<String, u64>, Status> {
        let counted = self.engine.counted().await;
        let counted = counted.map_err(|error| refuse::store(&error))?.into_iter();
        Ok(counted
            .map(|(origin, size)| (origin.to_string(), size))
            .collect())
    }
}

#[tonic::async_trait]
impl StatisticsService for Service {
    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Result<Response<v1::GetStatisticsResponse>, Status> {
        let (who, engine) = (who(&request)?, &self.0.engine);
        let asked = request.into_inner();
        let this_month = Month::of(Date::today_in_shanghai(engine.clock().now().cast_signed()));
        let query = query(&asked, this_month)?;
        if asked.exact {
            let own = engine.region();
            let covers = |region| who.rights.covers(region, &own);
            let is_entitled = who.rights.has(Role::Statistician);
            if !is_entitled || !query.region.as_ref().is_some_and(covers) {
                return Err(refuse::statistics_exact());
            }
        }
        let (page_size, start) = page(&asked)?;
        // Before the sums, which are then of no less.
        let counted = self.0.counted().await?;
        let table = engine.statistics(&query).await;
        let mut table = table.map_err(|error| refuse::statistics(&error))?;
        if !asked.exact {
            suppress(&mut table, smallest_cell());
        }
        let end = table.rows.len().min(start.saturating_add(page_size));
        let rows = table.rows.get(start..end).unwrap_or_default();
        Ok(Response::new(v1::GetStatisticsResponse {
            rows: rows.iter().map(line).collect(),
            total: Some(line(&table.total)),
            next_page_token: match end < table.rows.len() {
                true => end.to_string(),
                false => String::new(),
            },
            counted,
        }))
    }
}

fn page(asked: &v1::GetStatisticsRequest) -> Result<(usize, usize), Status> {
    let size = match asked.page_size {
        0 => DEFAULT_ROWS,
        1..=MAX_ROWS => asked.page_size,
        _ => {
            let sentence = "1 to 10000 rows are given at once";
            return Err(refuse::bad_argument("PAGE_SIZE", "page_size", sentence));
        }
    };
    let start = match asked.page_token.as_str() {
        "" => 0,
        token => token.parse().map_err(|_| {
            let sentence = "the page token is none that an answer gave";
            refuse::bad_argument("PAGE_TOKEN", "page_token", sentence)
        })?,
    };
    Ok((usize::try_from(size).unwrap_or_default(), start))
}

fn query(asked: &v1::GetStatisticsRequest, this_month: Month) -> Result<Query, Status> {
    let bad = |code, field, sentence: &str| Err(refuse::bad_argument(code, field, sentence));
    let basis = match asked.basis() {
        v1::StatisticsBasis::Work => Basis::Work,
        v1::StatisticsBasis::Subsidy => Basis::Subsidy,
        v1::StatisticsBasis::Household => Basis::Household,
        v1::StatisticsBasis::Activity => Basis::Activity,
        v1::StatisticsBasis::Unspecified => {
            return bad("STATISTICS_BASIS", "basis", "no basis is named");
        }
    };
    let known = asked.by.iter().filter_map(|number| {
        let at = usize::try_from(*number).ok()?.checked_sub(1)?;
        Dimension::ALL.get(at).copied()
    });
    let by: BTreeSet<Dimension> = known.collect();
    if by.len() != asked.by.len() {
        let sentence = "a dimension is unknown or named twice";
        return bad("STATISTICS_DIMENSION", "by", sentence);
    }
    let region = match asked.region.as_str() {
        "" => None,
        code => match Region::parse(code) {
            Ok(region) => Some(region),
            Err(error) => return bad(error.code(), "region", &error.to_string()),
        },
    };
    let month = |number, or: Month, field| match number {
        0 => Ok(or),
        number => Month::from_number(number).ok_or_else(|| {
            refuse::bad_argument("MONTH_INVALID", field, "not a month in the form yyyymm")
        }),
    };
    let to = month(asked.to_month, this_month, "to_month")?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Query {
        basis,
        region,
        track: text(&asked.track),
        level: match asked.level {
            0 => None,
            level => Some(u8::try_from(level).unwrap_or(u8::MAX)),
        },
        occupation: text(&asked.occupation),
        institution: text(&asked.institution),
        by,
        from: month(asked.from_month, to, "from_month")?,
        to,
    })
}

fn line(row: &Row) -> v1::StatisticsRow {
    v1::StatisticsRow {
        region: row.region.clone().unwrap_or_default(),
        track: row.track.clone().unwrap_or_default(),
        level: row.level.unwrap_or_default().into(),
        thing: row.thing.clone().unwrap_or_default(),
        period: row.period.map_or(0, Month::number),
        certificates_new: row.certificates_new,
        certificates: row.certificates,
        persons_new: row.persons_new,
        persons: row.persons,
        suppressed: row.is_suppressed,
    }
}
