//! OperatorService.

use futures::stream;
use huren_core::{
    access::{Kinds, Rights, Role},
    audit::{Act, AuditAction, DONE},
    checkpoint::Origin,
    codes::Region,
    evidence::ReleaseReason,
    receipt::erasure::ErasureReason,
    token::Token,
};
use huren_proto::v1::{self, operator_service_server::OperatorService};
use huren_store::{AuditQuery, AuditRow};
use tonic::{Request, Response, Status};

use crate::engine::{Found, NewToken};

use super::{Context, access, refuse, streams::Answers};

/// Entries in one answer at most, and when the caller names no number.
const MAX_ENTRIES: u32 = 1000;
const DEFAULT_ENTRIES: u32 = 100;

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl OperatorService for Service {
    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let status = self.0.engine.status().await;
        let mut status = status.map_err(|error| refuse::store(&error))?;
        if let Some(forward) = &self.0.forward {
            status.in_charge = forward.elsewhere().borrow().clone().unwrap_or_default();
        }
        Ok(Response::new(status))
    }

    async fn get_evidence(
        &self,
        request: Request<v1::GetEvidenceRequest>,
    ) -> Result<Response<v1::GetEvidenceResponse>, Status> {
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

    async fn list_quarantined(
        &self,
        request: Request<v1::ListQuarantinedRequest>,
    ) -> Result<Response<v1::ListQuarantinedResponse>, Status> {
        let asked = request.into_inner();
        let origin: Origin = match asked.origin.as_str() {
            "" => self.0.engine.origin().clone(),
            origin => origin
                .parse()
                .map_err(|_| refuse::bad_argument("ORIGIN", "origin", "the origin of a log"))?,
        };
        let limit = in_one_answer("QUARANTINE_LIMIT", asked.limit)?;
        let held = self.0.engine.quarantined(&origin, asked.from_index, limit);
        let (total, rows) = held.await.map_err(|error| refuse::store(&error))?;
        let leaves = rows.into_iter().map(|row| v1::QuarantinedLeaf {
            index: row.index,
            code: row.code,
        });
        Ok(Response::new(v1::ListQuarantinedResponse {
            leaves: leaves.collect(),
            total,
        }))
    }

    async fn list_imports(
        &self,
        _: Request<v1::ListImportsRequest>,
    ) -> Result<Response<v1::ListImportsResponse>, Status> {
        let imports = self.0.engine.imports().list();
        Ok(Response::new(v1::ListImportsResponse { imports }))
    }

    async fn release_log(
        &self,
        request: Request<v1::ReleaseLogRequest>,
    ) -> Result<Response<v1::ReleaseLogResponse>, Status> {
        let actor = access::who(&request)?.actor;
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

    async fn list_audit(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        let who = access::who(&request)?;
        let asked = request.into_inner();
        let query = self.query(&asked)?;
        let engine = &self.0.engine;
        let act = Act::new(who.actor, AuditAction::AuditRead);
        let act = act.outcome(DONE).method(who.method);
        engine.audit().note(match query.subjects.first() {
            Some(subject) => act.subject(*subject),
            None => act,
        });
        let failed = |error| refuse::store(&error);
        let newest = engine.audit().flush().await.map_err(failed)?;
        let rows = engine.audit_entries(&query).await.map_err(failed)?;
        let anchors = if asked.want_anchors {
            engine.anchors().await.map_err(failed)?
        } else {
            Vec::new()
        };
        let anchors = anchors
            .into_iter()
            .map(|(index, anchor)| v1::AuditAnchorPlace {
                index,
                sequence: anchor.sequence,
                digest: anchor.digest.0.to_vec(),
            });
        Ok(Response::new(v1::ListAuditResponse {
            links: rows.into_iter().map(link).collect(),
            newest_sequence: newest.sequence,
            anchors: anchors.collect(),
        }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let who = access::who(&request)?;
        let order = new_token(request.into_inner())?;
        let made = self.0.engine.tokens().create(who.actor, order).await;
        let (secret, token) = made.map_err(|error| refuse::token_order(&error))?;
        Ok(Response::new(v1::CreateTokenResponse {
            token: secret.expose().to_string(),
            info: Some(info(&token)),
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let who = access::who(&request)?;
        let act = Act::new(who.actor, AuditAction::TokensRead);
        let audit = self.0.engine.audit();
        audit.note(act.outcome(DONE).method(who.method));
        let tokens = self.0.engine.tokens().list();
        let tokens = tokens.iter().map(|token| info(token)).collect();
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let who = access::who(&request)?;
        let id = request.into_inner().id;
        let revoked = self.0.engine.tokens().revoke(who.actor, &id).await;
        let revoked = revoked.map_err(|error| refuse::token_order(&error))?;
        let info = Some(info(&revoked));
        Ok(Response::new(v1::RevokeTokenResponse { info }))
    }

    async fn get_erasure(
        &self,
        request: Request<v1::GetErasureRequest>,
    ) -> Result<Response<v1::GetErasureResponse>, Status> {
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
        let actor = access::who(&request)?.actor;
        let asked = request.into_inner();
        let exported = self.0.engine.export_person(&asked, &actor).await;
        exported
            .map(Response::new)
            .map_err(|error| refuse::export(&error))
    }

    type ShareCertificatesStream = Answers<v1::ShareCertificatesResponse>;

    async fn share_certificates(
        &self,
        request: Request<v1::ShareCertificatesRequest>,
    ) -> Result<Response<Self::ShareCertificatesStream>, Status> {
        let who = access::who(&request)?;
        let asked = request.into_inner();
        let sharing = self.0.engine.sharing(&asked, &who.actor).await;
        let (shared, range) = sharing.map_err(|error| refuse::sharing(&error))?;
        let begin = (self.0.clone(), shared, range.start);
        let pages = stream::try_unfold(begin, move |(context, shared, from)| {
            let who = who.clone();
            async move {
                if from >= range.end {
                    return Ok(None);
                }
                // Whose token is revoked meanwhile gets no more.
                context.still(&who)?;
                let page = context.engine.shared(&shared, from).await;
                let (certificates, next) = page.map_err(|error| refuse::store(&error))?;
                let page = v1::ShareCertificatesResponse { certificates };
                Ok(Some((page, (context, shared, next))))
            }
        });
        Ok(Response::new(Box::pin(pages)))
    }
}

impl Service {
    fn query(&self, asked: &v1::ListAuditRequest) -> Result<AuditQuery, Status> {
        let limit = in_one_answer("AUDIT_LIMIT", asked.limit)?;
        let end = |bound: u64| if bound == 0 { u64::MAX } else { bound };
        let action = (asked.action != v1::AuditAction::Unspecified as i32).then_some(asked.action);
        let subjects = match asked.number.as_str() {
            "" => Vec::new(),
            number => self.0.engine.subjects_of(number),
        };
        Ok(AuditQuery {
            sequences: asked.from_sequence..end(asked.end_sequence),
            times: asked.from_time..end(asked.end_time),
            action,
            actor: (!asked.actor.is_empty()).then(|| asked.actor.clone()),
            subjects,
            newest_first: asked.newest_first,
            limit,
        })
    }
}

/// How many entries to give, refused under that code.
fn in_one_answer(code: &'static str, limit: u32) -> Result<u32, Status> {
    match limit {
        0 => Ok(DEFAULT_ENTRIES),
        1..=MAX_ENTRIES => Ok(limit),
        _ => Err(refuse::bad_argument(code, "limit", "1 to 1000")),
    }
}

fn link(row: AuditRow) -> v1::AuditLink {
    v1::AuditLink {
        sequence: row.link.sequence,
        entry: row.link.entry,
        hash: row.link.hash.0.to_vec(),
    }
}

fn new_token(asked: v1::CreateTokenRequest) -> Result<NewToken, Status> {
    let bad = |field, en| refuse::bad_argument("TOKEN_ORDER", field, en);
    let roles = asked.roles.iter().map(|name| Role::from_name(name));
    let roles: Option<Vec<Role>> = roles.collect();
    let known = "issuer, verifier, statistician, auditor, operator";
    let regions = asked.regions.iter().map(|code| Region::parse(code));
    let regions: Result<Vec<Region>, _> = regions.collect();
    let kinds = Kinds::from_names(asked.kinds.iter().map(String::as_str));
    Ok(NewToken {
        rights: Rights {
            roles: roles.ok_or_else(|| bad("roles", known))?,
            regions: regions.map_err(|_| bad("regions", "GB/T 2260 codes such as 33"))?,
            kinds: kinds.map_err(|_| bad("kinds", "kinds such as certificate, or *"))?,
        },
        name: asked.name,
        valid_seconds: asked.valid_seconds,
    })
}

fn info(token: &Token) -> v1::TokenInfo {
    let Rights {
        roles,
        kinds,
        regions,
    } = &token.rights;
    v1::TokenInfo {
        id: token.id.clone(),
        name: token.name.clone(),
        roles: roles.iter().map(|role| role.name().to_owned()).collect(),
        regions: regions.iter().map(Region::to_string).collect(),
        kinds: kinds.names(),
        created: token.created,
        expires: token.expires,
        revoked: token.revoked,
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
