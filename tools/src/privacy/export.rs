//! `huren privacy export`: everything that the own node holds about a person, as a file for
//! programs and one for the person.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, builder::PossibleValuesParser};
use huren_core::disclosure::Group;
use huren_node::{engine::ExportPurpose, keys::write_new};
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::proof::words;
use crate::{
    connect::NodeArgs,
    files::{Kind, canonical_name},
};

/// About whom, why, and where it goes.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 从此文件首行读取证件号码，- 为标准输入；默认在终端询问 / file with the number of the identity
    /// document on its first line, - for standard input; asked on the terminal by default
    #[arg(long, value_name = "FILE")]
    pub id_file: Option<PathBuf>,
    /// 用途代码 / purpose code
    #[arg(long, value_parser = PossibleValuesParser::new(ExportPurpose::ALL.map(ExportPurpose::code)))]
    pub purpose: String,
    /// 申请的办理编号，不含姓名 / reference of the request, such as its case number; no name
    #[arg(long)]
    pub reference: String,
    /// 输出文件夹，不得已存在；含个人信息，须当面或加密交给本人 / folder to make, which will hold personal
    /// data: hand it over in person, or encrypted
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Carries it out.
pub(super) async fn run(args: &ExportArgs, json_out: bool) -> Result<ExitCode> {
    if args.out.exists() {
        bail!(
            "已存在，未作改动 / exists, nothing was done: {}",
            args.out.display()
        );
    }
    let request = v1::ExportPersonRequest {
        id_number: id_number(args.id_file.as_deref())?,
        purpose: args.purpose.clone(),
        reference: args.reference.clone(),
    };
    let mut operator = OperatorServiceClient::new(args.node.channel()?);
    let exported = operator.export_person(request).await?.into_inner();
    write(args, &exported)?;
    let records = exported.records.len();
    if json_out {
        let value = json!({"records": records, "withheld": exported.withheld, "out": args.out});
        writeln!(stdout(), "{value:#}")?;
    } else {
        let out = args.out.display();
        writeln!(
            stdout(),
            "记录 records {records}，已写入 written to {out}/export.json, {out}/export.txt\n\
             内含个人信息：当面或加密交给本人，随后删除 / they hold personal data: hand them over in person \
             or encrypted, and delete them then"
        )?;
        for origin in &exported.withheld {
            writeln!(
                stdout(),
                "{origin} 由备份恢复、尚未补齐，未列入；请稍后再次导出 / was restored and has not caught up: \
                 left out, export again later"
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn id_number(file: Option<&Path>) -> Result<String> {
    let mut line = Zeroizing::new(String::new());
    match file {
        Some(path) if path.as_os_str() != "-" => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("无法读取 / cannot read {}", path.display()))?;
            line.push_str(text.lines().next().unwrap_or_default());
        }
        given => {
            if given.is_none() {
                eprint!("证件号码 / number of the identity document: ");
            }
            io::stdin().lock().read_line(&mut line)?;
        }
    }
    Ok(line.trim().to_owned())
}

fn write(args: &ExportArgs, exported: &v1::ExportPersonResponse) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let cannot = || format!("无法写入 / cannot write {}", args.out.display());
    let mut folder = fs::DirBuilder::new();
    folder.mode(0o700).create(&args.out).with_context(cannot)?;
    let value = document(args, exported);
    let json = serde_json::to_string_pretty(&value)? + "\n";
    write_new(&args.out.join("export.json"), 0o600, json.as_bytes()).with_context(cannot)?;
    let text = text(args, exported)?;
    write_new(&args.out.join("export.txt"), 0o600, text.as_bytes()).with_context(cannot)?;
    Ok(())
}

fn document(args: &ExportArgs, exported: &v1::ExportPersonResponse) -> Value {
    json!({
        "format": "huren/export/v1",
        "时间": exported.time,
        "用途": args.purpose,
        "办理编号": args.reference,
        "持证人索引密钥": exported.holder_key,
        "未列入的日志": exported.withheld,
        "记录": exported.records.iter().map(record).collect::<Vec<_>>(),
    })
}

fn record(record: &v1::PersonRecord) -> Value {
    let groups = record.groups.iter().map(|group| {
        let values = group.fields.iter();
        let values = values.map(|field| (label(&field.name), field.value.clone().into()));
        json!({
            "信息组": group_words(group),
            "状态": state(group),
            "内容": values.collect::<Map<_, _>>(),
            "盐": hex::encode(&group.salt),
            "日志中的摘要": hex::encode(&group.digest),
        })
    });
    json!({
        "日志": record.origin,
        "序号": record.index,
        "叶哈希": hex::encode(&record.leaf_hash),
        "种类": kind_words(record),
        "写入地区": record.writer_region,
        "历史存量补录": record.backfilled,
        "生效日期": record.effective_date,
        "变更": record.action().as_str_name(),
        "原因": record.reason().as_str_name(),
        "所变更证书的叶哈希": hex::encode(&record.target),
        "编号查询标签": hex::encode(&record.number_tag),
        "持证人查询标签": hex::encode(&record.holder_tag),
        "落盘加密密钥": hex::encode(&record.at_rest_key),
        "无效（被隔离）": record.quarantined,
        "信息": groups.collect::<Vec<_>>(),
    })
}

/// The same for people.
fn text(args: &ExportArgs, exported: &v1::ExportPersonResponse) -> Result<String> {
    let mut text = format!(
        "本节点持有的您的个人信息\nWhat this node holds about you\n\n\
         时间 time: {}\n用途 purpose: {}\n办理编号 reference: {}\n\n",
        exported.time, args.purpose, args.reference
    );
    if exported.records.is_empty() {
        writeln!(text, "没有找到记录。\nThere are no records.\n")?;
    }
    for record in &exported.records {
        writeln!(
            text,
            "── {} #{}  {}",
            record.origin,
            record.index,
            kind_words(record)
        )?;
        for group in &record.groups {
            writeln!(text, "  {}（{}）", group_words(group), state(group))?;
            for field in &group.fields {
                writeln!(text, "    {}：{}", label(&field.name), field.value)?;
            }
        }
        writeln!(text)?;
    }
    for origin in &exported.withheld {
        writeln!(text, "未列入 left out for now: {origin}")?;
    }
    text += "公开日志中只有上述各组信息的加盐摘要，没有姓名和证件号码。其他省的证书，本节点只持有姓名与证件号码的盐，\
             读不出其内容。此外每份证书在数据库中有供查询的带密钥标签；本省证书另有识别重复提交的标签。\
             您可要求更正或删除。\n\
             The public log holds salted digests of these groups alone, and no name or ID number. Of certificates \
             of other provinces this node holds the salts of name and ID number, from which it cannot read them. \
             Beside this the database has keyed tags for looking certificates up, and for recognising what the own \
             province submits twice. You may ask for correction or erasure.\n";
    Ok(text)
}

const fn state(group: &v1::PersonGroup) -> &'static str {
    match (group.erased, group.fields.is_empty(), group.salt.is_empty()) {
        (true, _, _) => "已删除 erased",
        (_, false, _) => "持有 held",
        (_, true, false) => "只有盐 salt only",
        (_, true, true) => "未持有 not held",
    }
}

fn group_words(group: &v1::PersonGroup) -> &'static str {
    Group::from_number(group.group).map_or("未知 unknown", words)
}

fn kind_words(record: &v1::PersonRecord) -> &'static str {
    match record.kind() {
        v1::Kind::Certificate => "证书 certificate",
        v1::Kind::StatusChange => "状态变更 change of status",
        _ => "其他 other",
    }
}

/// What people call a field.
fn label(field: &str) -> String {
    let name = match field {
        "id_kind" => Some("证件类型"),
        other => canonical_name(Kind::Certificates, other),
    };
    name.unwrap_or(field).to_owned()
}
