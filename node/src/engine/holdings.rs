//! What else a holder has: found by the tag of the identity document, of which neither name nor
//! number crosses a border.

use huren_core::{
    disclosure::{self, Group},
    merkle::Hash,
    verdict::{self, LogView, Question, Verdict},
};
use huren_proto::v1;
use huren_store::Tag;

use super::{Engine, VerifyError};

/// What two certificates have in common that are the same to who pays for one.
const SAME: [&str; 3] = ["occupation_edition", "occupation_code", "level"];

/// Another certificate of a holder, of the same occupation and level.
pub(super) struct Holding {
    /// Its leaf hash.
    pub(super) leaf: Hash,
    /// Whether it is in force on the day asked about, and of the same track.
    pub(super) is_in_force: bool,
}

impl Engine {
    /// The other certificates of the same occupation and level that the holder of that document
    /// has in any log held, whatever became of them.
    pub(super) async fn other_holdings(
        &self,
        answer: &v1::VerifyResponse,
        asked: &v1::VerifyRequest,
    ) -> Result<Vec<Holding>, VerifyError> {
        if asked.holder_id.is_empty() || answer.certificate.is_empty() {
            return Ok(Vec::new());
        }
        let question = self.question(asked)?;
        // Before the look-up, which is of no older state.
        let entries = self.book.entries();
        let mut found = Vec::new();
        for id in &question.holder_id {
            if let Some(tag) = disclosure::holder_tag(&self.keys.holder, id) {
                found.extend(self.answers.find_by_holder(&Tag(tag)).await?);
            }
        }
        let logs: Vec<LogView> = entries.iter().map(|entry| entry.view.clone()).collect();
        let (candidates, _) = self.opened(found, &logs).await?;
        let own = |name: &str| {
            let mut fields = answer.certificate.iter();
            fields
                .find(|field| field.name == name)
                .map(|field| field.value.as_str())
        };
        let mut others = Vec::new();
        for candidate in candidates {
            if (candidate.origin.as_str(), candidate.index)
                == (answer.origin.as_str(), answer.index)
            {
                continue;
            }
            let certificate = candidate
                .openings
                .iter()
                .find(|o| o.group == Group::Certificate);
            let number = certificate.and_then(|o| o.values.as_ref()?.get("number"));
            let (Some(number), Some(leaf)) = (number.map(str::to_owned), candidate.leaf) else {
                continue;
            };
            let about = Question {
                number,
                holder_name: None,
                ..question.clone()
            };
            let judged = verdict::decide(&about, &logs, &[candidate]);
            let is_same = |name: &&str| judged.certificate.get(name) == own(name);
            if SAME.iter().all(&is_same) {
                others.push(Holding {
                    leaf,
                    is_in_force: judged.verdict == Verdict::Valid && is_same(&"track"),
                });
            }
        }
        Ok(others)
    }
}
