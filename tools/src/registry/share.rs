//! `huren registry share`: a file of certificates for the ministry or a sector department, and
//! the entry that says what was handed over.

use std::{
    fs,
    io::{Write as _, stdout},
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use futures::TryStreamExt as _;
use huren_core::{codes::Occupation, disclosure::Group, merkle::Hash, submission::field_names};
use huren_node::keys::write_new;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::connect::NodeArgs;

/// Which certificates, and for whom.
#[derive(Args, Debug)]
pub struct ShareArgs {
    /// 连接（操作员） / connection, as an operator
    #[command(flatten)]
    node: NodeArgs,
    /// 批次或共享编号 / number of the batch or share
    #[arg(long)]
    number: String,
    /// 起始序号 / first index of the log
    #[arg(long)]
    from: u64,
    /// 截止序号（不含） / index behind the last one
    #[arg(long)]
    until: u64,
    /// 行业主管部门；不写则为上报 / the sector department [default: it is a batch for the ministry]
    #[arg(
        long,
        requires = "occupations",
        requires = "issued_from",
        requires = "issued_to",
        requires = "shared_on"
    )]
    department: Option<String>,
    /// 只含这些职业，版本:代码，用逗号分隔 / only these occupations: edition:code
    #[arg(long, value_delimiter = ',')]
    occupations: Vec<String>,
    /// 首个发证日期 yyyymmdd / first day of issue
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    issued_from: u32,
    /// 末个发证日期 yyyymmdd / last day of issue
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    issued_to: u32,
    /// 共享日期 yyyymmdd / day of the share
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    shared_on: u32,
    /// 信息组：certificate、holder_name、holder_id、statistics、scores / groups
    #[arg(long, value_delimiter = ',', value_parser = group, default_value = "certificate,holder_name,holder_id")]
    groups: Vec<Group>,
    /// 姓名与证件号码脱敏 / mask names and document numbers
    #[arg(long)]
    masked: bool,
    /// 输出文件（须不存在） / the file, which must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn group(name: &str) -> Result<Group, String> {
    let found = Group::ALL.into_iter().find(|group| group.name() == name);
    found.ok_or_else(|| Group::ALL.map(Group::name).join(", "))
}

/// Carries out the command.
pub(super) async fn run(args: &ShareArgs, json_out: bool) -> Result<()> {
    ensure!(
        !args.out.exists(),
        "已存在，未作改动 / exists, nothing was done: {}",
        args.out.display()
    );
    let names = |group: &Group| matches!(group, Group::HolderName | Group::HolderId);
    ensure!(
        args.department.is_none() || args.masked || !args.groups.iter().any(names),
        "与行业共享须脱敏（--masked），或以 --groups 去掉姓名与证件 / a share is masked (--masked), or leaves \
         out names and documents (--groups)"
    );
    let (edition, occupations) = occupations(&args.occupations)?;
    let mut groups = args.groups.clone();
    groups.sort_unstable();
    groups.dedup();
    let asked = v1::ShareCertificatesRequest {
        from_index: args.from,
        until_index: args.until,
        groups: groups.iter().map(|group| group.number()).collect(),
        occupation_edition: edition,
        occupations: occupations.clone(),
        issued_from: args.issued_from,
        issued_to: args.issued_to,
        masked: args.masked,
        reference: args.number.clone(),
    };
    let mut operator = OperatorServiceClient::new(args.node.caller()?);
    let mut pages = operator.share_certificates(asked).await?.into_inner();
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns: Vec<(Group, &str)> = groups
        .iter()
        .flat_map(|group| field_names(*group).map(|name| (*group, name)))
        .collect();
    let fixed = ["index", "leaf_hash", "last_action"];
    table.write_record(
        fixed
            .into_iter()
            .chain(columns.iter().map(|(_, name)| *name)),
    )?;
    let mut count = 0_u64;
    while let Some(page) = pages.try_next().await? {
        for certificate in page.certificates {
            table.write_record(row(&certificate, &columns))?;
            count += 1;
        }
    }
    let bytes = table.into_inner().context("the table")?;
    let digest = Hash(Sha256::digest(&bytes).into());
    let entry = entry(args, (edition, &occupations), (count, digest));
    write_new(&args.out, 0o600, &bytes)
        .with_context(|| format!("无法写入 / cannot write {}", args.out.display()))?;
    let beside = args.out.with_added_extension("entry.json");
    fs::write(&beside, format!("{entry:#}\n"))
        .with_context(|| format!("无法写入 / cannot write {}", beside.display()))?;
    if json_out {
        let value = json!({"certificates": count, "digest": digest.to_hex(), "entry": beside});
        writeln!(stdout(), "{value}")?;
    } else {
        let (out, beside) = (args.out.display(), beside.display());
        writeln!(
            stdout(),
            "{count} 份证书 certificates → {out}\n应登记 to be submitted: {beside}"
        )?;
    }
    Ok(())
}

/// Edition and codes, all of one edition.
fn occupations(given: &[String]) -> Result<(u32, Vec<String>)> {
    let mut edition = 0;
    let mut codes = Vec::new();
    for text in given {
        let read = text.split_once(':').and_then(|(edition, code)| {
            let edition: u16 = edition.parse().ok()?;
            Occupation::parse(edition, code).ok()
        });
        let read = read.with_context(|| format!("应为 版本:代码 / edition:code: {text}"))?;
        let own = u32::from(read.edition());
        ensure!(
            edition == 0 || edition == own,
            "一次只用一个版本 / one edition at a time"
        );
        edition = own;
        codes.push(read.to_string());
    }
    codes.sort_unstable();
    codes.dedup();
    Ok((edition, codes))
}

fn row(certificate: &v1::SharedCertificate, columns: &[(Group, &str)]) -> Vec<String> {
    let action = match certificate.last_action() {
        v1::StatusAction::Unspecified => "",
        action => action.as_str_name().trim_start_matches("STATUS_ACTION_"),
    };
    let fixed = [
        certificate.index.to_string(),
        hex::encode(&certificate.leaf_hash),
        action.to_lowercase(),
    ];
    let value = |(group, name): &(Group, &str)| {
        let groups = certificate.groups.iter();
        let mut own = groups.filter(|own| own.group == group.number());
        let field = own
            .next()
            .and_then(|own| own.fields.iter().find(|f| f.name == *name));
        field.map(|field| field.value.clone()).unwrap_or_default()
    };
    fixed.into_iter().chain(columns.iter().map(value)).collect()
}

/// What the register is to hold of it.
fn entry(
    args: &ShareArgs,
    (edition, occupations): (u32, &[String]),
    (certificates, digest): (u64, Hash),
) -> Value {
    let Some(department) = &args.department else {
        return json!({
            "number": args.number, "from_index": args.from, "until_index": args.until,
            "certificates": certificates, "digest": digest.to_base64(),
            "state": "BATCH_STATE_CLOSED",
        });
    };
    let groups: Vec<String> = args
        .groups
        .iter()
        .map(|group| format!("GROUP_{}", group.name().to_uppercase()))
        .collect();
    json!({
        "number": args.number, "department": department, "occupation_edition": edition,
        "occupations": occupations, "groups": groups, "masked": args.masked,
        "issued_from": args.issued_from, "issued_to": args.issued_to,
        "certificates": certificates, "digest": digest.to_base64(), "shared_on": args.shared_on,
    })
}
