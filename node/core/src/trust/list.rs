//! The content of a trust list.

use huren_proto::v1::Kind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Origin,
    codes::Region,
    note::VerifierKey,
    policy::{Policy, PolicyParseError},
};

/// One version of the trust list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustList {
    /// Counts from 1 without gaps.
    pub version: u64,
    /// SHA-256 of the previous list's text in hexadecimal; empty in version 1.
    pub previous: String,
    /// When it was made.
    pub issued: Timestamp,
    /// When it expires. Nodes go on answering after that, and say so.
    pub expires: Timestamp,
    /// Who may sign the next version.
    pub root: RootRole,
    /// How many of a log's other members must have cosigned: 2 of 3 by default.
    pub quorum: usize,
    /// The members, ascending by region.
    pub members: Vec<Member>,
    /// Those that have left, ascending by origin: the keys of their logs stay, all of them
    /// closed, so that what they wrote stays verifiable. They may do nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_members: Vec<Member>,
}

/// The root keys and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRole {
    /// At least 1, at most the number of keys.
    pub threshold: usize,
    /// Verifier keys (C2SP signed-note, Ed25519).
    pub keys: Vec<String>,
}

/// A province in the federation. Each of its roles has a key of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Province code, for instance "33".
    pub region: String,
    /// Its name.
    pub name: String,
    /// Origin of its log.
    pub origin: String,
    /// Where its node answers gRPC: `https://host:port`.
    pub grpc: String,
    /// Where its node answers HTTP.
    pub http: String,
    /// Keys that sign its checkpoints.
    pub log_keys: Vec<LogKey>,
    /// Key that cosigns as a witness (signed-note type 0x04).
    pub witness_key: String,
    /// Key that cosigns as a mirror (signed-note type 0x04).
    pub mirror_key: String,
    /// Keys that sign its answers (signed-note type 0x01).
    pub answer_keys: Vec<String>,
    /// Keys that sign its records. Never removed: a window is closed instead.
    pub record_keys: Vec<RecordKey>,
    /// SHA-256 of the public keys (SubjectPublicKeyInfo) of its TLS certificates, hexadecimal.
    pub tls_keys: Vec<String>,
    /// Certificate authority of its TLS certificates, PEM.
    pub tls_ca: String,
}

/// A checkpoint key and the log sizes that it may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    /// Verifier key; its name is the origin.
    pub key: String,
    /// First index of a log that it signs.
    #[serde(default)]
    pub from_index: u64,
    /// Index from which on it is not valid any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_index: Option<u64>,
}

/// A record key and what it may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordKey {
    /// Algorithm, for instance "ed25519".
    pub alg: String,
    /// Public key, base64.
    pub public_key: String,
    /// Names of the kinds that it may sign, or "*" for all.
    pub kinds: Vec<String>,
    /// Regions on whose behalf it may write.
    pub regions: Vec<String>,
    /// First index at which it is valid.
    #[serde(default)]
    pub from_index: u64,
    /// Index from which on it is not valid any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_index: Option<u64>,
}

/// A half-open range of indexes of a log in which a key is valid. Place, not time: clocks
/// can be wrong, and places in a log cannot be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyWindow {
    /// First index.
    pub from_index: u64,
    /// Behind the last index; open if missing.
    pub until_index: Option<u64>,
}

impl KeyWindow {
    /// Whether an index lies in it.
    pub fn contains(&self, index: u64) -> bool {
        index >= self.from_index && self.until_index.is_none_or(|until| index < until)
    }
}

impl LogKey {
    /// Where in the log it holds.
    pub fn window(&self) -> KeyWindow {
        KeyWindow {
            from_index: self.from_index,
            until_index: self.until_index,
        }
    }
}

impl KeyWindow {
    /// Whether this window lies within another one, as a later list's must.
    pub fn is_within(&self, earlier: &Self) -> bool {
        let ends = match (earlier.until_index, self.until_index) {
            (Some(earlier), Some(until)) => until <= earlier,
            (Some(_), None) => false,
            (None, _) => true,
        };
        ends && self.from_index >= earlier.from_index
    }
}

impl TrustList {
    /// The first line of a list's text.
    pub const HEADER: &str = "huren/trust-list/v1";

    /// The text that root keys sign.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which these types rule out.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(format!(
            "{}\n{}\n",
            Self::HEADER,
            serde_json::to_string_pretty(self)?
        ))
    }

    /// The member of a province.
    pub fn member(&self, region: &Region) -> Option<&Member> {
        let region = region.province().to_string();
        self.members.iter().find(|member| member.region == region)
    }

    /// The member of a log, as long as it is one.
    pub fn member_of(&self, origin: &Origin) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.origin == origin.as_str())
    }

    /// Whose log it is, though its member may have left: for judging what stands in it.
    pub fn log_of(&self, origin: &Origin) -> Option<&Member> {
        self.logs().find(|member| member.origin == origin.as_str())
    }

    /// The members of all logs, those that have left behind the others.
    pub fn logs(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().chain(&self.former_members)
    }

    /// The tlog-policy of a log: its keys, and the quorum over the other members, each of
    /// which counts once whether it cosigned as witness, as mirror or as both.
    ///
    /// # Errors
    /// If the log is of no member or the policy would be contradictory.
    pub fn policy(&self, origin: &Origin) -> Result<Policy, PolicyParseError> {
        let mut text = String::new();
        if let Some(member) = self.log_of(origin) {
            for key in &member.log_keys {
                text += &format!("log {}\n", key.key);
            }
        }
        let mut groups = Vec::new();
        for Member {
            region,
            witness_key,
            mirror_key,
            ..
        } in self.members.iter().filter(|m| m.origin != origin.as_str())
        {
            text += &format!("witness witness-{region} {witness_key}\n");
            text += &format!("witness mirror-{region} {mirror_key}\n");
            text += &format!("group member-{region} any witness-{region} mirror-{region}\n");
            groups.push(format!("member-{region}"));
        }
        if groups.is_empty() || self.quorum == 0 {
            text += "quorum none\n";
        } else {
            text += &format!(
                "group members {} {}\nquorum members\n",
                self.quorum,
                groups.join(" ")
            );
        }
        Policy::parse(text.as_bytes())
    }
}

impl Member {
    /// Its province.
    pub fn province(&self) -> Option<Region> {
        Region::parse(&self.region).ok()
    }

    /// The keys that may sign a checkpoint of that size.
    pub fn log_keys_at(&self, size: u64) -> Vec<VerifierKey> {
        self.log_keys
            .iter()
            .filter(|key| size == 0 || key.window().contains(size - 1))
            .filter_map(|key| key.key.parse().ok())
            .collect()
    }
}

impl RecordKey {
    /// Where in the log it holds.
    pub fn window(&self) -> KeyWindow {
        KeyWindow {
            from_index: self.from_index,
            until_index: self.until_index,
        }
    }

    /// Whether it is the same key, whatever it may sign.
    pub fn is_same_key(&self, other: &Self) -> bool {
        (&self.alg, &self.public_key) == (&other.alg, &other.public_key)
    }

    /// Whether it may sign records of a kind, given by number.
    pub fn signs_kind(&self, kind: i32) -> bool {
        let name = kind_name(kind);
        self.kinds.iter().any(|k| k == "*" || *k == name)
    }

    /// Whether it may write on behalf of a region.
    pub fn writes_for(&self, region: &Region) -> bool {
        self.regions
            .iter()
            .any(|r| Region::parse(r).is_ok_and(|own| own.contains(region)))
    }
}

/// The name of a kind in trust lists and configurations: as in `huren.v1.Kind`, in lower
/// case without the prefix; the bare number for a kind that this program does not know.
pub fn kind_name(kind: i32) -> String {
    match Kind::try_from(kind) {
        Ok(kind) => kind
            .as_str_name()
            .trim_start_matches("KIND_")
            .to_lowercase(),
        Err(_) => kind.to_string(),
    }
}
