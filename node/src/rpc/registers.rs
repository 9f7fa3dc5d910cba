//! RegistryService.

use huren_proto::v1::{self, registry_service_server::RegistryService};
use tonic::{Request, Response, Status};

use super::{Context, refuse};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl RegistryService for Service {
    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let listed = self.0.engine.list_entries(request.get_ref()).await;
        listed
            .map(Response::new)
            .map_err(|error| refuse::list(&error))
    }
}
