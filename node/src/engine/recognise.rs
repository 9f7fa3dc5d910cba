//! Recognition: the verdict, what the registers hold, and the decision of the core.

use std::collections::BTreeMap;

use huren_core::{
    codes::{IdNumber, Region},
    reason::Reason,
    recognition::{Case, Decision, Effect, Outcome, Registers, Rules, Statement, decide},
    verdict::{self, Verdict},
};
use huren_proto::v1;
use huren_store::Error as StoreError;

use super::{
    Engine, VerifyError,
    verify::{rfc3339, verdict_of},
};

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
        let (client_ref, purpose) = (question.client_ref, purpose(question.purpose));
        let answer = self.verify(question.clone()).await?;
        let case = Case {
            id_fails: fails(&question.holder_id),
            other_holdings: self.other_holdings(&answer, &question).await?,
            ..self
                .case(&answer, (asking, purpose), &question.number)
                .await?
        };
        let evidence = self.shelf.library(&self.book).await?.relevant(&case);
        let rules = Rules::built_in();
        let decision = decide(&case, &Registers::read(&case, &evidence), rules);
        let mut response = response(client_ref, &decision);
        if wants_file {
            let statement = Statement {
                decided_by: self.region.to_string(),
                time: rfc3339(self.clock.now()),
                case,
                evidence,
                effects: BTreeMap::new(),
                decision,
            };
            response.decision = self.sign_decision(&statement).unwrap_or_default();
        }
        response.answer = Some(answer);
        Ok(response)
    }

    /// `None` without a key that the trust list names: nobody could check it.
    fn sign_decision(&self, statement: &Statement) -> Option<Vec<u8>> {
        let (signing, chain) = (self.signing(), self.trust());
        let signer = signing.answer(&chain, &self.origin)?;
        statement.sign(signer).map(String::into_bytes)
    }

    /// What is to be decided about, out of the answer about the certificate alone.
    async fn case(
        &self,
        answer: &v1::VerifyResponse,
        (asking, purpose): (Region, String),
        number: &str,
    ) -> Result<Case, StoreError> {
        let entries = self.book.entries();
        let found = entries
            .iter()
            .find(|entry| entry.state.origin.as_str() == answer.origin);
        // Without a record its number may say at least whose it would be.
        let home = match found {
            Some(entry) => Some(entry.view.region),
            None => verdict::home_province(&huren_core::normalise::number(number)),
        };
        let home_log = entries.iter().find(|entry| Some(entry.view.region) == home);
        let leaf = match found {
            Some(entry) => self.reader.leaf(&entry.state.origin, answer.index).await?,
            None => None,
        };
        let reasons = answer.reasons.iter();
        let date = answer.as_of_date;
        let certificate = answer.certificate.iter();
        Ok(Case {
            asking: asking.to_string(),
            asking_log: self.origin.to_string(),
            purpose,
            as_of: format!(
                "{:04}-{:02}-{:02}",
                date / 10_000,
                date / 100 % 100,
                date % 100
            ),
            home: home.map(|home| home.to_string()).unwrap_or_default(),
            home_log: home_log
                .map(|log| log.state.origin.to_string())
                .unwrap_or_default(),
            verdict: verdict_of(answer.verdict()).unwrap_or(Verdict::Unknown),
            reasons: reasons
                .filter_map(|reason| Reason::from_code(&reason.code))
                .collect(),
            leaf: leaf
                .map(|leaf| huren_core::merkle::leaf_hash(&leaf).to_hex())
                .unwrap_or_default(),
            certificate: certificate
                .map(|field| (field.name.clone(), field.value.clone()))
                .collect(),
            activity_region: answer.activity_region.clone(),
            id_fails: false,
            other_holdings: 0,
        })
    }
}

/// Whether a text has the form of a resident ID number and fails its own check.
fn fails(id: &str) -> bool {
    let id = huren_core::normalise::number(id);
    let has_form = id.len() == 18 && id[..17].bytes().all(|byte| byte.is_ascii_digit());
    has_form && IdNumber::parse(&id).is_err()
}

/// The name of a purpose, as decisions have it.
fn purpose(number: i32) -> String {
    let purpose = v1::Purpose::try_from(number).unwrap_or_default();
    let name = purpose.as_str_name().trim_start_matches("PURPOSE_");
    name.to_lowercase()
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
        decision: Vec::new(),
    }
}
