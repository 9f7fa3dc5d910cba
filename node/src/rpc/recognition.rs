//! RecognitionService.

use std::pin::Pin;

use futures::{Stream, StreamExt as _, stream};
use huren_proto::v1::{self, recognition_service_server::RecognitionService};
use tonic::{Request, Response, Status, Streaming};

use crate::engine::DecideError;

use super::{
    Context,
    access::{self, Who},
    purpose::{NotStated, stated},
    refuse,
    watching::Watching,
};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl RecognitionService for Service {
    async fn decide(
        &self,
        request: Request<v1::DecideRequest>,
    ) -> Result<Response<v1::DecideResponse>, Status> {
        let who = access::who(&request)?;
        let decided = decided(&self.0, &who, request.into_inner()).await;
        decided.map(Response::new).map_err(|error| match error {
            Undecided::NotStated(error) => refuse::not_stated(error),
            Undecided::Decide(error) => refuse::decide(&error),
        })
    }

    type DecideManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::DecideManyResponse, Status>> + Send>>;

    async fn decide_many(
        &self,
        request: Request<Streaming<v1::DecideManyRequest>>,
    ) -> Result<Response<Self::DecideManyStream>, Status> {
        let who = access::who(&request)?;
        let context = self.0.clone();
        let answers = self
            .0
            .heard(who.clone(), request.into_inner())
            .map(move |message| {
                let (context, who) = (context.clone(), who.clone());
                async move {
                    let question = message?.question.unwrap_or_default();
                    let answer = Some(one(&context, &who, question).await);
                    Ok(v1::DecideManyResponse { answer })
                }
            })
            .buffer_unordered(self.0.questions)
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }

    type WatchDecisionsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchDecisionsResponse, Status>> + Send>>;

    async fn watch_decisions(
        &self,
        request: Request<Streaming<v1::WatchDecisionsRequest>>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let who = access::who(&request)?;
        let watching = Watching::new(self.0.clone(), who, request.into_inner());
        let answers = stream::unfold(Some(watching), async |watching| {
            let mut watching = watching?;
            match watching.next().await {
                Ok(Some(answer)) => Some((Ok(answer), Some(watching))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        });
        let stop = self.0.stop.clone().cancelled_owned();
        Ok(Response::new(Box::pin(answers.take_until(stop))))
    }
}

enum Undecided {
    NotStated(NotStated),
    Decide(DecideError),
}

async fn decided(
    context: &Context,
    who: &Who,
    asked: v1::DecideRequest,
) -> Result<v1::DecideResponse, Undecided> {
    let question = asked.question.clone().unwrap_or_default();
    let province = context.engine.region();
    let stated = stated(who, &question, &province).map_err(Undecided::NotStated)?;
    let answer = context.engine.decide(asked).await;
    let answer = answer.map_err(Undecided::Decide)?;
    context.note_question(who, stated, &question.number);
    context.note_holder(who, stated, &question.holder_id);
    Ok(answer)
}

/// One bad question does not end a stream: it gets its own answer.
async fn one(context: &Context, who: &Who, asked: v1::DecideRequest) -> v1::DecideResponse {
    let client_ref = asked.question.as_ref().map_or(0, |asked| asked.client_ref);
    let reason = match decided(context, who, asked).await {
        Ok(answer) => return answer,
        Err(Undecided::NotStated(error)) => not_stated(context, who, error),
        Err(Undecided::Decide(error)) => v1::Reason {
            code: error.code().to_owned(),
            zh: error.zh().to_owned(),
            en: error.to_string(),
        },
    };
    undecided(client_ref, reason)
}

/// Writes down that a question of a stream was refused for what it does not state, and says so.
pub(super) fn not_stated(context: &Context, who: &Who, error: NotStated) -> v1::Reason {
    let status = refuse::not_stated(error);
    context.note_refusal(&who.actor, who.method, &status);
    refuse::not_stated_reason(error)
}

/// The answer to a question of a stream that nothing is decided about.
pub(super) fn undecided(client_ref: u64, reason: v1::Reason) -> v1::DecideResponse {
    v1::DecideResponse {
        client_ref,
        outcome: v1::RecognitionOutcome::Undetermined.into(),
        findings: vec![v1::RecognitionFinding {
            reason: Some(reason),
            effect: v1::FindingEffect::Undetermined.into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}
