//! What a decision on recognition is about: the certificate as it was verified, who asks, and
//! what else is known of its holder.

use huren_core::{
    codes::{Date, IdNumber, Region},
    merkle::Hash,
    normalise,
    reason::Reason,
    recognition::{Case, Evidence},
    registry::claims,
    verdict::{self, Verdict},
};
use huren_proto::v1;
use huren_store::Error as StoreError;

use super::{Engine, VerifyError, holdings::Holding, verify::Answered, wire::verdict_of};

/// Regions that claim for one certificate and are read at most.
const MAX_CLAIMS: u32 = 500;

impl Engine {
    /// The case, and the claims of subsidies that bear on it: there may be millions, so that they
    /// are looked up and not held like other registers.
    pub(super) async fn case(
        &self,
        answered: &Answered,
        asked: &v1::VerifyRequest,
        asking: Region,
    ) -> Result<(Case, Vec<Evidence>), VerifyError> {
        let holdings = self.other_holdings(&answered.response, asked).await?;
        let in_force = holdings.iter().filter(|holding| holding.is_in_force);
        let mut case = Case {
            id_fails: fails(&asked.holder_id),
            other_holdings: u32::try_from(in_force.count()).unwrap_or(u32::MAX),
            ..self.certificate(answered, asked, asking).await?
        };
        let mut claims = Vec::new();
        if case.asks_for_claims() {
            claims = self.claims(&mut case, &holdings).await?;
        }
        Ok((case, claims))
    }

    /// What is to be decided about, out of the answer about the certificate alone.
    async fn certificate(
        &self,
        answered: &Answered,
        asked: &v1::VerifyRequest,
        asking: Region,
    ) -> Result<Case, StoreError> {
        let answer = &answered.response;
        let entries = self.book.entries();
        let found = entries
            .iter()
            .find(|entry| entry.state.origin.as_str() == answer.origin);
        // Without a record its number may say at least whose it would be.
        let home = match found {
            Some(entry) => Some(entry.view.region),
            None => verdict::home_province(&normalise::number(&asked.number)),
        };
        let home_log = entries.iter().find(|entry| Some(entry.view.region) == home);
        let leaf = match (answered.leaf, found) {
            (Some(leaf), _) => Some(leaf),
            // The home member told of it: this one may hold it all the same.
            (None, Some(entry)) if answer.index < entry.state.head.size => {
                let origin = &entry.state.origin;
                Some(self.proofs.leaf_hash(origin, answer.index).await?)
            }
            (None, _) => None,
        };
        let reasons = answer.reasons.iter();
        let certificate = answer.certificate.iter();
        Ok(Case {
            asking: asking.to_string(),
            asking_log: self.origin.to_string(),
            purpose: purpose(asked.purpose),
            as_of: Date::from_yyyymmdd(answer.as_of_date)
                .map(|date| date.to_string())
                .unwrap_or_default(),
            home: home.map(|home| home.to_string()).unwrap_or_default(),
            home_log: home_log
                .map(|log| log.state.origin.to_string())
                .unwrap_or_default(),
            verdict: verdict_of(answer.verdict()).unwrap_or(Verdict::Unknown),
            reasons: reasons
                .filter_map(|reason| Reason::from_code(&reason.code))
                .collect(),
            leaf: leaf.map(|leaf| leaf.to_hex()).unwrap_or_default(),
            certificate: certificate
                .map(|field| (field.name.clone(), field.value.clone()))
                .collect(),
            activity_region: answer.activity_region.clone(),
            id_fails: false,
            other_holdings: 0,
            others_claimed: Vec::new(),
        })
    }

    /// Claims for the certificate and for the holder's others; of those the case names the ones
    /// for which there are any.
    async fn claims(
        &self,
        case: &mut Case,
        holdings: &[Holding],
    ) -> Result<Vec<Evidence>, StoreError> {
        let mut found = Vec::new();
        if let Ok(own) = Hash::from_hex(&case.leaf) {
            found = self.claims_for(own).await?;
        }
        for holding in holdings {
            let claims = self.claims_for(holding.leaf).await?;
            if !claims.is_empty() {
                case.others_claimed.push(holding.leaf.to_hex());
                found.extend(claims);
            }
        }
        case.others_claimed.sort_unstable();
        case.others_claimed.dedup();
        found.sort_by(|a, b| (&a.origin, a.index).cmp(&(&b.origin, b.index)));
        found.dedup();
        Ok(found)
    }

    /// Every entry about a claim for a certificate, in any log, as far as it counts here.
    async fn claims_for(&self, leaf: Hash) -> Result<Vec<Evidence>, StoreError> {
        let kind = (v1::Kind::SubsidyClaim as i32).unsigned_abs();
        let prefix = claims::key_prefix(leaf);
        let page = self.answers.directory_page(kind, &prefix, "", MAX_CLAIMS);
        let mut found = Vec::new();
        for (origin, row) in page.await? {
            // What lies beyond the stated size of a log does not count yet.
            let entry = self.book.entry(&origin);
            if entry.is_some_and(|entry| row.index < entry.view.size) {
                found.push(Evidence::of(origin.as_str(), &row));
            }
        }
        Ok(found)
    }
}

/// Whether a text has the form of a resident ID number and fails its own check.
fn fails(id: &str) -> bool {
    let id = normalise::number(id);
    let has_form = id.len() == 18 && id[..17].bytes().all(|byte| byte.is_ascii_digit());
    has_form && IdNumber::parse(&id).is_err()
}

/// The name of a purpose, as decisions have it.
fn purpose(number: i32) -> String {
    let purpose = v1::Purpose::try_from(number).unwrap_or_default();
    let name = purpose.as_str_name().trim_start_matches("PURPOSE_");
    name.to_lowercase()
}
