//! What happens in the demo, step by step, through public interfaces only.

mod departments;

use std::io::{Write as _, stdout};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use huren_core::{codes::Region, receipt, trust::RootKeys, verdict::Verdict};
use huren_proto::v1::{
    self, issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};
use tokio::process::Command;

use crate::{local::wait_for, verify::words};

use super::cast::{Cast, REGIONS, Sample};

/// Every step, in order. The story is told in full only when all of them were done.
const STEPS: [&str; 13] = [
    "import",
    "replicate",
    "verify",
    "wrong-holder",
    "revoke",
    "recognise",
    "claim",
    "count",
    "monitor",
    "kill",
    "relay",
    "return",
    "tamper",
];

/// Tables of each province: certificates of the beginning, and those that come later.
const NOW: &str = "now.csv";
const LATER: &str = "later.csv";

/// Records that Jiangsu issues while Anhui is away.
const LATE: u32 = 300;

/// Tells the whole story.
pub(super) async fn tell(cast: &mut Cast, records: u32, aloud: bool) -> Result<()> {
    let mut story = Story {
        cast,
        aloud,
        receipt: Vec::new(),
    };
    let samples = story.import(records).await?;
    story.replicate().await?;
    story.verify(&samples).await?;
    story.wrong_holder(&samples).await?;
    story.revoke(&samples).await?;
    let recognised = story.recognise(&samples).await?;
    story.claim(&recognised).await?;
    story.count().await?;
    story.monitor().await?;
    let late = story.kill(&samples).await?;
    story.relay(&late).await?;
    story.come_back().await?;
    story.tamper()?;
    let told: BTreeSet<&str> = story.cast.done.iter().map(|(step, _)| *step).collect();
    for step in STEPS {
        ensure!(
            told.contains(step),
            "漏了一步 / a step was left out: {step}"
        );
    }
    story.table().await
}

struct Story<'a> {
    cast: &'a mut Cast,
    aloud: bool,
    /// The Zhejiang certificate's receipt.
    receipt: Vec<u8>,
}

/// One certificate of each province, in the order of [`REGIONS`].
type Samples = [Sample; 4];

impl Story<'_> {
    fn done(&mut self, step: &'static str, note: String) -> Result<()> {
        if self.aloud {
            writeln!(stdout(), "✓ {step:<13} {note}")?;
        }
        self.cast.done.push((step, note));
        Ok(())
    }

    /// Each province imports its own CSV.
    async fn import(&mut self, records: u32) -> Result<Samples> {
        let started = Instant::now();
        let mut samples = Vec::new();
        for region in REGIONS {
            self.generate(region, records).await?;
            samples.push(sample_of(&self.csv(region, NOW), 3)?);
            self.import_file(region, NOW, records).await?;
        }
        let samples: Samples = samples.try_into().ok().context("samples")?;
        self.cast.keep_sample(samples[2].clone())?;
        let seconds = started.elapsed().as_secs_f64();
        let total = records * 4;
        self.done("import", format!(
            "四省各导入 {records} 份，共 {total} 份，{seconds:.1} s / {total} certificates imported"
        ))?;
        Ok(samples)
    }

    /// Invents a province's certificates and puts the last ones aside for later.
    async fn generate(&self, region: Region, records: u32) -> Result<()> {
        let folder = &self.cast.node(region).dir;
        let (all, count) = (folder.join("all.csv"), records + LATE);
        let line = format!(
            "gen --region {region} --count {count} --seed {region} --out all.csv \
             --institutions institutions.csv --registers registers"
        );
        huren(folder, &line).await?;
        let text = fs::read_to_string(&all)?;
        fs::remove_file(&all)?;
        let (header, rows) = text.split_once('\n').context("empty table")?;
        let rows: Vec<&str> = rows.split_inclusive('\n').collect();
        let (now, later) = rows.split_at(records.try_into()?);
        for (name, rows) in [(NOW, now), (LATER, later)] {
            fs::write(folder.join(name), format!("{header}\n{}", rows.concat()))?;
        }
        Ok(())
    }

    /// A table of a province.
    fn csv(&self, region: Region, name: &str) -> PathBuf {
        self.cast.node(region).dir.join(name)
    }

    async fn import_file(&self, region: Region, table: &str, count: u32) -> Result<()> {
        let line = format!("--json import --region {region} --dir . {table}");
        let said = huren(&self.cast.node(region).dir, &line).await?;
        let report: serde_json::Value = serde_json::from_slice(&said)?;
        ensure!(report["accepted"] == count, "import {region}: {report}");
        Ok(())
    }

    /// Every node holds every log, each cosigned by a quorum up to its end.
    async fn replicate(&mut self) -> Result<()> {
        let started = Instant::now();
        for at in REGIONS {
            for of in REGIONS {
                let own = self.cast.log_at(of, of).await?.held_size;
                self.arrived(at, of, own).await?;
            }
        }
        let size = self.cast.log_at(REGIONS[0], REGIONS[0]).await?.held_size;
        let seconds = started.elapsed().as_secs_f64();
        self.done(
            "replicate",
            format!(
                "四份日志在四个节点齐备并获见证（每份约 {size} 叶），又 {seconds:.1} s / \
             every log verified, stored and cosigned everywhere"
            ),
        )?;
        Ok(())
    }

    async fn arrived(&self, at: Region, of: Region, size: u64) -> Result<()> {
        let cast = &*self.cast;
        wait_for(
            &format!("{of} 的日志到达 {at} / log of {of} at {at}"),
            async || {
                let Ok(log) = cast.log_at(at, of).await else {
                    return Ok(None);
                };
                let extent = log.extent.unwrap_or_default();
                Ok((extent.size >= size && extent.witnessed_size >= size).then_some(()))
            },
        )
        .await
    }

    async fn ask(&self, at: Region, sample: &Sample, name: &str) -> Result<v1::VerifyResponse> {
        let mut client = VerificationServiceClient::new(self.cast.channel(at)?);
        let question = v1::VerifyRequest {
            number: sample.number.clone(),
            holder_name: name.to_owned(),
            want_receipt: true,
            purpose: v1::Purpose::Supervision.into(),
            ..Default::default()
        };
        Ok(client.verify(question).await?.into_inner())
    }

    fn check_receipt(&self, receipt: &[u8]) -> Result<receipt::Checked, receipt::ReceiptError> {
        let roots = fs::read_to_string(self.cast.folder.join("trust/roots")).unwrap_or_default();
        let roots: RootKeys = roots.parse()?;
        receipt::verify(receipt, &roots)
    }

    /// A Zhejiang certificate at the Shanghai node, with a receipt.
    async fn verify(&mut self, samples: &Samples) -> Result<()> {
        let sample = &samples[2];
        let answer = self.ask(Region::SHANGHAI, sample, &sample.name).await?;
        expect(&answer, v1::Verdict::Valid)?;
        ensure!(
            answer.answered_by == "31",
            "answered by {}",
            answer.answered_by
        );
        let checked = self.check_receipt(&answer.receipt)?;
        ensure!(
            checked.home == "33" && checked.cosignatures.len() >= 2,
            "receipt: {checked:?}"
        );
        ensure!(
            checked.assertion.verdict == Verdict::Valid,
            "receipt says {checked:?}"
        );
        fs::write(self.cast.folder.join("receipt.json"), &answer.receipt)?;
        self.receipt = answer.receipt;
        self.done("verify", format!(
            "浙江证书在上海节点核验有效，回执离线验真，{} 个见证签名 / a Zhejiang certificate is \
             valid at the Shanghai node; its receipt holds {} cosignatures",
            checked.cosignatures.len(), checked.cosignatures.len()
        ))?;
        Ok(())
    }

    async fn wrong_holder(&mut self, samples: &Samples) -> Result<()> {
        let answer = self.ask(Region::SHANGHAI, &samples[2], "查无此人").await?;
        expect(&answer, v1::Verdict::HolderMismatch)?;
        ensure!(
            answer.certificate.is_empty() && answer.receipt.is_empty(),
            "it told too much"
        );
        self.done(
            "wrong-holder",
            format!("他人姓名：{} / refused", words(answer.verdict())),
        )?;
        Ok(())
    }

    /// Anhui revokes; all four see it. A receipt from before still verifies, as of then.
    async fn revoke(&mut self, samples: &Samples) -> Result<()> {
        let sample = &samples[3];
        let before = self.ask(Region::ZHEJIANG, sample, &sample.name).await?;
        expect(&before, v1::Verdict::Valid)?;
        let today = before.as_of_date;
        let mut issuance = IssuanceServiceClient::new(self.cast.channel(Region::ANHUI)?);
        let status = v1::StatusSubmission {
            target: Some(v1::Target {
                target: Some(v1::target::Target::Number(sample.number.clone())),
            }),
            action: v1::StatusAction::Revoke as i32,
            reason: v1::StatusReason::Decision as i32,
            effective_date: today,
            replaced: Vec::new(),
            reference: String::new(),
        };
        let started = Instant::now();
        let request = v1::SubmitRequest {
            writer_region: Region::ANHUI.to_string(),
            provenance: v1::Provenance::Issued as i32,
            body: Some(v1::submit_request::Body::Status(status)),
            ..Default::default()
        };
        issuance.submit(request).await?;
        for at in REGIONS {
            let this = &*self;
            wait_for(
                &format!("撤销到达 {at} / revocation at {at}"),
                async || {
                    let answer = this.ask(at, sample, &sample.name).await?;
                    Ok((answer.verdict() == v1::Verdict::Revoked).then_some(()))
                },
            )
            .await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let old = self.check_receipt(&before.receipt)?;
        ensure!(
            old.assertion.verdict == Verdict::Valid,
            "the old receipt changed"
        );
        self.done("revoke", format!(
            "安徽撤销，{seconds:.2} s 内四节点皆知；此前的回执仍可验，并注明截至何时 / revoked in \
             Anhui, seen in all four; the earlier receipt still verifies as of its time"
        ))?;
        Ok(())
    }

    /// Anhui is away while Jiangsu issues more; then Jiangsu is killed, and its certificates
    /// are still answered from replicas.
    async fn kill(&mut self, samples: &Samples) -> Result<Sample> {
        self.cast.kill(Region::ANHUI).await?;
        let late = sample_of(&self.csv(Region::JIANGSU, LATER), 5)?;
        self.import_file(Region::JIANGSU, LATER, LATE).await?;
        let size = self
            .cast
            .log_at(Region::JIANGSU, Region::JIANGSU)
            .await?
            .held_size;
        for at in [Region::SHANGHAI, Region::ZHEJIANG] {
            self.arrived(at, Region::JIANGSU, size).await?;
        }
        self.cast.kill(Region::JIANGSU).await?;
        let answer = self
            .ask(Region::ZHEJIANG, &samples[1], &samples[1].name)
            .await?;
        expect(&answer, v1::Verdict::Valid)?;
        self.done(
            "kill",
            "江苏节点被杀，其证书仍由浙江的副本核验有效 / Jiangsu is down, \
             its certificates are still answered from replicas"
                .to_owned(),
        )?;
        Ok(late)
    }

    /// Anhui comes back and takes Jiangsu's new records from a member that holds them.
    async fn relay(&mut self, late: &Sample) -> Result<()> {
        self.cast.start(Region::ANHUI)?;
        self.cast.ready(Region::ANHUI).await?;
        let size = self
            .cast
            .log_at(Region::SHANGHAI, Region::JIANGSU)
            .await?
            .held_size;
        self.arrived(Region::ANHUI, Region::JIANGSU, size).await?;
        let log = self.cast.log_at(Region::ANHUI, Region::JIANGSU).await?;
        ensure!(
            ["31", "33"].contains(&log.source.as_str()),
            "source {:?}",
            log.source
        );
        let answer = self.ask(Region::ANHUI, late, &late.name).await?;
        expect(&answer, v1::Verdict::Valid)?;
        self.done(
            "relay",
            format!(
                "江苏离线期间，安徽从 {} 取得江苏日志的 {LATE} 条新记录并核验有效 / Anhui fetched \
             Jiangsu's log from {}",
                log.source, log.source
            ),
        )?;
        Ok(())
    }

    /// Jiangsu restarts, catches up with what happened meanwhile, and issues again.
    async fn come_back(&mut self) -> Result<()> {
        self.import_file(Region::SHANGHAI, LATER, LATE).await?;
        let size = self
            .cast
            .log_at(Region::SHANGHAI, Region::SHANGHAI)
            .await?
            .held_size;
        let started = Instant::now();
        self.cast.start(Region::JIANGSU)?;
        self.cast.ready(Region::JIANGSU).await?;
        self.arrived(Region::JIANGSU, Region::SHANGHAI, size)
            .await?;
        let sample = sample_of(&self.csv(Region::SHANGHAI, LATER), 1)?;
        let answer = self.ask(Region::JIANGSU, &sample, &sample.name).await?;
        expect(&answer, v1::Verdict::Valid)?;
        let seconds = started.elapsed().as_secs_f64();
        self.done(
            "return",
            format!("江苏节点重启，{seconds:.1} s 赶上 / Jiangsu restarted and caught up"),
        )?;
        Ok(())
    }

    /// A receipt with one digit changed is refused.
    fn tamper(&mut self) -> Result<()> {
        self.check_receipt(&self.receipt)?;
        let mut receipt: serde_json::Value = serde_json::from_slice(&self.receipt)?;
        let level = &mut receipt["proven"]["certificate"]["disclosed"][0]["values"]["level"];
        ensure!(level.is_string(), "the sample has a level");
        *level = if *level == "5" {
            "6".into()
        } else {
            "5".into()
        };
        let refused = self.check_receipt(&serde_json::to_vec(&receipt)?);
        let Err(error) = refused else {
            bail!("篡改的回执被接受 / a tampered receipt passed")
        };
        ensure!(!error.is_undecided(), "{error}");
        self.done(
            "tamper",
            format!(
                "改过等级的回执被拒 / a tampered receipt is refused: {}",
                error.code()
            ),
        )?;
        Ok(())
    }

    async fn table(&self) -> Result<()> {
        if !self.aloud {
            return Ok(());
        }
        writeln!(
            stdout(),
            "\n各节点所存日志叶数 / leaves held: 行 node × 列 log"
        )?;
        write!(stdout(), "      ")?;
        for of in REGIONS {
            // A region pads its text only as such.
            write!(stdout(), "{:>9}", of.to_string())?;
        }
        writeln!(stdout())?;
        for at in REGIONS {
            write!(stdout(), "  {at}  ")?;
            for of in REGIONS {
                write!(stdout(), "{:>9}", self.cast.log_at(at, of).await?.held_size)?;
            }
            writeln!(stdout())?;
        }
        Ok(())
    }
}

/// What a command says that is given in a folder; it has to succeed.
async fn huren(folder: &Path, line: &str) -> Result<Vec<u8>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.current_dir(folder).args(line.split_whitespace());
    let output = command.output().await?;
    let failed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "huren {line}: {failed}");
    Ok(output.stdout)
}

fn expect(answer: &v1::VerifyResponse, verdict: v1::Verdict) -> Result<()> {
    let codes: Vec<&str> = answer
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect();
    ensure!(
        answer.verdict() == verdict,
        "应为 expected {}, 实为 got {} {codes:?}",
        words(verdict),
        words(answer.verdict())
    );
    Ok(())
}

/// A certificate with a level from a generated file, from row `skip` on.
fn sample_of(csv: &Path, skip: usize) -> Result<Sample> {
    // 22-character numbers name their province and a level.
    sample_where(csv, skip, |number| number.len() == 22)
}

/// A certificate of a table whose number is of some kind.
fn sample_where(csv: &Path, skip: usize, fits: impl Fn(&str) -> bool) -> Result<Sample> {
    let mut reader = csv::Reader::from_path(csv)?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let plain = |header: &str| header.trim_start_matches('\u{feff}') == name;
        headers
            .iter()
            .position(plain)
            .with_context(|| format!("{name}?"))
    };
    let (number, name, id) = (column("证书编号")?, column("姓名")?, column("证件号码")?);
    for row in reader.records().skip(skip) {
        let row = row?;
        let get = |at: usize| row.get(at).unwrap_or_default().to_owned();
        if fits(&get(number)) {
            return Ok(Sample {
                number: get(number),
                name: get(name),
                id: get(id),
            });
        }
    }
    bail!("{} 中没有所需的证书 / no such certificate", csv.display())
}
