//! `huren registry allocate`: a code for an institution that is new in the directory.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use huren_core::codes::{InstitutionCode, Region};
use huren_proto::v1::{self, Kind};
use serde_json::json;

use super::entries;
use crate::connect::NodeArgs;

/// What the letter of a code says.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LetterKind {
    /// 用人单位 / an employer.
    Employer,
    /// 社会培训评价组织 / an organisation for the public.
    Social,
}

/// What is wanted.
#[derive(Args, Debug)]
pub struct AllocateArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 机构类别 / kind of institution
    #[arg(long)]
    kind: LetterKind,
    /// 省级代码 / the province, two digits
    #[arg(long)]
    province: String,
    /// 序列码（6 位）的开头，本省编排规则所定，如城市代码 01 / how its six digits begin, as the province arranges them
    #[arg(long, default_value = "")]
    prefix: String,
}

/// Carries out the command.
pub(super) async fn run(args: &AllocateArgs, json_out: bool) -> Result<()> {
    let province = Region::parse(&args.province).context("省级代码 / the province")?;
    ensure!(
        province == province.province(),
        "须为省级代码 / not a province: {province}"
    );
    let digits = args.prefix.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(
        digits && args.prefix.len() < 6,
        "序列码的开头为 0 至 5 位数字 / it begins with 0 to 5 digits"
    );
    let letter = match args.kind {
        LetterKind::Employer => 'Y',
        LetterKind::Social => 'S',
    };
    let prefix = format!("{letter}0000{province}{}", args.prefix);
    // Under a code that ended, or that begins next year, nothing else may be entered either.
    let asked = v1::ListEntriesRequest {
        kind: Kind::Institution.into(),
        key_prefix: prefix.clone(),
        history: true,
        ..Default::default()
    };
    let mut highest = 0;
    let take = |entry: v1::RegisterEntry| {
        let serial = entry.key.strip_prefix(&prefix);
        let serial = serial.and_then(|serial| serial.parse().ok());
        highest = highest.max(serial.unwrap_or(0));
        Ok(())
    };
    entries(&args.node, asked, take).await?;
    let code = code(&prefix, highest)?;
    match json_out {
        true => writeln!(stdout(), "{}", json!({ "code": code }))?,
        false => writeln!(stdout(), "{code}")?,
    }
    Ok(())
}

/// The code behind the highest that was given, which counts from 1.
fn code(prefix: &str, highest: u32) -> Result<String> {
    let width = 13 - prefix.len();
    let code = format!("{prefix}{:0width$}", highest + 1);
    let code = InstitutionCode::parse(&code);
    let code = code.context("该前缀下的序号已用完 / no number is left under the prefix")?;
    Ok(code.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_each_other_until_there_are_none() {
        assert_eq!(code("S000033", 0).unwrap(), "S000033000001");
        assert_eq!(code("Y00003301", 41).unwrap(), "Y000033010042");
        assert_eq!(code("Y00003301", 9_998).unwrap(), "Y000033019999");
        assert!(code("Y00003301", 9_999).is_err());
    }
}
