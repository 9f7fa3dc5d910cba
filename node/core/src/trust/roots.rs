//! The root keys that somebody trusts to begin with: a small text file.

use std::{collections::BTreeSet, str::FromStr};

use crate::note::{Note, NoteVerifyError, VerifierKey};

use super::{RootRole, TrustError};

/// Root keys and how many of them must have signed.
#[derive(Clone, Debug)]
pub struct RootKeys {
    threshold: usize,
    keys: Vec<VerifierKey>,
}

impl RootKeys {
    /// The root role of a list.
    ///
    /// # Errors
    /// `Roots` if a key does not parse, if one is given twice, or if the threshold is not
    /// between 1 and their number.
    pub fn new(role: &RootRole) -> Result<Self, TrustError> {
        let keys: Vec<VerifierKey> = role
            .keys
            .iter()
            .map(|key| key.parse().map_err(|_| TrustError::Roots))
            .collect::<Result<_, _>>()?;
        let distinct: BTreeSet<_> = keys.iter().map(|key| key.public_key().to_bytes()).collect();
        if distinct.len() != keys.len() || role.threshold < 1 || role.threshold > keys.len() {
            return Err(TrustError::Roots);
        }
        Ok(Self {
            threshold: role.threshold,
            keys,
        })
    }

    /// Checks that enough of the keys signed a note.
    ///
    /// # Errors
    /// `Threshold` if fewer did, `Signature` if one of the signatures is bad.
    pub(super) fn check(&self, note: &Note) -> Result<(), TrustError> {
        let have = match note.verify(&self.keys) {
            Ok(signers) => signers
                .iter()
                .map(|key| key.public_key().to_bytes())
                .collect::<BTreeSet<_>>()
                .len(),
            Err(NoteVerifyError::NoKnownSignature) => 0,
            Err(_) => return Err(TrustError::Signature),
        };
        if have < self.threshold {
            return Err(TrustError::Threshold {
                have,
                need: self.threshold,
            });
        }
        Ok(())
    }

    /// As a text file: what `--trust ROOTS` reads.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Huren 信任根公钥 / root keys of the trust list. Obtain this file by hand, not from a node.\n\
             threshold {}\n",
            self.threshold
        );
        for key in &self.keys {
            text += &format!("root {key}\n");
        }
        text
    }
}

impl FromStr for RootKeys {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        let mut role = RootRole {
            threshold: 0,
            keys: Vec::new(),
        };
        for line in text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            match line.split_once(' ') {
                Some(("threshold", number)) if role.threshold == 0 => {
                    role.threshold = number.trim().parse().map_err(|_| TrustError::Roots)?;
                }
                Some(("root", key)) => role.keys.push(key.trim().to_owned()),
                _ => return Err(TrustError::Roots),
            }
        }
        Self::new(&role)
    }
}
