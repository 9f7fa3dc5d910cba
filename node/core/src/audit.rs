//! The audit trail: a chain of entries, each bound to the one before it.
//!
//! An entry is the message `huren.v1.AuditEntry`. [`Act`] is the only way to make one, and takes
//! nothing that could be personal: codes, names of the configuration, versions, digests, and
//! [`Subject`], which is a keyed tag.
//!
//! The chain shows that an entry was changed, dropped or moved. That its end was cut off, or all
//! of it written anew, shows against an [`Anchor`] in the public log.

use std::collections::BTreeMap;

use huren_proto::v1;
use prost::Message as _;

use crate::{
    checkpoint::Origin,
    codes::Region,
    disclosure::{SecretKey, Values},
    framing,
    merkle::Hash,
    normalise,
};

pub use v1::{AuditAction, Purpose};

/// The line that chain hashes start with.
const DOMAIN: &[u8] = b"huren/audit/v1\n";

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
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subjects = vec![subject];
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

    /// Takes up another act of the same kind. Gives it back if it has no room for its subjects.
    ///
    /// # Errors
    /// The other act, unchanged.
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        if self.subjects.len() + other.subjects.len() > MAX_SUBJECTS {
            return Err(other);
        }
        self.count = self.count.saturating_add(other.count);
        self.subjects.extend(other.subjects);
        Ok(())
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

    fn entry(&self, sequence: u64, time: u64) -> v1::AuditEntry {
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
        }
    }
}

/// How far a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Sequence number of its newest entry; 0 for none.
    pub sequence: u64,
    /// Hash of that entry; zeros for none.
    pub hash: Hash,
}

impl ChainHead {
    /// The head of a chain without entries.
    pub const EMPTY: Self = Self {
        sequence: 0,
        hash: Hash([0; 32]),
    };

    /// The link that an act becomes behind this head.
    pub fn link(&self, act: &Act, time: u64) -> Link {
        let entry = act.entry(self.sequence + 1, time).encode_to_vec();
        Link {
            sequence: self.sequence + 1,
            hash: self.next_hash(&entry),
            entry,
        }
    }

    fn next_hash(&self, entry: &[u8]) -> Hash {
        Hash(framing::hash([DOMAIN, self.hash.as_bytes(), entry]))
    }

    /// Follows the chain by one link.
    ///
    /// # Errors
    /// [`Broken`] if the link does not follow this head.
    pub fn follow(&self, link: &Link) -> Result<Self, Broken> {
        let broken = |fault| Broken {
            sequence: self.sequence + 1,
            fault,
        };
        if link.sequence != self.sequence + 1 {
            return Err(broken(Fault::Missing));
        }
        let entry = v1::AuditEntry::decode(link.entry.as_slice());
        let entry = entry.map_err(|_| broken(Fault::Unreadable))?;
        if entry.sequence != link.sequence || self.next_hash(&link.entry) != link.hash {
            return Err(broken(Fault::Altered));
        }
        Ok(Self {
            sequence: link.sequence,
            hash: link.hash,
        })
    }
}

/// One entry of a chain, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1.
    pub sequence: u64,
    /// The bytes of its `huren.v1.AuditEntry`, never encoded anew.
    pub entry: Vec<u8>,
    /// What stands for it and all before it.
    pub hash: Hash,
}

impl Link {
    /// What it says.
    ///
    /// # Errors
    /// [`Broken`] if its bytes are no entry.
    pub fn read(&self) -> Result<v1::AuditEntry, Broken> {
        v1::AuditEntry::decode(self.entry.as_slice()).map_err(|_| Broken {
            sequence: self.sequence,
            fault: Fault::Unreadable,
        })
    }
}

impl From<&Link> for ChainHead {
    fn from(link: &Link) -> Self {
        Self {
            sequence: link.sequence,
            hash: link.hash,
        }
    }
}

/// Where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail does not hold at entry {sequence}: {fault}")]
pub struct Broken {
    /// The first entry that does not follow.
    pub sequence: u64,
    /// How.
    pub fault: Fault,
}

/// How a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another entry stands in its place.
    #[error("it is missing or out of its order")]
    Missing,
    /// It, or one before it, is not what was written.
    #[error("it was changed, or does not follow the one before it")]
    Altered,
    /// Its bytes are no entry.
    #[error("it cannot be read")]
    Unreadable,
    /// The log holds an anchor for it, and the chain ends before.
    #[error("the log anchors it, and the trail ends before it")]
    Truncated,
    /// The log's anchor has another hash.
    #[error("the log anchors another entry in its place")]
    OtherAnchored,
}

impl Fault {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "AUDIT_MISSING",
            Self::Altered => "AUDIT_ALTERED",
            Self::Unreadable => "AUDIT_UNREADABLE",
            Self::Truncated => "AUDIT_TRUNCATED",
            Self::OtherAnchored => "AUDIT_OTHER_ANCHORED",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Missing => "该条缺失或次序不对。",
            Self::Altered => "该条被改动，或与前一条不衔接。",
            Self::Unreadable => "该条无法读取。",
            Self::Truncated => "日志已锚定该条，而审计记录在此之前就结束了。",
            Self::OtherAnchored => "日志锚定的是另一条内容。",
        }
    }
}

/// A statement of the public log about the chain (`KIND_AUDIT_ANCHOR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The newest entry at that time, from 1.
    pub sequence: u64,
    /// Its hash.
    pub digest: Hash,
}

/// A chain being checked from its start, against the anchors of the log.
///
/// A database that was restored from a backup lacks the entries behind it, and goes on with others
/// in their places, the first of which says so. The anchors of what was lost stay in the log:
/// those are told apart from a chain that somebody wrote anew by the order of the log, in which
/// none of them comes behind an anchor of what was written since.
#[derive(Debug)]
pub struct Check {
    head: ChainHead,
    /// In the order of the log.
    anchors: Vec<Anchor>,
    /// Whether the chain holds what the anchor says, for each of them.
    holds: Vec<bool>,
    /// Places of anchors by the entry that they speak of.
    places: BTreeMap<u64, Vec<usize>>,
    /// For each restored backup, how many entries came out of it.
    restored: Vec<u64>,
}

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedChain {
    /// How far it goes.
    pub head: ChainHead,
    /// Up to which entry the log speaks for it. What comes behind could still have been written
    /// anew by whoever holds the node.
    pub anchored: u64,
    /// Where it goes on from a restored backup.
    pub restored: Vec<Restored>,
}

/// What a chain lacks since a backup was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last entry that came out of the backup.
    pub kept: u64,
    /// The last entry that the log is known to speak of and that is lost; `kept` for none.
    pub lost: u64,
}

impl Check {
    /// Starts at the first entry, with the anchors in the order of the log.
    pub fn new(anchors: Vec<Anchor>) -> Self {
        let mut places = BTreeMap::<u64, Vec<usize>>::new();
        for (place, anchor) in anchors.iter().enumerate() {
            places.entry(anchor.sequence).or_default().push(place);
        }
        Self {
            head: ChainHead::EMPTY,
            holds: vec![false; anchors.len()],
            anchors,
            places,
            restored: Vec::new(),
        }
    }

    /// Takes the next links.
    ///
    /// # Errors
    /// [`Broken`] at the first that does not hold.
    pub fn take(&mut self, links: &[Link]) -> Result<(), Broken> {
        for link in links {
            self.head = self.head.follow(link)?;
            let entry = link.read()?;
            let is_mark = entry.action == i32::from(AuditAction::BackupRestored);
            if is_mark && entry.size < entry.sequence {
                self.restored.push(entry.size);
            }
            let places = self.places.get(&link.sequence);
            for place in places.into_iter().flatten().copied() {
                self.holds[place] = self.anchors[place].digest == link.hash;
            }
        }
        Ok(())
    }

    /// How far the chain was followed.
    pub const fn head(&self) -> ChainHead {
        self.head
    }

    /// Ends where the chain ends.
    ///
    /// # Errors
    /// [`Broken`] if the log speaks of entries that did not come, and no backup was restored that
    /// explains it.
    pub fn finish(self) -> Result<CheckedChain, Broken> {
        let mut restored: Vec<Restored> = self
            .restored
            .iter()
            .map(|&kept| Restored { kept, lost: kept })
            .collect();
        // Over all anchors before this one, in the order of the log.
        let mut anchored = 0;
        for (anchor, holds) in self.anchors.iter().zip(&self.holds) {
            if *holds {
                anchored = anchored.max(anchor.sequence);
                continue;
            }
            let explains = |mark: &&mut Restored| (anchored..anchor.sequence).contains(&mark.kept);
            let Some(mark) = restored.iter_mut().find(explains) else {
                let fault = if anchor.sequence > self.head.sequence {
                    Fault::Truncated
                } else {
                    Fault::OtherAnchored
                };
                return Err(Broken {
                    sequence: anchor.sequence,
                    fault,
                });
            };
            mark.lost = mark.lost.max(anchor.sequence);
        }
        Ok(CheckedChain {
            head: self.head,
            anchored,
            restored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: u64) -> Vec<Link> {
        let mut head = ChainHead::EMPTY;
        let links = (1..=length).map(|n| {
            let act = Act::new(Actor::Caller("hr".into()), AuditAction::CertificatesQueried)
                .outcome(DONE)
                .purpose(Purpose::Subsidy)
                .size(n);
            let link = head.link(&act, 1_800_000_000 + n);
            head = head.follow(&link).unwrap();
            link
        });
        links.collect()
    }

    fn anchor(link: &Link) -> Anchor {
        Anchor {
            sequence: link.sequence,
            digest: link.hash,
        }
    }

    fn verify(links: &[Link], anchors: &[Anchor]) -> Result<CheckedChain, Broken> {
        let mut check = Check::new(anchors.to_vec());
        check.take(links)?;
        check.finish()
    }

    #[test]
    fn a_chain_holds_up_to_its_anchors() {
        let links = chain(9);
        let checked = verify(&links, &[anchor(&links[6]), anchor(&links[2])]).unwrap();
        assert_eq!((checked.head.sequence, checked.anchored), (9, 7));
        assert_eq!(verify(&[], &[]).unwrap().head, ChainHead::EMPTY);
    }

    #[test]
    fn what_was_done_to_a_chain_shows() {
        let (links, anchors) = (chain(9), [anchor(&chain(9)[6])]);
        let check = |links: &[Link], sequence, fault| {
            assert_eq!(verify(links, &anchors), Err(Broken { sequence, fault }));
        };
        let changed = |change: fn(&mut Vec<Link>)| {
            let mut links = links.clone();
            change(&mut links);
            links
        };
        let at = |change: fn(&mut Link)| {
            let mut links = links.clone();
            change(&mut links[3]);
            links
        };
        // Changed, with and without its hash.
        check(&at(|link| link.entry[4] ^= 1), 4, Fault::Altered);
        check(&at(|link| link.hash.0[0] ^= 1), 4, Fault::Altered);
        check(&at(|link| link.entry.truncate(3)), 4, Fault::Unreadable);
        // Dropped, also with the rest renumbered; moved; repeated.
        check(&changed(|links| drop(links.remove(3))), 4, Fault::Missing);
        let renumbered = changed(|links| {
            links.remove(3);
            links
                .iter_mut()
                .zip(1..)
                .for_each(|(link, n)| link.sequence = n);
        });
        check(&renumbered, 4, Fault::Altered);
        check(&changed(|links| links.swap(3, 4)), 4, Fault::Missing);
        let repeated = changed(|links| links.insert(4, links[3].clone()));
        check(&repeated, 5, Fault::Missing);
        // Cut off, at its end and at its start.
        check(&links[..5], 7, Fault::Truncated);
        check(&links[1..], 1, Fault::Missing);
    }

    #[test]
    fn a_chain_written_anew_does_not_fit_its_anchors() {
        let mut head = ChainHead::EMPTY;
        let anew: Vec<Link> = (1..=9)
            .map(|n| {
                let act = Act::new(Actor::Node, AuditAction::NodeStarted);
                let link = head.link(&act, n);
                head = (&link).into();
                link
            })
            .collect();
        let expected = Broken {
            sequence: 7,
            fault: Fault::OtherAnchored,
        };
        assert_eq!(verify(&anew, &[anchor(&chain(9)[6])]), Err(expected));
        let none = Anchor {
            sequence: 0,
            digest: Hash([0; 32]),
        };
        assert!(verify(&chain(2), &[none]).is_err());
    }

    /// Three entries out of a backup, then what says so, then others.
    fn restored() -> Vec<Link> {
        let mut links = chain(3);
        let mut head = ChainHead::from(&links[2]);
        let mark = Act::new(Actor::Machine, AuditAction::BackupRestored).size(3);
        let later = Act::new(Actor::Node, AuditAction::NodeStarted);
        for act in [&mark, &later, &later, &later, &later] {
            let link = head.link(act, 1_900_000_000);
            head = (&link).into();
            links.push(link);
        }
        links
    }

    #[test]
    fn what_a_restored_backup_lacks_is_told_and_nothing_else_passes() {
        let (before, links) = (chain(20), restored());
        let check = |anchors: &[&Link], expected: Result<(u64, u64), (u64, Fault)>| {
            let anchors: Vec<Anchor> = anchors.iter().map(|link| anchor(link)).collect();
            let found = verify(&links, &anchors);
            let found = found.map(|chain| (chain.anchored, chain.restored[0].lost));
            assert_eq!(found.map_err(|b| (b.sequence, b.fault)), expected);
        };
        let (own, lost) = (&links, &before);
        check(&[&own[1]], Ok((2, 3)));
        check(&[&own[1], &lost[4], &lost[19]], Ok((2, 20)));
        check(&[&own[1], &lost[4], &lost[19], &own[6]], Ok((7, 20)));
        // The log spoke of what came since already.
        let anew = (20, Fault::Truncated);
        check(&[&own[1], &own[4], &lost[19]], Err(anew));
        check(&[&own[4], &lost[5]], Err((6, Fault::OtherAnchored)));
        // What came out of the backup must be what the log speaks of.
        let mut other = before[1].clone();
        other.hash.0[0] ^= 1;
        check(&[&other], Err((2, Fault::OtherAnchored)));
    }

    #[test]
    fn acts_of_a_kind_become_one_with_bounded_subjects() {
        let act = |n: u8| {
            let act = Act::new(Actor::Page, AuditAction::CertificatesQueried);
            act.subject(Subject([n; 16]))
        };
        let mut sum = act(0);
        for n in 1..=255 {
            assert_eq!(act(n).kind(), sum.kind());
            sum.merge(act(n)).unwrap();
        }
        assert_eq!((sum.counted(), sum.subjects.len()), (256, MAX_SUBJECTS));
        assert_eq!(sum.merge(act(1)), Err(act(1)));
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
