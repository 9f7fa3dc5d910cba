//! The employers' page: number and name (or ID) in, a plain answer and a receipt out.
//!
//! It needs no JavaScript, and puts nothing personal into an address: questions are forms that
//! are posted. Number and holder are needed together, and 'no such number' and 'name does not
//! match' are one page, so that nobody finds out by trying which numbers or names there are.

mod qr;
mod render;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use axum::{
    Form, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::FormRejection},
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

use super::{html::Html, scripted};
use crate::engine::{Clock, Engine, RateLimit, VerifyError, network};
use render::Here;

/// Longest form, in bytes: two fields of [`MAX_CHARS`], each character percent-encoded.
const MAX_FORM: usize = 4096;

/// Longest name, in characters. The engine bounds the number.
const MAX_CHARS: usize = 64;

/// Oldest evidence that a verdict may rest on, in seconds.
const MAX_AGE: u64 = 24 * 60 * 60;

/// The one script: it fills in the number that a QR code brings. Without it nothing is lacking.
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

/// What else holds for every answer: nothing is framed, kept or told to others.
const PROTECTION: [(HeaderName, &str); 4] = [
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// `/`, `/verify` and `/receipt`. Each address may ask `per_minute` questions in a minute;
/// behind a reverse proxy that is the proxy's address, so there the proxy has to limit.
pub fn routes(engine: Arc<Engine>, clock: Arc<dyn Clock>, per_minute: u32) -> Router {
    let rate = Arc::new(RateLimit::new(per_minute, 60));
    let page = Page {
        engine,
        clock,
        rate,
    };
    Router::new()
        .route("/", get(form))
        // Whoever loads the answer's address again is led back to the form.
        .route("/verify", post(verify).get(back))
        .route("/receipt", post(receipt).get(back))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::map_response(protect))
        .with_state(page)
}

#[derive(Clone)]
struct Page {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    rate: Arc<RateLimit>,
}

/// What was typed. Has no `Debug`, as it is personal.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    number: String,
    /// Name or number of an identity document.
    #[serde(default)]
    name: String,
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

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// It is not the form's.
    Form,
    /// No number, or one that is too long.
    Number,
    /// No holder, or one that is too long.
    Name,
    /// Too many questions; the seconds to wait.
    TooMany(u64),
    /// The node cannot tell at present.
    Unavailable,
}

impl Problem {
    const fn status(self) -> StatusCode {
        match self {
            Self::Form | Self::Number | Self::Name => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// For the audit trail.
    const fn code(self) -> &'static str {
        match self {
            Self::Form => "FORM",
            Self::Number => "NUMBER_MISSING",
            Self::Name => "NAME_MISSING",
            Self::TooMany(_) => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// Seconds after which to try again.
    const fn retry_after(self) -> Option<u64> {
        match self {
            Self::TooMany(seconds) => Some(seconds),
            Self::Unavailable => Some(5),
            Self::Form | Self::Number | Self::Name => None,
        }
    }

    /// In Chinese and in English.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Form => ("请用查询页提交。", "Please use the form."),
            Self::Number => (
                "请填写证书编号，不超过 64 位。",
                "Please give the certificate number, at most 64 characters.",
            ),
            Self::Name => (
                "请填写持证人姓名或证件号码，不超过 64 字。",
                "Please give the holder's name or ID number, at most 64 characters.",
            ),
            Self::TooMany(_) => (
                "查询过于频繁，请稍后再试。",
                "Too many questions from this address; please wait a moment.",
            ),
            Self::Unavailable => (
                "本节点暂时无法作答，请稍后再试。",
                "This node cannot answer at present; please try again.",
            ),
        }
    }
}

async fn form(State(page): State<Page>) -> Response {
    shown(StatusCode::OK, render::form(page.engine.region()))
}

async fn back() -> Redirect {
    Redirect::to("./")
}

async fn verify(
    State(page): State<Page>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    typed: Result<Form<Asked>, FormRejection>,
) -> Response {
    match page.ask(client, typed).await {
        Ok((asked, response)) => {
            let decided = page.decide(&asked, &response).await;
            let answer = render::answer(&asked, &response, decided.as_ref(), &page.here());
            shown(StatusCode::OK, answer)
        }
        Err(problem) => page.refused(problem),
    }
}

async fn receipt(
    State(page): State<Page>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    typed: Result<Form<Asked>, FormRejection>,
) -> Response {
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
            let answer = render::answer(&asked, &response, None, &page.here());
            shown(StatusCode::NOT_FOUND, answer)
        }
        Err(problem) => page.refused(problem),
    }
}

/// Whether there is a receipt for who knows number and name.
fn offers_receipt(response: &v1::VerifyResponse) -> bool {
    render::confirmed(response).is_some() && !response.receipt.is_empty()
}

impl Page {
    async fn ask(
        &self,
        client: SocketAddr,
        typed: Result<Form<Asked>, FormRejection>,
    ) -> Result<(Asked, v1::VerifyResponse), Problem> {
        let answered = self.answer(client, typed).await;
        if let Err(problem) = &answered {
            let act = Act::new(Actor::Page, AuditAction::CallRefused);
            self.engine.audit().note(act.outcome(problem.code()));
        }
        answered
    }

    async fn answer(
        &self,
        client: SocketAddr,
        typed: Result<Form<Asked>, FormRejection>,
    ) -> Result<(Asked, v1::VerifyResponse), Problem> {
        let taken = self.rate.take(&network(client.ip()), self.clock.now());
        taken.map_err(Problem::TooMany)?;
        let Form(asked) = typed.map_err(|_| Problem::Form)?;
        let request = question(&asked)?;
        match self.engine.verify(request).await {
            Ok(response) => {
                let act = Act::new(Actor::Page, AuditAction::CertificatesQueried)
                    .outcome(DONE)
                    .purpose(v1::Purpose::PublicPage)
                    .subject(self.engine.subject_of(&asked.number));
                self.engine.audit().note(act);
                Ok((asked, response))
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

    fn here(&self) -> Here {
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
        let region = self.engine.region();
        let trust = self.engine.trust();
        let member = trust.newest().list.member(&region);
        Here {
            region,
            address: member.map(|member| member.http.clone()).unwrap_or_default(),
            now: in_shanghai(now),
            today: Date::today_in_shanghai(now.cast_signed()),
            logs: entries.iter().map(|entry| extent(&entry.view)).collect(),
        }
    }

    fn refused(&self, problem: Problem) -> Response {
        let html = render::problem(self.engine.region(), problem);
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
    if name.is_empty() || name.chars().count() > MAX_CHARS {
        return Err(Problem::Name);
    }
    let presented = asked.name.clone();
    let (holder_name, holder_id) = match asked.is_by_id() {
        true => (String::new(), presented),
        false => (presented, String::new()),
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
        headers.insert(name, HeaderValue::from_static(value));
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
            .route("/verify", post(|| async {}).get(back))
            .layer(middleware::map_response(protect));
        for method in ["GET", "POST", "PUT"] {
            let request = Request::builder().method(method).uri("/verify");
            let request = request.body(Body::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            for (name, value) in &PROTECTION {
                assert_eq!(response.headers()[name], *value, "{method} {name}");
            }
        }
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back() {
        let problem = Problem::TooMany(7);
        assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(problem.retry_after(), Some(7));
    }
}
