//! Single fields of a submission. A number that this program does not know is refused, never
//! taken for another one.

use huren_core::{
    codes::{Date, Region},
    merkle::Hash,
    normalise,
};
use huren_proto::v1;

use super::{ChangeTarget, NumberTags, Refused, WriterKeys};

/// On whose behalf the caller writes: the province or a region in it.
pub(super) fn writer_region(given: &str, province: Region) -> Result<Region, Refused> {
    let region = Region::parse(given).ok();
    region.filter(|r| province.contains(r)).ok_or_else(|| {
        Refused::one(
            "WRITER_REGION",
            "writer_region",
            "写入地区代码无效或不属于本省。",
            "The writer's region is not valid or not of this province.",
        )
    })
}

/// Made now, which is also meant by none, or loaded from old stock.
pub(super) fn provenance(given: i32) -> Result<v1::Provenance, Refused> {
    match v1::Provenance::try_from(given) {
        Ok(v1::Provenance::Unspecified) => Ok(v1::Provenance::Issued),
        Ok(given) => Ok(given),
        Err(_) => Err(Refused::one(
            "PROVENANCE_UNKNOWN",
            "provenance",
            "记录来源无法识别，应为 PROVENANCE_ISSUED (1) 或 PROVENANCE_BACKFILLED (2)，可不填 (0)。",
            "The provenance is not known: it is PROVENANCE_ISSUED (1), PROVENANCE_BACKFILLED (2) \
             or left out (0).",
        )),
    }
}

/// When the caller wants to be answered.
pub(super) fn wait(given: i32) -> Result<v1::Wait, Refused> {
    v1::Wait::try_from(given).map_err(|_| {
        Refused::one(
            "WAIT_UNKNOWN",
            "wait",
            "应答时机无法识别，应为 WAIT_DURABLE (1) 或 WAIT_WITNESSED (2)，可不填 (0)。",
            "The wait is not known: it is WAIT_DURABLE (1), WAIT_WITNESSED (2) or left out (0).",
        )
    })
}

/// What happens to a certificate.
pub(super) fn action(given: i32) -> Result<v1::StatusAction, Refused> {
    let action = v1::StatusAction::try_from(given).ok();
    let stated = action.filter(|action| *action != v1::StatusAction::Unspecified);
    stated.ok_or_else(|| {
        Refused::one(
            "STATUS_ACTION",
            "action",
            "状态变更类型缺失或无法识别，应为 StatusAction 的 1 (REVOKE) 至 7 (SUPERSEDE)。",
            "The action is missing or not known: it is 1 (REVOKE) to 7 (SUPERSEDE) of StatusAction.",
        )
    })
}

/// Why; it may be left out.
pub(super) fn reason(given: i32) -> Result<v1::StatusReason, Refused> {
    v1::StatusReason::try_from(given).map_err(|_| {
        Refused::one(
            "STATUS_REASON_UNKNOWN",
            "reason",
            "状态变更原因无法识别，应为 StatusReason 的 1 (CLERICAL_ERROR) 至 9 (WRONG_IMPORT)，可不填 (0)。",
            "The reason is not known: it is 1 (CLERICAL_ERROR) to 9 (WRONG_IMPORT) of StatusReason, \
             or left out (0).",
        )
    })
}

/// The caller's own reference of an act.
pub(super) fn reference(given: &str) -> Result<&str, Refused> {
    const LONGEST: usize = 64;
    if given.chars().count() > LONGEST {
        return Err(Refused::one(
            "REFERENCE_TOO_LONG",
            "reference",
            "办理编号过长，至多 64 个字符。",
            "The reference is longer than 64 characters.",
        ));
    }
    Ok(given)
}

/// The certificate that a change names, and the bytes that tell it from others.
pub(super) fn target(
    target: Option<&v1::Target>,
    keys: &WriterKeys,
) -> Result<(ChangeTarget, Vec<Vec<u8>>), Refused> {
    let missing = || {
        Refused::one(
            "TARGET_MISSING",
            "target",
            "未指明目标证书。",
            "The target certificate is not named.",
        )
    };
    match target
        .and_then(|target| target.target.as_ref())
        .ok_or_else(missing)?
    {
        v1::target::Target::Number(number) => {
            let tags = NumberTags::of(&normalise::number(number), &keys.index);
            let named = tags.all().iter().map(|tag| tag.0.to_vec()).collect();
            Ok((ChangeTarget::Number(tags), named))
        }
        v1::target::Target::LeafHash(bytes) => {
            let hash = Hash::from_slice(bytes).ok_or_else(missing)?;
            let named = vec![bytes.clone(); keys.index.keys().len()];
            Ok((ChangeTarget::Leaf(hash), named))
        }
    }
}

/// A day that is written into the log in clear.
pub(super) fn effective_date(date: u32) -> Result<u32, Refused> {
    Date::from_yyyymmdd(date).map(|_| date).map_err(|_| {
        Refused::one(
            "DATE_INVALID",
            "effective_date",
            "生效日期无效，应为 yyyymmdd。",
            "The effective date is not a day in the form yyyymmdd.",
        )
    })
}
