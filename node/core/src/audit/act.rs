//! What somebody does, as the trail holds it.

use huren_proto::v1::{self, AuditAction, Purpose};

use crate::{
    checkpoint::Origin,
    codes::Region,
    disclosure::{SecretKey, Values},
    merkle::Hash,
    normalise,
};

/// Subjects in one entry at most.
pub const MAX_SUBJECTS: usize = 256;

/// Bytes of one entry at most: subjects take 18 bytes each.
pub const MAX_ENTRY_BYTES: usize = 8 * 1024;

/// Outcome: it is about to be done.
pub const ACCEPTED: &str = "ACCEPTED";
/// Outcome: it was done.
pub const DONE: &str = "DONE";
/// Outcome: more of them than could be kept one by one.
pub const FURTHER: &str = "FURTHER";

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// The node by itself.
    Node,
    /// Whoever may run the node's commands on its machine.
    Machine,
    /// A member, by its region.
    Member(String),
    /// A caller, by its name in the configuration.
    Caller(String),
    /// A token, by its id.
    Token(String),
    /// A certificate that nobody names, by its key.
    Key(Hash),
    /// A visitor of the public page.
    Page,
    /// Nobody that is known.
    Unknown,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Machine => f.write_str("machine"),
            Self::Member(region) => write!(f, "member:{region}"),
            Self::Caller(name) => write!(f, "caller:{name}"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Key(hash) => write!(f, "key:{}", hash.to_hex()),
            Self::Page => f.write_str("page"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Whom an act is about: a keyed tag, cut to 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

impl Subject {
    /// The subject that a certificate number names, as presented.
    pub fn of_number(index_key: &SecretKey, number: &str) -> Self {
        let tag = index_key.tag("huren/audit-number/v1\n", &[&normalise::number(number)]);
        let mut subject = [0; 16];
        subject.copy_from_slice(&tag[..16]);
        Self(subject)
    }

    /// The subject that an identity document names: its kind and number, normalised.
    pub fn of_holder(holder_key: &SecretKey, holder_id: &Values) -> Option<Self> {
        let (kind, number) = (holder_id.get("id_kind")?, holder_id.get("id_number")?);
        let tag = holder_key.tag("huren/audit-holder/v1\n", &[kind, number]);
        let mut subject = [0; 16];
        subject.copy_from_slice(&tag[..16]);
        Some(Self(subject))
    }
}

/// What somebody does, before it has its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act {
    actor: Actor,
    action: AuditAction,
    outcome: String,
    purpose: Purpose,
    /// How many acts this one stands for.
    count: u64,
    subjects: Vec<Subject>,
    method: String,
    origin: String,
    version: u64,
    digest: Option<Hash>,
    region: String,
    token: String,
    size: u64,
    key: String,
}

impl Act {
    /// An act about to be done.
    pub fn new(actor: Actor, action: AuditAction) -> Self {
        Self {
            actor,
            action,
            outcome: ACCEPTED.to_owned(),
            purpose: Purpose::Unspecified,
            count: 1,
            subjects: Vec::new(),
            method: String::new(),
            origin: String::new(),
            version: 0,
            digest: None,
            region: String::new(),
            token: String::new(),
            size: 0,
            key: String::new(),
        }
    }

    /// What became of it: [`DONE`] or a reason code. A text that is no code becomes `OTHER`, so
    /// that no sentence gets in.
    #[must_use]
    pub fn outcome(mut self, code: &str) -> Self {
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=64).contains(&code.len()) && code.bytes().all(is_code);
        self.outcome = if fits { code } else { "OTHER" }.to_owned();
        self
    }

    /// For what personal data was asked for.
    #[must_use]
    pub const fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(self, subject: Subject) -> Self {
        self.subjects(vec![subject])
    }

    /// Whom it is about, where that has several tags: no more than [`MAX_SUBJECTS`] are kept.
    #[must_use]
    pub fn subjects(mut self, mut subjects: Vec<Subject>) -> Self {
        subjects.truncate(MAX_SUBJECTS);
        self.subjects = subjects;
        self
    }

    /// How many acts it stands for.
    #[must_use]
    pub const fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// The RPC or path that was called, from the program's own list of them.
    #[must_use]
    pub fn method(mut self, method: &'static str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The log concerned.
    #[must_use]
    pub fn log(mut self, origin: &Origin) -> Self {
        self.origin = origin.to_string();
        self
    }

    /// The version concerned.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The digest of what it is about.
    #[must_use]
    pub const fn digest(mut self, digest: Hash) -> Self {
        self.digest = Some(digest);
        self
    }

    /// The region concerned.
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.region = region.to_string();
        self
    }

    /// The token concerned.
    #[must_use]
    pub fn token(mut self, id: &str) -> Self {
        id.clone_into(&mut self.token);
        self
    }

    /// A size or number of leaves.
    #[must_use]
    pub const fn size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    /// The key concerned: its role, and what names it in public.
    #[must_use]
    pub fn key(mut self, role: &'static str, id: &str) -> Self {
        self.key = format!("{role}:{id}");
        self
    }

    /// The key concerned, as the entry names it.
    pub fn named_key(&self) -> &str {
        &self.key
    }

    /// Who acts.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What is done.
    pub const fn action(&self) -> AuditAction {
        self.action
    }

    /// What this act has in common with others of its kind: all but how many and whom.
    pub fn kind(&self) -> Self {
        Self {
            count: 0,
            subjects: Vec::new(),
            ..self.clone()
        }
    }

    /// Takes up another act of the same kind. Gives it back, unchanged, if it has no room for its
    /// subjects.
    #[must_use]
    pub fn merge(&mut self, other: Self) -> Option<Self> {
        if self.subjects.len() + other.subjects.len() > MAX_SUBJECTS {
            return Some(other);
        }
        self.count = self.count.saturating_add(other.count);
        self.subjects.extend(other.subjects);
        None
    }

    /// What is left to say of so many acts that there is no room for: who did what, not to whom.
    pub fn further(actor: Actor, action: AuditAction, count: u64) -> Self {
        Self {
            count,
            ..Self::new(actor, action).outcome(FURTHER)
        }
    }

    /// How many acts it stands for.
    pub const fn counted(&self) -> u64 {
        self.count
    }

    pub(super) fn entry(&self, sequence: u64, time: u64) -> v1::AuditEntry {
        v1::AuditEntry {
            sequence,
            time,
            actor: self.actor.to_string(),
            action: self.action.into(),
            purpose: self.purpose.into(),
            outcome: self.outcome.clone(),
            count: self.count,
            subjects: self.subjects.iter().map(|s| s.0.to_vec()).collect(),
            method: self.method.clone(),
            origin: self.origin.clone(),
            version: self.version,
            digest: self.digest.map(|hash| hash.0.to_vec()).unwrap_or_default(),
            region: self.region.clone(),
            token: self.token.clone(),
            size: self.size,
            key: self.key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::ChainHead;

    #[test]
    fn acts_of_a_kind_become_one_with_bounded_subjects() {
        let act = |n: u8| {
            let act = Act::new(Actor::Page, AuditAction::CertificatesQueried);
            act.subject(Subject([n; 16]))
        };
        let mut sum = act(0);
        for n in 1..=255 {
            assert_eq!(act(n).kind(), sum.kind());
            assert_eq!(sum.merge(act(n)), None);
        }
        assert_eq!((sum.counted(), sum.subjects.len()), (256, MAX_SUBJECTS));
        assert_eq!(sum.merge(act(1)), Some(act(1)));
        let entry = ChainHead::EMPTY.link(&sum, u64::MAX).entry;
        assert!(entry.len() < MAX_ENTRY_BYTES, "{}", entry.len());
    }

    #[test]
    fn sentences_are_no_outcomes() {
        let check = |given: &str, kept: &str| {
            let act = Act::new(Actor::Unknown, AuditAction::CallRefused).outcome(given);
            assert_eq!(act.outcome, kept);
        };
        check("CALLER_REGION", "CALLER_REGION");
        check("张三", "OTHER");
        check("", "OTHER");
        check("S000033010006243000001 of", "OTHER");
        check(&"A".repeat(65), "OTHER");
    }

    #[test]
    fn subjects_are_tags_of_the_normalised_number() {
        let (key, other) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
        let of = |key, number| Subject::of_number(key, number);
        assert_eq!(of(&key, " s00003\u{3000}"), of(&key, "S00003"));
        assert_ne!(of(&key, "S00003"), of(&key, "S00004"));
        assert_ne!(of(&key, "S00003"), of(&other, "S00003"));
    }
}
