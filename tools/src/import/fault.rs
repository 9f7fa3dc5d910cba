//! Why a row was refused, here or by the node.

use std::borrow::Cow;

use huren_core::codes::Coded;
use huren_core::submission::Invalid;
use huren_proto::v1;

/// One reason why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowFault {
    /// Stable code.
    pub(super) code: Cow<'static, str>,
    /// The field or group at fault, empty for the row.
    pub(super) field: Cow<'static, str>,
    /// A sentence in Chinese.
    pub(super) zh: String,
}

impl RowFault {
    pub(super) fn new(code: &'static str, field: &'static str, zh: &str) -> Self {
        Self {
            code: code.into(),
            field: field.into(),
            zh: zh.to_owned(),
        }
    }

    pub(super) fn of(field: &'static str, reason: &impl Coded) -> Self {
        Self {
            code: reason.code().into(),
            field: field.into(),
            zh: reason.zh(),
        }
    }
}

impl From<Invalid> for RowFault {
    fn from(invalid: Invalid) -> Self {
        Self {
            code: invalid.code.into(),
            field: invalid.field.into(),
            zh: invalid.zh,
        }
    }
}

impl From<v1::Rejection> for RowFault {
    fn from(rejection: v1::Rejection) -> Self {
        Self {
            code: rejection.code.into(),
            field: rejection.field.into(),
            zh: rejection.message_zh,
        }
    }
}
