//! How a table would be understood, before anything is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use huren_core::codes::{mask_document, mask_name};
use huren_proto::v1;
use huren_proto::v1::submit_request::Body;
use serde::Serialize;

use super::convert::Conversion;
use super::source::{RawRow, Source, SourceError};
use super::{ImportArgs, fault::RowFault};
use crate::files::{Encoding, Kind, canonical_name};

/// Rows that are shown as they would be sent.
const SHOWN_ROWS: usize = 5;

/// What an import would make of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The file.
    pub file: PathBuf,
    /// What it is about.
    pub kind: Kind,
    /// The sheet, if it is a workbook.
    pub sheet: Option<String>,
    /// The encoding, if it is text.
    pub encoding: Option<Encoding>,
    /// The line of the header.
    pub header_line: u64,
    /// The columns in their order.
    pub columns: Vec<PreviewColumn>,
    /// The first rows.
    pub first_rows: Vec<PreviewRow>,
    /// Rows in all.
    pub read: u64,
    /// Rows that would be refused without asking a node.
    pub rejected: u64,
    /// The same by reason code; a row with several reasons counts under each.
    pub rejected_by_code: BTreeMap<String, u64>,
}

/// A column as it is understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewColumn {
    /// Its name in the file.
    pub header: String,
    /// The field that it holds; without one it is left out.
    pub field: Option<&'static str>,
    /// The field's usual name.
    pub meaning: Option<&'static str>,
    /// Whether it is a column that we have added to a file of rejects.
    pub is_ours: bool,
}

/// A row as it would be sent; names and ID numbers are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewRow {
    /// Its line.
    pub line: u64,
    /// Its fields, if it would be sent.
    pub fields: BTreeMap<String, String>,
    /// The codes for which it would be refused otherwise.
    pub rejected: Vec<String>,
}

impl Preview {
    /// Reads a file to its end. Nothing is written, rejects neither.
    ///
    /// # Errors
    /// The sentence that tells an operator why it cannot be imported at all.
    pub fn of(args: &ImportArgs) -> Result<Self, String> {
        let sentence = |error: SourceError| error.to_string();
        let mut source = Source::open(&args.file, &args.options(), args.kind).map_err(sentence)?;
        let conversion = args.conversion(&source);
        let kind = source.header.kind;
        let columns = source.header.columns();
        let mut preview = Self {
            file: args.file.clone(),
            kind,
            sheet: source.sheet().map(ToOwned::to_owned),
            encoding: source.encoding(),
            header_line: source.header_line(),
            columns: columns
                .map(|(header, field, is_ours)| PreviewColumn {
                    header: header.to_owned(),
                    field,
                    meaning: field.and_then(|field| canonical_name(kind, field)),
                    is_ours,
                })
                .collect(),
            first_rows: Vec::new(),
            read: 0,
            rejected: 0,
            rejected_by_code: BTreeMap::new(),
        };
        while let Some(row) = source.next_row().map_err(sentence)? {
            preview.add(&conversion, &row);
        }
        Ok(preview)
    }

    fn add(&mut self, conversion: &Conversion, row: &RawRow) {
        self.read += 1;
        let converted = conversion.convert(row);
        if let Err(faults) = &converted {
            self.rejected += 1;
            for code in codes(faults) {
                *self.rejected_by_code.entry(code).or_default() += 1;
            }
        }
        if self.first_rows.len() < SHOWN_ROWS {
            let (fields, rejected) = match &converted {
                Ok(submission) => (fields(&submission.request), Vec::new()),
                Err(faults) => (BTreeMap::new(), codes(faults)),
            };
            self.first_rows.push(PreviewRow {
                line: row.line,
                fields,
                rejected,
            });
        }
    }

    /// 0 if every row could be sent, 3 if some would be refused.
    pub fn exit_code(&self) -> u8 {
        if self.rejected == 0 { 0 } else { 3 }
    }
}

fn codes(faults: &[RowFault]) -> Vec<String> {
    let mut codes: Vec<String> = faults.iter().map(|f| f.code.clone().into_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

/// What is sent, by field.
fn fields(request: &v1::SubmitRequest) -> BTreeMap<String, String> {
    let groups = |groups: &[v1::GroupValues]| -> Vec<(String, String)> {
        let fields = groups.iter().flat_map(|group| &group.fields);
        let masked = fields.map(|field| {
            let value = match field.name.as_str() {
                "name" => mask_name(&field.value),
                "id_number" => mask_document(&field.value),
                _ => field.value.clone(),
            };
            (field.name.clone(), value)
        });
        masked.collect()
    };
    let mut all = BTreeMap::new();
    match &request.body {
        Some(Body::Certificate(certificate)) => all.extend(groups(&certificate.groups)),
        Some(Body::Status(status)) => {
            all.extend(groups(&status.replaced));
            let target = status.target.as_ref().and_then(|of| of.target.as_ref());
            if let Some(v1::target::Target::Number(number)) = target {
                all.insert("number".to_owned(), number.clone());
            }
            let name = |name: &str| name.to_lowercase();
            all.insert("action".to_owned(), name(status.action().as_str_name()));
            all.insert("reason".to_owned(), name(status.reason().as_str_name()));
            let day = status.effective_date.to_string();
            all.insert("effective_date".to_owned(), day);
        }
        Some(Body::Institution(submission)) => {
            if let Some(institution) = &submission.institution {
                all.insert("code".to_owned(), institution.code.clone());
                all.insert("name".to_owned(), institution.name.clone());
                all.insert("uscc".to_owned(), institution.uscc.clone());
            }
            let day = submission.effective_date.to_string();
            all.insert("effective_date".to_owned(), day);
        }
        _ => {}
    }
    all.retain(|_, value| !value.is_empty());
    all
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.display())?;
        if let Some(sheet) = &self.sheet {
            writeln!(f, "工作表 sheet        {sheet}")?;
        }
        if let Some(encoding) = self.encoding {
            writeln!(f, "编码 encoding       {encoding:?}")?;
        }
        writeln!(f, "种类 kind           {:?}", self.kind)?;
        writeln!(f, "表头行 header line  {}", self.header_line)?;
        writeln!(f, "列 columns")?;
        for column in &self.columns {
            let header = &column.header;
            match (column.field, column.meaning) {
                (Some(field), meaning) => {
                    writeln!(f, "  {header} → {} ({field})", meaning.unwrap_or(field))?;
                }
                _ if column.is_ours => {
                    writeln!(f, "  {header} — 拒绝清单所附，忽略 ours, left out")?;
                }
                _ => writeln!(f, "  {header} — 未识别，忽略 not known, left out")?,
            }
        }
        writeln!(
            f,
            "前几行（姓名、证件号码已脱敏） first rows, persons masked"
        )?;
        for row in &self.first_rows {
            write!(f, "  {}:", row.line)?;
            for (field, value) in &row.fields {
                write!(f, " {field}={value}")?;
            }
            if !row.rejected.is_empty() {
                write!(f, " 将被拒绝 would be refused: {}", row.rejected.join(" "))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "行数 rows           {}", self.read)?;
        write!(f, "将被拒绝 refused    {}", self.rejected)?;
        for (code, count) in &self.rejected_by_code {
            write!(f, "\n  {code:<30} {count}")?;
        }
        Ok(())
    }
}
