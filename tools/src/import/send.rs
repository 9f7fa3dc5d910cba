//! Sending rows over one stream at a time, a bounded number in flight.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::time::Duration;

use huren_proto::v1;
use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use huren_proto::v1::submit_many_response::Result as Answer;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::Retry;
use super::convert::Submission;
use super::fault::RowFault;
use super::outcome::Outcome;
use super::progress::{self, Progress};
use super::rows::{Read, Rows};
use super::source::{RawRow, SourceError};
use crate::connect::Calls;

/// Why an import stopped early.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Rejects or journal cannot be written.
    #[error("无法写入拒绝清单或日志 / rejects or journal cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The node refuses the caller, or cannot be reached any more.
    #[error("节点拒绝或不可达 / the node refuses or cannot be reached: {:?} {}", .0.code(), .0.message())]
    Node(Box<Status>),
}

/// A row that was sent and not answered yet, or waits to be sent again.
struct Pending {
    row: RawRow,
    submission: Submission,
    /// Thousandths of the file that were read up to it.
    permille: u32,
    /// How often the node has put it off.
    put_off: u32,
}

/// A stream to the node.
struct Connection {
    requests: mpsc::Sender<v1::SubmitManyRequest>,
    answers: Streaming<v1::SubmitManyResponse>,
    /// Whether the node takes progress.
    takes_progress: bool,
}

/// Length of pending rows behind which no more is read, however few they are.
const PENDING_BYTES: usize = 64 << 20;

/// How long a node may take to see that a stream has ended, before the importer goes.
const PARTING: Duration = Duration::from_secs(2);

/// Sends rows and books their answers.
///
/// Every row is either not read yet, held back, pending, or booked. Whatever happens to the
/// connection, pending rows are sent again: the node recognises what it already has.
pub(super) struct Sender<'a, 'b> {
    client: IssuanceServiceClient<Calls>,
    outcome: &'a mut Outcome<'b>,
    in_flight: usize,
    retry: Retry,
    /// By line, which is the reference given to the node.
    pending: BTreeMap<u64, Pending>,
    /// Length of the pending rows.
    pending_bytes: usize,
    /// What pending rows are about: one row about each thing is pending at a time, so that
    /// the changes of one certificate take effect in the order of the file.
    subjects: HashSet<String>,
    /// Pending rows that the node put off, and when to send them again.
    put_off: BTreeSet<(Instant, u64)>,
    /// The next row, if it has to wait for an earlier one about the same thing.
    held: Option<Pending>,
    /// Failures of the connection since the last answer.
    failures: u32,
    /// What the node's operator is told beside the rows.
    progress: Progress,
}

impl<'a, 'b> Sender<'a, 'b> {
    pub(super) fn new(
        client: IssuanceServiceClient<Calls>,
        outcome: &'a mut Outcome<'b>,
        in_flight: usize,
        retry: Retry,
    ) -> Self {
        Self {
            client,
            outcome,
            in_flight: in_flight.max(1),
            retry,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            subjects: HashSet::new(),
            put_off: BTreeSet::new(),
            held: None,
            failures: 0,
            progress: Progress::default(),
        }
    }

    /// Sends everything that comes out of `rows` and returns when all of it is booked.
    pub(super) async fn run(mut self, mut rows: Rows) -> Result<(), SendError> {
        let mut connection: Option<Connection> = None;
        let mut is_read = false;
        while !(is_read && self.held.is_none() && self.pending.is_empty()) {
            self.release_held(connection.as_ref());
            if connection.is_none() && !self.pending.is_empty() {
                connection = self.connect().await?;
                continue;
            }
            let has_room = self.held.is_none()
                && self.pending.len() < self.in_flight
                && self.pending_bytes < PENDING_BYTES;
            let due = self.put_off.first().map(|(at, _)| *at);
            tokio::select! {
                row = rows.next(), if has_room && !is_read => match row {
                    Some(read) => self.take(read?, connection.as_ref())?,
                    None => is_read = true,
                },
                answer = next_answer(connection.as_mut()), if connection.is_some() => match answer {
                    Ok(answer) => self.book(answer)?,
                    Err(status) => {
                        connection = None;
                        self.lost(status).await?;
                    }
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.send_due(connection.as_ref());
                }
            }
        }
        if let Some(connection) = connection {
            self.part(connection).await;
        }
        Ok(())
    }

    /// Ends a stream of which everything is answered, so that the node does not take it for broken
    /// off. Whatever comes of that, the import is done.
    async fn part(&mut self, connection: Connection) {
        let Connection {
            requests,
            mut answers,
            takes_progress,
        } = connection;
        if takes_progress {
            let whole = v1::SubmitManyRequest {
                submission: None,
                progress: Some(self.progress.told(1000)),
            };
            let _ = requests.try_send(whole);
        }
        drop(requests);
        let ended = async { while let Ok(Some(_)) = answers.message().await {} };
        let _ = timeout(PARTING, ended).await;
    }

    /// Takes a row that was read.
    fn take(&mut self, read: Read, connection: Option<&Connection>) -> Result<(), SendError> {
        self.outcome.report.read += 1;
        match read.result {
            Err(faults) => {
                self.progress.refuse(&read.row, &faults);
                self.outcome.rejected(&read.row, &faults)?;
            }
            Ok(submission) => {
                self.held = Some(Pending {
                    row: read.row,
                    submission,
                    permille: read.permille,
                    put_off: 0,
                });
                self.release_held(connection);
            }
        }
        Ok(())
    }

    /// Sends the row that is held back, if nothing about the same thing is pending.
    fn release_held(&mut self, connection: Option<&Connection>) {
        let Some(held) = self.held.take() else { return };
        if self.subjects.contains(&held.submission.subject) {
            self.held = Some(held);
            return;
        }
        self.subjects.insert(held.submission.subject.clone());
        self.send(connection, &held);
        self.pending_bytes += held.row.bytes();
        self.pending.insert(held.row.line, held);
    }

    /// Opens a stream and sends everything that is pending and not put off. The channel has
    /// room for every pending row, each of which is in it at most once: sending never waits.
    async fn connect(&mut self) -> Result<Option<Connection>, SendError> {
        let (requests, receiver) = mpsc::channel(self.in_flight);
        let waiting: BTreeSet<u64> = self.put_off.iter().map(|(_, line)| *line).collect();
        // Before the call: a node may wait for the first row before it answers the call.
        for pending in self
            .pending
            .values()
            .filter(|p| !waiting.contains(&p.row.line))
        {
            offer(&requests, pending, None);
        }
        match self.client.submit_many(ReceiverStream::new(receiver)).await {
            Ok(response) => Ok(Some(Connection {
                requests,
                takes_progress: progress::is_taken(response.metadata()),
                answers: response.into_inner(),
            })),
            Err(status) => {
                self.lost(Some(status)).await?;
                Ok(None)
            }
        }
    }

    /// The stream has ended while rows are pending, or could not be opened.
    async fn lost(&mut self, status: Option<Status>) -> Result<(), SendError> {
        let status = status.unwrap_or_else(|| Status::unavailable("stream ended"));
        self.failures += 1;
        if !is_temporary(status.code()) || self.failures > self.retry.attempts {
            return Err(SendError::Node(Box::new(status)));
        }
        self.outcome.lost(&status);
        sleep(self.retry.delay(self.failures)).await;
        Ok(())
    }

    /// Books an answer. One to a row that is not pending says nothing new.
    fn book(&mut self, answer: v1::SubmitManyResponse) -> Result<(), SendError> {
        self.failures = 0;
        let Some(mut pending) = self.pending.remove(&answer.client_ref) else {
            return Ok(());
        };
        let result = answer
            .result
            .unwrap_or_else(|| Answer::Rejected(empty_answer()));
        match result {
            Answer::Rejected(rejection)
                if rejection.retryable && pending.put_off < self.retry.attempts =>
            {
                pending.put_off += 1;
                let due = Instant::now() + self.retry.delay(pending.put_off);
                self.outcome.put_off(&rejection);
                self.put_off.insert((due, pending.row.line));
                self.pending.insert(pending.row.line, pending);
                return Ok(());
            }
            Answer::Rejected(rejection) => {
                self.outcome
                    .rejected(&pending.row, &[RowFault::from(rejection)])?;
            }
            Answer::Accepted(accepted) => self.outcome.accepted(&pending.row, &accepted)?,
        }
        self.subjects.remove(&pending.submission.subject);
        self.pending_bytes -= pending.row.bytes();
        Ok(())
    }

    /// Sends again what was put off until now. Without a connection it is sent with the next.
    fn send_due(&mut self, connection: Option<&Connection>) {
        let now = Instant::now();
        while let Some((due, line)) = self.put_off.first().copied() {
            if due > now {
                return;
            }
            self.put_off.pop_first();
            if let Some(pending) = self.pending.remove(&line) {
                self.send(connection, &pending);
                self.pending.insert(line, pending);
            }
        }
    }

    /// Sends a row, with what is to be told by then.
    fn send(&mut self, connection: Option<&Connection>, pending: &Pending) {
        if let Some(connection) = connection {
            let progress = &mut self.progress;
            let takes = connection.takes_progress;
            let told = takes.then(|| progress.told(pending.permille));
            if let Some(unsent) = offer(&connection.requests, pending, told) {
                progress.take_back(unsent);
            }
        }
    }
}

/// Puts a row into the stream. If the stream has just ended, that is noticed where answers
/// are awaited, and the row is sent with the next stream; the progress comes back.
fn offer(
    requests: &mpsc::Sender<v1::SubmitManyRequest>,
    pending: &Pending,
    progress: Option<v1::ImportProgress>,
) -> Option<v1::ImportProgress> {
    let submission = Some(pending.submission.request.clone());
    let sent = requests.try_send(v1::SubmitManyRequest {
        submission,
        progress,
    });
    sent.err()?.into_inner().progress
}

async fn next_answer(
    connection: Option<&mut Connection>,
) -> Result<v1::SubmitManyResponse, Option<Status>> {
    let Some(connection) = connection else {
        return Err(None);
    };
    connection
        .answers
        .message()
        .await
        .map_err(Some)?
        .ok_or(None)
}

/// Failures after which the same call may succeed. `Unknown` and `Internal` are what HTTP/2
/// reports when a node dies under a stream.
fn is_temporary(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Cancelled
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Unknown
            | Code::Internal
    )
}

fn empty_answer() -> v1::Rejection {
    v1::Rejection {
        code: "ANSWER_EMPTY".to_owned(),
        message_zh: "节点的答复没有内容".to_owned(),
        message_en: "the node's answer is empty".to_owned(),
        retryable: true,
        ..Default::default()
    }
}

impl Retry {
    /// How long to wait before the attempt with a number, from 1.
    fn delay(&self, attempt: u32) -> Duration {
        let factor = 1u32 << attempt.saturating_sub(1).min(16);
        self.first_delay
            .saturating_mul(factor)
            .min(self.longest_delay)
    }
}

#[cfg(test)]
mod tests {
    use csv::StringRecord;

    use super::*;

    #[test]
    fn progress_comes_back_from_a_stream_that_has_ended() {
        let pending = Pending {
            row: RawRow {
                line: 2,
                cells: StringRecord::new(),
                faults: Vec::new(),
            },
            submission: Submission {
                subject: String::new(),
                request: v1::SubmitRequest::default(),
            },
            permille: 500,
            put_off: 0,
        };
        let progress = || {
            Some(v1::ImportProgress {
                permille: 500,
                ..Default::default()
            })
        };
        let (requests, receiver) = mpsc::channel(1);
        assert_eq!(offer(&requests, &pending, progress()), None);
        drop(receiver);
        assert_eq!(offer(&requests, &pending, progress()), progress());
    }
}
