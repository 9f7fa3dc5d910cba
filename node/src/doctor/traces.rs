//! Where traces go: asked to take none, as the node would with some. Traces never cost an answer, so
//! that they do not arrive is no problem of the node's.

use tonic::Status;

use super::{Check, Finding, Words, in_full};
use crate::telemetry::TracesError;

/// What is to be said of a collector.
pub(super) fn judge(endpoint: &str, sent: &Result<Result<(), Status>, TracesError>) -> Finding {
    let status = match sent {
        Ok(Ok(())) => {
            let words = Words::new(
                format!("{endpoint} 收下追踪"),
                format!("{endpoint} takes traces"),
            );
            return Finding::ok(Check::Traces, words);
        }
        Ok(Err(status)) => status,
        Err(error) => {
            let remedy = Words::new(
                "更正该文件或设置：节点因此不能启动",
                "correct that file or setting: the node does not start with it",
            );
            let words = Words::new("追踪设置不可用", in_full(error));
            return Finding::problem(Check::Traces, words, remedy);
        }
    };
    // What a collector says beside its code may hold the secrets of the headers.
    let words = Words::new(
        format!("{endpoint} 未收下追踪（{:?}）", status.code()),
        format!("{endpoint} does not take traces ({:?})", status.code()),
    );
    let remedy = Words::new(
        "追踪被丢弃，其余照常：检查收集器、traces.endpoint（OTLP/gRPC，多为 4317）、traces.ca 与 traces.headers",
        "traces are dropped and all else goes on: see to the collector, to traces.endpoint (OTLP over gRPC, \
         mostly port 4317), traces.ca and traces.headers",
    );
    Finding::notice(Check::Traces, words, remedy)
}
