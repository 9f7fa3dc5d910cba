//! Changes that an operator asks for, carried out on a copy of the newest list.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

use crate::keys::key_id;

use super::{ForeignWitness, LogKey, Member, RecordKey, SignedTrustList, TrustList};

/// What a member's key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Signs checkpoints.
    Log,
    /// Signs records.
    Record,
    /// Cosigns as a witness.
    Witness,
    /// Cosigns as a mirror.
    Mirror,
    /// Signs answers.
    Answer,
    /// Identifies the node's connections.
    Tls,
}

impl Role {
    /// All of them, by name.
    pub const ALL: [(&str, Self); 6] = [
        ("log", Self::Log),
        ("record", Self::Record),
        ("witness", Self::Witness),
        ("mirror", Self::Mirror),
        ("answer", Self::Answer),
        ("tls", Self::Tls),
    ];
}

/// One change of a list.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Another member; or one that had left, with its log as it was and the keys given.
    AddMember(Box<Member>),
    /// A member leaves: its log's keys end at that index.
    RemoveMember {
        /// Its province.
        region: String,
        /// The last size of its log that counts.
        until_index: u64,
    },
    /// A key of that role gives way to the one that the description names. Log keys and record
    /// keys end at `until_index`, where the new one begins; without it both are valid from now
    /// on. TLS keys are added: take the old one out once the new one is in use.
    ReplaceKey {
        /// Which.
        role: Role,
        /// The member's description with the new key in it.
        from: Box<Member>,
        /// Where the old one ends.
        until_index: Option<u64>,
    },
    /// A log key or record key ends at that index.
    CloseKey {
        /// The verifier key, public key, or key id in hexadecimal.
        key: String,
        /// Where.
        until_index: u64,
    },
    /// A TLS key goes.
    RemoveTlsKey(String),
    /// Name and addresses as the description has them.
    Address(Box<Member>),
    /// A witness outside of the federation, new or in the place of the one of that name.
    Witness(Box<ForeignWitness>),
    /// The witness of that name goes.
    RemoveWitness(String),
    /// Another root key (verifier key).
    AddRootKey(String),
    /// A root key goes, given as verifier key or by its name.
    RemoveRootKey(String),
    /// How many root keys must sign.
    Threshold(usize),
    /// How many other members must cosign.
    Quorum(usize),
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No such member.
    #[error("没有成员 {0} / {0} is no member")]
    NoMember(String),
    /// It is a member already.
    #[error("{0} 已是成员 / {0} is a member already")]
    IsMember(String),
    /// No such witness.
    #[error("没有外部见证 {0} / there is no foreign witness {0}")]
    NoWitness(String),
    /// No such key, or no open one.
    #[error("清单中没有这个密钥：{0} / the list has no such key: {0}")]
    NoKey(String),
    /// The description holds no key that the list does not hold.
    #[error("{0} 的说明中没有新密钥 / the description of {0} holds no new key")]
    NothingNew(String),
    /// The description is of another log than the member's.
    #[error("{0} 的说明属于另一份日志 / the description of {0} is of another log")]
    OtherLog(String),
}

impl EditError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMember(_) => "EDIT_NO_MEMBER",
            Self::IsMember(_) => "EDIT_IS_MEMBER",
            Self::NoWitness(_) => "EDIT_NO_WITNESS",
            Self::NoKey(_) => "EDIT_NO_KEY",
            Self::NothingNew(_) => "EDIT_NOTHING_NEW",
            Self::OtherLog(_) => "EDIT_OTHER_LOG",
        }
    }
}

impl TrustList {
    /// The next version, with the content of `newest`.
    pub fn successor(newest: &SignedTrustList, issued: Timestamp, expires: Timestamp) -> Self {
        Self {
            version: newest.list.version + 1,
            previous: newest.digest.to_hex(),
            issued,
            expires,
            ..newest.list.clone()
        }
    }

    /// Carries out a change. Whether the outcome may follow the list held is for
    /// [`super::TrustChain::check_proposal`] to say.
    ///
    /// # Errors
    /// [`EditError`]; then nothing changed.
    pub fn edit(&mut self, edit: Edit) -> Result<(), EditError> {
        match edit {
            Edit::AddMember(member) => self.add(*member)?,
            Edit::RemoveMember {
                region,
                until_index,
            } => self.remove(&region, until_index)?,
            Edit::ReplaceKey {
                role,
                from,
                until_index,
            } => self.described(&from)?.replace(role, &from, until_index)?,
            Edit::CloseKey { key, until_index } => self.close(&key, until_index)?,
            Edit::RemoveTlsKey(key) => {
                let holds = |member: &&mut Member| member.tls_keys.contains(&key);
                let member = self.members.iter_mut().find(holds);
                let member = member.ok_or_else(|| EditError::NoKey(key.clone()))?;
                member.tls_keys.retain(|held| *held != key);
            }
            Edit::Address(from) => {
                let member = self.described(&from)?;
                (member.name, member.grpc, member.http) = (from.name, from.grpc, from.http);
            }
            Edit::Witness(witness) => {
                let is_it = |held: &ForeignWitness| held.name == witness.name;
                match self.witnesses.iter_mut().find(|held| is_it(held)) {
                    Some(held) => *held = *witness,
                    None => self.witnesses.push(*witness),
                }
            }
            Edit::RemoveWitness(name) => {
                let place = self.witnesses.iter().position(|held| held.name == name);
                self.witnesses
                    .remove(place.ok_or(EditError::NoWitness(name))?);
            }
            Edit::AddRootKey(key) => self.root.keys.push(key),
            Edit::RemoveRootKey(key) => {
                let is_it = |held: &String| {
                    *held == key || held.split_once('+').is_some_and(|(name, _)| name == key)
                };
                let place = self.root.keys.iter().position(is_it);
                self.root.keys.remove(place.ok_or(EditError::NoKey(key))?);
            }
            Edit::Threshold(threshold) => self.root.threshold = threshold,
            Edit::Quorum(quorum) => self.quorum = quorum,
        }
        Ok(())
    }

    fn add(&mut self, mut member: Member) -> Result<(), EditError> {
        if self.members.iter().any(|held| held.region == member.region) {
            return Err(EditError::IsMember(member.region));
        }
        let returns = |former: &Member| former.origin == member.origin;
        if let Some(place) = self.former_members.iter().position(returns) {
            let former = self.former_members.remove(place);
            member.log_keys = joined(former.log_keys, member.log_keys, |a, b| a.key == b.key);
            let same = RecordKey::is_same_key;
            member.record_keys = joined(former.record_keys, member.record_keys, same);
        }
        self.members.push(member);
        self.members.sort_by(|a, b| a.region.cmp(&b.region));
        Ok(())
    }

    fn remove(&mut self, region: &str, until_index: u64) -> Result<(), EditError> {
        let place = self.members.iter().position(|held| held.region == region);
        let place = place.ok_or_else(|| EditError::NoMember(region.to_owned()))?;
        let mut member = self.members.remove(place);
        for key in &mut member.log_keys {
            close(&mut key.until_index, until_index);
        }
        for key in &mut member.record_keys {
            close(&mut key.until_index, until_index);
        }
        member.tls_keys.clear();
        self.former_members.push(member);
        self.former_members.sort_by(|a, b| a.origin.cmp(&b.origin));
        Ok(())
    }

    /// The member that a description is of.
    fn described(&mut self, from: &Member) -> Result<&mut Member, EditError> {
        let region = || from.region.clone();
        let mut members = self.members.iter_mut();
        let member = members.find(|held| held.region == from.region);
        let member = member.ok_or_else(|| EditError::NoMember(region()))?;
        if member.origin != from.origin {
            return Err(EditError::OtherLog(region()));
        }
        Ok(member)
    }

    fn close(&mut self, named: &str, until_index: u64) -> Result<(), EditError> {
        let mut found = false;
        for member in &mut self.members {
            for key in member.log_keys.iter_mut().filter(|key| key.key == named) {
                close(&mut key.until_index, until_index);
                found = true;
            }
            for key in &mut member.record_keys {
                if key.public_key == named || key.id_is(named) {
                    close(&mut key.until_index, until_index);
                    found = true;
                }
            }
        }
        if found {
            Ok(())
        } else {
            Err(EditError::NoKey(named.to_owned()))
        }
    }
}

impl Member {
    fn replace(
        &mut self,
        role: Role,
        from: &Self,
        until_index: Option<u64>,
    ) -> Result<(), EditError> {
        let start = until_index.unwrap_or(0);
        let is_new = match role {
            Role::Log => {
                let held = |key: &LogKey| self.log_keys.iter().any(|held| held.key == key.key);
                let mut new: Vec<LogKey> = from.log_keys.clone();
                new.retain(|key| !held(key));
                for key in &mut self.log_keys {
                    end(&mut key.until_index, until_index);
                }
                for key in &mut new {
                    begin(&mut key.from_index, start);
                }
                let is_new = !new.is_empty();
                self.log_keys.extend(new);
                is_new
            }
            Role::Record => {
                let held = |key: &RecordKey| self.record_keys.iter().any(|h| h.is_same_key(key));
                let mut new: Vec<RecordKey> = from.record_keys.clone();
                new.retain(|key| !held(key));
                // Those that may sign no more than the new ones are what is replaced: a county's
                // key does not end because the province's does.
                let covers = |old: &RecordKey| {
                    new.iter()
                        .any(|new| (&new.kinds, &new.regions) == (&old.kinds, &old.regions))
                };
                let mut replaced: Vec<_> = self.record_keys.iter_mut().collect();
                replaced.retain(|old| covers(old));
                for key in replaced {
                    end(&mut key.until_index, until_index);
                }
                for key in &mut new {
                    begin(&mut key.from_index, start);
                }
                let is_new = !new.is_empty();
                self.record_keys.extend(new);
                is_new
            }
            Role::Witness => replaced(&mut self.witness_key, &from.witness_key),
            Role::Mirror => replaced(&mut self.mirror_key, &from.mirror_key),
            Role::Answer => replaced(&mut self.answer_keys, &from.answer_keys),
            Role::Tls => {
                let before = self.tls_keys.len();
                let held = self.tls_keys.clone();
                let new = from.tls_keys.iter().filter(|key| !held.contains(key));
                self.tls_keys.extend(new.cloned());
                if !self.tls_ca.contains(from.tls_ca.trim()) {
                    self.tls_ca = format!("{}\n{}", self.tls_ca.trim_end(), from.tls_ca);
                }
                self.tls_keys.len() > before
            }
        };
        if is_new {
            Ok(())
        } else {
            Err(EditError::NothingNew(self.region.clone()))
        }
    }
}

impl RecordKey {
    fn id_is(&self, named: &str) -> bool {
        let bytes = BASE64_STANDARD.decode(&self.public_key);
        bytes.is_ok_and(|bytes| key_id(&self.alg, &bytes).to_hex() == named)
    }
}

/// Ends a window, if an end is asked for.
fn end(until: &mut Option<u64>, at: Option<u64>) {
    if let Some(at) = at {
        close(until, at);
    }
}

/// Ends a window, unless it ends before that.
fn close(until: &mut Option<u64>, at: u64) {
    *until = Some(until.map_or(at, |held| held.min(at)));
}

fn begin(from: &mut u64, at: u64) {
    *from = (*from).max(at);
}

/// Whether it was another one.
fn replaced<T: Clone + PartialEq>(held: &mut T, new: &T) -> bool {
    let differs = held != new;
    new.clone_into(held);
    differs
}

/// The keys held, and those of the new ones that are not among them.
fn joined<T>(mut held: Vec<T>, new: Vec<T>, same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    for key in new {
        if !held.iter().any(|held| same(held, &key)) {
            held.push(key);
        }
    }
    held
}
