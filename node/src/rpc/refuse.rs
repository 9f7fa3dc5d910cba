//! The one place where refusals become gRPC statuses: a stable code, a sentence in both
//! languages, what to fix or when to try again, and nothing of the inside.

use std::{collections::HashMap, time::Duration};

use futures::{Stream, stream};
use huren_core::{reason::Reason, token::TokenRefused};
use huren_proto::v1;
use huren_store::Error as StoreError;
use tonic::{Code, Status, Streaming};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::engine::{
    AppendError, AuditError, DecideError, ErasureError, ExportError, ListError, MonitoringError,
    Refused, ReleaseError, ShareError, StatisticsError, TokenError, VerifyError, WatchError,
};

use super::purpose::NotStated;

const DOMAIN: &str = "huren.v1";
/// When to try again what failed for want of room or of a database.
const RETRY: Duration = Duration::from_secs(2);

fn with(code: Code, reason: &str, zh: &str, en: &str, details: ErrorDetails) -> Status {
    let mut details = details;
    details.set_error_info(reason, DOMAIN, HashMap::new());
    metrics::counter!("huren_refusals_total", "code" => reason.to_owned()).increment(1);
    Status::with_error_details(code, format!("{reason}: {zh} {en}"), details)
}

/// What the transport refused before a service saw it, such as a message that is too long. It
/// says so in English alone; this says it as every other refusal is said. `None` for what is
/// no refusal of this kind.
pub(super) fn by_transport(status: &Status) -> Option<Status> {
    if !status.details().is_empty() {
        return None;
    }
    let (code, reason, zh, en) = match status.code() {
        Code::OutOfRange => (
            Code::OutOfRange,
            "MESSAGE_TOO_LARGE",
            "消息超过本节点的大小上限。",
            "The message is longer than this node accepts.",
        ),
        Code::Internal => (
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
            "消息无法解析。",
            "The message cannot be read.",
        ),
        Code::InvalidArgument => (
            Code::InvalidArgument,
            "MESSAGE_NOT_WHOLE",
            "提交含有本节点不认识或重复的字段，未作登记。请按本节点版本的接口提交，或先升级节点。",
            "The submission holds fields that this node does not know, or one field twice: nothing \
             was recorded. Submit by this node's version of the interface, or upgrade the node.",
        ),
        Code::Unimplemented => (
            Code::Unimplemented,
            "METHOD_UNKNOWN",
            "本节点没有此方法。",
            "This node has no such method.",
        ),
        _ => return None,
    };
    Some(with(code, reason, zh, en, ErrorDetails::new()))
}

/// The messages of a caller's stream. One that cannot be taken says why, and is the last: a
/// decoder that refused a message because of its length would go on in the middle of it.
pub(super) fn messages<T: Send + 'static>(
    stream: Streaming<T>,
) -> impl Stream<Item = Result<T, Status>> + Send {
    stream::unfold(Some(stream), async |stream| {
        let mut stream = stream?;
        match stream.message().await {
            Ok(message) => Some((Ok(message?), Some(stream))),
            Err(status) => Some((Err(by_transport(&status).unwrap_or(status)), None)),
        }
    })
}

/// Neither a client certificate nor a token.
pub(super) fn unauthenticated() -> Status {
    let zh = "需要客户端证书或令牌。";
    let en = "A client certificate or a token is needed.";
    with(
        Code::Unauthenticated,
        "CALLER_UNKNOWN",
        zh,
        en,
        ErrorDetails::new(),
    )
}

/// A certificate or token that may not do this.
pub(super) fn not_permitted(code: &'static str) -> Status {
    let zh = "该证书或令牌无权进行此调用，请联系本节点管理员。";
    let en = "This certificate or token may not make this call; ask the node's operator.";
    with(Code::PermissionDenied, code, zh, en, ErrorDetails::new())
}

/// A token that does not count.
pub(super) fn token(refused: TokenRefused) -> Status {
    let (zh, en) = (refused.zh(), format!("{refused}; ask the node's operator."));
    with(
        Code::Unauthenticated,
        refused.code(),
        zh,
        &en,
        ErrorDetails::new(),
    )
}

/// Too many calls; the seconds to wait.
pub(super) fn rate_limited(seconds: u64) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
    let (zh, en) = (
        "调用过于频繁，请稍后再试。",
        "Too many calls; please wait a moment.",
    );
    with(Code::ResourceExhausted, "RATE_LIMITED", zh, en, details)
}

/// A call that this node does not have.
pub(super) fn no_such_method() -> Status {
    let (zh, en) = ("本节点没有此方法。", "This node has no such method.");
    with(
        Code::Unimplemented,
        "METHOD_UNKNOWN",
        zh,
        en,
        ErrorDetails::new(),
    )
}

/// A question that does not say for what or for whom, or not for whom it may.
pub(super) fn not_stated(error: NotStated) -> Status {
    let v1::Reason { code, zh, en } = not_stated_reason(error);
    match error {
        NotStated::Purpose => {
            let violation = FieldViolation::new("purpose", en.as_str());
            let details = ErrorDetails::with_bad_request(vec![violation]);
            with(Code::InvalidArgument, &code, &zh, &en, details)
        }
        NotStated::Region => with(Code::PermissionDenied, &code, &zh, &en, ErrorDetails::new()),
    }
}

/// The same as the reason of an answer.
pub(super) fn not_stated_reason(error: NotStated) -> v1::Reason {
    let (code, zh, en) = match error {
        NotStated::Purpose => (
            "PURPOSE_MISSING",
            "请说明查询目的。",
            "Say what the answer is for.",
        ),
        NotStated::Region => (
            "CALLER_REGION",
            "该调用方无权代表此地区查询。",
            "This caller may not ask on behalf of that region.",
        ),
    };
    v1::Reason {
        code: code.to_owned(),
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}

/// An order about tokens that is not carried out.
pub(super) fn token_order(error: &TokenError) -> Status {
    match error {
        TokenError::Order { field, en } => bad_argument("TOKEN_ORDER", field, en),
        TokenError::NoSuchToken => not_held("TOKEN_UNKNOWN"),
        TokenError::TooMany => {
            let zh = "令牌过多。";
            let en = "This node has too many tokens.";
            let details = ErrorDetails::new();
            with(Code::FailedPrecondition, "TOKENS_TOO_MANY", zh, en, details)
        }
        TokenError::Audit(error) => audit(error),
        TokenError::Store(error) => store(error),
    }
}

/// What is said of it, in both languages.
const AUDIT: (&str, &str) = (
    "审计记录暂不可写，操作未执行。",
    "The audit trail cannot be written at present; nothing was done.",
);

/// What could not be written down is not done.
pub(super) fn audit(error: &AuditError) -> Status {
    tracing::error!(error = error as &dyn std::error::Error, "nothing was done");
    let details = ErrorDetails::with_retry_info(Some(RETRY));
    with(Code::Unavailable, error.code(), AUDIT.0, AUDIT.1, details)
}

/// The same for one submission of a stream.
pub(super) fn audit_rejection(error: &AuditError) -> v1::Rejection {
    tracing::error!(error = error as &dyn std::error::Error, "nothing was done");
    v1::Rejection {
        code: error.code().to_owned(),
        field: String::new(),
        message_zh: AUDIT.0.to_owned(),
        message_en: AUDIT.1.to_owned(),
        retryable: true,
    }
}

/// The arguments are out of their ranges.
pub(super) fn bad_argument(code: &'static str, field: &str, en: &str) -> Status {
    let violation = FieldViolation::new(field, en);
    let details = ErrorDetails::with_bad_request(vec![violation]);
    with(Code::InvalidArgument, code, "请求参数无效。", en, details)
}

/// What is asked for is not held here.
pub(super) fn not_held(code: &'static str) -> Status {
    let (zh, en) = (
        "本节点未持有所请求的数据。",
        "This node does not hold what is asked for.",
    );
    with(Code::NotFound, code, zh, en, ErrorDetails::new())
}

/// The store failed.
pub(super) fn store(error: &StoreError) -> Status {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    let details = ErrorDetails::with_retry_info(Some(RETRY));
    match error {
        StoreError::Full(_) => {
            let (zh, en) = ("存储空间不足。", "There is no space left.");
            with(Code::ResourceExhausted, "STORE_FULL", zh, en, details)
        }
        _ => {
            let (zh, en) = (
                "数据库暂不可用。",
                "The database is not available at present.",
            );
            with(Code::Unavailable, "STORE", zh, en, details)
        }
    }
}

/// Nothing is given out about a person.
pub(super) fn export(error: &ExportError) -> Status {
    let code = match error {
        ExportError::Store(error) => return store(error),
        ExportError::Audit(error) => return audit(error),
        _ => Code::InvalidArgument,
    };
    let details = ErrorDetails::new();
    with(code, error.code(), error.zh(), &error.to_string(), details)
}

/// Nothing is shared.
pub(super) fn sharing(error: &ShareError) -> Status {
    let code = match error {
        ShareError::Store(error) => return store(error),
        ShareError::Audit(error) => return audit(error),
        ShareError::Withheld => Code::Unavailable,
        _ => Code::InvalidArgument,
    };
    let details = ErrorDetails::new();
    with(code, error.code(), error.zh(), &error.to_string(), details)
}

/// Nothing is said of an erasure.
pub(super) fn erasure(error: &ErasureError) -> Status {
    let code = match error {
        ErasureError::Store(error) => return store(error),
        ErasureError::NotAnErasure => Code::NotFound,
    };
    let details = ErrorDetails::new();
    with(code, error.code(), error.zh(), &error.to_string(), details)
}

/// A frozen log that stays frozen.
pub(super) fn release(error: &ReleaseError) -> Status {
    let code = match error {
        ReleaseError::Store(error) => return store(error),
        ReleaseError::Audit(error) => return audit(error),
        ReleaseError::NotHeld => Code::NotFound,
        _ => Code::FailedPrecondition,
    };
    let details = ErrorDetails::new();
    with(code, error.code(), error.zh(), &error.to_string(), details)
}

/// A question that cannot be answered.
pub(super) fn verify(error: &VerifyError) -> Status {
    match error {
        VerifyError::Store(error) => store(error),
        error => {
            let violation = FieldViolation::new("", error.to_string());
            let details = ErrorDetails::with_bad_request(vec![violation]);
            with(
                Code::InvalidArgument,
                error.code(),
                error.zh(),
                &error.to_string(),
                details,
            )
        }
    }
}

/// A question about recognition that cannot be answered.
pub(super) fn decide(error: &DecideError) -> Status {
    match error {
        DecideError::Verify(error) => verify(error),
        DecideError::AskingRegion => {
            let violation = FieldViolation::new("asking_region", error.to_string());
            let details = ErrorDetails::with_bad_request(vec![violation]);
            let (code, zh, en) = (error.code(), error.zh(), error.to_string());
            with(Code::InvalidArgument, code, zh, &en, details)
        }
    }
}

/// A watch that cannot go on: its answers could not be told apart.
pub(super) fn watch(error: &WatchError) -> Status {
    let violation = FieldViolation::new("client_ref", error.to_string());
    let details = ErrorDetails::with_bad_request(vec![violation]);
    let (code, zh, en) = (error.code(), error.zh(), error.to_string());
    with(Code::InvalidArgument, code, zh, &en, details)
}

/// Entries that are not listed.
pub(super) fn list(error: &ListError) -> Status {
    match error {
        ListError::Store(error) => store(error),
        error => {
            let (code, field) = error.code();
            bad_argument(code, field, &error.to_string())
        }
    }
}

/// A question to the statistics that is not answered.
pub(super) fn statistics(error: &StatisticsError) -> Status {
    match error {
        StatisticsError::Store(error) => store(error),
        StatisticsError::Query(error) => with(
            Code::InvalidArgument,
            error.code(),
            error.zh(),
            &error.to_string(),
            ErrorDetails::new(),
        ),
    }
}

/// Alerts that are not given.
pub(super) fn monitoring(error: &MonitoringError) -> Status {
    let (code, field) = match error {
        MonitoringError::Province => ("PROVINCE_UNKNOWN", "province"),
        MonitoringError::Period => ("PERIOD_INVALID", "to_day"),
        MonitoringError::Withheld => {
            let details = ErrorDetails::with_retry_info(Some(RETRY));
            let code = Reason::RestoredNotCaughtUp.code();
            let zh = "该日志的披露信息由备份恢复，本节点尚未补齐此后的删除记录，请稍后再试。";
            return with(Code::Unavailable, code, zh, &error.to_string(), details);
        }
        MonitoringError::Store(error) => return store(error),
    };
    bad_argument(code, field, &error.to_string())
}

/// Alerts, for whoever is no statistician of the province.
pub(super) fn monitoring_region() -> Status {
    with(
        Code::PermissionDenied,
        "MONITORING_REGION",
        "只有所询地区的统计人员可以查看监测提示。",
        "Alerts are for statisticians of the region asked about.",
        ErrorDetails::new(),
    )
}

/// Figures about few, for whoever is no statistician of the region.
pub(super) fn statistics_exact() -> Status {
    with(
        Code::PermissionDenied,
        "STATISTICS_EXACT",
        "只有所查地区的统计人员可以查看人数过少的数据，请注明地区或去掉 exact。",
        "Figures about few are for statisticians of the region asked about: name it, or leave \
         `exact` out.",
        ErrorDetails::new(),
    )
}

/// A submission with faults of its own: all of them are told.
pub(super) fn refused(Refused(faults): &Refused) -> Status {
    let violations: Vec<FieldViolation> = faults
        .iter()
        .map(|fault| {
            FieldViolation::new(
                fault.field,
                format!("{}: {} {}", fault.code, fault.zh, fault.en),
            )
        })
        .collect();
    let details = ErrorDetails::with_bad_request(violations);
    let first = faults.first();
    with(
        Code::InvalidArgument,
        first.map_or("SUBMISSION", |fault| fault.code),
        first.map_or("提交无效。", |fault| &fault.zh),
        first.map_or("The submission is not valid.", |fault| &fault.en),
        details,
    )
}

/// A submission that the log did not take.
pub(super) fn append(error: &AppendError) -> Status {
    let (code, details) = match error {
        AppendError::NumberTaken | AppendError::KeyTaken | AppendError::CodeTaken => {
            (Code::AlreadyExists, ErrorDetails::new())
        }
        AppendError::TargetUnknown => (Code::NotFound, ErrorDetails::new()),
        AppendError::StatusUnfit => (Code::FailedPrecondition, ErrorDetails::new()),
        AppendError::NotARecord(_) => (Code::InvalidArgument, ErrorDetails::new()),
        AppendError::Frozen | AppendError::NoLogKey | AppendError::NoAuthority(_) => {
            (Code::FailedPrecondition, ErrorDetails::new())
        }
        AppendError::Unavailable => (
            Code::Unavailable,
            ErrorDetails::with_retry_info(Some(RETRY)),
        ),
        AppendError::Full => (
            Code::ResourceExhausted,
            ErrorDetails::with_retry_info(Some(RETRY)),
        ),
    };
    with(code, error.code(), error.zh(), &error.to_string(), details)
}

/// Faults of one submission of a stream.
pub(super) fn rejection(Refused(faults): &Refused) -> v1::Rejection {
    faults
        .first()
        .map_or_else(v1::Rejection::default, |fault| v1::Rejection {
            code: fault.code.to_owned(),
            field: fault.field.to_owned(),
            message_zh: fault.zh.clone(),
            message_en: fault.en.clone(),
            retryable: false,
        })
}

/// Why the log did not take one submission of a stream.
pub(super) fn append_rejection(error: &AppendError) -> v1::Rejection {
    v1::Rejection {
        code: error.code().to_owned(),
        field: String::new(),
        message_zh: error.zh().to_owned(),
        message_en: error.to_string(),
        retryable: error.is_retryable(),
    }
}

/// One submission of a stream that its caller may not make.
pub(super) fn not_permitted_rejection() -> v1::Rejection {
    v1::Rejection {
        code: "CALLER_KIND_OR_REGION".to_owned(),
        field: "writer_region".to_owned(),
        message_zh: "该证书或令牌无权代表此地区写入此类记录。".to_owned(),
        message_en: "This certificate or token may not write this kind for this region.".to_owned(),
        retryable: false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::StreamExt as _;
    use http_body_util::Full;
    use tonic::codec::Codec as _;
    use tonic_prost::ProstCodec;

    use super::*;

    /// Three messages; the second is too long, and what it holds looks like more of them.
    #[tokio::test]
    async fn nothing_is_read_behind_a_message_that_cannot_be_taken() {
        let framed = |inner: &[u8]| {
            let length = u32::try_from(inner.len()).unwrap();
            [&[0], length.to_be_bytes().as_slice(), inner].concat()
        };
        let empty = framed(&[]);
        let body = [empty.clone(), framed(&empty.repeat(20)), empty].concat();
        let decoder = ProstCodec::<(), ()>::default().decoder();
        let body = Full::new(Bytes::from(body));
        let stream = Streaming::new_request(decoder, body, None, Some(99));
        let taken: Vec<Result<(), Status>> = messages(stream).collect().await;
        let [Ok(()), Err(refusal)] = taken.as_slice() else {
            panic!("{taken:?}");
        };
        let info = refusal.get_details_error_info().unwrap();
        assert_eq!(info.reason, "MESSAGE_TOO_LARGE");
    }
}
