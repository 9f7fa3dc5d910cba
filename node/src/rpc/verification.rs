//! VerificationService.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use huren_proto::v1::{self, verification_service_server::VerificationService};
use tonic::{Request, Response, Status, Streaming};

use super::{Context, refuse};

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl VerificationService for Service {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        self.0.verifier(&request)?;
        let answer = self.0.engine.verify(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|error| refuse::verify(&error))
    }

    type VerifyManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::VerifyManyResponse, Status>> + Send>>;

    async fn verify_many(
        &self,
        request: Request<Streaming<v1::VerifyManyRequest>>,
    ) -> Result<Response<Self::VerifyManyStream>, Status> {
        self.0.verifier(&request)?;
        let engine = Arc::clone(&self.0.engine);
        let answers = refuse::messages(request.into_inner())
            .map(move |message| {
                let engine = Arc::clone(&engine);
                async move {
                    let question = message?.question.unwrap_or_default();
                    let client_ref = question.client_ref;
                    let answer = match engine.verify(question).await {
                        Ok(answer) => answer,
                        // One bad question does not end the stream: it gets its own answer.
                        Err(error) => v1::VerifyResponse {
                            client_ref,
                            verdict: v1::Verdict::Unknown as i32,
                            reasons: vec![v1::Reason {
                                code: error.code().to_owned(),
                                zh: error.zh().to_owned(),
                                en: error.to_string(),
                            }],
                            ..Default::default()
                        },
                    };
                    Ok(v1::VerifyManyResponse {
                        answer: Some(answer),
                    })
                }
            })
            .buffer_unordered(self.0.questions)
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}
