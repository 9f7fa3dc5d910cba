//! The employers' page: number and name (or ID) in, a plain answer and a receipt out.
//!
//! It needs no JavaScript, and puts nothing personal into an address: questions are forms that
//! are posted, each in the language that its answer is to have. In templates a text stands as
//! `[[Chinese|English]]`. Number and holder are needed together, and 'no such number' and 'name does not
//! match' are one page, so that nobody finds out by trying which numbers or names there are.

mod batch;
mod level;
mod problem;
mod qr;
mod render;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use axum::{
    Form, Router,
    extract::{
        ConnectInfo, DefaultBodyLimit, Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html as HtmlResponse, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use huren_core::{
    audit::{Act, Actor, AuditAction, DONE},
    codes::Date,
    normalise,
    verdict::LogView,
};
use huren_proto::v1;
use jiff::{
    Timestamp,
    tz::{TimeZone, offset},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{
    html::Html,
    language::{Choice, Language, chosen},
    scripted,
};
use crate::engine::{Clock, Engine, Random, RateLimit, VerifyError, network};
use batch::Lists;
use problem::Problem;
use render::{Here, Place};

/// Longest form, in bytes: two fields of [`MAX_CHARS`], each character percent-encoded.
const MAX_FORM: usize = 4096;

/// Longest name, in characters. The engine bounds the number.
const MAX_CHARS: usize = 64;

/// Oldest evidence that a verdict may rest on, in seconds.
const MAX_AGE: u64 = 24 * 60 * 60;

/// The one script: it fills in the number that a QR code brings, and reads the code of a picture or
/// of what the camera sees.
/// Without it nothing is lacking.
const SCRIPT: &str = include_str!("page/form.js");

/// Nothing is loaded or framed, and nothing runs but [`SCRIPT`].
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let source = scripted::source(SCRIPT);
    let policy = format!(
        "default-src 'none'; script-src {source}; style-src 'unsafe-inline'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What the page with the form may use of the machine: it reads codes with the camera.
const WITH_CAMERA: &str = "camera=(self), microphone=(), geolocation=()";

/// What else holds for every answer, unless its page says otherwise: nothing of the machine is used,
/// nothing is framed, kept or told to others.
const PROTECTION: [(HeaderName, &str); 5] = [
    (PERMISSIONS, "camera=(), microphone=(), geolocation=()"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// `/`, `/verify`, `/receipt` and `/batch`. Each address may ask `per_minute` questions in a minute.
/// With them comes what forgets uploaded lists in time, to be run beside them.
pub fn routes(
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    per_minute: u32,
) -> (Router, impl Future<Output = ()>) {
    let rate = Arc::new(RateLimit::new(per_minute, 60));
    let page = Page {
        engine,
        clock,
        random,
        rate,
        lists: Arc::default(),
        reading: Arc::new(Semaphore::new(batch::READING)),
    };
    let sweep = batch::sweep(Arc::clone(&page.lists), Arc::clone(&page.clock));
    let routes = Router::new()
        .route("/", get(form))
        // Whoever loads the answer's address again is led back to the form.
        .route("/verify", post(verify).get(back))
        .route("/receipt", post(receipt).get(back))
        .merge(batch::routes())
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::map_response(protect))
        .with_state(page);
    (routes, sweep)
}

#[derive(Clone)]
struct Page {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    rate: Arc<RateLimit>,
    /// Uploaded by whoever has their references.
    lists: Arc<Lists>,
    /// Turns of reading their files.
    reading: Arc<Semaphore>,
}

/// What was typed. Has no `Debug`, as it is personal.
#[derive(Clone, Deserialize)]
struct Asked {
    #[serde(default)]
    number: String,
    /// Name or number of an identity document.
    #[serde(default)]
    name: String,
    /// Number of an identity document, where a list has one beside the name.
    #[serde(skip)]
    document: String,
    /// Of the form, and so of the answer.
    #[serde(default)]
    lang: Language,
}

impl Asked {
    /// Whether the holder is presented by a document: no name has digits, and no document is
    /// without.
    fn is_by_id(&self) -> bool {
        normalise::id(&self.name)
            .bytes()
            .any(|byte| byte.is_ascii_digit())
    }
}

type Typed = Result<Form<Asked>, FormRejection>;

/// The language of a form that was filled in.
fn language_of(typed: &Typed) -> Language {
    let language = typed.as_ref().map(|Form(asked)| asked.lang);
    language.unwrap_or_default()
}

async fn form(State(page): State<Page>, query: Result<Query<Choice>, QueryRejection>) -> Response {
    let html = render::form(page.place(chosen(query)));
    let permissions = [(PERMISSIONS, WITH_CAMERA)];
    (permissions, shown(StatusCode::OK, html)).into_response()
}

async fn back() -> Redirect {
    Redirect::to("./")
}

async fn verify(
    State(page): State<Page>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    typed: Typed,
) -> Response {
    let language = language_of(&typed);
    match page.ask(client, typed).await {
        Ok((asked, response)) => {
            let decided = page.decide(&asked, &response).await;
            let here = page.here(language);
            let answer = render::answer(&asked, &response, decided.as_ref(), &here);
            shown(StatusCode::OK, answer)
        }
        Err(problem) => page.refused(problem, language, "./"),
    }
}

async fn receipt(
    State(page): State<Page>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    typed: Typed,
) -> Response {
    let language = language_of(&typed);
    match page.ask(client, typed).await {
        Ok((_, response)) if offers_receipt(&response) => {
            let head = [
                (header::CONTENT_TYPE, "application/json"),
                (
                    header::CONTENT_DISPOSITION,
                    "attachment; filename=\"huren-receipt.json\"",
                ),
            ];
            (head, response.receipt).into_response()
        }
        Ok((asked, response)) => {
            let answer = render::answer(&asked, &response, None, &page.here(language));
            shown(StatusCode::NOT_FOUND, answer)
        }
        Err(problem) => page.refused(problem, language, "./"),
    }
}

/// Whether there is a receipt for who knows number and name.
fn offers_receipt(response: &v1::VerifyResponse) -> bool {
    render::confirmed(response).is_some() && !response.receipt.is_empty()
}

impl Page {
    /// One question out of a client's allowance.
    async fn ask(
        &self,
        client: SocketAddr,
        typed: Typed,
    ) -> Result<(Asked, v1::VerifyResponse), Problem> {
        let asked = self.admit(client).and_then(|()| {
            let Form(asked) = typed.map_err(|_| Problem::Form)?;
            Ok(asked)
        });
        let answered = match asked {
            Ok(asked) => self.answer(&asked).await.map(|response| (asked, response)),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = &answered {
            self.note_refusal(*problem);
        }
        answered
    }

    fn admit(&self, client: SocketAddr) -> Result<(), Problem> {
        let taken = self.rate.take(&network(client.ip()), self.clock.now());
        taken.map_err(Problem::TooMany)
    }

    fn note_refusal(&self, problem: Problem) {
        let act = Act::new(Actor::Page, AuditAction::CallRefused);
        self.engine.audit().note(act.outcome(problem.code()));
    }

    async fn answer(&self, asked: &Asked) -> Result<v1::VerifyResponse, Problem> {
        let request = question(asked)?;
        match self.engine.verify(request).await {
            Ok(response) => {
                let act = Act::new(Actor::Page, AuditAction::CertificatesQueried)
                    .outcome(DONE)
                    .purpose(v1::Purpose::PublicPage)
                    .subject(self.engine.subject_of(&asked.number));
                self.engine.audit().note(act);
                Ok(response)
            }
            Err(VerifyError::Number) => Err(Problem::Number),
            Err(error) => {
                tracing::error!(code = error.code(), "the page's question is not answered");
                Err(Problem::Unavailable)
            }
        }
    }

    /// Whether this province recognises a certificate, for who knows number and name of it. Nobody
    /// else waits for it, so that nobody learns from the time which of the two was wrong.
    async fn decide(
        &self,
        asked: &Asked,
        response: &v1::VerifyResponse,
    ) -> Option<v1::DecideResponse> {
        render::confirmed(response)?;
        let question = v1::DecideRequest {
            question: Some(v1::VerifyRequest {
                want_receipt: false,
                ..question(asked).ok()?
            }),
            asking_region: String::new(),
        };
        let decided = self.engine.decide(question).await;
        if let Err(error) = &decided {
            tracing::error!(code = error.code(), "recognition is not decided");
        }
        // What was verified is said nonetheless.
        decided.ok()
    }

    fn place(&self, language: Language) -> Place {
        let region = self.engine.region();
        Place { region, language }
    }

    fn here(&self, language: Language) -> Here {
        let now = self.clock.now();
        let entries = self.engine.book().entries();
        let extent = |view: &LogView| v1::LogExtent {
            origin: view.origin.to_string(),
            region: view.region.to_string(),
            size: view.size,
            witnessed_size: view.witnessed_size,
            age_seconds: view.age(now),
            frozen: view.frozen,
        };
        let place = self.place(language);
        let trust = self.engine.trust();
        let member = trust.newest().list.member(&place.region);
        Here {
            place,
            address: member.map(|member| member.http.clone()).unwrap_or_default(),
            now: in_shanghai(now),
            today: Date::today_in_shanghai(now.cast_signed()),
            logs: entries.iter().map(|entry| extent(&entry.view)).collect(),
        }
    }

    /// Why there is no answer; `back` leads to the form.
    fn refused(&self, problem: Problem, language: Language, back: &'static str) -> Response {
        let html = render::problem(self.place(language), problem, back);
        let mut response = shown(problem.status(), html);
        if let Some(seconds) = problem.retry_after() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The question to the engine. Without a holder there is none: whoever knows only a number
/// learns nothing here.
fn question(asked: &Asked) -> Result<v1::VerifyRequest, Problem> {
    if normalise::number(&asked.number).is_empty() {
        return Err(Problem::Number);
    }
    let name = normalise::name(&asked.name);
    let longest = name.chars().count().max(asked.document.chars().count());
    if name.is_empty() || longest > MAX_CHARS {
        return Err(Problem::Name);
    }
    let presented = asked.name.clone();
    let (holder_name, holder_id) = match asked.is_by_id() {
        true => (String::new(), presented),
        false => (presented, asked.document.clone()),
    };
    Ok(v1::VerifyRequest {
        number: asked.number.clone(),
        holder_name,
        holder_id,
        max_age_seconds: MAX_AGE,
        want_receipt: true,
        purpose: v1::Purpose::PublicPage.into(),
        ..v1::VerifyRequest::default()
    })
}

/// A time for people, by the minute.
fn in_shanghai(seconds: u64) -> String {
    let at = Timestamp::from_second(seconds.cast_signed()).unwrap_or_default();
    let at = at.to_zoned(TimeZone::fixed(offset(8)));
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn shown(status: StatusCode, html: Html) -> Response {
    (status, HtmlResponse(html.into_string())).into_response()
}

async fn protect(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in PROTECTION {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
    let policy = POLICY.clone();
    headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: &str, name: &str) -> Result<v1::VerifyRequest, Problem> {
        question(&Asked {
            number: number.to_owned(),
            name: name.to_owned(),
            document: String::new(),
            lang: Language::Zh,
        })
    }

    #[test]
    fn number_and_name_are_needed_together() {
        let too_long = "张".repeat(MAX_CHARS + 1);
        let check = |number, name, expected| assert_eq!(asked(number, name).err(), expected);
        check("", "张三", Some(Problem::Number));
        check(" \u{3000}", "张三", Some(Problem::Number));
        check("A1", "", Some(Problem::Name));
        check("A1", " \u{3000}", Some(Problem::Name));
        check("A1", &too_long, Some(Problem::Name));
        check("A1", "张三", None);
    }

    #[test]
    fn the_engine_is_asked_to_check_the_name() {
        let request = asked("A1", "张三").unwrap();
        assert_eq!(
            (request.holder_name, request.holder_id),
            ("张三".into(), String::new())
        );
        for id in [
            "330102198807150415",
            "３３０１０２１９８８０７１５０４１５",
            "E12345678",
        ] {
            let request = asked("A1", id).unwrap();
            assert_eq!(
                (request.holder_name, request.holder_id),
                (String::new(), id.into())
            );
        }
        let request = asked("A1", "张三").unwrap();
        assert!(request.want_receipt && !request.local_only);
    }

    #[test]
    fn a_receipt_is_given_only_for_number_and_name() {
        let field = v1::Field {
            name: "number".into(),
            value: "A1".into(),
        };
        let genuine = v1::VerifyResponse {
            verdict: v1::Verdict::Revoked.into(),
            certificate: vec![field],
            receipt: b"{}".to_vec(),
            ..v1::VerifyResponse::default()
        };
        assert!(offers_receipt(&genuine));
        let stale_mismatch = v1::VerifyResponse {
            verdict: v1::Verdict::Unknown.into(),
            last_known: v1::Verdict::HolderMismatch.into(),
            certificate: Vec::new(),
            ..genuine
        };
        assert!(!offers_receipt(&stale_mismatch));
    }

    #[tokio::test]
    async fn every_answer_is_protected() {
        use axum::{body::Body, http::Request};
        use tower::ServiceExt as _;

        let routes: Router = Router::new()
            .route("/", get(|| async { [(PERMISSIONS, WITH_CAMERA)] }))
            .route("/verify", post(|| async {}).get(back))
            .layer(middleware::map_response(protect));
        let answer = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            routes.clone().oneshot(request).await.unwrap()
        };
        for method in ["GET", "POST", "PUT"] {
            let response = answer(method, "/verify").await;
            for (name, value) in &PROTECTION {
                assert_eq!(response.headers()[name], *value, "{method} {name}");
            }
        }
        let form = answer("GET", "/").await;
        let permissions: Vec<_> = form.headers().get_all(PERMISSIONS).iter().collect();
        assert_eq!(permissions, [WITH_CAMERA]);
        assert_eq!(form.headers()[header::X_FRAME_OPTIONS], "DENY");
    }
}
