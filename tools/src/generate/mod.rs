//! `huren gen`: tables of invented certificates, institutions and status changes, for
//! demonstrations, load and tests. The same arguments give the same bytes everywhere.

mod certificates;
mod faults;
mod institutions;
mod people;
mod province;
mod random;
mod registers;
mod row;
mod statuses;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use huren_core::codes::Region;
use indicatif::ProgressBar;
use serde::Serialize;

pub use certificates::{Certificates, Generated};
pub use faults::Fault;
pub use registers::{FILES as REGISTER_FILES, FROM as REGISTERS_FROM};
pub use row::Row;

use crate::files::{
    CERTIFICATE_EXPORT, Encoding, INSTITUTION_EXPORT, Kind, STATUS_EXPORT, TableWriter,
    canonical_name,
};
use random::Random;

/// 生成虚构的证书、机构和状态变更数据（可重现） / invent reproducible test data
#[derive(Clone, Debug, clap::Args)]
pub struct GenArgs {
    /// 省级代码：31、32、33 或 34 / the province
    #[arg(long, visible_alias = "province")]
    pub region: Region,
    /// 证书条数 / how many certificates
    #[arg(long, visible_alias = "certificates", default_value_t = 1_000)]
    pub count: u64,
    /// 随机种子：相同种子生成相同文件 / the same seed gives the same files
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// 有错误的行所占比例，如 3% / the share of faulty rows
    #[arg(long, default_value = "0%")]
    pub faulty: Share,
    /// 整省数据文件夹：机构、标准、专家、计划、检查、协议、证书、状态变更及导入命令 / folder for a whole province: institutions, standards, experts, plans, inspections, agreement, certificates, changes, and the commands that submit them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "institutions", "registers", "statuses", "statuses_out", "faulty"])]
    pub dir: Option<PathBuf>,
    /// 证书文件 / where the certificates go
    #[arg(long, value_name = "FILE", required_unless_present = "dir")]
    pub out: Option<PathBuf>,
    /// 文件编码 / the encoding of all files
    #[arg(long, value_enum, default_value = "utf-8")]
    pub encoding: Encoding,
    /// 机构目录文件 / where the institutions go
    #[arg(long, value_name = "FILE")]
    pub institutions: Option<PathBuf>,
    /// 登记簿文件夹：标准、职业资格目录、协议（供 huren registry submit） / folder for entries of registers: standards, catalogue, agreement
    #[arg(long, value_name = "DIR")]
    pub registers: Option<PathBuf>,
    /// 状态变更条数 / how many changes of status
    #[arg(long, value_name = "N", default_value_t = 0, requires = "statuses_out")]
    pub statuses: u64,
    /// 状态变更文件 / where the changes of status go
    #[arg(long, value_name = "FILE")]
    pub statuses_out: Option<PathBuf>,
}

/// A share in thousandths, read from `3%`, `0.5%` or `0.03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    per_mille: u64,
}

impl Share {
    /// No row.
    pub const NONE: Self = Self { per_mille: 0 };
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "应为 0% 至 100% / a share of 0% to 100%";
        let (number, whole) = match text.strip_suffix(['%', '％']) {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let share = number.trim().parse::<f64>().map_err(|_| EXPECTED)? / whole;
        if !(0.0..=1.0).contains(&share) {
            return Err(EXPECTED);
        }
        Ok(Self {
            per_mille: (share * 1_000.0).round() as u64,
        })
    }
}

/// What was generated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of certificates, the faulty ones among them.
    pub certificates: u64,
    /// Faulty rows by the reason code with which they are refused.
    pub faulty: BTreeMap<&'static str, u64>,
    /// Rows of institutions.
    pub institutions: u64,
    /// Rows of status changes.
    pub statuses: u64,
    /// Entries of a whole province's registers by kind.
    pub entries: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            certificates,
            institutions,
            statuses,
            ..
        } = self;
        let faulty: u64 = self.faulty.values().sum();
        writeln!(
            f,
            "证书 certificates    {certificates}（含错误行 faulty {faulty}）"
        )?;
        for (code, count) in &self.faulty {
            writeln!(f, "  {code:<28} {count}")?;
        }
        writeln!(f, "机构 institutions    {institutions}")?;
        write!(f, "状态变更 statuses    {statuses}")?;
        for (kind, count) in &self.entries {
            write!(f, "\n  {kind:<28} {count}")?;
        }
        Ok(())
    }
}

/// Writes the files.
///
/// # Errors
/// If a file cannot be written or the region is not one of the four.
pub fn run(args: &GenArgs, progress: &ProgressBar) -> anyhow::Result<Summary> {
    if let Some(folder) = &args.dir {
        return province::write(args, folder, progress);
    }
    let out = args.out.as_deref();
    let out = out.context("没有证书文件 / no file for the certificates: --out")?;
    let mut certificates =
        Certificates::new(args.region, args.seed, args.count, args.faulty.per_mille)?;
    let mut summary = Summary::default();
    if let Some(path) = &args.institutions {
        let mut table =
            Table::create(path, args.encoding, Kind::Institutions, &INSTITUTION_EXPORT)?;
        for institution in certificates.institutions() {
            table.row(institution.row())?;
        }
        summary.institutions = table.finish()?;
    }
    if let Some(folder) = &args.registers {
        registers::write(folder, certificates.institutions())?;
    }
    let mut statuses = match &args.statuses_out {
        Some(path) => Some(Statuses::create(path, args, args.statuses)?),
        None => None,
    };
    let mut table = Table::create(out, args.encoding, Kind::Certificates, &CERTIFICATE_EXPORT)?;
    progress.set_length(args.count);
    for place in 0..args.count {
        let Generated { row, fault } = certificates.next_certificate()?;
        table.row(row.cells())?;
        match (fault, &mut statuses) {
            (Some(fault), _) => *summary.faulty.entry(fault.expected_code()).or_default() += 1,
            (None, Some(statuses)) => statuses.offer(place, &row)?,
            (None, None) => {}
        }
        progress.inc(1);
    }
    summary.certificates = table.finish()?;
    if let Some(statuses) = statuses {
        summary.statuses = statuses.table.finish()?;
    }
    progress.finish_and_clear();
    Ok(summary)
}

/// The table of status changes, spread over the certificates.
struct Statuses {
    table: Table,
    random: Random,
    /// Every how many certificates one is changed.
    interval: u64,
    next_place: u64,
    wanted: u64,
}

impl Statuses {
    fn create(path: &Path, args: &GenArgs, wanted: u64) -> anyhow::Result<Self> {
        Ok(Self {
            table: Table::create(path, args.encoding, Kind::Statuses, &STATUS_EXPORT)?,
            // Its own stream: whether changes are written must not change the certificates.
            random: Random::new(!args.seed),
            interval: (args.count / wanted.max(1)).max(1),
            next_place: 0,
            wanted,
        })
    }

    fn offer(&mut self, place: u64, certificate: &Row) -> anyhow::Result<()> {
        if place < self.next_place {
            return Ok(());
        }
        self.next_place += self.interval;
        for change in statuses::changes(&mut self.random, certificate) {
            if self.table.rows < self.wanted {
                self.table.row(change)?;
            }
        }
        Ok(())
    }
}

/// A file that is being written.
struct Table {
    writer: TableWriter<BufWriter<File>>,
    rows: u64,
    path: PathBuf,
}

impl Table {
    fn create(
        path: &Path,
        encoding: Encoding,
        kind: Kind,
        fields: &[&str],
    ) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("无法写入 {}", path.display()))?;
        let mut writer = TableWriter::new(BufWriter::new(file), encoding, b',')?;
        writer.row(
            fields
                .iter()
                .map(|field| canonical_name(kind, field).unwrap_or(field)),
        )?;
        Ok(Self {
            writer,
            rows: 0,
            path: path.to_owned(),
        })
    }

    fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> anyhow::Result<()> {
        self.rows += 1;
        self.writer
            .row(cells)
            .with_context(|| format!("写入 {} 失败", self.path.display()))
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        self.writer
            .flush()
            .with_context(|| format!("写入 {} 失败", self.path.display()))?;
        Ok(self.rows)
    }
}
