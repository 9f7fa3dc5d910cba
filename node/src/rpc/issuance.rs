//! IssuanceService.

use futures::{FutureExt as _, Stream, StreamExt as _};
use huren_core::{
    audit::{Act, AuditAction},
    codes::Region,
    merkle::Hash,
};
use huren_proto::v1::{self, issuance_service_server::IssuanceService, submit_many_response};
use std::pin::Pin;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::{AppendError, AuditError, Engine, Placed};

use super::{
    Context,
    access::{self, Who},
    refuse,
};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl IssuanceService for Service {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let who = access::who(&request)?;
        let submission = request.into_inner();
        if !is_permitted(&who, &submission) {
            return Err(refuse::not_permitted("CALLER_KIND_OR_REGION"));
        }
        let engine = &self.0.engine;
        record_erasure(engine, &who, &submission)
            .await
            .map_err(|error| refuse::audit(&error))?;
        let placed = engine
            .submit(&submission)
            .await
            .map_err(|e| refuse::refused(&e))?;
        let placed = placed.map_err(|error| refuse::append(&error))?;
        Ok(Response::new(answer(engine, &submission, placed).await))
    }

    type SubmitManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::SubmitManyResponse, Status>> + Send>>;

    async fn submit_many(
        &self,
        request: Request<Streaming<v1::SubmitManyRequest>>,
    ) -> Result<Response<Self::SubmitManyStream>, Status> {
        let who = access::who(&request)?;
        let answers = self
            .0
            .heard(who.clone(), request.into_inner())
            .map({
                let context = self.0.clone();
                move |message| {
                    let (inner, who) = (context.clone(), who.clone());
                    // Each in a task, so that they are checked and signed on all cores.
                    let answer = AbortOnDropHandle::new(context.tasks.spawn(async move {
                        let submission = message?.submission.unwrap_or_default();
                        Ok(one(&inner, &who, submission).await)
                    }));
                    answer.map(|answer| {
                        answer.unwrap_or_else(|_| Err(refuse::append(&AppendError::Unavailable)))
                    })
                }
            })
            // Many are under way at once, so that one transaction takes many; what is beyond
            // waits in the caller's stream and so slows the caller down.
            .buffer_unordered(self.0.submissions)
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn one(context: &Context, who: &Who, given: v1::SubmitRequest) -> v1::SubmitManyResponse {
    let engine = &context.engine;
    let result = if !is_permitted(who, &given) {
        let status = refuse::not_permitted("CALLER_KIND_OR_REGION");
        context.note_refusal(&who.actor, who.method, &status);
        submit_many_response::Result::Rejected(refuse::not_permitted_rejection())
    } else if let Err(error) = record_erasure(engine, who, &given).await {
        submit_many_response::Result::Rejected(refuse::audit_rejection(&error))
    } else {
        match engine.submit(&given).await {
            Err(refused) => submit_many_response::Result::Rejected(refuse::rejection(&refused)),
            Ok(Err(error)) => {
                submit_many_response::Result::Rejected(refuse::append_rejection(&error))
            }
            Ok(Ok(placed)) => {
                submit_many_response::Result::Accepted(answer(engine, &given, placed).await)
            }
        }
    };
    v1::SubmitManyResponse {
        client_ref: given.client_ref,
        result: Some(result),
    }
}

/// Whether a caller may submit that: allowed by kind and region.
fn is_permitted(who: &Who, given: &v1::SubmitRequest) -> bool {
    use v1::submit_request::Body;
    let kind = match &given.body {
        Some(Body::Certificate(_) | Body::Signed(_)) => v1::Kind::Certificate,
        Some(Body::Status(_)) => v1::Kind::StatusChange,
        Some(Body::Institution(_)) => v1::Kind::Institution,
        Some(Body::Erasure(_)) => v1::Kind::Erasure,
        Some(Body::Entry(entry)) => entry.kind(),
        // Refused for what it lacks, not for who sends it.
        None => return true,
    };
    let region = Region::parse(&given.writer_region);
    region.is_ok_and(|region| who.rights.may_write(kind, &region))
}

/// An order to erase is an act on a person's data: it is written down before it is carried out.
async fn record_erasure(
    engine: &Engine,
    who: &Who,
    given: &v1::SubmitRequest,
) -> Result<(), AuditError> {
    let Some(v1::submit_request::Body::Erasure(order)) = &given.body else {
        return Ok(());
    };
    let act = Act::new(who.actor.clone(), AuditAction::PersonErased).method(who.method);
    let target = order
        .target
        .as_ref()
        .and_then(|target| target.target.as_ref());
    let act = match target {
        Some(v1::target::Target::Number(number)) => act.subject(engine.subject_of(number)),
        Some(v1::target::Target::LeafHash(hash)) => match Hash::from_slice(hash) {
            Some(hash) => act.digest(hash),
            None => act,
        },
        None => act,
    };
    engine.audit().record(act).await
}

async fn answer(engine: &Engine, given: &v1::SubmitRequest, placed: Placed) -> v1::SubmitResponse {
    if given.wait() == v1::Wait::Witnessed {
        engine.witnessed(placed.index).await;
    }
    v1::SubmitResponse {
        client_ref: given.client_ref,
        origin: engine.origin().to_string(),
        index: placed.index,
        leaf_hash: placed.leaf.0.to_vec(),
        tree_size: placed.size,
        duplicate: placed.duplicate,
        witnessed: engine.is_witnessed(placed.index),
    }
}
