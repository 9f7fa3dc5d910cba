//! What else a holder has: found by the tag of the identity document, of which neither name nor
//! number crosses a border.

use huren_core::{
    disclosure::{self, Group},
    verdict::{self, LogView, Question, Verdict},
};
use huren_proto::v1;
use huren_store::Tag;

use super::{Engine, VerifyError};

/// What two certificates have in common that are the same to who pays for one.
const SAME: [&str; 4] = ["track", "occupation_edition", "occupation_code", "level"];

impl Engine {
    /// How many other certificates of the same occupation and level the holder of that document
    /// has, in force on that day, in any log held.
    pub(super) async fn other_holdings(
        &self,
        answer: &v1::VerifyResponse,
        asked: &v1::VerifyRequest,
    ) -> Result<u32, VerifyError> {
        let question = self.question(asked)?;
        if question.holder_id.is_empty() || answer.certificate.is_empty() {
            return Ok(0);
        }
        let mut found = Vec::new();
        for id in &question.holder_id {
            if let Some(tag) = disclosure::holder_tag(&self.keys.holder, id) {
                found.extend(self.store.find_by_holder(&Tag(tag)).await?);
            }
        }
        let entries = self.book.entries();
        let logs: Vec<LogView> = entries.iter().map(|entry| entry.view.clone()).collect();
        let (candidates, _) = self.opened(found, &logs).await?;
        let own = |name: &str| {
            let mut fields = answer.certificate.iter();
            fields
                .find(|field| field.name == name)
                .map(|field| field.value.as_str())
        };
        let mut others = 0;
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
            let Some(number) = number.map(str::to_owned) else {
                continue;
            };
            let about = Question {
                number,
                holder_name: None,
                ..question.clone()
            };
            let judged = verdict::decide(&about, &logs, &[candidate]);
            let is_same = SAME
                .iter()
                .all(|name| judged.certificate.get(name) == own(name));
            others += u32::from(judged.verdict == Verdict::Valid && is_same);
        }
        Ok(others)
    }
}
