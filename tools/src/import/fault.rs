//! Why a row was refused, here or by the node.

use std::borrow::Cow;

use huren_core::codes::Coded;
use huren_core::submission::Invalid;
use huren_proto::v1;
use huren_tables::CellFaultKind;

/// One reason why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowFault {
    /// Stable code.
    pub(super) code: Cow<'static, str>,
    /// The field or group at fault, empty for the row.
    pub(super) field: Cow<'static, str>,
    /// A sentence in Chinese.
    pub(super) zh: String,
    /// The same in English.
    pub(super) en: String,
}

impl RowFault {
    pub(super) fn new(code: &'static str, field: &'static str, zh: &str, en: &str) -> Self {
        Self {
            code: code.into(),
            field: field.into(),
            zh: zh.to_owned(),
            en: en.to_owned(),
        }
    }

    pub(super) fn missing(field: &'static str) -> Self {
        Self::new(
            "FIELD_MISSING",
            field,
            "缺少必填字段",
            "a required field is empty",
        )
    }

    pub(super) fn cell(field: &'static str, kind: CellFaultKind) -> Self {
        Self {
            code: kind.code().into(),
            field: field.into(),
            zh: kind.zh().to_owned(),
            en: kind.en().to_owned(),
        }
    }

    pub(super) fn of(field: &'static str, reason: &impl Coded) -> Self {
        Self {
            code: reason.code().into(),
            field: field.into(),
            zh: reason.zh(),
            en: reason.to_string(),
        }
    }
}

impl From<Invalid> for RowFault {
    fn from(invalid: Invalid) -> Self {
        Self {
            code: invalid.code.into(),
            field: invalid.field.into(),
            zh: invalid.zh,
            en: invalid.en,
        }
    }
}

impl From<v1::Rejection> for RowFault {
    fn from(rejection: v1::Rejection) -> Self {
        Self {
            code: rejection.code.into(),
            field: rejection.field.into(),
            zh: rejection.message_zh,
            en: rejection.message_en,
        }
    }
}
