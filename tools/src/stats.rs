//! `huren stats`: how many certificates and persons there are, where, and of what kind.

use std::{
    collections::BTreeMap,
    io::{Write, stdout},
};

use anyhow::Result;
use clap::{Args, ValueEnum};
use huren_core::{
    codes::{Level, Region},
    statistics::{Basis, Dimension, Month, Row, Table, geo_json},
};
use huren_proto::v1::{
    self, StatisticsBasis, StatisticsDimension, statistics_service_client::StatisticsServiceClient,
};
use serde_json::{Value, json};

use crate::connect::NodeArgs;

/// Rows asked for at once.
const PAGE: u32 = 5_000;

/// 统计：证书与人数 / statistics: certificates and persons
///
/// 同一人在每种口径下只计一次，计入其最高等级证书；人数过少的数据不公开，统计人员可用 --exact。 / Each
/// person counts once on each basis, at the highest level. Figures about few are left out but for a
/// region's statisticians (--exact).
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 口径：work 工作所在地、subsidy 补贴申领地、household 户籍所在地、activity 认定活动所在地 / by which region
    #[arg(long, value_parser = basis, default_value = "activity")]
    basis: StatisticsBasis,
    /// 只统计该地区 / only this region, with what lies in it
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// 细分：province、city、county、track、level、occupation、institution、month、year，可多选 / by what
    #[arg(long, value_parser = dimension, value_delimiter = ',')]
    by: Vec<StatisticsDimension>,
    /// 只统计该类别（Q、L、S） / only this track
    #[arg(long, default_value = "", hide_default_value = true)]
    track: String,
    /// 只统计该等级（1 至 8） / only this level
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    level: u32,
    /// 只统计该职业，如 2022:4-03-02-01 / only this occupation: edition and code
    #[arg(long, default_value = "", hide_default_value = true)]
    occupation: String,
    /// 只统计该机构 / only this institution
    #[arg(long, default_value = "", hide_default_value = true)]
    institution: String,
    /// 新增自该月起计，yyyymm，缺省同 --to / first month that counts as new [default: that of --to]
    #[arg(
        long,
        value_name = "MONTH",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u32,
    /// 截至该月末，yyyymm，缺省为本月 / as of the end of this month [default: the current one]
    #[arg(
        long,
        value_name = "MONTH",
        default_value_t = 0,
        hide_default_value = true
    )]
    to: u32,
    /// 不略去人数过少的数据（统计人员） / figures about few too (statisticians of the region)
    #[arg(long)]
    exact: bool,
    /// 输出格式 / form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// 供人阅读 / for people
    Table,
    /// CSV
    Csv,
    /// JSON
    Json,
    /// GeoJSON（按六位代码，不含边界） / GeoJSON by six-digit code, without boundaries
    Geojson,
}

fn basis(name: &str) -> Result<StatisticsBasis, String> {
    let at = Basis::ALL.iter().position(|basis| basis.name() == name);
    let number = at.and_then(|at| i32::try_from(at + 1).ok());
    let basis = number.and_then(|number| StatisticsBasis::try_from(number).ok());
    basis.ok_or_else(|| "work, subsidy, household, activity".into())
}

fn dimension(name: &str) -> Result<StatisticsDimension, String> {
    let at = Dimension::ALL.iter().position(|by| by.name() == name);
    let number = at.and_then(|at| i32::try_from(at + 1).ok());
    let dimension = number.and_then(|number| StatisticsDimension::try_from(number).ok());
    dimension.ok_or_else(|| Dimension::ALL.map(Dimension::name).join(", "))
}

/// Carries out the command.
pub async fn run(args: &StatsArgs, json_out: bool) -> Result<()> {
    let (table, counted) = ask(args).await?;
    let mut out = stdout().lock();
    match if json_out { Form::Json } else { args.format } {
        Form::Json => json_lines(&table, &counted, &mut out),
        Form::Table => people(args, &table, &counted, &mut out),
        Form::Csv => csv_lines(args, &table, &mut out),
        Form::Geojson => Ok(writeln!(out, "{:#}", geo_json(&table))?),
    }
}

/// How far each log is counted, by origin.
type Counted = BTreeMap<String, u64>;

async fn ask(args: &StatsArgs) -> Result<(Table, Counted)> {
    let mut client = StatisticsServiceClient::new(args.node.caller()?);
    let mut asked = v1::GetStatisticsRequest {
        basis: args.basis.into(),
        region: args.region.clone(),
        track: args.track.clone(),
        level: args.level,
        occupation: args.occupation.clone(),
        institution: args.institution.clone(),
        by: args.by.iter().map(|by| (*by).into()).collect(),
        from_month: args.from,
        to_month: args.to,
        exact: args.exact,
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut rows = Vec::new();
    loop {
        let page = client.get_statistics(asked.clone()).await?.into_inner();
        rows.extend(page.rows.into_iter().map(|row| line(args, row)));
        if page.next_page_token.is_empty() {
            let total = line(args, page.total.unwrap_or_default());
            let counted = page.counted.into_iter().collect();
            return Ok((Table { rows, total }, counted));
        }
        asked.page_token = page.next_page_token;
    }
}

/// A row with what was asked to be told apart, and nothing else.
fn line(args: &StatsArgs, row: v1::StatisticsRow) -> Row {
    use StatisticsDimension as By;
    let by = |any: &[By]| any.iter().any(|by| args.by.contains(by));
    Row {
        region: by(&[By::Province, By::City, By::County]).then_some(row.region),
        track: by(&[By::Track]).then_some(row.track),
        level: by(&[By::Level]).then(|| u8::try_from(row.level).unwrap_or_default()),
        thing: by(&[By::Occupation, By::Institution]).then_some(row.thing),
        period: Month::from_number(row.period),
        certificates_new: row.certificates_new,
        certificates: row.certificates,
        persons_new: row.persons_new,
        persons: row.persons,
        is_suppressed: row.suppressed,
    }
}

fn json_lines(table: &Table, counted: &Counted, out: &mut impl Write) -> Result<()> {
    let value = |row: &Row| {
        let figure = |figure: Value| match row.is_suppressed {
            true => Value::Null,
            false => figure,
        };
        json!({
            "region": row.region, "track": row.track, "level": row.level, "thing": row.thing,
            "period": row.period.map(Month::number),
            "certificates_new": figure(row.certificates_new.into()),
            "certificates": figure(row.certificates.into()),
            "persons_new": figure(row.persons_new.into()),
            "persons": figure(row.persons.into()),
            "suppressed": row.is_suppressed,
        })
    };
    let rows: Vec<Value> = table.rows.iter().map(value).collect();
    let answer = json!({"rows": rows, "total": value(&table.total), "counted": counted});
    Ok(writeln!(out, "{answer:#}")?)
}

/// Names of the columns that were asked for, and a row's texts in them.
fn columns(args: &StatsArgs, row: &Row) -> Vec<(&'static str, String)> {
    let mut columns = Vec::new();
    if let Some(region) = &row.region {
        let name = Region::parse(region).ok().and_then(Region::name);
        columns.push(("region", region.clone()));
        columns.push(("name", name.unwrap_or("未填 none").to_owned()));
    }
    columns.extend(row.track.clone().map(|track| ("track", track)));
    columns.extend(row.level.map(|level| ("level", level.to_string())));
    if let Some(thing) = &row.thing {
        let is_occupation = args.by.contains(&StatisticsDimension::Occupation);
        let name = if is_occupation {
            "occupation"
        } else {
            "institution"
        };
        columns.push((name, thing.clone()));
    }
    columns.extend(
        row.period
            .map(|month| ("period", month.number().to_string())),
    );
    columns
}

fn figures(row: &Row) -> [(&'static str, String); 4] {
    let text = |figure: String| match row.is_suppressed {
        true => String::new(),
        false => figure,
    };
    [
        ("certificates_new", text(row.certificates_new.to_string())),
        ("certificates", text(row.certificates.to_string())),
        ("persons_new", text(row.persons_new.to_string())),
        ("persons", text(row.persons.to_string())),
    ]
}

fn csv_lines(args: &StatsArgs, table: &Table, out: &mut impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    for (at, row) in table.rows.iter().enumerate() {
        let cells: Vec<_> = columns(args, row).into_iter().chain(figures(row)).collect();
        if at == 0 {
            csv.write_record(cells.iter().map(|(name, _)| *name))?;
        }
        csv.write_record(cells.iter().map(|(_, text)| text))?;
    }
    Ok(csv.flush()?)
}

fn people(args: &StatsArgs, table: &Table, counted: &Counted, out: &mut impl Write) -> Result<()> {
    let figures = |row: &Row| match row.is_suppressed {
        true => "人数过少，不公开 too few to show".to_owned(),
        false => format!(
            "证书 certificates {} (+{})  人数 persons {} ({:+})",
            row.certificates, row.certificates_new, row.persons, row.persons_new
        ),
    };
    for row in &table.rows {
        let mut texts: Vec<String> = Vec::new();
        for (name, text) in columns(args, row) {
            let level = text.parse().ok().and_then(Level::from_ordinal);
            texts.push(match level.filter(|_| name == "level") {
                Some(level) => level.name().to_owned(),
                None => text,
            });
        }
        writeln!(out, "{}  {}", texts.join("  "), figures(row))?;
    }
    writeln!(out, "合计 total  {}", figures(&table.total))?;
    for (origin, size) in counted {
        writeln!(out, "已统计至 counted up to  {origin}  {size}")?;
    }
    Ok(())
}
