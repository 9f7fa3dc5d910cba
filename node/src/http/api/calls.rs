//! Which calls there are: the one table of the JSON API.

use axum::routing::MethodFilter;
use huren_proto::reflect;
use prost_reflect::MethodDescriptor;

use Given::{Batch, Body, Query, Watch};

/// How a request gives its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// By the parameters of a GET: nothing personal can be among them.
    Query,
    /// As the body of a POST.
    Body,
    /// As `messages` in the body of a POST: each is answered by itself.
    Batch,
    /// By the parameters of a GET, which is answered again whenever the answer has changed.
    Watch,
}

/// What a second request under the same idempotency key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// What the first did, which nobody minds: the key is of no consequence.
    Harmless,
    /// Nothing: it is recognised by its content.
    Recognised,
    /// It would act twice, and is refused.
    Refused,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Path below the prefix.
    pub(super) path: &'static str,
    /// The gRPC call.
    pub(super) rpc: &'static str,
    /// How its message is given.
    pub(super) given: Given,
    /// What it does when it is repeated.
    pub(super) again: Again,
    /// In Chinese; the English is the comment of the gRPC call.
    pub(super) zh: &'static str,
}

const fn call(path: &'static str, rpc: &'static str, given: Given, zh: &'static str) -> Call {
    Call {
        path,
        rpc,
        given,
        again: Again::Harmless,
        zh,
    }
}

/// All calls. What members ask of each other, watches and what concerns one person as a whole
/// (export, erasure) stay with gRPC and `huren`.
pub(super) const CALLS: &[Call] = &[
    call(
        "/verifications",
        "/huren.v1.VerificationService/Verify",
        Body,
        "核验一份证书",
    ),
    call(
        "/verifications/batch",
        "/huren.v1.VerificationService/VerifyMany",
        Batch,
        "批量核验",
    ),
    call(
        "/decisions",
        "/huren.v1.RecognitionService/Decide",
        Body,
        "判定一份证书在某地是否互认",
    ),
    call(
        "/decisions/batch",
        "/huren.v1.RecognitionService/DecideMany",
        Batch,
        "批量判定互认",
    ),
    Call {
        again: Again::Recognised,
        ..call(
            "/submissions",
            "/huren.v1.IssuanceService/Submit",
            Body,
            "提交一条记录",
        )
    },
    Call {
        again: Again::Recognised,
        ..call(
            "/submissions/batch",
            "/huren.v1.IssuanceService/SubmitMany",
            Batch,
            "批量提交记录",
        )
    },
    call(
        "/entries",
        "/huren.v1.RegistryService/ListEntries",
        Query,
        "登记簿条目",
    ),
    call(
        "/statistics",
        "/huren.v1.StatisticsService/GetStatistics",
        Query,
        "统计表",
    ),
    call(
        "/alerts",
        "/huren.v1.MonitoringService/ListAlerts",
        Query,
        "监测提示",
    ),
    call(
        "/status",
        "/huren.v1.OperatorService/GetStatus",
        Query,
        "节点状态",
    ),
    Call {
        given: Watch,
        ..call(
            "/status/watch",
            "/huren.v1.OperatorService/GetStatus",
            Query,
            "节点状态的变化",
        )
    },
    call(
        "/evidence",
        "/huren.v1.OperatorService/GetEvidence",
        Query,
        "日志自相矛盾的证据",
    ),
    call(
        "/quarantine",
        "/huren.v1.OperatorService/ListQuarantined",
        Query,
        "被隔离的记录",
    ),
    call(
        "/imports",
        "/huren.v1.OperatorService/ListImports",
        Query,
        "导入及其进度",
    ),
    Call {
        given: Watch,
        ..call(
            "/imports/watch",
            "/huren.v1.OperatorService/ListImports",
            Query,
            "导入进度的变化",
        )
    },
    call(
        "/audit/search",
        "/huren.v1.OperatorService/ListAudit",
        Body,
        "审计记录",
    ),
    call(
        "/tokens",
        "/huren.v1.OperatorService/ListTokens",
        Query,
        "令牌",
    ),
    Call {
        again: Again::Refused,
        ..call(
            "/tokens",
            "/huren.v1.OperatorService/CreateToken",
            Body,
            "新建令牌",
        )
    },
    call(
        "/tokens/revoke",
        "/huren.v1.OperatorService/RevokeToken",
        Body,
        "吊销令牌",
    ),
];

impl Call {
    /// The method of HTTP.
    pub(super) const fn filter(&self) -> MethodFilter {
        match self.given {
            Query | Watch => MethodFilter::GET,
            Body | Batch => MethodFilter::POST,
        }
    }

    /// The same, in lower case.
    pub(super) const fn verb(&self) -> &'static str {
        match self.given {
            Query | Watch => "get",
            Body | Batch => "post",
        }
    }

    /// The description of the gRPC call. A test holds that all are there.
    pub(super) fn method(&self) -> Option<MethodDescriptor> {
        reflect::method(self.rpc)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::Kind;

    use super::*;

    #[test]
    fn the_table_fits_the_services() {
        let mut seen = BTreeSet::new();
        for call in CALLS {
            assert!(seen.insert((call.path, call.verb())), "{}", call.path);
            let method = call.method().expect(call.rpc);
            assert!(crate::rpc::need(call.rpc).is_some(), "{}", call.rpc);
            let is_batch = call.given == Batch;
            let streams = (method.is_client_streaming(), method.is_server_streaming());
            assert_eq!(streams, (is_batch, is_batch), "{}", call.path);
            // Parameters of an address are flat.
            let flat = |kind: Kind| !matches!(kind, Kind::Message(_));
            let by_address = matches!(call.given, Query | Watch);
            let fits = !by_address || method.input().fields().all(|f| flat(f.kind()));
            assert!(fits, "{}", call.path);
        }
    }

    /// What may stand in an address: registers, statistics, logs, periods and pages.
    const IMPERSONAL: [&str; 21] = [
        "as_of_date",
        "basis",
        "by",
        "exact",
        "from_day",
        "from_index",
        "from_month",
        "history",
        "institution",
        "key_prefix",
        "kind",
        "level",
        "limit",
        "occupation",
        "origin",
        "page_size",
        "page_token",
        "region",
        "to_day",
        "to_month",
        "track",
    ];

    /// Who asks about a person never does so in an address, which is logged on the way.
    #[test]
    fn nothing_about_a_person_is_asked_by_address() {
        for call in CALLS.iter().filter(|call| call.verb() == "get") {
            for field in call.method().expect(call.rpc).input().fields() {
                assert!(
                    IMPERSONAL.contains(&field.name()),
                    "{}: {}",
                    call.path,
                    field.name()
                );
            }
        }
    }
}
