//! A whole list at once: a file with numbers and holders in, results and receipts out.
//!
//! A list is answered while somebody looks at its page, which grows line by line: that needs no
//! JavaScript, no task of its own, and ends with the connection; whoever loads the page again goes on
//! where it stood. Every line is a question like the form's, and is audited like one. A line that is
//! confirmed costs a tenth of a question out of the uploader's allowance; any other one costs what
//! the form would. The list waits for it before it asks, so that it finds out no more by trying than
//! the form does, however often its page is loaded.

mod bundle;
mod kept;
mod lines;
mod result;

use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{
        ConnectInfo, DefaultBodyLimit, Multipart, Path, Query, State,
        multipart::MultipartRejection, rejection::QueryRejection,
    },
    http::{HeaderValue, StatusCode, header},
    response::{Html as HtmlResponse, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use futures::stream::{self, Stream, StreamExt as _};

use super::{Page, Problem, network, offers_receipt, render, shown};
use crate::{
    engine::{Clock, aside},
    http::language::{Choice, Language, chosen},
};
use kept::{CONFIRMED, Progress, QUESTION, Uploaded};
pub(super) use kept::{Lists, Tally};
use lines::Line;
use result::Answered;
pub(super) use result::Standing;

/// Largest file, in bytes.
const MAX_FILE: usize = 2 << 20;

/// What a form has beside its file, in bytes.
const MAX_FRAME: usize = 16 << 10;

/// Files that are read at a time.
pub(super) const READING: usize = 2;

/// How often lists that are over are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Signs of progress while a list is answered.
const STEPS: usize = 10;

/// `/batch` and what lies below it.
pub(super) fn routes() -> Router<Page> {
    let upload = post(upload).layer(DefaultBodyLimit::max(MAX_FILE + MAX_FRAME));
    Router::new()
        .route("/batch", get(form).merge(upload))
        .route("/batch/{reference}", get(watch))
        .route("/batch/{reference}/delete", post(delete))
        .route("/batch/{reference}/{file}", get(download))
}

async fn form(State(page): State<Page>, query: Result<Query<Choice>, QueryRejection>) -> Response {
    let place = page.place(chosen(query));
    shown(StatusCode::OK, render::list::form(place))
}

async fn upload(
    State(page): State<Page>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let mut language = Language::default();
    match page.take_list(client, form, &mut language).await {
        Ok(reference) => {
            Redirect::to(&format!("batch/{reference}{}", language.query())).into_response()
        }
        Err(problem) => {
            page.note_refusal(problem);
            page.refused(problem, language, "batch")
        }
    }
}

/// The page of a list, which grows until every line is answered.
async fn watch(
    State(page): State<Page>,
    Path(reference): Path<String>,
    query: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let language = chosen(query);
    let Some(list) = page.lists.get(&reference, page.clock.now()) else {
        return page.refused(Problem::Gone, language, "../batch");
    };
    let place = page.place(language);
    let total = list.total;
    // Not held for as long as somebody reads: a list that is deleted is to be gone.
    drop(list);
    let (before, behind) = render::list::around(place, total);
    let first = stream::once(async { before });
    let last = {
        let (page, reference) = (page.clone(), reference.clone());
        async move {
            let now = page.clock.now();
            let end = match page.lists.get(&reference, now) {
                Some(list) => {
                    let tally = list.tally().await;
                    let left = list.expires().saturating_sub(now);
                    render::list::done(place, &reference, &tally, left)
                }
                None => render::list::gone(place),
            };
            end + &behind
        }
    };
    let growing = progress(page, reference, total);
    let grows = first.chain(growing).chain(stream::once(last));
    let body = Body::from_stream(grows.map(|part| Ok::<_, Infallible>(Bytes::from(part))));
    let mut response = HtmlResponse(body).into_response();
    // nginx would show it once it is whole (ngx_http_proxy_module, proxy_buffering).
    let unbuffered = HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", unbuffered);
    response
}

/// Answers a list, and says every now and then how far it is.
fn progress(page: Page, reference: String, total: usize) -> impl Stream<Item = String> {
    stream::unfold((page, reference, 0), move |state| async move {
        let (page, reference, told) = state;
        loop {
            let answered = page.go_on(&reference).await?;
            let step = answered * STEPS / total;
            if step > told {
                let percent = 100 / STEPS;
                let sign = render::list::step(step * percent, (step - told) * percent);
                return Some((sign, (page, reference, step)));
            }
        }
    })
}

async fn download(
    State(page): State<Page>,
    Path((reference, file)): Path<(String, String)>,
    query: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let language = chosen(query);
    let list = page.lists.get(&reference, page.clock.now());
    let Some(list) = list else {
        return page.refused(Problem::Gone, language, "../../batch");
    };
    match list.file(&file).await {
        Some((kind, bytes)) => {
            let disposition = format!("attachment; filename=\"huren-{file}\"");
            let head = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CONTENT_DISPOSITION, disposition),
            ];
            (head, bytes).into_response()
        }
        // Not answered yet, or no file of that name.
        None => Redirect::to(&format!("../{reference}{}", language.query())).into_response(),
    }
}

async fn delete(
    State(page): State<Page>,
    Path(reference): Path<String>,
    query: Result<Query<Choice>, QueryRejection>,
) -> Redirect {
    page.lists.delete(&reference);
    Redirect::to(&format!("../../batch{}", chosen(query).query()))
}

impl Page {
    /// Keeps an uploaded list, and gives the reference by which its uploader gets at it.
    async fn take_list(
        &self,
        client: SocketAddr,
        form: Result<Multipart, MultipartRejection>,
        language: &mut Language,
    ) -> Result<String, Problem> {
        self.admit(client)?;
        let mut form = form.map_err(|_| Problem::Form)?;
        let mut file = None;
        while let Some(field) = form.next_field().await.map_err(unread)? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(unread)?;
            match name.as_str() {
                "lang" if bytes == "en" => *language = Language::En,
                "file" => file = Some(bytes),
                _ => {}
            }
        }
        let file = file.ok_or(Problem::Form)?;
        if file.len() > MAX_FILE {
            return Err(Problem::FileTooLarge);
        }
        let lines = self.read(file).await?;
        let mut secret = [0; 16];
        self.random.fill(&mut secret);
        let reference = hex::encode(secret);
        let uploaded = Uploaded {
            network: network(client.ip()),
            lines,
        };
        let kept = self.lists.keep(&reference, uploaded, self.clock.now());
        kept.map(|()| reference).map_err(Problem::TooManyLists)
    }

    /// Reads a file off the runtime, as it may be made to take long. Whoever waits for a turn waits
    /// no longer than for any answer; the turn ends with the reading, not with the waiting.
    async fn read(&self, file: Bytes) -> Result<VecDeque<Line>, Problem> {
        let turn = Arc::clone(&self.reading).acquire_owned().await;
        let turn = turn.map_err(|_| Problem::Unavailable)?;
        let read = aside(move || {
            let _turn = turn;
            lines::read(&file)
        });
        read.await.map_err(|error| {
            tracing::error!(%error, "a list is not read");
            Problem::Unavailable
        })?
    }

    /// Answers the next line, and says how many have been; `None` once all are, or the list is not
    /// there any more.
    async fn go_on(&self, reference: &str) -> Option<usize> {
        loop {
            let list = self.lists.get(reference, self.clock.now())?;
            let mut progress = list.progress.lock().await;
            progress.waiting.front()?;
            // Others may have looked meanwhile, and one of them have deleted it.
            let now = self.clock.now();
            self.lists.prolong(reference, now)?;
            let allowed = match progress.paid < QUESTION {
                true => self.rate.take(&list.network, now),
                false => Ok(()),
            };
            if let Err(seconds) = allowed {
                // Nothing is held meanwhile, neither the list nor whoever wants its results.
                drop(progress);
                drop(list);
                self.clock.sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            if progress.paid < QUESTION {
                progress.paid += QUESTION;
            }
            return self.answer_next(&mut progress).await;
        }
    }

    /// Answers the line in front, which is paid.
    async fn answer_next(&self, progress: &mut Progress) -> Option<usize> {
        // It stays in its place until it is answered, and is paid before it is asked: whoever looks
        // may go away at any time, and asks at his own cost again.
        let line = progress.waiting.front()?.clone();
        progress.paid -= QUESTION;
        let answered = match line.asked {
            Ok(asked) => match self.answer(&asked).await {
                Ok(response) => {
                    let decided = self.decide(&asked, &response).await;
                    let receipt = offers_receipt(&response).then(|| response.receipt.clone());
                    let said = Answered::of(line.row, &asked, &response, decided.as_ref());
                    (said, receipt)
                }
                Err(problem) => (Answered::refused(line.row, &asked.number, problem), None),
            },
            Err(problem) => (Answered::refused(line.row, "", problem), None),
        };
        let (said, receipt) = answered;
        if let Some(problem) = said.refusal() {
            self.note_refusal(problem);
        }
        if said.is_confirmed() {
            progress.paid += QUESTION - CONFIRMED;
        }
        progress.push(said, receipt);
        Some(progress.answered())
    }
}

/// Forgets lists that are over, also when nobody comes by.
pub(super) async fn sweep(lists: Arc<Lists>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(SWEEP).await;
        lists.sweep(clock.now());
    }
}

/// Why a form did not come in as a whole.
fn unread(error: axum::extract::multipart::MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::FileTooLarge,
        _ => Problem::Form,
    }
}
