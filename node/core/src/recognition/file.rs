//! The file of a decision: all that it rests on, so that anybody decides again from it.

use serde::{Deserialize, Serialize};

use super::{Case, Decision, Evidence, Registers, Rules, decide};
use crate::note::{Note, NoteSigner};

/// A decision as a node gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Province of the node.
    pub decided_by: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// What was asked.
    pub case: Case,
    /// What the registers held that bears on it.
    pub evidence: Vec<Evidence>,
    /// What was decided.
    pub decision: Decision,
}

/// Why the file of a decision says nothing.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// It is no such file.
    #[error("this is not the file of a decision")]
    Form,
    /// It was decided by a table of rules that this program does not have.
    #[error("it was decided by version {0} of the rules, which this program does not have")]
    Rules(String),
    /// What it rests on gives another decision.
    #[error("deciding again from what it rests on gives another decision")]
    Other(Box<Decision>),
}

impl DecisionError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form => "DECISION_MALFORMED",
            Self::Rules(_) => "DECISION_RULES",
            Self::Other(_) => "DECISION_OTHER",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Form => "这不是互认决定文件。",
            Self::Rules(_) => "作出决定所用的规则版本，本程序没有。",
            Self::Other(_) => "由文件所载依据重新判定，结论不同。",
        }
    }
}

impl Statement {
    /// The first line of the signed text.
    pub const HEADER: &str = "huren/decision/v1";

    /// Signs it and gives the note. `None` if a value cannot be written, which these types rule
    /// out.
    pub fn sign(&self, signer: &NoteSigner) -> Option<String> {
        let json = serde_json::to_string_pretty(self).ok()?;
        let mut note = Note::new(format!("{}\n{json}\n", Self::HEADER)).ok()?;
        note.add(signer.sign(note.text())).ok()?;
        Some(note.to_string())
    }

    /// Reads a note and what it states. Whose signature it has is for the caller to judge.
    ///
    /// # Errors
    /// [`DecisionError::Form`].
    pub fn read(note: &str) -> Result<(Note, Self), DecisionError> {
        let note = Note::parse(note.as_bytes()).map_err(|_| DecisionError::Form)?;
        let text = note.text().strip_prefix(Self::HEADER);
        let text = text.and_then(|text| text.strip_prefix('\n'));
        let statement = text.and_then(|json| serde_json::from_str(json).ok());
        let statement = statement.ok_or(DecisionError::Form)?;
        Ok((note, statement))
    }

    /// Decides again from what it rests on.
    ///
    /// # Errors
    /// [`DecisionError`] if that gives another decision, or cannot be done.
    pub fn replay(&self) -> Result<(), DecisionError> {
        let version = &self.decision.rules;
        let rules = Rules::of_version(version);
        let rules = rules.ok_or_else(|| DecisionError::Rules(version.clone()))?;
        let registers = Registers::read(&self.case, &self.evidence);
        let again = decide(&self.case, &registers, rules);
        if again == self.decision {
            Ok(())
        } else {
            Err(DecisionError::Other(Box::new(again)))
        }
    }
}
