//! Everything that is held about a person, for that person.

use std::collections::{BTreeMap, BTreeSet};

use huren_core::{
    audit::{Act, Actor, AuditAction, Subject},
    checkpoint::Origin,
    disclosure::{self, Group, GroupDigests, Opening},
    record::{Body, UnverifiedRecord},
};
use huren_proto::v1;
use huren_store::{DisclosureRow, Error as StoreError, Tag};

use super::{AuditError, Engine, verify::holder_ids, wire::rfc3339};

/// Longest reference of a request, in characters.
const LONGEST_REFERENCE: usize = 64;

/// Why a person's data are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportPurpose {
    /// The person asks for them.
    HolderRequest,
    /// A court or an authority ordered it.
    LegalOrder,
}

impl ExportPurpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::HolderRequest, Self::LegalOrder];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HolderRequest => "HOLDER_REQUEST",
            Self::LegalOrder => "LEGAL_ORDER",
        }
    }

    /// The purpose with that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

/// Why nothing is given out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Not a purpose.
    #[error("the purpose is HOLDER_REQUEST or LEGAL_ORDER")]
    Purpose,
    /// Nothing says on which request it is done.
    #[error("the reference of the request is missing or longer than 64 characters")]
    Reference,
    /// No number of an identity document.
    #[error("the number of an identity document is missing")]
    Id,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The act could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl ExportError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Purpose => "PURPOSE_UNKNOWN",
            Self::Reference => "REFERENCE_MISSING",
            Self::Id => "ID_MISSING",
            Self::Store(_) => "STORE",
            Self::Audit(error) => error.code(),
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Purpose => "用途代码应为 HOLDER_REQUEST 或 LEGAL_ORDER。",
            Self::Reference => "请填写申请的办理编号（不超过 64 字）。",
            Self::Id => "请填写证件号码。",
            Self::Store(_) | Self::Audit(_) => "本节点暂时无法读取数据，请稍后重试。",
        }
    }
}

impl Engine {
    /// Everything that is held about the holder of an identity document. `actor` names the
    /// operator's certificate.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn export_person(
        &self,
        asked: &v1::ExportPersonRequest,
        actor: &Actor,
    ) -> Result<v1::ExportPersonResponse, ExportError> {
        let purpose = ExportPurpose::from_code(&asked.purpose).ok_or(ExportError::Purpose)?;
        let reference = asked.reference.trim().chars().count();
        if reference == 0 || reference > LONGEST_REFERENCE {
            return Err(ExportError::Reference);
        }
        let ids = holder_ids(&asked.id_number);
        if ids.is_empty() {
            return Err(ExportError::Id);
        }
        // On disk before anything is read, and with nobody's name.
        for id in &ids {
            let act = Act::new(actor.clone(), AuditAction::PersonExported);
            let act = match Subject::of_holder(&self.keys.holder, id) {
                Some(subject) => act.subject(subject),
                None => act,
            };
            self.audit.record(act).await?;
        }
        let tags = ids
            .iter()
            .filter_map(|id| disclosure::holder_tag(&self.keys.holder, id));
        let mut places: BTreeSet<(Origin, u64)> = BTreeSet::new();
        for tag in tags {
            for found in self.store.find_by_holder(&Tag(tag)).await? {
                places.extend(self.about(found.origin, found.index).await?);
            }
        }
        let mut withheld = BTreeSet::new();
        let mut records = Vec::new();
        for (origin, index) in places {
            let entry = self.book.entry(&origin);
            match entry.filter(|entry| !entry.view.withheld) {
                Some(_) => records.extend(self.person_record(&origin, index).await?),
                None => {
                    withheld.insert(origin.to_string());
                }
            }
        }
        Self::exported(purpose, actor, records.len());
        Ok(v1::ExportPersonResponse {
            records,
            withheld: withheld.into_iter().collect(),
            holder_key: hex::encode(self.keys.holder.id()),
            time: rfc3339(self.clock.now()),
        })
    }

    /// For the node's log and metrics: who, why, how much, and nothing about whom.
    fn exported(purpose: ExportPurpose, actor: &Actor, records: usize) {
        let purpose = purpose.code();
        tracing::info!(purpose, %actor, records, "personal data were exported");
        metrics::counter!("huren_exports_total", "purpose" => purpose).increment(1);
    }

    /// A record with all that belongs to its certificate: what was found may be a correction.
    async fn about(&self, origin: Origin, index: u64) -> Result<Vec<(Origin, u64)>, StoreError> {
        let Some(leaf) = self.reader.leaf(&origin, index).await? else {
            return Ok(Vec::new());
        };
        let target = match UnverifiedRecord::read(&leaf) {
            Ok(record) => record.envelope().target,
            Err(_) => None,
        };
        let certificate = match target {
            None => index,
            Some(target) => {
                let targets = self.store.targets(&origin, &[target]).await?;
                targets.get(&target).map_or(index, |found| found.index)
            }
        };
        let changes = self
            .store
            .statuses(&origin, certificate..certificate + 1)
            .await?;
        let changes = changes.into_iter().map(|change| change.index);
        let all = [index, certificate].into_iter().chain(changes);
        Ok(all.map(|index| (origin.clone(), index)).collect())
    }

    async fn person_record(
        &self,
        origin: &Origin,
        index: u64,
    ) -> Result<Option<v1::PersonRecord>, StoreError> {
        let leaf = self.reader.leaf(origin, index).await?;
        let Some(record) = leaf.and_then(|leaf| UnverifiedRecord::read(&leaf).ok()) else {
            return Ok(None);
        };
        let (_, void) = self.store.quarantined(origin, index, 1).await?;
        let rows = self.store.disclosures(origin, index..index + 1).await?;
        let row = rows.into_iter().next();
        let openings = match &row {
            None => Vec::new(),
            Some(row) => (self.keys.at_rest)
                .unseal((origin, record.leaf()), &row.sealed)
                .map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))?,
        };
        let envelope = record.envelope();
        let (mut action, mut reason) =
            (v1::StatusAction::Unspecified, v1::StatusReason::Unspecified);
        let none = GroupDigests::default();
        let digests = match record.body() {
            Body::Certificate(digests) => digests,
            Body::StatusChange {
                action: what,
                reason: why,
                replaced,
            } => {
                (action, reason) = (*what, *why);
                replaced
            }
            _ => &none,
        };
        let erased = self.erased_groups(origin, index, envelope.target).await?;
        let bytes = |tag: Option<Tag>| tag.map(|tag| tag.0.to_vec()).unwrap_or_default();
        let tags = |tag: fn(&DisclosureRow) -> Option<Tag>| bytes(row.as_ref().and_then(tag));
        let sealed_with = row.as_ref().and_then(|row| row.sealed.get(..8));
        Ok(Some(v1::PersonRecord {
            origin: origin.to_string(),
            index,
            leaf_hash: record.leaf().0.to_vec(),
            kind: envelope.kind,
            writer_region: envelope.writer_region.to_string(),
            backfilled: envelope.provenance == v1::Provenance::Backfilled,
            effective_date: envelope.effective_date,
            action: action.into(),
            reason: reason.into(),
            target: envelope
                .target
                .map(|hash| hash.0.to_vec())
                .unwrap_or_default(),
            groups: groups(digests, &openings, &erased),
            number_tag: tags(|row| row.number_tag),
            holder_tag: tags(|row| row.holder_tag),
            at_rest_key: sealed_with.unwrap_or_default().to_vec(),
            quarantined: void.first().is_some_and(|row| row.index == index),
        }))
    }

    /// What was erased of the certificate that a record is, or changes.
    async fn erased_groups(
        &self,
        origin: &Origin,
        index: u64,
        target: Option<huren_core::merkle::Hash>,
    ) -> Result<BTreeSet<u32>, StoreError> {
        let certificate = match target {
            None => index,
            Some(target) => {
                let targets = self.store.targets(origin, &[target]).await?;
                targets.get(&target).map_or(index, |found| found.index)
            }
        };
        let erased = self
            .store
            .erased(origin, certificate..certificate + 1)
            .await?;
        Ok(erased.into_iter().flat_map(|(_, groups)| groups).collect())
    }
}

fn groups(
    digests: &GroupDigests,
    openings: &[Opening],
    erased: &BTreeSet<u32>,
) -> Vec<v1::PersonGroup> {
    let opened: BTreeMap<Group, &Opening> = openings.iter().map(|o| (o.group, o)).collect();
    let field = |(name, value): (&str, &str)| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    let group = |(group, digest): (Group, &huren_core::merkle::Hash)| {
        let opening = opened.get(&group);
        let values = opening.and_then(|opening| opening.values.as_ref());
        v1::PersonGroup {
            group: group.number(),
            digest: digest.0.to_vec(),
            salt: opening.map(|o| o.salt.0.to_vec()).unwrap_or_default(),
            fields: values
                .into_iter()
                .flat_map(|v| v.iter().map(field))
                .collect(),
            erased: opening.is_none() && erased.contains(&group.number().unsigned_abs()),
        }
    };
    digests.iter().map(group).collect()
}
