//! IssuanceService.

use futures::{FutureExt as _, Stream, StreamExt as _};
use huren_proto::v1::{self, issuance_service_server::IssuanceService, submit_many_response};
use std::pin::Pin;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::{AppendError, Engine, Placed};

use super::{Caller, Context, access, refuse};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl IssuanceService for Service {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let caller = self.0.issuer(&request)?;
        let submission = request.into_inner();
        if !is_permitted(&caller, &submission) {
            return Err(refuse::not_permitted("CALLER_KIND_OR_REGION"));
        }
        let engine = &self.0.engine;
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
        let caller = self.0.issuer(&request)?;
        let engine = std::sync::Arc::clone(&self.0.engine);
        let tasks = self.0.tasks.clone();
        let answers = refuse::messages(request.into_inner())
            .map(move |message| {
                let (engine, caller) = (std::sync::Arc::clone(&engine), caller.clone());
                // Each in a task, so that they are checked and signed on all cores.
                let answer = AbortOnDropHandle::new(tasks.spawn(async move {
                    let submission = message?.submission.unwrap_or_default();
                    Ok(one(&engine, &caller, submission).await)
                }));
                answer.map(|answer| {
                    answer.unwrap_or_else(|_| Err(refuse::append(&AppendError::Unavailable)))
                })
            })
            // Many are under way at once, so that one transaction takes many; what is beyond
            // waits in the caller's stream and so slows the caller down.
            .buffer_unordered(self.0.submissions)
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn one(engine: &Engine, caller: &Caller, given: v1::SubmitRequest) -> v1::SubmitManyResponse {
    let result = if !is_permitted(caller, &given) {
        submit_many_response::Result::Rejected(refuse::not_permitted_rejection())
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

fn is_permitted(caller: &Caller, given: &v1::SubmitRequest) -> bool {
    use v1::submit_request::Body;
    let kind = match &given.body {
        Some(Body::Certificate(_) | Body::Signed(_)) => v1::Kind::Certificate,
        Some(Body::Status(_)) => v1::Kind::StatusChange,
        Some(Body::Institution(_)) => v1::Kind::Institution,
        Some(Body::Erasure(_)) => v1::Kind::Erasure,
        // Refused for what it lacks, not for who sends it.
        None => return true,
    };
    access::may_submit(caller, kind, &given.writer_region)
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
