//! OperatorService.

use huren_core::{
    audit::Actor, checkpoint::Origin, evidence::ReleaseReason, merkle::Hash,
    receipt::erasure::ErasureReason,
};
use huren_proto::v1::{self, operator_service_server::OperatorService};
use tonic::{Request, Response, Status};

use crate::{engine::Found, tls::PeerIdentity};

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

    async fn get_evidence(
        &self,
        request: Request<v1::GetEvidenceRequest>,
    ) -> Result<Response<v1::GetEvidenceResponse>, Status> {
        self.0.operator(&request)?;
        let asked = request.into_inner().origin;
        let found = self.0.engine.evidence().await;
        let found = found.map_err(|error| refuse::store(&error))?;
        let wanted = found
            .into_iter()
            .filter(|found| asked.is_empty() || found.origin.as_str() == asked);
        Ok(Response::new(v1::GetEvidenceResponse {
            evidence: wanted.map(evidence).collect(),
        }))
    }

    async fn release_log(
        &self,
        request: Request<v1::ReleaseLogRequest>,
    ) -> Result<Response<v1::ReleaseLogResponse>, Status> {
        self.0.operator(&request)?;
        let actor = request.extensions().get::<PeerIdentity>();
        let actor = actor.ok_or_else(refuse::unauthenticated)?;
        let actor = Actor::Key(Hash(actor.spki_sha256.0));
        let v1::ReleaseLogRequest { origin, reason } = request.into_inner();
        let origin: Origin = origin
            .parse()
            .map_err(|_| refuse::bad_argument("ORIGIN", "origin", "the origin of a log"))?;
        let reason = ReleaseReason::from_code(&reason).ok_or_else(|| {
            let codes = ReleaseReason::ALL.map(ReleaseReason::code).join(", ");
            refuse::bad_argument("RELEASE_REASON", "reason", &codes)
        })?;
        let released = self.0.engine.release_log(&origin, reason, &actor).await;
        released
            .map(|()| Response::new(v1::ReleaseLogResponse {}))
            .map_err(|error| refuse::release(&error))
    }

    async fn get_erasure(
        &self,
        request: Request<v1::GetErasureRequest>,
    ) -> Result<Response<v1::GetErasureResponse>, Status> {
        self.0.operator(&request)?;
        let v1::GetErasureRequest { index, reason } = request.into_inner();
        let reason = ErasureReason::from_code(&reason).ok_or_else(|| {
            let codes = ErasureReason::ALL.map(ErasureReason::code).join(", ");
            refuse::bad_argument("ERASURE_REASON", "reason", &codes)
        })?;
        let state = self.0.engine.erasure(index, reason).await;
        let state = state.map_err(|error| refuse::erasure(&error))?;
        let proof = state.proof.and_then(|proof| proof.to_json().ok());
        let members = state.members.into_iter();
        Ok(Response::new(v1::GetErasureResponse {
            members: members
                .map(|member| v1::ErasureMember {
                    region: member.region,
                    reachable: member.reachable,
                    erased: member.erased,
                })
                .collect(),
            proof: proof.unwrap_or_default().into_bytes(),
        }))
    }

    async fn export_person(
        &self,
        request: Request<v1::ExportPersonRequest>,
    ) -> Result<Response<v1::ExportPersonResponse>, Status> {
        self.0.operator(&request)?;
        let actor = request.extensions().get::<PeerIdentity>();
        let actor = actor.ok_or_else(refuse::unauthenticated)?;
        let actor = Actor::Key(Hash(actor.spki_sha256.0));
        let asked = request.into_inner();
        let exported = self.0.engine.export_person(&asked, &actor).await;
        exported
            .map(Response::new)
            .map_err(|error| refuse::export(&error))
    }
}

fn evidence(found: Found) -> v1::LogEvidence {
    v1::LogEvidence {
        origin: found.origin.to_string(),
        file: found.file.to_json().unwrap_or_default().into_bytes(),
        release: found.release.map(|release| v1::LogRelease {
            time: release.time,
            actor: release.actor,
            reason: release.reason,
        }),
    }
}
