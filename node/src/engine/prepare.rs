//! From a submission in clear to a leaf that is ready to be placed: everything that needs
//! no knowledge of the log, so that callers do it in parallel before they queue.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use huren_core::{
    audit::Anchor,
    checkpoint::Origin,
    codes::Region,
    disclosure::{self, Group, GroupDigests, KeyRing, Opening, SecretKey, Values},
    keys::RecordSigner,
    merkle::Hash,
    normalise,
    record::{Draft, Envelope, RecordError, UnverifiedRecord},
    register::{CheckedLeaf, InstitutionKeyRow},
    registry,
    submission::{self, CheckedCertificate, Invalid},
};
use huren_proto::v1;
use huren_store::Tag;
use prost::Message as _;

use super::clock::{Random, random};

/// The keys with which a node writes its own log.
pub struct WriterKeys {
    /// Tags numbers and submissions in the database.
    pub index: KeyRing,
    /// Tags holders; members share it.
    pub holder: SecretKey,
    /// Seals disclosures.
    pub at_rest: KeyRing,
}

/// A submission that is in order by itself.
pub(super) struct Prepared {
    /// Recognise the submission when it comes again: one for each index key, that in use first.
    pub tags: Vec<Tag>,
    /// What is to be written.
    pub content: Content,
}

/// What is to be written.
pub(super) enum Content {
    /// A certificate, signed already: nothing in it depends on the log.
    Certificate(Box<SignedCertificate>),
    /// A change, which will name its target and predecessor when it is placed.
    Change(Box<PendingChange>),
    /// A record without disclosures and target, signed already.
    Public(Vec<u8>),
}

/// A certificate's leaf and what belongs to it.
pub(super) struct SignedCertificate {
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The leaf as the fold takes it.
    pub checked: CheckedLeaf,
    /// Tags of its number.
    pub number: NumberTags,
    /// Tag of its holder.
    pub holder_tag: Option<Tag>,
    /// What opens it.
    pub openings: Vec<Opening>,
    /// What opens it, sealed for this leaf.
    pub sealed: Vec<u8>,
    /// The institution's key that signed it; `None` if the province's own did.
    pub institution: Option<InstitutionKeyRow>,
}

/// The tags of a number, one for each index key, that in use first: there is at least one.
#[derive(Clone)]
pub(super) struct NumberTags(Vec<Tag>);

impl NumberTags {
    /// Those of a normalised number.
    pub(super) fn of(number: &str, index: &KeyRing) -> Self {
        Self(index.number_tags(number).into_iter().map(Tag).collect())
    }

    /// The tag under the key in use.
    pub(super) fn current(&self) -> Tag {
        self.0[0]
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Tag] {
        &self.0
    }
}

#[cfg(test)]
impl From<Tag> for NumberTags {
    fn from(tag: Tag) -> Self {
        Self(vec![tag])
    }
}

/// A status change or erasure.
pub(super) struct PendingChange {
    /// Which certificate.
    pub target: ChangeTarget,
    /// Envelope without target and predecessor.
    pub envelope: Envelope,
    /// The encoded body.
    pub body: Vec<u8>,
    /// What opens the replaced groups.
    pub openings: Vec<Opening>,
}

/// How a change names its certificate.
pub(super) enum ChangeTarget {
    /// By number.
    Number(NumberTags),
    /// By leaf hash.
    Leaf(Hash),
}

/// Why a submission is refused: all its faults.
#[derive(Debug)]
pub struct Refused(pub Vec<Invalid>);

impl Refused {
    fn one(code: &'static str, field: &'static str, zh: &str, en: &str) -> Self {
        Self(vec![Invalid {
            code,
            field,
            zh: zh.to_owned(),
            en: en.to_owned(),
        }])
    }
}

impl From<RecordError> for Refused {
    fn from(error: RecordError) -> Self {
        Self::one(
            error.code(),
            "",
            "提交内容无法构成合规记录。",
            "The submission does not make a valid record.",
        )
    }
}

/// The id of the key that signed a submission, if an institution signed it.
pub(super) fn signed_with(request: &v1::SubmitRequest) -> Option<Hash> {
    let Some(v1::submit_request::Body::Signed(signed)) = &request.body else {
        return None;
    };
    UnverifiedRecord::read_strict(&signed.leaf).ok()?.key_id()
}

/// Checks a submission and makes of it what can be made without the log. `key` is what the
/// directory says of the key that [`signed_with`] names.
///
/// # Errors
/// [`Refused`] with every fault found.
pub(super) fn prepare(
    request: &v1::SubmitRequest,
    province: Region,
    origin: &Origin,
    (keys, signer): (&WriterKeys, &RecordSigner),
    key: Option<&InstitutionKeyRow>,
    source: &dyn Random,
) -> Result<Prepared, Refused> {
    let writer_region = fields::writer_region(&request.writer_region, province)?;
    let provenance = fields::provenance(request.provenance)?;
    fields::wait(request.wait)?;
    let body = request.body.as_ref().ok_or_else(|| {
        Refused::one(
            "BODY_MISSING",
            "body",
            "没有提交内容。",
            "There is nothing to record.",
        )
    })?;
    let envelope = |kind: v1::Kind, effective_date| Envelope {
        kind: kind as i32,
        writer_region,
        provenance,
        effective_date,
        target: None,
        previous: None,
    };
    let seal = |leaf: &CheckedLeaf, openings: &[Opening]| {
        let sealed = (keys.at_rest).seal(random(source), (origin, &leaf.leaf()), openings);
        // Which fails for gigantic inputs only.
        sealed.map_err(|_| RecordError::TooLarge)
    };
    let prepared = match body {
        v1::submit_request::Body::Certificate(certificate) => {
            let checked = submission::from_proto(&certificate.groups)
                .and_then(|groups| submission::certificate(&groups, province))
                .map_err(Refused)?;
            let tags = CertificateTags::of(&checked, keys);
            let envelope = (writer_region, provenance);
            let salt = || random(source);
            let signed = submission::sign(checked, envelope, origin, signer, salt);
            let (leaf, openings) = signed.inspect_err(warn)?;
            let checked = CheckedLeaf::just_signed(&leaf);
            let sealed = seal(&checked, &openings)?;
            tags.prepared((leaf, checked), (openings, sealed), None)
        }
        v1::submit_request::Body::Signed(signed) => {
            let checked = submission::signed(signed, origin, province, key).map_err(Refused)?;
            let said = (checked.envelope.writer_region, checked.envelope.provenance);
            if said != (writer_region, provenance) {
                return Err(Refused::one(
                    "SIGNED_ENVELOPE",
                    "writer_region",
                    "请求的写入地区或记录来源与签名记录不一致。",
                    "Writer region and provenance of the request are not those of the record.",
                ));
            }
            let tags = CertificateTags::of(&checked.certificate, keys);
            let (leaf, openings) = (CheckedLeaf::just_verified(&signed.leaf), checked.openings);
            let sealed = seal(&leaf, &openings)?;
            let leaf = (signed.leaf.clone(), leaf);
            tags.prepared(leaf, (openings, sealed), key.cloned())
        }
        v1::submit_request::Body::Status(status) => {
            let action = fields::action(status.action)?;
            let reason = fields::reason(status.reason)?;
            let replaces = matches!(
                action,
                v1::StatusAction::Correct | v1::StatusAction::Reissue
            );
            let groups = match (replaces, status.replaced.is_empty()) {
                (true, false) => submission::from_proto(&status.replaced)
                    .and_then(|groups| submission::replaced(&groups, province))
                    .map_err(Refused)?,
                (true, true) if action == v1::StatusAction::Reissue => BTreeMap::new(),
                (false, true) => BTreeMap::new(),
                _ => {
                    return Err(Refused::one(
                        "STATUS_REPLACED",
                        "replaced",
                        "更正必须附更正内容；其他变更不得附内容。",
                        "A correction carries what it replaces; other changes carry nothing.",
                    ));
                }
            };
            let date = fields::effective_date(status.effective_date)?;
            let (target, named) = fields::target(status.target.as_ref(), keys)?;
            let reference = fields::reference(&status.reference)?;
            let facts = [
                &(action as i32).to_be_bytes(),
                &(reason as i32).to_be_bytes(),
                &date.to_be_bytes(),
                reference.as_bytes(),
            ];
            let tags = content_tags(keys, "status", &named, &facts, &groups);
            let openings = disclosure::open(groups, || random(source));
            let body = v1::StatusChange {
                action: action as i32,
                reason: reason as i32,
                normaliser: if openings.is_empty() {
                    0
                } else {
                    normalise::VERSION
                },
                replaced: GroupDigests::of(&openings).to_proto(),
            };
            let change = PendingChange {
                target,
                envelope: envelope(v1::Kind::StatusChange, date),
                body: body.encode_to_vec(),
                openings,
            };
            Prepared {
                tags,
                content: Content::Change(Box::new(change)),
            }
        }
        v1::submit_request::Body::Erasure(erasure) => {
            let mut groups: Vec<i32> = erasure.groups.clone();
            if groups.is_empty() {
                groups = Group::ALL.map(Group::number).to_vec();
            }
            groups.sort_unstable();
            groups.dedup();
            if groups
                .iter()
                .any(|number| Group::from_number(*number).is_none())
            {
                return Err(Refused::one(
                    "GROUP_UNKNOWN",
                    "groups",
                    "未知的信息组。",
                    "A group is not known.",
                ));
            }
            let date = fields::effective_date(erasure.effective_date)?;
            let (target, named) = fields::target(erasure.target.as_ref(), keys)?;
            let listed: Vec<u8> = groups
                .iter()
                .flat_map(|group| group.to_be_bytes())
                .collect();
            let facts = [listed.as_slice(), &date.to_be_bytes()];
            let change = PendingChange {
                target,
                envelope: envelope(v1::Kind::Erasure, date),
                body: v1::Erasure { groups }.encode_to_vec(),
                openings: Vec::new(),
            };
            let tags = content_tags(keys, "erasure", &named, &facts, &BTreeMap::new());
            Prepared {
                tags,
                content: Content::Change(Box::new(change)),
            }
        }
        v1::submit_request::Body::Institution(institution) => {
            let entry = institution.institution.clone().unwrap_or_default();
            let entry = submission::institution(&entry, province).map_err(Refused)?;
            let date = fields::effective_date(institution.effective_date)?;
            let body = entry.encode_to_vec();
            let facts = [body.as_slice(), &date.to_be_bytes()];
            let of_key = |key| content_tag(key, "institution", &facts, &BTreeMap::new());
            let tags = keys.index.keys().iter().map(of_key).collect();
            let draft = Draft {
                envelope: envelope(v1::Kind::Institution, date),
                body,
            };
            Prepared {
                tags,
                content: Content::Public(sign(&draft, origin.as_str(), signer)?),
            }
        }
        v1::submit_request::Body::Entry(entry) => {
            let date = fields::effective_date(entry.effective_date)?;
            let body = registry::submit(entry.kind(), &entry.body, &writer_region, province);
            let body = body.map_err(Refused)?;
            let facts = [
                &entry.kind.to_be_bytes(),
                body.as_slice(),
                &date.to_be_bytes(),
            ];
            let of_key = |key| content_tag(key, "entry", &facts, &BTreeMap::new());
            let tags = keys.index.keys().iter().map(of_key).collect();
            let draft = Draft {
                envelope: envelope(entry.kind(), date),
                body,
            };
            Prepared {
                tags,
                content: Content::Public(sign(&draft, origin.as_str(), signer)?),
            }
        }
    };
    Ok(prepared)
}

/// What a certificate is recognised and found by, whoever signed it.
struct CertificateTags {
    submission: Vec<Tag>,
    number: NumberTags,
    holder: Option<Tag>,
}

impl CertificateTags {
    fn of(certificate: &CheckedCertificate, keys: &WriterKeys) -> Self {
        let number = certificate.number.expose();
        let groups = &certificate.groups;
        let holder = groups
            .get(&Group::HolderId)
            .and_then(|id| disclosure::holder_tag(&keys.holder, id));
        Self {
            submission: (keys.index.keys().iter())
                .map(|key| certificate_tag(key, number, groups))
                .collect(),
            number: NumberTags::of(number, &keys.index),
            holder: holder.map(Tag),
        }
    }

    fn prepared(
        self,
        (leaf, checked): (Vec<u8>, CheckedLeaf),
        (openings, sealed): (Vec<Opening>, Vec<u8>),
        institution: Option<InstitutionKeyRow>,
    ) -> Prepared {
        let certificate = SignedCertificate {
            leaf,
            checked,
            number: self.number,
            holder_tag: self.holder,
            openings,
            sealed,
            institution,
        };
        Prepared {
            tags: self.submission,
            content: Content::Certificate(Box::new(certificate)),
        }
    }
}

/// A statement of the node itself about its audit trail.
///
/// # Errors
/// As [`sign`].
pub(super) fn anchor(
    anchor: Anchor,
    province: Region,
    today: u32,
    origin: &str,
    (keys, signer): (&WriterKeys, &RecordSigner),
) -> Result<Prepared, RecordError> {
    let body = v1::AuditAnchor {
        sequence: anchor.sequence,
        digest: anchor.digest.0.to_vec(),
    }
    .encode_to_vec();
    let of_key = |key| content_tag(key, "audit-anchor", &[&body], &BTreeMap::new());
    let tags = keys.index.keys().iter().map(of_key).collect();
    let draft = Draft {
        envelope: Envelope {
            kind: v1::Kind::AuditAnchor as i32,
            writer_region: province,
            provenance: v1::Provenance::Issued,
            effective_date: today,
            target: None,
            previous: None,
        },
        body,
    };
    Ok(Prepared {
        tags,
        content: Content::Public(sign(&draft, origin, signer)?),
    })
}

/// What the submission of a certificate is recognised by.
pub(super) fn certificate_tag(
    index: &SecretKey,
    number: &str,
    groups: &BTreeMap<Group, Values>,
) -> Tag {
    content_tag(index, "certificate", &[number.as_bytes()], groups)
}

/// The keyed hashes of a submission that changes a certificate: one for each index key, as each
/// key has its own way of naming the certificate.
fn content_tags(
    keys: &WriterKeys,
    kind: &str,
    named: &[Vec<u8>],
    facts: &[&[u8]],
    groups: &BTreeMap<Group, Values>,
) -> Vec<Tag> {
    let of_key = |(key, named): (&SecretKey, &Vec<u8>)| {
        let facts: Vec<&[u8]> = [named.as_slice()]
            .into_iter()
            .chain(facts.iter().copied())
            .collect();
        content_tag(key, kind, &facts, groups)
    };
    keys.index.keys().iter().zip(named).map(of_key).collect()
}

/// The keyed hash of a whole normalised submission.
fn content_tag(
    index: &SecretKey,
    kind: &str,
    facts: &[&[u8]],
    groups: &BTreeMap<Group, Values>,
) -> Tag {
    let mut content = format!("{kind}\n").into_bytes();
    let mut push = |part: &[u8]| {
        content.extend_from_slice(&(part.len() as u64).to_be_bytes());
        content.extend_from_slice(part);
    };
    facts.iter().for_each(|fact| push(fact));
    for (group, values) in groups {
        push(group.name().as_bytes());
        for (name, value) in values.iter() {
            push(name.as_bytes());
            push(value.as_bytes());
        }
    }
    Tag(disclosure::submission_tag(index, &content))
}

/// Signs a record for the log `origin`.
///
/// # Errors
/// If it is none that this program would read back.
pub(super) fn sign(
    draft: &Draft,
    origin: &str,
    signer: &RecordSigner,
) -> Result<Vec<u8>, RecordError> {
    draft.sign(origin, signer).inspect_err(warn)
}

fn warn(error: &RecordError) {
    tracing::warn!(code = error.code(), "a submission does not make a record");
}
