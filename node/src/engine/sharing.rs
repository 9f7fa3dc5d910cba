//! Certificates of the own log for the ministry and for sector departments: those of a range of
//! the log as of its end, with the groups that are shared. The same range gives the same, but for
//! what was erased since.

use std::{collections::BTreeSet, ops::Range};

use huren_core::{
    audit::{Act, Actor, AuditAction},
    codes::{Date, mask_document, mask_name},
    disclosure::{Group, Values},
    register::Effect,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, Found, Leaves};

use super::{AuditError, Engine};

/// Leaves that are looked at for one message.
const PAGE: u64 = 256;
/// Longest reference, in characters.
const LONGEST_REFERENCE: usize = 64;

/// What is shared.
#[derive(Debug)]
pub struct Shared {
    until: u64,
    groups: BTreeSet<Group>,
    occupations: Option<(String, Vec<String>)>,
    issued: (Option<Date>, Option<Date>),
    masked: bool,
}

/// Why nothing is shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Not a range of the log.
    #[error("the range begins before its end, which is not beyond what the log has published")]
    Range,
    /// Not groups.
    #[error("at least one group is shared, and each is one that certificates have")]
    Groups,
    /// Not days.
    #[error("a day is given in the form yyyymmdd")]
    Date,
    /// Nothing says what it is for.
    #[error("the number of the batch or share is missing or longer than 64 characters")]
    Reference,
    /// What was erased since a backup was made is not known yet.
    #[error("the log's disclosures come from a backup, and what was erased since is not known yet")]
    Withheld,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The act could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl ShareError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Range => "SHARE_RANGE",
            Self::Groups => "GROUP_UNKNOWN",
            Self::Date => "DATE_INVALID",
            Self::Reference => "REFERENCE_MISSING",
            Self::Withheld => "RESTORED_NOT_CAUGHT_UP",
            Self::Store(_) => "STORE",
            Self::Audit(error) => error.code(),
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Range => "序号范围应先小后大，且不超出日志已公布的部分。",
            Self::Groups => "至少选择一个信息组，且为证书所有。",
            Self::Date => "日期格式应为 yyyymmdd。",
            Self::Reference => "请填写批次或共享编号（不超过 64 字）。",
            Self::Withheld => "本省日志由备份恢复，尚未得知其后的删除，请稍后重试。",
            Self::Store(_) | Self::Audit(_) => "本节点暂时无法读取数据，请稍后重试。",
        }
    }
}

impl Engine {
    /// Reads what is asked for and writes the act down; nothing is read before.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn sharing(
        &self,
        asked: &v1::ShareCertificatesRequest,
        actor: &Actor,
    ) -> Result<(Shared, Range<u64>), ShareError> {
        let own = self.book.entry(&self.origin);
        if own.as_ref().is_some_and(|own| own.view.withheld) {
            return Err(ShareError::Withheld);
        }
        let size = own.map_or(0, |own| own.view.size);
        let range = asked.from_index..asked.until_index;
        if range.is_empty() || range.end > size {
            return Err(ShareError::Range);
        }
        let groups = asked
            .groups
            .iter()
            .map(|number| Group::from_number(*number));
        let groups: Option<BTreeSet<Group>> = groups.collect();
        let groups = groups.filter(|groups| !groups.is_empty());
        let day = |number| match number {
            0 => Ok(None),
            number => Date::from_yyyymmdd(number).map(Some),
        };
        let issued = day(asked.issued_from).and_then(|from| Ok((from, day(asked.issued_to)?)));
        let reference = asked.reference.trim().chars().count();
        if !(1..=LONGEST_REFERENCE).contains(&reference) {
            return Err(ShareError::Reference);
        }
        let shared = Shared {
            until: range.end,
            groups: groups.ok_or(ShareError::Groups)?,
            occupations: (!asked.occupations.is_empty()).then(|| {
                let edition = asked.occupation_edition.to_string();
                (edition, asked.occupations.clone())
            }),
            issued: issued.map_err(|_| ShareError::Date)?,
            masked: asked.masked,
        };
        let act = Act::new(actor.clone(), AuditAction::CertificatesShared);
        let act = act.log(&self.origin).size(range.end);
        self.audit
            .record(act.count(range.end - range.start))
            .await?;
        Ok((shared, range))
    }

    /// The next few of them, and where to go on.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn shared(
        &self,
        shared: &Shared,
        from: u64,
    ) -> Result<(Vec<v1::SharedCertificate>, u64), StoreError> {
        let end = shared.until.min(from + PAGE);
        let indexes: Vec<u64> = (from..end).collect();
        let counter = self.sealing().counter();
        let found = counter.found_at(&self.origin, &indexes, Leaves::Without);
        let mut certificates = Vec::new();
        for found in found.await? {
            let values = counter.values(&found, shared.until, |_| false)?;
            let values = values.unwrap_or_default();
            if shared.wants(values.get(&Group::Certificate)) {
                certificates.push(shared.line(&found, values));
            }
        }
        Ok((certificates, end))
    }
}

impl Shared {
    /// Whether a certificate is among those that are shared. Of what is erased nobody can tell:
    /// it counts where all are shared.
    fn wants(&self, certificate: Option<&Values>) -> bool {
        let (from, to) = self.issued;
        let Some(certificate) = certificate else {
            return self.occupations.is_none() && from.is_none() && to.is_none();
        };
        let get = |field: &str| certificate.get(field).unwrap_or_default();
        let of_occupation = self.occupations.as_ref().is_none_or(|(edition, codes)| {
            let code = get("occupation_code");
            get("occupation_edition") == edition
                && codes.iter().any(|named| {
                    let job = code.strip_prefix(named.as_str());
                    job.is_some_and(|job| job.is_empty() || job.starts_with('-'))
                })
        });
        let issued = Date::parse(get("issue_date")).ok();
        let in_time = from.is_none_or(|from| issued.is_some_and(|day| from <= day))
            && to.is_none_or(|to| issued.is_some_and(|day| day <= to));
        of_occupation && in_time
    }

    fn line(
        &self,
        found: &Found,
        values: impl IntoIterator<Item = (Group, Values)>,
    ) -> v1::SharedCertificate {
        let wanted = values
            .into_iter()
            .filter(|(group, _)| self.groups.contains(group));
        let group = |(group, values): (Group, Values)| v1::GroupValues {
            group: group.number(),
            fields: values
                .iter()
                .map(|(name, value)| self.field(name, value))
                .collect(),
        };
        let statuses = found.statuses.iter().map(|status| &status.row);
        let moves = |effect| !matches!(effect, Effect::Correct | Effect::Reissue | Effect::Newer);
        let mut moved = statuses.filter(|row| moves(row.effect));
        let last = moved.rfind(|row| row.index < self.until);
        v1::SharedCertificate {
            index: found.index,
            leaf_hash: found.leaf.map(|leaf| leaf.0.to_vec()).unwrap_or_default(),
            last_action: last.map_or(0, |row| i32::from(row.effect as u8)),
            groups: wanted.map(group).collect(),
        }
    }

    fn field(&self, name: &str, value: &str) -> v1::Field {
        let value = match (self.masked, name) {
            (true, "name") => mask_name(value),
            (true, "id_number") => mask_document(value),
            _ => value.to_owned(),
        };
        v1::Field {
            name: name.to_owned(),
            value,
        }
    }
}
