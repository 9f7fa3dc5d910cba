//! A node that keeps nothing but what it was sent, and makes trouble on request.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use huren_proto::v1::issuance_service_server::{IssuanceService, IssuanceServiceServer};
use huren_proto::v1::submit_many_response::Result as Answer;
use huren_proto::v1::submit_request::Body;
use huren_proto::v1::{self, target};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::connect::{Bearer, Calls};

/// What the node does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Every so many requests are put off.
    pub(super) busy_every: Option<u64>,
    /// Every so many requests the stream breaks after the row was recorded, before its answer.
    pub(super) breaks_every: Option<u64>,
    /// Every call is refused.
    pub(super) refuses: bool,
}

#[derive(Debug, Default)]
struct State {
    trouble: Trouble,
    requests: u64,
    /// Recorded submissions in order, their references left out.
    log: Vec<v1::SubmitRequest>,
    /// Where the first certificate with a number is.
    numbers: BTreeMap<String, usize>,
}

/// The node as a service.
#[derive(Clone, Default)]
pub(super) struct Node(Arc<Mutex<State>>);

impl Node {
    /// Starts it on a port of its own; it ends with the returned set.
    pub(super) async fn start(
        trouble: Trouble,
    ) -> (
        Self,
        IssuanceServiceClient<Calls>,
        JoinSet<Result<(), tonic::transport::Error>>,
    ) {
        let node = Self::default();
        node.0.lock().unwrap().trouble = trouble;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = IssuanceServiceServer::new(node.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
        let calls = Calls::new(channel, Bearer::default());
        (node, IssuanceServiceClient::new(calls), tasks)
    }

    /// What is recorded.
    pub(super) fn log(&self) -> Vec<v1::SubmitRequest> {
        self.0.lock().unwrap().log.clone()
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.lock().unwrap().requests
    }
}

impl State {
    fn answer(&mut self, mut request: v1::SubmitRequest) -> Result<v1::SubmitManyResponse, Status> {
        self.requests += 1;
        let is_turn = |every: Option<u64>| every.is_some_and(|n| self.requests.is_multiple_of(n));
        let (is_busy, breaks) = (
            is_turn(self.trouble.busy_every),
            is_turn(self.trouble.breaks_every),
        );
        let client_ref = std::mem::take(&mut request.client_ref);
        let result = match is_busy {
            true => Answer::Rejected(rejection("BUSY", "请稍后再试", true)),
            false => self.record(client_ref, request),
        };
        if breaks {
            return Err(Status::unavailable("restarting"));
        }
        Ok(v1::SubmitManyResponse {
            client_ref,
            result: Some(result),
        })
    }

    fn record(&mut self, client_ref: u64, request: v1::SubmitRequest) -> Answer {
        let known = self.log.iter().position(|earlier| *earlier == request);
        if known.is_none() {
            if let Some(number) = number(&request) {
                if self.numbers.contains_key(&number) {
                    return Answer::Rejected(rejection("NUMBER_TAKEN", "证书编号已被使用", false));
                }
                self.numbers.insert(number, self.log.len());
            }
            self.log.push(request);
        }
        let index = known.unwrap_or(self.log.len() - 1) as u64;
        Answer::Accepted(v1::SubmitResponse {
            client_ref,
            origin: "huren.test/log/33".into(),
            index,
            leaf_hash: vec![index as u8; 32],
            tree_size: self.log.len() as u64,
            duplicate: known.is_some(),
            witnessed: false,
        })
    }
}

/// The number of a new certificate.
fn number(request: &v1::SubmitRequest) -> Option<String> {
    let Some(Body::Certificate(certificate)) = &request.body else {
        return None;
    };
    let fields = certificate.groups.first()?.fields.iter();
    fields
        .filter(|field| field.name == "number")
        .map(|field| field.value.clone())
        .next()
}

/// The number that a change of status names.
pub(super) fn target_number(request: &v1::SubmitRequest) -> Option<&str> {
    let Some(Body::Status(status)) = &request.body else {
        return None;
    };
    match status.target.as_ref()?.target.as_ref()? {
        target::Target::Number(number) => Some(number),
        target::Target::LeafHash(_) => None,
    }
}

fn rejection(code: &str, message: &str, retryable: bool) -> v1::Rejection {
    v1::Rejection {
        code: code.into(),
        field: "number".into(),
        message_zh: message.into(),
        message_en: String::new(),
        retryable,
    }
}

#[tonic::async_trait]
impl IssuanceService for Node {
    type SubmitManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::SubmitManyResponse, Status>> + Send>>;

    async fn submit(
        &self,
        _request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        Err(Status::unimplemented("streams only"))
    }

    async fn submit_many(
        &self,
        request: Request<Streaming<v1::SubmitManyRequest>>,
    ) -> Result<Response<Self::SubmitManyStream>, Status> {
        if self.0.lock().unwrap().trouble.refuses {
            return Err(Status::permission_denied("not allowed to write"));
        }
        let state = Arc::clone(&self.0);
        // The whole stream ends with its first error, as that of a node that stops does.
        let mut is_broken = false;
        let answers = request.into_inner().map_while(move |request| {
            if is_broken {
                return None;
            }
            let answer = request.and_then(|request| {
                // As a node of an earlier release, which does not say that it takes it.
                if request.progress.is_some() {
                    return Err(Status::invalid_argument("more than was understood"));
                }
                let submission = request.submission.unwrap_or_default();
                state.lock().unwrap().answer(submission)
            });
            is_broken = answer.is_err();
            Some(answer)
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
