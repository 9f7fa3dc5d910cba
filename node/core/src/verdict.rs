//! The verdict: what is known of one certificate, as of a day and as of log sizes.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Origin,
    codes::{CertificateNumber, Date, Region, Track},
    disclosure::{Group, GroupDigests, Opening, Values},
    merkle::Hash,
    reason::Reason,
    register::{Effect, StatusRow},
};

/// Conclusions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Genuine and in force.
    Valid,
    /// 撤销.
    Revoked,
    /// 作废.
    Void,
    /// Under investigation.
    Suspended,
    /// Another took its place.
    Superseded,
    /// Its own term is over.
    Expired,
    /// Genuine, but of another holder.
    HolderMismatch,
    /// Logged, not yet cosigned by a quorum.
    Pending,
    /// Cannot be told.
    Unknown,
    /// In no log held.
    NotFound,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Valid,
        Self::Revoked,
        Self::Void,
        Self::Suspended,
        Self::Superseded,
        Self::Expired,
        Self::HolderMismatch,
        Self::Pending,
        Self::Unknown,
        Self::NotFound,
    ];

    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Valid => "有效",
            Self::Revoked => "已撤销",
            Self::Void => "已作废",
            Self::Suspended => "暂停使用",
            Self::Superseded => "已被取代",
            Self::Expired => "已过有效期",
            Self::HolderMismatch => "持证人不符",
            Self::Pending => "待见证",
            Self::Unknown => "无法判定",
            Self::NotFound => "未查到",
        }
    }

    /// In English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Void => "void",
            Self::Suspended => "suspended",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::HolderMismatch => "holder mismatch",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::NotFound => "not found",
        }
    }
}

/// What is asked. Debug keeps number and holder to itself.
#[derive(Clone)]
pub struct Question {
    /// Certificate number, normalised.
    pub number: String,
    /// Values of `holder_name` to check, normalised.
    pub holder_name: Option<Values>,
    /// Values of `holder_id` to check, normalised; one for each kind of document it may be.
    pub holder_id: Vec<Values>,
    /// The day asked about.
    pub as_of: Date,
    /// Largest acceptable age of a log in seconds.
    pub max_age: u64,
    /// Now, in seconds since 1970.
    pub now: u64,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question")
            .field("as_of", &self.as_of)
            .field("max_age", &self.max_age)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// How far a log is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// The log.
    pub origin: Origin,
    /// Its province.
    pub region: Region,
    /// Leaves that are folded and whose disclosures have arrived or been erased.
    pub size: u64,
    /// Newest size that a quorum cosigned; 0 for none.
    pub witnessed_size: u64,
    /// The q-th newest cosignature time, in seconds since 1970, at the newest size that a quorum
    /// cosigned and that `size` reached; what is known of the log is as old as that.
    pub quorum_time: Option<u64>,
    /// Whether it contradicted itself.
    pub frozen: bool,
    /// Whether its disclosures were restored from a backup, and may have been erased since by
    /// records that are not known here yet: they are not shown until then.
    pub withheld: bool,
}

impl LogView {
    /// Its age in seconds; `None` if no quorum is known to have cosigned as much of it.
    pub fn age(&self, now: u64) -> Option<u64> {
        self.quorum_time.map(|time| now.saturating_sub(time))
    }

    fn is_fresh(&self, question: &Question) -> bool {
        self.age(question.now)
            .is_some_and(|age| age <= question.max_age)
    }
}

/// A certificate that carries the number.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its log.
    pub origin: Origin,
    /// Index of its leaf.
    pub index: u64,
    /// Its leaf hash; `None` if the leaf is quarantined.
    pub leaf: Option<Hash>,
    /// The digests in its leaf.
    pub digests: GroupDigests,
    /// Whether it was loaded from old stock.
    pub backfilled: bool,
    /// Code of the institution whose key signed it; `None` if the province's own did.
    pub signed_by: Option<String>,
    /// What opens the digests.
    pub openings: Vec<Opening>,
    /// Its status changes in index order.
    pub statuses: Vec<Change>,
}

/// A status change of a candidate.
#[derive(Clone, Debug)]
pub struct Change {
    /// As in the register.
    pub row: StatusRow,
    /// Digests that it replaces.
    pub digests: GroupDigests,
    /// What opens them.
    pub openings: Vec<Opening>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The conclusion.
    pub verdict: Verdict,
    /// With `Unknown`: what was last known.
    pub last_known: Option<Verdict>,
    /// Why, in the order of [`Reason::ALL`].
    pub reasons: Vec<Reason>,
    /// Position of the candidate that it is about.
    pub subject: Option<usize>,
    /// What the certificate says on that day. Empty unless the holder, if one was presented,
    /// is the holder.
    pub certificate: Values,
}

/// Decides. A function of its arguments: the same evidence gives the same answer anywhere.
pub fn decide(question: &Question, logs: &[LogView], candidates: &[Candidate]) -> Answer {
    let mut reasons = Vec::new();
    let at_home = |candidate: &Candidate| {
        let home = logs
            .iter()
            .find(|log| log.origin == candidate.origin)?
            .region;
        // Whoever writes a number of another province's writes outside its authority.
        (home_province(&question.number).is_none_or(|p| p == home)).then_some(())
    };
    let own: Vec<usize> = (0..candidates.len())
        .filter(|i| at_home(&candidates[*i]).is_some())
        .collect();
    if own.iter().any(|i| candidates[*i].leaf.is_none()) {
        reasons.push(Reason::Quarantined);
    }
    if own
        .iter()
        .any(|i| is_of_another_institution(&candidates[*i]))
    {
        reasons.push(Reason::KeyInstitution);
    }
    let mut standing: Vec<(usize, Standing)> = own
        .into_iter()
        .filter(|i| candidates[*i].leaf.is_some() && !is_of_another_institution(&candidates[*i]))
        .map(|i| (i, standing(&candidates[i], question.as_of)))
        .collect();
    // A voided entry gives its number back; of voided ones alone the newest speaks.
    let newest = standing.last().map(|(i, _)| *i);
    let all_void = standing
        .iter()
        .all(|(_, standing)| standing.verdict == Verdict::Void);
    if standing.len() > 1 {
        standing.retain(|(i, standing)| {
            if all_void {
                Some(*i) == newest
            } else {
                standing.verdict != Verdict::Void
            }
        });
    }
    let (verdict, subject, certificate) = match standing.as_slice() {
        [] => (Verdict::NotFound, None, Values::default()),
        [(i, standing)] => {
            let candidate = &candidates[*i];
            let log = logs.iter().find(|log| log.origin == candidate.origin);
            let (verdict, certificate) = match holder(question, candidate) {
                // Whether the presented holder is the holder is told by disclosures too.
                _ if log.is_some_and(|log| log.withheld) => {
                    reasons.push(Reason::RestoredNotCaughtUp);
                    (Verdict::Unknown, Values::default())
                }
                // What is not understood may have changed the holder.
                Holder::Mismatch if standing.reasons.contains(&Reason::SchemaNewer) => {
                    reasons.push(Reason::SchemaNewer);
                    (Verdict::Unknown, Values::default())
                }
                // Who does not know the holder learns nothing else of the certificate.
                Holder::Mismatch => {
                    reasons.push(Reason::HolderMismatch);
                    (Verdict::HolderMismatch, Values::default())
                }
                Holder::Erased => {
                    reasons.extend_from_slice(&standing.reasons);
                    reasons.push(Reason::Erased);
                    (Verdict::Unknown, Values::default())
                }
                Holder::Matches => {
                    reasons.extend_from_slice(&standing.reasons);
                    (standing.verdict, standing.certificate.clone())
                }
            };
            // A verdict rests on the certificate and on every change in effect, for instance
            // on a reinstatement that no quorum has seen yet.
            let witnessed = log.is_some_and(|log| standing.rests_on < log.witnessed_size);
            if !witnessed && verdict != Verdict::HolderMismatch {
                reasons.push(Reason::Pending);
            }
            let verdict = if verdict == Verdict::Valid && !witnessed {
                Verdict::Pending
            } else {
                verdict
            };
            (verdict, Some(*i), certificate)
        }
        [..] => {
            reasons.push(Reason::DuplicateNumber);
            (Verdict::Unknown, None, Values::default())
        }
    };
    let mut answer = Answer {
        verdict,
        last_known: None,
        reasons,
        subject,
        certificate,
    };
    judge_evidence(&mut answer, question, logs, candidates);
    let why = match answer.verdict {
        Verdict::Valid => Some(Reason::InForce),
        Verdict::NotFound => Some(Reason::NotFound),
        _ => None,
    };
    answer.reasons.extend(why);
    answer.reasons.sort();
    answer.reasons.dedup();
    answer
}

/// Whether an institution's key signed a certificate that names another institution, or none:
/// an institution vouches for its own alone. The fold cannot see that, as the institution stands
/// in a salted digest. What was erased speaks for nobody any more.
fn is_of_another_institution(candidate: &Candidate) -> bool {
    let mut openings = candidate.openings.iter();
    let values = openings
        .find(|opening| opening.group == Group::Certificate)
        .and_then(|opening| opening.values.as_ref());
    match (&candidate.signed_by, values) {
        (Some(code), Some(values)) => !names_institution(values, code),
        _ => false,
    }
}

/// Whether the values of a `certificate` group name an institution.
pub fn names_institution(certificate: &Values, code: &str) -> bool {
    certificate.get("institution_code") == Some(code)
}

/// Takes back what rests on evidence that is too old or contradicts itself.
fn judge_evidence(
    answer: &mut Answer,
    question: &Question,
    logs: &[LogView],
    candidates: &[Candidate],
) {
    let home = home_province(&question.number);
    let subject = answer.subject.map(|i| &candidates[i].origin);
    // 'Not found' rests on the log that should hold the number, or on all where none is named.
    let rests_on = |log: &&LogView| match (subject, home) {
        (Some(origin), _) => log.origin == *origin,
        (None, Some(home)) => log.region == home,
        (None, None) => true,
    };
    let mut unsure = Vec::new();
    for log in logs.iter().filter(rests_on) {
        if log.frozen {
            unsure.push(Reason::LogFrozen);
        }
        if !log.is_fresh(question) {
            unsure.push(Reason::StaleEvidence);
        }
    }
    // A pending certificate says itself that no quorum has seen it yet.
    if answer.verdict == Verdict::Pending {
        unsure.retain(|reason| *reason != Reason::StaleEvidence);
    }
    if !unsure.is_empty() {
        if answer.verdict != Verdict::Unknown {
            answer.last_known = Some(answer.verdict);
        }
        answer.verdict = Verdict::Unknown;
        answer.reasons.extend(unsure);
    }
}

/// The province that a number names, if its grammar does.
pub fn home_province(number: &str) -> Option<Region> {
    CertificateNumber::parse(number, None::<Track>)
        .ok()?
        .province()
}

/// What the status changes up to a day make of a certificate.
struct Standing {
    verdict: Verdict,
    reasons: Vec<Reason>,
    certificate: Values,
    /// The last index of the leaves that make it so.
    rests_on: u64,
}

fn standing(candidate: &Candidate, as_of: Date) -> Standing {
    let mut reasons = Vec::new();
    if candidate.backfilled {
        reasons.push(Reason::Backfilled);
    }
    let (mut verdict, cause) = fold_statuses(candidate.statuses.iter().map(|c| &c.row), as_of);
    reasons.extend(cause);
    let changes = candidate.statuses.iter().map(|change| &change.row);
    let rests_on = changes
        .filter(|row| in_effect(row, as_of))
        .map(|row| row.index)
        .fold(candidate.index, u64::max);
    let current = current(candidate, Group::Certificate, as_of);
    let Some(values) = current.opening.and_then(|opening| opening.values.clone()) else {
        if verdict != Verdict::Unknown {
            reasons.push(Reason::Erased);
        }
        let certificate = Values::default();
        return Standing {
            verdict: Verdict::Unknown,
            reasons,
            certificate,
            rests_on,
        };
    };
    if verdict == Verdict::Valid
        && let Some((ended, reason)) = term(&values, as_of)
    {
        verdict = ended;
        reasons.push(reason);
    }
    Standing {
        verdict,
        reasons,
        certificate: values,
        rests_on,
    }
}

/// Where the assessment took place, as far as what is held of the certificate says it on a day.
pub fn activity_region(candidate: &Candidate, as_of: Date) -> Option<&str> {
    let statistics = current(candidate, Group::Statistics, as_of).opening?;
    statistics.values.as_ref()?.get("activity_region")
}

/// What a certificate's own dates say against it on a day.
pub(crate) fn term(certificate: &Values, as_of: Date) -> Option<(Verdict, Reason)> {
    let date = |field| certificate.get(field).map(Date::parse).transpose();
    match (date("issue_date"), date("valid_until")) {
        (Ok(Some(issued)), _) if issued > as_of => Some((Verdict::Unknown, Reason::IssuedLater)),
        (_, Ok(Some(until))) if until < as_of => Some((Verdict::Expired, Reason::Expired)),
        (Ok(_), Ok(_)) => None,
        // A date that this program cannot read is not taken for none.
        _ => Some((Verdict::Unknown, Reason::SchemaNewer)),
    }
}

/// Whether a change counts on a day. A record that is newer than this program has no day that
/// it could rely on.
fn in_effect(row: &StatusRow, as_of: Date) -> bool {
    row.effect == Effect::Newer || row.effective_date <= as_of.as_yyyymmdd()
}

/// The status that a sequence of changes, in index order, leaves a certificate in on a day.
pub fn fold_statuses<'a>(
    statuses: impl Iterator<Item = &'a StatusRow>,
    as_of: Date,
) -> (Verdict, Vec<Reason>) {
    let mut verdict = Verdict::Valid;
    let mut superseded = false;
    let mut reasons = Vec::new();
    for row in statuses.filter(|row| in_effect(row, as_of)) {
        let (next, reason) = match row.effect {
            Effect::Revoke => (Verdict::Revoked, Reason::StatusRevoked),
            Effect::Void => (Verdict::Void, Reason::StatusVoid),
            Effect::Suspend => (Verdict::Suspended, Reason::StatusSuspended),
            Effect::Supersede => {
                superseded = true;
                (Verdict::Superseded, Reason::StatusSuperseded)
            }
            Effect::Newer => return (Verdict::Unknown, vec![Reason::SchemaNewer]),
            // It undoes what was held against the certificate; that another one took its place
            // stays.
            Effect::Reinstate if superseded => {
                reasons.retain(|reason| !is_undone(*reason));
                verdict = Verdict::Superseded;
                continue;
            }
            Effect::Reinstate => {
                reasons.retain(|reason| !is_undone(*reason));
                (Verdict::Valid, Reason::StatusReinstated)
            }
            Effect::Correct => (verdict, Reason::StatusCorrected),
            Effect::Reissue => (verdict, Reason::StatusReissued),
        };
        verdict = next;
        reasons.push(reason);
    }
    (verdict, reasons)
}

/// Whether a reinstatement takes the place of an earlier reason.
const fn is_undone(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::StatusCorrected | Reason::StatusReissued | Reason::StatusSuperseded
    )
}

/// The digest of a group and what opens it, with corrections up to a day taken in.
struct Current<'a> {
    digest: Option<&'a Hash>,
    opening: Option<&'a Opening>,
}

fn current(candidate: &Candidate, group: Group, as_of: Date) -> Current<'_> {
    let corrected = candidate
        .statuses
        .iter()
        .rev()
        .find(|change| in_effect(&change.row, as_of) && change.digests.get(group).is_some());
    let (digests, openings) = match corrected {
        Some(change) => (&change.digests, &change.openings),
        None => (&candidate.digests, &candidate.openings),
    };
    Current {
        digest: digests.get(group),
        opening: openings.iter().find(|opening| opening.group == group),
    }
}

enum Holder {
    Matches,
    Mismatch,
    Erased,
}

/// Checks the presented holder against the digests; what was not presented is not checked.
fn holder(question: &Question, candidate: &Candidate) -> Holder {
    let names: Vec<&Values> = question.holder_name.iter().collect();
    let ids: Vec<&Values> = question.holder_id.iter().collect();
    for (group, presented) in [(Group::HolderName, names), (Group::HolderId, ids)] {
        if presented.is_empty() {
            continue;
        }
        let current = current(candidate, group, question.as_of);
        let (Some(digest), Some(opening)) = (current.digest, current.opening) else {
            return Holder::Erased;
        };
        if !presented
            .iter()
            .any(|values| opening.matches(values, digest))
        {
            return Holder::Mismatch;
        }
    }
    Holder::Matches
}
