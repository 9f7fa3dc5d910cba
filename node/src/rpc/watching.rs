//! A stream of watched decisions.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt as _};
use huren_proto::v1;
use tonic::{Status, Streaming};

use crate::engine::{Watch, WatchError};

use super::{
    Context,
    access::Who,
    purpose::stated,
    recognition::{not_stated, undecided},
    refuse,
};

/// How often it is looked at whether the caller may still listen.
const STILL: Duration = Duration::from_secs(1);

type Requests = Pin<Box<dyn Stream<Item = Result<v1::WatchDecisionsRequest, Status>> + Send>>;

/// What one caller watches.
pub(super) struct Watching {
    context: Context,
    who: Who,
    watch: Watch,
    /// `None` once the caller has asked everything.
    requests: Option<Requests>,
}

enum Event {
    Asked(Option<Result<v1::WatchDecisionsRequest, Status>>),
    Changed(v1::DecideResponse),
}

impl Watching {
    pub(super) fn new(
        context: Context,
        who: Who,
        requests: Streaming<v1::WatchDecisionsRequest>,
    ) -> Self {
        Self {
            watch: Watch::new(context.engine.clone()),
            requests: Some(Box::pin(context.heard(who.clone(), requests))),
            context,
            who,
        }
    }

    /// The next answer; `None` if there is nothing to watch any more. What is not taken is not
    /// decided either, so a slow caller has nothing pile up.
    pub(super) async fn next(&mut self) -> Result<Option<v1::WatchDecisionsResponse>, Status> {
        loop {
            match self.event().await? {
                Event::Asked(None) => {
                    self.requests = None;
                    if self.watch.is_empty() {
                        return Ok(None);
                    }
                }
                Event::Asked(Some(request)) => {
                    if let Some(answer) = self.asked(request?).await? {
                        return Ok(Some(answer));
                    }
                }
                Event::Changed(answer) => {
                    self.context.still(&self.who)?;
                    return Ok(Some(v1::WatchDecisionsResponse {
                        answer: Some(answer),
                        refused: false,
                    }));
                }
            }
        }
    }

    /// What comes first. It ends with an error if the caller may not listen any more.
    async fn event(&mut self) -> Result<Event, Status> {
        let changed = self.watch.changed();
        tokio::pin!(changed);
        let asked = async {
            match &mut self.requests {
                Some(requests) => requests.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(asked);
        loop {
            tokio::select! {
                biased;
                request = &mut asked => return Ok(Event::Asked(request)),
                answer = &mut changed => return Ok(Event::Changed(answer)),
                () = self.context.engine.clock().sleep(STILL) => self.context.still(&self.who)?,
            }
        }
    }

    /// Adds a decision; it is written down once, and not at each look.
    async fn asked(
        &mut self,
        request: v1::WatchDecisionsRequest,
    ) -> Result<Option<v1::WatchDecisionsResponse>, Status> {
        let asked = request.question.clone().unwrap_or_default();
        let question = asked.question.unwrap_or_default();
        let province = self.context.engine.region();
        let refused = |reason| {
            Ok(Some(v1::WatchDecisionsResponse {
                answer: Some(undecided(question.client_ref, reason)),
                refused: true,
            }))
        };
        let stated = match stated(&self.who, &question, &province) {
            Ok(stated) => stated,
            Err(error) => return refused(not_stated(&self.context, &self.who, error)),
        };
        let answer = match self.watch.add(request).await {
            Ok(answer) => answer,
            // Which of the two an answer is about could not be told.
            Err(error @ WatchError::RefTaken) => return Err(refuse::watch(&error)),
            Err(error) => {
                return refused(v1::Reason {
                    code: error.code().to_owned(),
                    zh: error.zh().to_owned(),
                    en: error.to_string(),
                });
            }
        };
        let (context, who) = (&self.context, &self.who);
        context.note_question(who, stated, &question.number);
        context.note_holder(who, stated, &question.holder_id);
        Ok(answer.map(|answer| v1::WatchDecisionsResponse {
            answer: Some(answer),
            refused: false,
        }))
    }
}
