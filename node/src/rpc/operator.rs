//! OperatorService.

use huren_proto::v1::{self, operator_service_server::OperatorService};
use tonic::{Request, Response, Status};

use super::{Context, refuse};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl OperatorService for Service {
    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        self.0.operator(&request)?;
        let status = self.0.engine.status().await;
        status
            .map(Response::new)
            .map_err(|error| refuse::store(&error))
    }
}
