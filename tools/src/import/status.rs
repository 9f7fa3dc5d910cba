//! Rows of status tables.

use std::collections::BTreeMap;

use huren_core::codes::Region;
use huren_core::disclosure::{Group, Values};
use huren_core::{normalise, submission};
use huren_proto::v1;
use huren_proto::v1::submit_request::Body;
use huren_proto::v1::{StatusAction as Action, StatusReason as Reason};

use super::convert::{effective_date, merge, target_number, to_proto};
use super::fault::RowFault;
use super::header::Cells;

/// Makes the submission of a change of status. `groups` is what the row's other cells say,
/// and what is wrong with them.
pub(super) fn convert(
    cells: &Cells<'_>,
    groups: (BTreeMap<Group, Values>, Vec<RowFault>),
    province: Region,
) -> Result<(String, Body), Vec<RowFault>> {
    let (groups, mut faults) = groups;
    let number = target_number(cells, province, &mut faults);
    let action = cells.get("action").map(normalise::text);
    let action = required(
        action.as_deref(),
        "action",
        action_of,
        "无法识别的变更类型",
        &mut faults,
    );
    let reason = match cells.get("reason").map(normalise::text) {
        None => Some(Reason::Unspecified),
        Some(text) => required(
            Some(&text),
            "reason",
            reason_of,
            "无法识别的变更原因",
            &mut faults,
        ),
    };
    let date = effective_date(cells, &mut faults);
    let replaces = matches!(action, Some(Action::Correct | Action::Reissue));
    let replaced = match action {
        Some(Action::Reissue) if groups.is_empty() => Ok(BTreeMap::new()),
        Some(_) if replaces => submission::replaced(&groups, province),
        Some(_) if !groups.is_empty() => {
            let zh = "只有更正和补发可以附带证书内容";
            faults.push(RowFault::new(
                "STATUS_REPLACED",
                "action",
                zh,
                "only corrections and reissues replace what a certificate says",
            ));
            Ok(BTreeMap::new())
        }
        _ => Ok(BTreeMap::new()),
    };
    let replaced = merge(replaced, faults)?;
    let (Some(number), Some(action), Some(reason), Some(date)) = (number, action, reason, date)
    else {
        return Err(Vec::new());
    };
    let number = number.expose().to_owned();
    let target = v1::target::Target::Number(number.clone());
    let submission = v1::StatusSubmission {
        target: Some(v1::Target {
            target: Some(target),
        }),
        action: action.into(),
        reason: reason.into(),
        effective_date: date.as_yyyymmdd(),
        replaced: to_proto(&replaced),
        reference: cells
            .get("reference")
            .map_or_else(String::new, normalise::text),
    };
    Ok((number, Body::Status(submission)))
}

fn required<T>(
    text: Option<&str>,
    field: &'static str,
    read: fn(&str) -> Option<T>,
    unknown: &str,
    faults: &mut Vec<RowFault>,
) -> Option<T> {
    let Some(text) = text else {
        faults.push(RowFault::missing(field));
        return None;
    };
    let value = read(text);
    if value.is_none() {
        let code = if field == "action" {
            "STATUS_ACTION"
        } else {
            "STATUS_REASON"
        };
        faults.push(RowFault::new(
            code,
            field,
            unknown,
            "not a word that is known here",
        ));
    }
    value
}

fn action_of(text: &str) -> Option<Action> {
    Some(match text {
        "撤销" | "吊销" => Action::Revoke,
        "作废" | "注销" => Action::Void,
        "暂停" | "暂停使用" | "冻结" => Action::Suspend,
        "恢复" | "恢复使用" | "解冻" => Action::Reinstate,
        "更正" | "变更" | "修改" => Action::Correct,
        "补发" | "补证" | "换发" => Action::Reissue,
        "取代" | "替换" => Action::Supersede,
        _ => return None,
    })
}

fn reason_of(text: &str) -> Option<Reason> {
    Some(match text {
        "信息录入错误" | "录入错误" | "笔误" => Reason::ClericalError,
        "弄虚作假" | "作弊" => Reason::Fraud,
        "机构违规" | "机构原因" => Reason::Institution,
        "司法或行政决定" | "行政决定" | "司法判决" => Reason::Decision,
        "本人申请" | "持证人申请" => Reason::HolderRequest,
        "立案调查" | "调查" => Reason::Investigation,
        "调查结案" | "核查无误" => Reason::Cleared,
        "遗失损毁" | "遗失" | "损毁" => Reason::Lost,
        "导入错误" | "数据导入错误" => Reason::WrongImport,
        _ => return None,
    })
}
