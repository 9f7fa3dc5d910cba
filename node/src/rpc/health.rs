//! `grpc.health.v1`: which services answer.

use std::convert::Infallible;

use huren_proto::v1::{
    federation_service_server::FederationServiceServer,
    issuance_service_server::IssuanceServiceServer, operator_service_server::OperatorServiceServer,
    verification_service_server::VerificationServiceServer,
};
use tokio::sync::watch;
use tonic_health::server::HealthReporter;

use super::{federation, issuance, operator, verification};

type Issuance = IssuanceServiceServer<issuance::Service>;

/// Reports what answers as long as the node runs, and issuance as not serving until the own
/// log takes submissions.
pub(super) async fn report_all(health: &HealthReporter) {
    health
        .set_serving::<VerificationServiceServer<verification::Service>>()
        .await;
    health
        .set_serving::<FederationServiceServer<federation::Service>>()
        .await;
    health
        .set_serving::<OperatorServiceServer<operator::Service>>()
        .await;
    health.set_not_serving::<Issuance>().await;
}

/// Keeps reporting whether issuance serves: it does while the own log takes submissions, here or
/// in the process in charge, to which they are passed on.
pub(super) async fn follow_issuance(
    health: &HealthReporter,
    mut writable: watch::Receiver<bool>,
    mut elsewhere: watch::Receiver<Option<String>>,
) -> Infallible {
    loop {
        let is_passed_on = elsewhere.borrow_and_update().is_some();
        if *writable.borrow_and_update() || is_passed_on {
            health.set_serving::<Issuance>().await;
        } else {
            health.set_not_serving::<Issuance>().await;
        }
        tokio::select! {
            biased;
            Ok(()) = writable.changed() => {}
            Ok(()) = elsewhere.changed() => {}
            // Nobody can open or close the log any more.
            else => std::future::pending::<()>().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Request;
    use tonic_health::{
        pb::{
            HealthCheckRequest, health_check_response::ServingStatus, health_server::Health as _,
        },
        server::HealthService,
    };

    use super::*;

    async fn status(health: &HealthReporter, service: &str) -> ServingStatus {
        let service = HealthCheckRequest {
            service: format!("huren.v1.{service}"),
        };
        let answering = HealthService::from_health_reporter(health.clone());
        let answer = answering.check(Request::new(service)).await;
        answer
            .expect("a service that is reported")
            .into_inner()
            .status()
    }

    #[tokio::test]
    async fn issuance_serves_while_the_log_takes_submissions() {
        let health = HealthReporter::new();
        report_all(&health).await;
        for service in [
            "VerificationService",
            "FederationService",
            "OperatorService",
        ] {
            assert_eq!(status(&health, service).await, ServingStatus::Serving);
        }
        let issuance = "IssuanceService";
        assert_eq!(status(&health, issuance).await, ServingStatus::NotServing);

        let (open, passed_on) = (watch::Sender::new(false), watch::Sender::new(None));
        let address = || Some("https://10.0.0.5:4433".to_owned());
        let steps = async {
            for (writable, elsewhere, expected) in [
                (true, None, ServingStatus::Serving),
                (false, None, ServingStatus::NotServing),
                (false, address(), ServingStatus::Serving),
                (false, None, ServingStatus::NotServing),
            ] {
                open.send_replace(writable);
                passed_on.send_replace(elsewhere);
                while status(&health, issuance).await != expected {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::select! {
            () = steps => {}
            never = follow_issuance(&health, open.subscribe(), passed_on.subscribe()) => match never {},
        }
    }
}
