//! Why there is no answer: RFC 9457, with the reason codes of gRPC.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Media type of a problem (RFC 9457 section 6.1).
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A request that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Stable reason code.
    pub(super) code: Cow<'static, str>,
    /// A sentence in Chinese, then one in English.
    pub(super) detail: Cow<'static, str>,
    /// Fields with what is wrong with them.
    pub(super) fields: Vec<(String, String)>,
    /// Seconds after which to try again.
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) const NO_SUCH_PATH: Self = Self::new(
        StatusCode::NOT_FOUND,
        "PATH_UNKNOWN",
        "没有此地址，见 openapi.json。 There is no such path: see openapi.json.",
    );
    pub(super) const NO_SUCH_METHOD: Self = Self::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "此地址不支持该方法，见 Allow。 This path does not know that method: see Allow.",
    );
    pub(super) const HEADER: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "HEADER",
        "Authorization 含有不允许的字符。 Authorization holds characters that it may not.",
    );
    pub(super) const NOT_JSON: Self = Self::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "CONTENT_TYPE",
        "请以 Content-Type: application/json 提交。 Send it as Content-Type: application/json.",
    );
    pub(super) const TOO_LARGE: Self = Self::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "MESSAGE_TOO_LARGE",
        "消息超过本节点的大小上限。 The message is longer than this node accepts.",
    );
    pub(super) const BROKEN_OFF: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "BODY_INCOMPLETE",
        "消息没有收完。 The message did not arrive as a whole.",
    );
    pub(super) const KEY_MALFORMED: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "IDEMPOTENCY_KEY",
        "Idempotency-Key 应为 1 至 128 个可见 ASCII 字符。 Idempotency-Key has 1 to 128 visible ASCII characters.",
    );
    pub(super) const KEY_REUSED: Self = Self::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "IDEMPOTENCY_KEY_REUSED",
        "同一 Idempotency-Key 已用于另一请求。 This Idempotency-Key stood for another request.",
    );
    /// The node stops, or another process takes over: what is not answered was not done, or is done
    /// and recognised.
    pub(super) const BROKEN_BATCH: Self = Self::later(
        StatusCode::SERVICE_UNAVAILABLE,
        "BATCH_CUT_OFF",
        "批次未答复完，请原样重发。 The batch was not answered as a whole: send it again as it is.",
    );
    pub(super) const DONE_BEFORE: Self = Self::new(
        StatusCode::CONFLICT,
        "DONE_BEFORE",
        "同一 Idempotency-Key 的请求已执行或正在执行，不再重复；令牌可在列表中查到，密钥只给出一次。 This was done under \
         the same key, or is under way, and is not done again: the list has its token, whose secret is told once.",
    );

    pub(super) const URI_TOO_LONG: Self = Self::new(
        StatusCode::URI_TOO_LONG,
        "URI_TOO_LONG",
        "地址过长；较长的条件以 POST 提交。 The address is too long: what is long is posted.",
    );
    /// What was asked for may be done meanwhile.
    pub(super) const TIMED_OUT: Self = Self::later(
        StatusCode::GATEWAY_TIMEOUT,
        "TIMED_OUT",
        "节点未能及时答复；写入可能已完成，请以同一 Idempotency-Key 重发。 The node did not answer in time. What was to be \
         written may be: send it again with the same Idempotency-Key.",
    );

    /// Something that no caller caused.
    pub(super) const INTERNAL: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "节点内部错误，请联系管理员。 An error within the node: ask its operator.",
    );

    const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            detail: Cow::Borrowed(detail),
            fields: Vec::new(),
            retry_after: None,
        }
    }

    const fn later(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        let mut problem = Self::new(status, code, detail);
        problem.retry_after = Some(2);
        problem
    }

    /// RFC 9457 section 3.1, with our two members.
    pub(super) fn to_json(&self) -> Value {
        let fields = self.fields.iter();
        let errors: Vec<Value> = fields
            .map(|(field, detail)| json!({ "field": field, "detail": detail }))
            .collect();
        json!({
            "type": format!("urn:huren:v1:{}", self.code),
            "title": self.code,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "errors": errors,
        })
    }

    /// A message that cannot be read. `at` says where, and never what stands there.
    pub(super) fn malformed(field: &str, at: String) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "MESSAGE_MALFORMED",
            "消息无法解析。 The message cannot be read.",
        );
        problem.fields.push((field.to_owned(), at));
        problem
    }
}

/// As `google.rpc.Code` says, but for what HTTP has a fitter status for.
fn status_of(code: Code, reason: &str) -> StatusCode {
    match (code, reason) {
        (_, "MESSAGE_TOO_LARGE") => StatusCode::PAYLOAD_TOO_LARGE,
        (Code::ResourceExhausted, "STORE_FULL") | (Code::Unavailable, _) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        (Code::InvalidArgument | Code::OutOfRange, _) => StatusCode::BAD_REQUEST,
        (Code::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Code::PermissionDenied, _) => StatusCode::FORBIDDEN,
        (Code::NotFound, _) => StatusCode::NOT_FOUND,
        // Of the state here, not of the request: later it may be in order.
        (Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition, _) => StatusCode::CONFLICT,
        (Code::DeadlineExceeded, _) => StatusCode::GATEWAY_TIMEOUT,
        (Code::ResourceExhausted, _) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(reason) = details.error_info().map(|info| &info.reason) else {
            return Self::INTERNAL;
        };
        let detail = status.message();
        let detail = detail.strip_prefix(reason.as_str()).unwrap_or(detail);
        let violations = details.bad_request().map(|bad| &bad.field_violations);
        let fields = violations.into_iter().flatten();
        let retry = details.retry_info().and_then(|retry| retry.retry_delay);
        Self {
            status: status_of(status.code(), reason),
            code: Cow::Owned(reason.clone()),
            detail: Cow::Owned(detail.trim_start_matches(": ").to_owned()),
            fields: fields
                .map(|field| (camel(&field.field), field.description.clone()))
                .collect(),
            retry_after: retry.map(|delay| delay.as_secs().max(1)),
        }
    }
}

/// A field's name as it is in JSON.
fn camel(field: &str) -> String {
    let mut after = false;
    let next = |c: char| match (std::mem::replace(&mut after, c == '_'), c) {
        (_, '_') => None,
        (true, c) => Some(c.to_ascii_uppercase()),
        (false, c) => Some(c),
    };
    field.chars().filter_map(next).collect()
}

/// A header's value that is known while the program is written.
pub(super) fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, value(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, value("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn a_refusal_of_grpc_says_the_same_over_http() {
        let mut details = ErrorDetails::with_error_info("KIND", "huren.v1", []);
        details.set_bad_request(vec![FieldViolation::new("writer_region", "which?")]);
        let message = "KIND: 种类无效。 The kind is not valid.";
        let status = Status::with_error_details(Code::InvalidArgument, message, details);
        let problem = Problem::from(status);
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
        assert_eq!(problem.code, "KIND");
        assert_eq!(problem.detail, "种类无效。 The kind is not valid.");
        assert_eq!(problem.fields, [("writerRegion".into(), "which?".into())]);
        let mut busy = ErrorDetails::with_retry_info(Some(Duration::from_millis(20)));
        busy.set_error_info("RATE_LIMITED", "huren.v1", []);
        let status = Status::with_error_details(Code::ResourceExhausted, "RATE_LIMITED: x", busy);
        let response = Problem::from(status).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn what_is_full_is_not_what_asks_too_often() {
        let check = |code, reason, status: u16| assert_eq!(status_of(code, reason), status);
        check(Code::ResourceExhausted, "RATE_LIMITED", 429);
        check(Code::ResourceExhausted, "STORE_FULL", 503);
        check(Code::OutOfRange, "MESSAGE_TOO_LARGE", 413);
        check(Code::OutOfRange, "FROM_INDEX", 400);
        check(Code::Unknown, "", 500);
    }

    #[test]
    fn fields_are_named_as_in_json() {
        let check = |field, expected| assert_eq!(camel(field), expected);
        check("writer_region", "writerRegion");
        check("certificate.issue_date", "certificate.issueDate");
        check("", "");
    }
}
