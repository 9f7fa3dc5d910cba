//! What one stream passes on to the process in charge of the logs and waits for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use huren_proto::v1;
use tonic::{CancellationHandle, Status, Streaming};

use super::Context;

/// How long a request has to notice that it is reset.
const RESETS: Duration = Duration::from_secs(10);

/// The messages of a stream that are not answered yet: no more than are under way.
#[derive(Default)]
pub(super) struct Passing(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Of each message, how much of its caller's file was read, in the order in which they came.
    permille: VecDeque<u32>,
    /// Messages that go on and are none of the caller's: what it says of itself beside a
    /// submission that is refused here.
    added: usize,
    /// Whether the caller has ended its stream.
    has_ended: bool,
}

impl Passing {
    /// A message came.
    pub(super) fn came(&self, message: &v1::SubmitManyRequest) {
        let permille = message.progress.as_ref().map_or(0, |of| of.permille);
        self.lock().permille.push_back(permille);
    }

    /// The caller is answered, which happens about in the order in which messages came: how much
    /// of its file, in thousandths, that tells.
    pub(super) fn answered(&self) -> u32 {
        self.lock().permille.pop_front().unwrap_or(0)
    }

    /// The caller has ended its stream.
    pub(super) fn ended(&self) {
        self.lock().has_ended = true;
    }

    /// Whether the caller has ended its stream.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// A message is added to the caller's.
    pub(super) fn add(&self) {
        self.lock().added += 1;
    }

    /// Whether it is the answer to one that was added, and so none for the caller. Any empty one
    /// will do, as they are all alike.
    pub(super) fn take(&self, answer: &v1::SubmitManyResponse) -> bool {
        let mut waiting = self.lock();
        let is_added = waiting.added > 0 && *answer == v1::SubmitManyResponse::default();
        waiting.added -= usize::from(is_added);
        is_added
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // None of it is left half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers to a request that is passed on. Dropped before the request has ended, they reset
/// it: what its caller broke off is not to look whole to the process in charge.
pub(super) struct Underway {
    /// There until it is dropped.
    answers: Option<Streaming<v1::SubmitManyResponse>>,
    request: CancellationHandle,
    context: Context,
}

impl Underway {
    pub(super) fn new(
        answers: Streaming<v1::SubmitManyResponse>,
        request: CancellationHandle,
        context: Context,
    ) -> Self {
        Self {
            answers: Some(answers),
            request,
            context,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<v1::SubmitManyResponse, Status>> {
        self.answers.as_mut()?.next().await
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.request.clone().cancel();
        let Some(mut answers) = self.answers.take() else {
            return;
        };
        // A request that waits for room notices only once it has some, and the process in charge
        // makes none while its answers are not read. Unread, both would stay for as long as the
        // connection, of whose room they have a part.
        let (engine, stop) = (Arc::clone(&self.context.engine), self.context.stop.clone());
        let rest = async move {
            let read = async { while let Some(Ok(_)) = answers.next().await {} };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = read => {}
                () = engine.clock().sleep(RESETS) => {}
            }
        };
        self.context.tasks.spawn(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(permille: u32) -> v1::SubmitManyRequest {
        v1::SubmitManyRequest {
            submission: None,
            progress: Some(v1::ImportProgress {
                permille,
                ..Default::default()
            }),
        }
    }

    #[test]
    fn each_answer_tells_of_one_message() {
        let passing = Passing::default();
        for permille in [100, 200] {
            passing.came(&behind(permille));
        }
        passing.came(&v1::SubmitManyRequest::default());
        let told: Vec<u32> = (0..4).map(|_| passing.answered()).collect();
        assert_eq!(told, [100, 200, 0, 0]);
    }

    #[test]
    fn the_caller_gets_as_many_empty_answers_as_it_asked_for() {
        let passing = Passing::default();
        let empty = v1::SubmitManyResponse::default();
        let other = v1::SubmitManyResponse {
            client_ref: 7,
            result: None,
        };
        assert!(!passing.take(&empty));
        passing.add();
        assert!(!passing.take(&other));
        assert!(passing.take(&empty));
        assert!(!passing.take(&empty));
    }
}
