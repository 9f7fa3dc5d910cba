//! VerificationService.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use huren_proto::v1::{self, verification_service_server::VerificationService};
use tonic::{Request, Response, Status, Streaming};

use crate::engine::VerifyError;

use super::{
    Context,
    access::{self, Who},
    purpose::{NotStated, stated},
    refuse,
};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl VerificationService for Service {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        let who = access::who(&request)?;
        let answer = answer(&self.0, &who, request.into_inner()).await;
        answer.map(Response::new).map_err(|error| match error {
            Unanswered::NotStated(error) => refuse::not_stated(error),
            Unanswered::Verify(error) => refuse::verify(&error),
        })
    }

    type VerifyManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::VerifyManyResponse, Status>> + Send>>;

    async fn verify_many(
        &self,
        request: Request<Streaming<v1::VerifyManyRequest>>,
    ) -> Result<Response<Self::VerifyManyStream>, Status> {
        let who = access::who(&request)?;
        let asking = Arc::new((self.0.clone(), who.clone()));
        let answers = self
            .0
            .heard(who, request.into_inner())
            .map(move |message| {
                let asking = Arc::clone(&asking);
                async move {
                    let (context, who) = asking.as_ref();
                    let question = message?.question.unwrap_or_default();
                    let answer = Some(one(context, who, question).await);
                    Ok(v1::VerifyManyResponse { answer })
                }
            })
            .buffer_unordered(self.0.questions)
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}

enum Unanswered {
    NotStated(NotStated),
    Verify(VerifyError),
}

async fn answer(
    context: &Context,
    who: &Who,
    question: v1::VerifyRequest,
) -> Result<v1::VerifyResponse, Unanswered> {
    let province = context.engine.region();
    let stated = stated(who, &question, &province).map_err(Unanswered::NotStated)?;
    let number = question.number.clone();
    let answer = context.engine.verify(question).await;
    let answer = answer.map_err(Unanswered::Verify)?;
    context.note_question(who, stated, &number);
    Ok(answer)
}

/// One bad question does not end a stream: it gets its own answer.
async fn one(context: &Context, who: &Who, question: v1::VerifyRequest) -> v1::VerifyResponse {
    let client_ref = question.client_ref;
    let reason = match answer(context, who, question).await {
        Ok(answer) => return answer,
        Err(Unanswered::NotStated(error)) => {
            let status = refuse::not_stated(error);
            context.note_refusal(&who.actor, who.method, &status);
            refuse::not_stated_reason(error)
        }
        Err(Unanswered::Verify(error)) => v1::Reason {
            code: error.code().to_owned(),
            zh: error.zh().to_owned(),
            en: error.to_string(),
        },
    };
    v1::VerifyResponse {
        client_ref,
        verdict: v1::Verdict::Unknown as i32,
        reasons: vec![reason],
        ..Default::default()
    }
}
