//! What a backup says of itself, in clear: a signed note whose text is a header and JSON. It
//! tells sizes and counts and nothing about persons.

use std::collections::BTreeMap;

use huren_core::{
    note::{Note, NoteSigner, VerifierKey},
    trust::TrustChain,
};
use serde::{Deserialize, Serialize};

use super::seal::Fingerprint;

/// Before the number of the format, in the first line.
const FORMAT: &str = "huren/backup/v";

/// The format of this program.
const VERSION: u64 = 1;

/// What a backup is of, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the program that made it.
    pub program: String,
    /// Version of the database schema.
    pub schema: u64,
    /// Province of the node.
    pub region: String,
    /// Origin of its log.
    pub origin: String,
    /// When it was made, RFC 3339.
    pub time: String,
    /// Every log in it.
    pub logs: Vec<LogSize>,
    /// Logs, register and trust lists.
    pub public: Part,
    /// Disclosures and submission tags.
    pub personal: Part,
}

/// How far a log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSize {
    /// The log.
    pub origin: String,
    /// Its leaves.
    pub size: u64,
    /// Its root, hexadecimal.
    pub root: String,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Rows of each table that has any.
    pub rows: BTreeMap<String, u64>,
}

impl Part {
    pub(super) fn new(file: &str, found: Fingerprint, rows: BTreeMap<String, u64>) -> Self {
        let Fingerprint { bytes, sha256 } = found;
        Self {
            file: file.to_owned(),
            bytes,
            sha256,
            rows,
        }
    }

    pub(super) fn is(&self, found: &Fingerprint) -> bool {
        (self.bytes, &self.sha256) == (found.bytes, &found.sha256)
    }
}

/// A manifest whose signature is not checked yet: the trust lists that say whose it is may be
/// in the backup itself.
pub(super) struct UnverifiedManifest {
    manifest: Manifest,
    note: Note,
}

/// Why bytes are no manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAManifest {
    /// Of a format that came after this program.
    Newer,
    /// Anything else.
    Malformed,
}

impl Manifest {
    /// Signs with a node's answer key. `None` if a value cannot be written, which these types
    /// rule out.
    pub(super) fn sign(&self, signer: &NoteSigner) -> Option<String> {
        let json = serde_json::to_string_pretty(self).ok()?;
        let mut note = Note::new(format!("{FORMAT}{VERSION}\n{json}\n")).ok()?;
        note.add(signer.sign(note.text())).ok()?;
        Some(note.to_string())
    }
}

impl UnverifiedManifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotAManifest> {
        // The first line comes first: what follows it belongs to its format.
        let text = std::str::from_utf8(bytes).map_err(|_| NotAManifest::Malformed)?;
        let first = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(FORMAT));
        let version: u64 = first
            .and_then(|number| number.parse().ok())
            .ok_or(NotAManifest::Malformed)?;
        if version > VERSION {
            return Err(NotAManifest::Newer);
        }
        let note = Note::parse(bytes).map_err(|_| NotAManifest::Malformed)?;
        let json = note.text().split_once('\n').map(|(_, json)| json);
        let manifest = serde_json::from_str(json.unwrap_or_default());
        Ok(Self {
            manifest: manifest.map_err(|_| NotAManifest::Malformed)?,
            note,
        })
    }

    /// What it says, to be found wrong early.
    pub(super) const fn claims(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest, if the node's present answer key signed it, or one that its province ever had
    /// by the trust lists. `None` otherwise.
    pub(super) fn verify(self, present: &VerifierKey, chain: &TrustChain) -> Option<Manifest> {
        let members = chain.lists().iter().flat_map(|list| &list.list.members);
        let own = members.filter(|member| member.origin == self.manifest.origin);
        let mut keys: Vec<VerifierKey> = own
            .flat_map(|member| &member.answer_keys)
            .filter_map(|key| key.parse().ok())
            .chain([present.clone()])
            .collect();
        keys.sort_by_key(ToString::to_string);
        keys.dedup();
        self.note.verify(&keys).is_ok().then_some(self.manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let part = |name: &str| Part {
            file: name.into(),
            bytes: 1,
            sha256: "00".into(),
            rows: BTreeMap::new(),
        };
        Manifest {
            program: "0.1.0".into(),
            schema: 1,
            region: "33".into(),
            origin: "huren.test/log/33".into(),
            time: "2027-01-15T08:00:00Z".into(),
            logs: Vec::new(),
            public: part("public.age"),
            personal: part("personal.age"),
        }
    }

    fn signed() -> String {
        let name = "huren.test/log/33/answer".parse().unwrap();
        let signer = NoteSigner::from_seed(name, &[1; 32]);
        manifest().sign(&signer).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let read = UnverifiedManifest::parse(signed().as_bytes()).ok().unwrap();
        assert_eq!(*read.claims(), manifest());
    }

    #[test]
    fn other_texts_are_refused() {
        let text = signed();
        let check = |text: String, expected| {
            let refused = UnverifiedManifest::parse(text.as_bytes()).err();
            assert_eq!(refused, Some(expected), "{text}");
        };
        check(text.replacen("/v1", "/v2", 1), NotAManifest::Newer);
        check("huren/backup/v2\nanything".into(), NotAManifest::Newer);
        check(text.replacen("/v1", "/v0x", 1), NotAManifest::Malformed);
        check(
            text.replacen("\"schema\"", "\"other\"", 1),
            NotAManifest::Malformed,
        );
        check(text[..text.len() - 2].to_owned(), NotAManifest::Malformed);
        check(String::new(), NotAManifest::Malformed);
    }
}
