//! `huren sign` and `huren submit`: certificates that an institution signs by itself, offline,
//! and hands to its province as a file.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use futures::{TryStreamExt as _, stream};
use huren_core::{
    checkpoint::Origin,
    codes::Region,
    disclosure::{self, Opening},
    keys::{Algorithm, RecordSigner},
    record::UnverifiedRecord,
};
use huren_node::keys::{self, Purpose};
use huren_proto::v1::{self, issuance_service_client::IssuanceServiceClient, submit_request::Body};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use crate::{connect::NodeArgs, files::Encoding, import};

/// The format of a line of a file of signed certificates.
const FORMAT: &str = "huren/signed-certificate/v1";

/// Submissions that may be unanswered at a time.
const IN_FLIGHT: usize = 64;

/// 评价机构自行签署证书（离线） / an institution signs certificates by itself, offline.
#[derive(Subcommand, Debug)]
pub enum SignCommand {
    /// 生成机构密钥，显示须列入目录的公钥 / make the institution's key; shows what goes into the directory
    Key {
        /// 密钥文件，不得已存在 / file to write, must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 算法：ed25519 或 sm2-sm3（国密） / ed25519 or sm2-sm3
        #[arg(long, value_name = "ALG", default_value = "sm2-sm3", value_parser = algorithm)]
        alg: Algorithm,
    },
    /// 签署表格（CSV 或 XLSX）中的证书 / sign the certificates of a table (CSV or XLSX)
    ///
    /// 结果含个人信息，须妥善交给本省节点（huren submit）。退出码：0 全部签署，3 部分行不合规。
    /// The result holds personal data: hand it to the province's node with care (huren submit).
    /// Exit code: 0 all signed, 3 some rows refused.
    Certificates(SignArgs),
}

/// What to sign, with what, for which log.
#[derive(Args, Debug)]
pub struct SignArgs {
    /// 证书表格，同 huren import / table of certificates, as for huren import
    pub file: PathBuf,
    /// 机构密钥文件 / the institution's key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// 本省日志的 origin / origin of the province's log
    #[arg(long)]
    pub origin: Origin,
    /// 写入地区：机构目录记录的写入地区或其下辖地区 / on whose behalf: the region that wrote the institution's entry, or one in it
    #[arg(long)]
    pub region: Region,
    /// 输出文件，不得已存在 / file to write, must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 文件编码；默认自动识别 / encoding of the table; by default detected
    #[arg(long, value_enum)]
    pub encoding: Option<Encoding>,
    /// 工作簿中的工作表；默认取第一个可见且有表头的 / sheet of a workbook; by default the first visible one with a header
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// 标记为历史存量补录 / mark the records as loaded from old stock
    #[arg(long)]
    pub backfilled: bool,
    /// 没有“职业编码版本”列时采用的大典版本 / edition of the occupation codes
    #[arg(long, value_name = "YEAR", default_value_t = 2022)]
    pub edition: u16,
}

/// 将评价机构签署的证书交给本省节点 / hand an institution's signed certificates to the province's node.
///
/// 退出码：0 全部接受，3 部分被拒绝，1 失败。重复运行不会重复登记。
/// Exit code: 0 all accepted, 3 some refused, 1 failed. Running it again adds nothing twice.
#[derive(Args, Debug)]
pub struct SubmitArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// huren sign 的输出文件 / the output of huren sign
    pub file: PathBuf,
}

/// One signed certificate with what opens it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: String,
    origin: String,
    leaf: String,
    disclosures: Vec<Opening>,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("应为 / one of: {}", known()))
}

/// Carries out `huren sign`.
pub fn sign(command: &SignCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        SignCommand::Key { out, alg } => {
            let key = keys::create(out, Purpose::institution(*alg), &mut rand::rng())?;
            let signer = key
                .record_signer()
                .context("密钥无效 / the key is not valid")?;
            let public_key = directory_key(&signer);
            if json_out {
                let key_id = signer.id().to_hex();
                let shown = json!({"public_key": public_key, "key_id": key_id, "file": out});
                writeln!(stdout(), "{shown:#}")?;
            } else {
                let file = out.display();
                writeln!(
                    stdout(),
                    "密钥已写入 key written to {file}\n\
                     签名公钥（机构目录 CSV 的“签名公钥”列） for the column 签名公钥 of the directory:\n{public_key}"
                )?;
            }
            Ok(ExitCode::SUCCESS)
        }
        SignCommand::Certificates(args) => certificates(args, json_out),
    }
}

/// A public key as tables of institutions have it.
fn directory_key(signer: &RecordSigner) -> String {
    let encoded = BASE64_STANDARD.encode(signer.public_key());
    format!("{}:{encoded}", signer.algorithm().name())
}

fn certificates(args: &SignArgs, json_out: bool) -> Result<ExitCode> {
    let signer = keys::load_signer(&args.key, Purpose::institution)?;
    // Names and ID numbers are in it.
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.out)
        .with_context(|| format!("无法写入 / cannot write {}", args.out.display()))?;
    let (mut signed, mut refused) = (0u64, 0u64);
    for row in import::signed_rows(args, &signer)? {
        let (line, result) = row?;
        match result {
            Ok((leaf, disclosures)) => {
                let entry = Line {
                    format: FORMAT.to_owned(),
                    origin: args.origin.to_string(),
                    leaf: BASE64_STANDARD.encode(leaf),
                    disclosures,
                };
                writeln!(out, "{}", serde_json::to_string(&entry)?)?;
                signed += 1;
            }
            Err(faults) => {
                eprintln!("第 {line} 行 line {line}: {faults}");
                refused += 1;
            }
        }
    }
    out.sync_all()?;
    if json_out {
        writeln!(
            stdout(),
            "{:#}",
            json!({"signed": signed, "refused": refused, "out": args.out})
        )?;
    } else {
        writeln!(
            stdout(),
            "签署 signed {signed}，不合规 refused {refused}，已写入 written to {}",
            args.out.display()
        )?;
    }
    Ok(ExitCode::from(if refused == 0 { 0 } else { 3 }))
}

/// Carries out `huren submit`.
pub async fn submit(args: &SubmitArgs, json_out: bool) -> Result<ExitCode> {
    let client = IssuanceServiceClient::new(args.node.channel()?);
    let mut outcomes = stream::iter(requests(&args.file)?)
        .map_ok(|request| one(client.clone(), request))
        .try_buffer_unordered(IN_FLIGHT);
    let (mut accepted, mut duplicates, mut refused) = (0u64, 0u64, 0u64);
    while let Some(outcome) = outcomes.try_next().await? {
        match outcome {
            Outcome::Accepted { duplicate: true } => duplicates += 1,
            Outcome::Accepted { duplicate: false } => accepted += 1,
            Outcome::Refused { line, why } => {
                eprintln!("第 {line} 行 line {line}: {why}");
                refused += 1;
            }
        }
    }
    if json_out {
        let counts = json!({"accepted": accepted, "duplicates": duplicates, "refused": refused});
        writeln!(stdout(), "{counts:#}")?;
    } else {
        writeln!(
            stdout(),
            "接受 accepted {accepted}，重复 duplicates {duplicates}，拒绝 refused {refused}"
        )?;
    }
    Ok(ExitCode::from(if refused == 0 { 0 } else { 3 }))
}

/// The submissions of a file, read one by one; each is known by its line.
fn requests(file: &Path) -> Result<impl Iterator<Item = Result<v1::SubmitRequest>>> {
    let opened =
        File::open(file).with_context(|| format!("无法读取 / cannot read {}", file.display()))?;
    let lines = (1..).zip(BufReader::new(opened).lines());
    Ok(lines.map(|(number, line)| {
        request(number, &line?).with_context(|| format!("第 {number} 行 / line {number}"))
    }))
}

fn request(number: u64, line: &str) -> Result<v1::SubmitRequest> {
    // What cannot be read is not repeated in the message: it may hold personal data.
    let malformed = "不是 huren sign 的输出 / not the output of huren sign";
    let line: Line = serde_json::from_str(line).map_err(|_| anyhow::anyhow!(malformed))?;
    if line.format != FORMAT {
        bail!(malformed);
    }
    let leaf = BASE64_STANDARD.decode(&line.leaf).context(malformed)?;
    let record = UnverifiedRecord::read(&leaf).context(malformed)?;
    let envelope = record.envelope();
    Ok(v1::SubmitRequest {
        client_ref: number,
        writer_region: envelope.writer_region.to_string(),
        provenance: envelope.provenance.into(),
        wait: v1::Wait::Durable.into(),
        body: Some(Body::Signed(v1::SignedSubmission {
            leaf,
            disclosures: disclosure::to_proto(&line.disclosures),
        })),
    })
}

enum Outcome {
    Accepted {
        duplicate: bool,
    },
    /// `why` begins with the reason code.
    Refused {
        line: u64,
        why: String,
    },
}

/// Submits one; an error is one that stops everything, to be run again.
async fn one(
    mut client: IssuanceServiceClient<Channel>,
    request: v1::SubmitRequest,
) -> Result<Outcome> {
    let line = request.client_ref;
    match client.submit(request).await {
        Ok(placed) => Ok(Outcome::Accepted {
            duplicate: placed.into_inner().duplicate,
        }),
        Err(status) if is_about_the_record(&status) => Ok(Outcome::Refused {
            line,
            why: status.message().to_owned(),
        }),
        Err(status) => Err(anyhow::Error::new(status)
            .context("提交中断，可重新运行 / submitting stopped; run it again")),
    }
}

/// Whether the node refuses this certificate, and not the caller or everything at present.
fn is_about_the_record(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition
    )
}
