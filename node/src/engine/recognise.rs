//! Recognition: the verdict, what the registers hold, and the decision of the core.

use huren_core::{
    codes::Region,
    recognition::{Decision, Effect, Outcome, Registers, Rules, Statement, decide},
};
use huren_proto::v1;
use huren_store::Error as StoreError;

use super::{Engine, VerifyError, wire::rfc3339};

/// Why nothing is decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Not a region of this province.
    #[error("the asking region is none of this node's province")]
    AskingRegion,
    /// The question cannot be answered.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl DecideError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AskingRegion => "ASKING_REGION",
            Self::Verify(error) => error.code(),
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::AskingRegion => "询问地区不属于本节点所在省。",
            Self::Verify(error) => error.zh(),
        }
    }
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        Self::Verify(error.into())
    }
}

impl Engine {
    /// Decides whether a region of this province recognises a certificate.
    ///
    /// # Errors
    /// [`DecideError`].
    #[tracing::instrument(level = "trace", skip_all)]
    pub async fn decide(
        &self,
        asked: v1::DecideRequest,
    ) -> Result<v1::DecideResponse, DecideError> {
        let asking = match asked.asking_region.as_str() {
            "" => self.region,
            code => Region::parse(code).map_err(|_| DecideError::AskingRegion)?,
        };
        if !self.region.contains(&asking) {
            return Err(DecideError::AskingRegion);
        }
        let question = asked.question.unwrap_or_default();
        let wants_file = question.want_receipt;
        let client_ref = question.client_ref;
        let answered = self.answered(&question).await?;
        let (case, claims) = self.case(&answered, &question, asking).await?;
        let mut evidence = self.shelf.library(&self.book).await?.relevant(&case);
        evidence.extend(claims);
        let rules = Rules::built_in();
        let decision = decide(&case, &Registers::read(&case, &evidence), rules);
        let mut response = response(client_ref, &decision);
        if wants_file {
            let statement = Statement {
                decided_by: self.region.to_string(),
                time: rfc3339(self.clock.now()),
                case,
                evidence,
                decision,
            };
            response.decision = self.sign_decision(&statement).unwrap_or_default();
        }
        response.answer = Some(answered.response);
        Ok(response)
    }

    /// `None` without a key that the trust list names: nobody could check it.
    fn sign_decision(&self, statement: &Statement) -> Option<Vec<u8>> {
        let (signing, chain) = (self.signing(), self.trust());
        let signer = signing.answer(&chain, &self.origin)?;
        statement.sign(signer).map(String::into_bytes)
    }
}

fn response(client_ref: u64, decision: &Decision) -> v1::DecideResponse {
    let outcome = match decision.outcome {
        Outcome::Recognized => v1::RecognitionOutcome::Recognized,
        Outcome::RecognizedWithConditions => v1::RecognitionOutcome::RecognizedWithConditions,
        Outcome::NotRecognized => v1::RecognitionOutcome::NotRecognized,
        Outcome::Undetermined => v1::RecognitionOutcome::Undetermined,
    };
    let findings = decision
        .findings
        .iter()
        .map(|finding| v1::RecognitionFinding {
            reason: Some(v1::Reason {
                code: finding.rule.code().to_owned(),
                zh: finding.zh.clone(),
                en: finding.en.clone(),
            }),
            effect: match finding.effect {
                Effect::None => v1::FindingEffect::None,
                Effect::Condition => v1::FindingEffect::Condition,
                Effect::Undetermined => v1::FindingEffect::Undetermined,
                Effect::Not => v1::FindingEffect::Not,
            }
            .into(),
            basis: finding.basis.clone(),
            about: finding.about.clone(),
        });
    v1::DecideResponse {
        client_ref,
        answer: None,
        outcome: outcome.into(),
        level: decision.level.unwrap_or_default().into(),
        agreement: decision.agreement.clone().unwrap_or_default(),
        findings: findings.collect(),
        rules: decision.rules.clone(),
        rules_entry: decision.rules_entry,
        digest: decision.digest().0.to_vec(),
        decision: Vec::new(),
    }
}
