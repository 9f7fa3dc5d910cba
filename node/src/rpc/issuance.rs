//! IssuanceService.

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use huren_core::{
    audit::{Act, AuditAction},
    codes::Region,
    merkle::Hash,
};
use huren_proto::v1::{self, issuance_service_server::IssuanceService, submit_many_response};
use std::{future, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
};
use tracing::Instrument as _;

use crate::engine::{AppendError, AuditError, Engine, Following, Placed};

use super::{
    Context,
    access::{self, Who},
    forward::Holder,
    passing::{Passing, Underway},
    refuse,
    streams::Answers,
};

/// Header of the answer to a stream whose requests may have progress: an earlier release does not
/// know that field, and a submission with a field that is not known is refused.
const TAKES_PROGRESS: &str = "huren-takes-progress";

/// Header by which another process of this node says for whom it passes submissions on, as in the
/// audit trail.
const ON_BEHALF: &str = "huren-on-behalf-bin";

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
        if let Some(mut holder) = self.0.holder(&who) {
            let mut elsewhere = holder.client.take().ok_or_else(unavailable)?;
            return tokio::select! {
                biased;
                answer = elsewhere.submit(submission) => answer.map_err(passed_back),
                () = holder.until_past() => Err(unavailable()),
            };
        }
        let placed = engine
            .submit(&submission)
            .await
            .map_err(|e| refuse::refused(&e))?;
        let placed = placed.map_err(|error| refuse::append(&error))?;
        Ok(Response::new(answer(engine, &submission, placed).await))
    }

    type SubmitManyStream = Answers<v1::SubmitManyResponse>;

    async fn submit_many(
        &self,
        request: Request<Streaming<v1::SubmitManyRequest>>,
    ) -> Result<Response<Self::SubmitManyStream>, Status> {
        let who = access::who(&request)?;
        if let Some(holder) = self.0.holder(&who) {
            return self.pass_on(holder, who, request.into_inner()).await;
        }
        let caller = on_behalf(&self.0.engine, &who, request.metadata());
        let import = Arc::new(self.0.engine.imports().begin(caller));
        let answers = self
            .0
            .heard(who.clone(), request.into_inner())
            .map({
                let (context, import) = (self.0.clone(), Arc::clone(&import));
                move |message| {
                    let (inner, who) = (context.clone(), who.clone());
                    let import = Arc::clone(&import);
                    // Each in a task, so that they are checked and signed on all cores.
                    let answer = async move { followed(&inner, &who, &import, message?).await };
                    let answer = context.tasks.spawn(answer.in_current_span());
                    let answer = AbortOnDropHandle::new(answer);
                    answer.map(|answer| {
                        answer.unwrap_or_else(|_| Err(refuse::append(&AppendError::Unavailable)))
                    })
                }
            })
            // Many are under way at once, so that one transaction takes many; what is beyond
            // waits in the caller's stream and so slows the caller down.
            .buffer_unordered(self.0.submissions)
            .chain(end_of(move || import.ended()))
            .take_until(self.0.stop.clone().cancelled_owned());
        Ok(taking_progress(Box::pin(answers)))
    }
}

/// Nothing, behind a stream: that it has ended. Answers end once the caller has ended its stream
/// and all of it is answered.
fn end_of<T>(ended: impl FnOnce()) -> impl Stream<Item = T> {
    let end = async move {
        ended();
        None
    };
    stream::once(end).filter_map(future::ready)
}

fn taking_progress<T>(answers: T) -> Response<T> {
    let mut response = Response::new(answers);
    let takes = MetadataValue::from_static("1");
    response.metadata_mut().insert(TAKES_PROGRESS, takes);
    response
}

/// Who submits, as the audit trail names callers.
fn on_behalf(engine: &Engine, who: &Who, headers: &MetadataMap) -> String {
    let named = headers.get_bin(ON_BEHALF);
    let named = named.filter(|_| who.is_same_node(engine));
    let named = named.and_then(|name| String::from_utf8(name.to_bytes().ok()?.to_vec()).ok());
    named.unwrap_or_else(|| who.actor.to_string())
}

/// Answers a message, and counts it for the operator.
async fn followed(
    context: &Context,
    who: &Who,
    import: &Following,
    message: v1::SubmitManyRequest,
) -> Result<v1::SubmitManyResponse, Status> {
    import.received(&message);
    let permille = message.progress.as_ref().map_or(0, |of| of.permille);
    let answer = match message.submission {
        // It tells how far the caller is, and nothing else.
        None if message.progress.is_some() => v1::SubmitManyResponse::default(),
        submission => one(context, who, submission.unwrap_or_default()).await,
    };
    import.answered(permille, &answer);
    Ok(answer)
}

impl Service {
    /// Passes on what the caller may submit, and answers the rest.
    async fn pass_on(
        &self,
        mut holder: Holder,
        who: Who,
        messages: Streaming<v1::SubmitManyRequest>,
    ) -> Result<Response<Answers<v1::SubmitManyResponse>>, Status> {
        let mut elsewhere = holder.client.take().ok_or_else(unavailable)?;
        let mut past = Box::pin(holder.until_past());
        let (refused, refusals) = mpsc::channel(self.0.submissions);
        let context = self.0.clone();
        let caller = who.actor.to_string();
        let import = Arc::new(context.engine.imports().begin(caller.clone()));
        let passing = Arc::new(Passing::default());
        let ended = end_of({
            let passing = Arc::clone(&passing);
            move || passing.ended()
        });
        let messages = self.0.heard(who.clone(), messages).chain(ended);
        let (following, coming) = (Arc::clone(&import), Arc::clone(&passing));
        let permitted = messages.filter_map(move |message| {
            let (context, who, refused) = (context.clone(), who.clone(), refused.clone());
            let coming = Arc::clone(&coming);
            if let Ok(message) = &message {
                following.received(message);
                coming.came(message);
            }
            async move {
                let message = match message {
                    Ok(message) => message,
                    Err(status) => {
                        // Whoever does not listen any more needs no answer.
                        let _ = refused.send(Err(status)).await;
                        // An end would look like the caller's own; `Underway` resets it.
                        return future::pending::<Option<_>>().await;
                    }
                };
                let Some(answer) = refused_here(&context, &who, &message).await else {
                    return Some(message);
                };
                let _ = refused.send(Ok(answer)).await;
                // What the caller says of its file stands, whatever becomes of this row.
                let progress = message.progress?;
                coming.add();
                Some(v1::SubmitManyRequest {
                    submission: None,
                    progress: Some(progress),
                })
            }
        });
        let mut permitted = Request::new(permitted);
        let request = permitted.cancellation_handle();
        let name = MetadataValue::from_bytes(caller.as_bytes());
        permitted.metadata_mut().insert_bin(ON_BEHALF, name);
        let answers = tokio::select! {
            biased;
            answers = elsewhere.submit_many(permitted) => answers.map_err(passed_back)?,
            () = &mut past => return Err(unavailable()),
        };
        // Only what the process in charge takes may be passed on to it.
        let takes_progress = answers.metadata().contains_key(TAKES_PROGRESS);
        let answers = Underway::new(answers.into_inner(), request, self.0.clone());
        // What is not answered when another takes over, or when the process in charge stops, is
        // submitted again: nothing is recorded twice.
        let going = Some((answers, past, Arc::clone(&passing)));
        let answers = stream::unfold(going, async |going| {
            let (mut answers, mut past, passing) = going?;
            let answer = tokio::select! {
                biased;
                answer = answers.next() => answer,
                () = &mut past => Some(Err(unavailable())),
            };
            match answer {
                Some(Ok(answer)) => Some((Ok(answer), Some((answers, past, passing)))),
                Some(Err(status)) => Some((Err(passed_back(status)), None)),
                None if passing.has_ended() => None,
                None => Some((Err(unavailable()), None)),
            }
        });
        let asked = Arc::clone(&passing);
        let answers = answers.filter(move |answer: &Result<v1::SubmitManyResponse, _>| {
            let is_added = answer.as_ref().is_ok_and(|answer| asked.take(answer));
            future::ready(!is_added)
        });
        let following = Arc::clone(&import);
        let answers = stream::select(answers, ReceiverStream::new(refusals))
            .inspect(move |answer| {
                if let Ok(answer) = answer {
                    following.answered(passing.answered(), answer);
                }
            })
            .chain(end_of(move || import.ended()))
            .take_until(self.0.stop.clone().cancelled_owned());
        let answers: Answers<_> = Box::pin(answers);
        Ok(match takes_progress {
            true => taking_progress(answers),
            false => Response::new(answers),
        })
    }
}

/// The answer to a message that may not be passed on.
async fn refused_here(
    context: &Context,
    who: &Who,
    message: &v1::SubmitManyRequest,
) -> Option<v1::SubmitManyResponse> {
    let submission = message.submission.as_ref()?;
    let rejected = refusal(context, who, submission).await?;
    Some(v1::SubmitManyResponse {
        client_ref: submission.client_ref,
        result: Some(submit_many_response::Result::Rejected(rejected)),
    })
}

impl Context {
    /// The process in charge of the logs, if it is another one. What that one passes on stays
    /// here, should both take the other for it.
    fn holder(&self, who: &Who) -> Option<Holder> {
        if who.is_same_node(&self.engine) {
            return None;
        }
        self.forward.as_ref()?.holder()
    }
}

fn unavailable() -> Status {
    refuse::append(&AppendError::Unavailable)
}

/// What the process in charge says of a submission is said as it is. That it cannot be reached is
/// said as of a log that takes nothing at present: it is away, or another one is about to take over.
fn passed_back(status: Status) -> Status {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
            unavailable()
        }
        _ => status,
    }
}

/// Why a caller's submission is not taken at all.
async fn refusal(context: &Context, who: &Who, given: &v1::SubmitRequest) -> Option<v1::Rejection> {
    if !is_permitted(who, given) {
        let status = refuse::not_permitted("CALLER_KIND_OR_REGION");
        context.note_refusal(&who.actor, who.method, &status);
        return Some(refuse::not_permitted_rejection());
    }
    let recorded = record_erasure(&context.engine, who, given).await;
    recorded.err().map(|error| refuse::audit_rejection(&error))
}

async fn one(context: &Context, who: &Who, given: v1::SubmitRequest) -> v1::SubmitManyResponse {
    let engine = &context.engine;
    let result = if let Some(rejected) = refusal(context, who, &given).await {
        submit_many_response::Result::Rejected(rejected)
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
    if who.is_same_node(engine) {
        return Ok(()); // It is written down where it came in.
    }
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
