//! What departments do with certificates: recognise, pay subsidies, count, and watch over
//! institutions.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result, ensure};
use huren_core::{codes::Region, merkle::Hash, recognition::Statement};
use huren_proto::v1::{
    self, monitoring_service_client::MonitoringServiceClient,
    recognition_service_client::RecognitionServiceClient,
    statistics_service_client::StatisticsServiceClient,
};
use serde_json::{Value, json};
use tonic::Request;

use super::{NOW, REGIONS, Sample, Samples, Story, huren, sample_where};
use crate::{
    generate::{REGISTER_FILES, REGISTERS_FROM},
    local::wait_for,
};

/// Day of what the demo enters itself.
const TODAY: u32 = 20_260_601;

impl Story<'_> {
    /// What decisions rest on. Jiangsu has not come to it yet.
    async fn registers(&self) -> Result<()> {
        for region in REGIONS.into_iter().filter(|of| *of != Region::JIANGSU) {
            let import = format!("import --region {region} --dir . institutions.csv");
            huren(&self.cast.node(region).dir, &import).await?;
            for kind in REGISTER_FILES {
                let file = format!("registers/{kind}.json");
                self.enter(region, kind, REGISTERS_FROM, &file).await?;
            }
        }
        for of in REGIONS {
            self.everywhere(of).await?;
        }
        Ok(())
    }

    /// Enters a file of a register.
    async fn enter(&self, at: Region, kind: &str, effective: u32, file: &str) -> Result<()> {
        let line = format!(
            "registry submit --kind {kind} --region {at} --effective {effective} --dir . {file}"
        );
        huren(&self.cast.node(at).dir, &line).await?;
        Ok(())
    }

    /// Waits until every node has all of a log.
    async fn everywhere(&self, of: Region) -> Result<()> {
        let size = self.cast.log_at(of, of).await?.held_size;
        for at in REGIONS {
            self.arrived(at, of, size).await?;
        }
        Ok(())
    }

    async fn decide(
        &self,
        at: Region,
        sample: &Sample,
        purpose: v1::Purpose,
    ) -> Result<v1::DecideResponse> {
        let mut client = RecognitionServiceClient::new(self.cast.channel(at)?);
        let question = v1::VerifyRequest {
            number: sample.number.clone(),
            holder_name: sample.name.clone(),
            want_receipt: true,
            purpose: purpose.into(),
            ..Default::default()
        };
        let asked = v1::DecideRequest {
            question: Some(question),
            asking_region: String::new(),
        };
        Ok(client.decide(asked).await?.into_inner())
    }

    /// Shanghai recognises one certificate, another with a condition, refuses a third, and cannot
    /// tell of a fourth; each decision is decided again from its file.
    pub(super) async fn recognise(&mut self, samples: &Samples) -> Result<Sample> {
        self.registers().await?;
        let table = self.csv(Region::ZHEJIANG, NOW);
        let of_kind = |letter: char| {
            sample_where(&table, 0, |number| {
                number.len() == 22 && number.starts_with(letter)
            })
        };
        let conditional = v1::RecognitionOutcome::RecognizedWithConditions;
        let recognised = of_kind('S')?;
        let cases = [
            (recognised.clone(), v1::RecognitionOutcome::Recognized),
            // Certified by an employer, for its own staff.
            (of_kind('Y')?, conditional),
            (samples[3].clone(), v1::RecognitionOutcome::NotRecognized),
            (samples[1].clone(), v1::RecognitionOutcome::Undetermined),
        ];
        let mut why = Vec::new();
        for (sample, expected) in cases {
            let purpose = v1::Purpose::Employment;
            let decided = self.decide(Region::SHANGHAI, &sample, purpose).await?;
            let codes = codes(&decided);
            ensure!(
                decided.outcome() == expected,
                "decision: {:?} {codes:?}, expected {expected:?}",
                decided.outcome()
            );
            let file = String::from_utf8(decided.decision.clone())?;
            let (_, statement) = Statement::read(&file)?;
            statement.replay()?;
            why.push(if codes.is_empty() {
                "—".to_owned()
            } else {
                codes.join("+")
            });
            fs::write(self.cast.folder.join("decision.note"), &file)?;
        }
        self.done("recognise", format!(
            "上海互认决定：予以、有条件、不予、无法判定各一，均可重放 / recognised, with a condition, \
             refused and undetermined at Shanghai, each decided again from its file: {}",
            why.join(", ")
        ))?;
        Ok(recognised)
    }

    /// Zhejiang pays a subsidy for a certificate; who is asked for one in Shanghai is told.
    pub(super) async fn claim(&mut self, sample: &Sample) -> Result<()> {
        let subsidy = v1::Purpose::Subsidy;
        let before = self.decide(Region::SHANGHAI, sample, subsidy).await?;
        ensure!(!codes(&before).contains(&DUPLICATE), "claimed before");
        let file = String::from_utf8(before.decision)?;
        let (_, statement) = Statement::read(&file)?;
        let leaf = Hash::from_hex(&statement.case.leaf)?;
        let claim = json!({
            "origin": statement.case.home_log, "certificate": leaf.to_base64(), "region": "33",
            "claimed_on": TODAY, "state": "CLAIM_STATE_PAID",
            "document_number": "虚构 invented",
        });
        self.enter_one(Region::ZHEJIANG, "subsidy_claim", &claim)
            .await?;
        self.everywhere(Region::ZHEJIANG).await?;
        let after = self.decide(Region::SHANGHAI, sample, subsidy).await?;
        ensure!(codes(&after).contains(&DUPLICATE), "{:?}", codes(&after));
        self.done(
            "claim",
            format!(
                "浙江登记已发补贴，上海受理时即知 / a subsidy paid in Zhejiang is known where \
                 another one is claimed in Shanghai: {DUPLICATE}"
            ),
        )
    }

    /// A question of one of a province's statisticians.
    async fn statistician<T>(&self, at: Region, asked: T) -> Result<Request<T>> {
        let token = "token new --dir . --name statistics --roles statistician";
        let token = huren(&self.cast.node(at).dir, token).await?;
        let bearer = format!("Bearer {}", String::from_utf8(token)?.trim());
        let mut request = Request::new(asked);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer.parse()?);
        Ok(request)
    }

    /// Anhui counts what was assessed there, in all four logs: its cities add up to the total.
    pub(super) async fn count(&mut self) -> Result<()> {
        let mut sizes = HashMap::new();
        for of in REGIONS {
            let log = self.cast.log_at(of, of).await?;
            let extent = log.extent.context("an extent")?;
            sizes.insert(extent.origin, log.held_size);
        }
        let asked = v1::GetStatisticsRequest {
            basis: v1::StatisticsBasis::Activity.into(),
            region: Region::ANHUI.to_string(),
            by: vec![v1::StatisticsDimension::City.into()],
            exact: true,
            ..Default::default()
        };
        let mut client = StatisticsServiceClient::new(self.cast.channel(Region::ANHUI)?);
        wait_for("统计 / the count", async || {
            let asked = v1::GetStatisticsRequest {
                exact: false,
                ..asked.clone()
            };
            let table = client.clone().get_statistics(asked).await?;
            Ok((table.into_inner().counted == sizes).then_some(()))
        })
        .await?;
        let asked = self.statistician(Region::ANHUI, asked).await?;
        let table = client.get_statistics(asked).await?.into_inner();
        let total = table.total.context("a total")?;
        let sum: u64 = table.rows.iter().map(|row| row.certificates).sum();
        ensure!(
            sum == total.certificates && (1..=sum).contains(&total.persons),
            "{sum} of {total:?}"
        );
        self.done(
            "count",
            format!(
                "在安徽评价的在用证书 {} 份、{} 人，分布于 {} 个市，各市之和等于合计 / certificates \
                 and persons assessed in Anhui, its cities adding up to the total",
                total.certificates,
                total.persons,
                table.rows.len()
            ),
        )
    }

    /// A session that everybody passed is worth a look, and the alert names its leaf.
    pub(super) async fn monitor(&mut self) -> Result<()> {
        let result = json!({
            "institution": "S000033010006", "region": "33", "year": 2026, "session": 1,
            "occupation_edition": 2022, "occupation": "4-03-02-01", "level": 4,
            "held_on": TODAY, "examined": 120, "passed": 120,
        });
        self.enter_one(Region::ZHEJIANG, "session_result", &result)
            .await?;
        let asked = v1::ListAlertsRequest {
            from_day: TODAY,
            to_day: TODAY,
            institution: "S000033010006".into(),
            ..Default::default()
        };
        let asked = self.statistician(Region::ZHEJIANG, asked).await?;
        let mut client = MonitoringServiceClient::new(self.cast.channel(Region::ZHEJIANG)?);
        let alerts = client.list_alerts(asked).await?.into_inner().alerts;
        let found = alerts.iter().find(|alert| {
            let reason = alert.reason.as_ref();
            reason.is_some_and(|reason| reason.code == "PASS_RATE") && alert.leaf_count == 1
        });
        let leaf = found.and_then(|alert| alert.leaves.first());
        let leaf = leaf.with_context(|| format!("no alert: {alerts:?}"))?;
        self.done(
            "monitor",
            format!(
                "全员合格的场次被提示，并指明依据（第 {} 条） / a session that all 120 passed raises \
                 PASS_RATE, with the leaf that says so",
                leaf.index
            ),
        )
    }

    /// Enters one thing.
    async fn enter_one(&self, at: Region, kind: &str, entry: &Value) -> Result<()> {
        let file = format!("{kind}.json");
        fs::write(self.cast.node(at).dir.join(&file), entry.to_string())?;
        self.enter(at, kind, TODAY, &file).await
    }
}

/// What tells of another claim.
const DUPLICATE: &str = "DUPLICATE_CLAIM";

/// The codes of what a decision found.
fn codes(decided: &v1::DecideResponse) -> Vec<&str> {
    let reasons = decided.findings.iter().filter_map(|f| f.reason.as_ref());
    reasons.map(|reason| reason.code.as_str()).collect()
}
