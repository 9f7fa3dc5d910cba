//! An answer as it changes, by server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::{StreamExt as _, stream};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

use super::{Api, Caller, calls::Call, problem::Problem};

/// How often it is looked for a change.
const PACE: Duration = Duration::from_secs(1);

/// Name of the event with which a watch ends: why there is no answer any more.
const ENDED: &str = "problem";

impl Api {
    /// Makes a call again and again, each time past the gate: who may not ask any more is told
    /// nothing more.
    pub(super) async fn watch(
        self,
        call: &'static Call,
        caller: Caller,
        asked: DynamicMessage,
        output: MessageDescriptor,
    ) -> Result<Response, Problem> {
        let (stop, clock) = (self.stop.clone().cancelled_owned(), self.clock.clone());
        let ask = async move || {
            let (caller, message) = (caller.clone(), stream::iter([asked.clone()]));
            let answers = self.pass_on(call, caller, message, output.clone()).await;
            answers?.pop().ok_or(Problem::INTERNAL)
        };
        let first = ask().await?;
        let told = (Some(Ok(first)), Value::Null);
        let events = stream::unfold(Some((ask, told)), move |going| {
            let clock = clock.clone();
            async move {
                let (ask, (mut answer, last)) = going?;
                loop {
                    match answer.take() {
                        Some(Ok(new)) if new != last => {
                            let event = Event::default().data(new.to_string());
                            return Some((event, Some((ask, (None, new)))));
                        }
                        Some(Err(problem)) => {
                            let problem = Problem::to_json(&problem).to_string();
                            return Some((Event::default().event(ENDED).data(problem), None));
                        }
                        Some(Ok(_)) | None => {}
                    }
                    clock.sleep(PACE).await;
                    answer = Some(ask().await);
                }
            }
        });
        let events = events.take_until(stop).map(Ok::<_, Infallible>);
        let alive = KeepAlive::default();
        Ok(Sse::new(events).keep_alive(alive).into_response())
    }
}
