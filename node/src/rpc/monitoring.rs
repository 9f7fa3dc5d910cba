//! MonitoringService.

use huren_core::{
    access::Role,
    codes::{Coded as _, Date, InstitutionCode, Region},
    monitoring::Alert,
};
use huren_proto::v1::{self, monitoring_service_server::MonitoringService};
use tonic::{Request, Response, Status};

use super::{Context, access::who, refuse};
use crate::engine::AlertsQuery;

/// Institutions that are looked at for one answer at most, and when the caller names no number.
const MAX_INSTITUTIONS: u32 = 200;
const DEFAULT_INSTITUTIONS: u32 = 20;

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl MonitoringService for Service {
    async fn list_alerts(
        &self,
        request: Request<v1::ListAlertsRequest>,
    ) -> Result<Response<v1::ListAlertsResponse>, Status> {
        let (who, engine) = (who(&request)?, &self.0.engine);
        let asked = request.into_inner();
        let query = query(&asked, engine.region())?;
        let is_entitled = who.rights.has(Role::Statistician)
            && who.rights.covers(&query.region, &engine.region());
        if !is_entitled {
            return Err(refuse::monitoring_region());
        }
        // Before what is counted, which is then of no less.
        let counted = self.0.counted().await?;
        let page = engine.alerts(&query).await;
        let page = page.map_err(|error| refuse::monitoring(&error))?;
        Ok(Response::new(v1::ListAlertsResponse {
            alerts: page.alerts.into_iter().map(line).collect(),
            next_page_token: page.next,
            counted,
        }))
    }
}

fn query(asked: &v1::ListAlertsRequest, own: Region) -> Result<AlertsQuery, Status> {
    let region = match asked.region.as_str() {
        "" => own,
        code => Region::parse(code)
            .map_err(|error| refuse::bad_argument(error.code(), "region", &error.to_string()))?,
    };
    let day = |number, field| {
        Date::from_yyyymmdd(number)
            .map_err(|error| refuse::bad_argument(error.code(), field, &error.to_string()))
    };
    let institution = match asked.institution.as_str() {
        "" => None,
        code => match InstitutionCode::parse(code) {
            Ok(code) => Some(code.as_str().to_owned()),
            Err(error) => {
                let sentence = error.to_string();
                return Err(refuse::bad_argument(error.code(), "institution", &sentence));
            }
        },
    };
    let institutions = match asked.page_size {
        0 => DEFAULT_INSTITUTIONS,
        1..=MAX_INSTITUTIONS => asked.page_size,
        _ => {
            let sentence = "1 to 200 institutions are looked at for one answer";
            return Err(refuse::bad_argument("PAGE_SIZE", "page_size", sentence));
        }
    };
    Ok(AlertsQuery {
        region,
        period: day(asked.from_day, "from_day")?..=day(asked.to_day, "to_day")?,
        institution,
        after: asked.page_token.clone(),
        institutions,
    })
}

fn line((institution, alert): (String, Alert)) -> v1::Alert {
    let text = alert.rule.text();
    let about = alert.about.into_iter();
    v1::Alert {
        institution,
        day: alert.day.as_yyyymmdd(),
        reason: Some(v1::Reason {
            code: text.code.clone(),
            zh: text.zh.clone(),
            en: text.en.clone(),
        }),
        about: about.map(|(name, text)| (name.to_owned(), text)).collect(),
        leaves: alert
            .leaves
            .into_iter()
            .map(|(origin, index)| v1::AlertLeaf {
                origin: origin.to_string(),
                index,
            })
            .collect(),
        leaf_count: alert.leaf_count,
    }
}
