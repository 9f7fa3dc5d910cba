//! From a row to a submission, checked as the node will check it.

use std::collections::BTreeMap;

use huren_core::codes::{CertificateNumber, Date, Level, Region};
use huren_core::disclosure::{Group, Values};
use huren_core::submission;
use huren_proto::v1;
use huren_proto::v1::submit_request::Body;

use super::fault::RowFault;
use super::header::{Cells, Header};
use super::source::RawRow;
use super::{institution, status};
use crate::files::Kind;

/// What is the same for all rows.
#[derive(Clone, Debug)]
pub(super) struct Conversion {
    pub(super) header: Header,
    /// On whose behalf the rows are written.
    pub(super) writer_region: Region,
    pub(super) provenance: v1::Provenance,
    pub(super) wait: v1::Wait,
    /// The edition of occupation codes where the table does not say.
    pub(super) edition: u16,
}

/// A row that can be sent.
#[derive(Clone, Debug)]
pub(super) struct Submission {
    /// What it is about. Rows about the same thing are sent one after the other.
    pub(super) subject: String,
    pub(super) request: v1::SubmitRequest,
}

impl Conversion {
    /// Makes the submission of a row, or tells everything that is wrong with it.
    pub(super) fn convert(&self, row: &RawRow) -> Result<Submission, Vec<RowFault>> {
        if row.cells.len() != self.header.width() {
            let zh = "该行的列数与表头不同（可能缺少引号）";
            return Err(vec![RowFault::new(
                "COLUMN_COUNT",
                "",
                zh,
                "not as many cells as the header has: quotation marks may be missing",
            )]);
        }
        if !row.faults.is_empty() {
            return Err(row.faults.clone());
        }
        let cells = self.header.cells(&row.cells);
        let province = self.writer_region.province();
        let (subject, body) = match self.header.kind {
            Kind::Certificates => self.certificate(&cells)?,
            Kind::Statuses => {
                let groups = self.groups(&cells);
                status::convert(&cells, groups, province)?
            }
            Kind::Institutions => institution::convert(&cells, province)?,
        };
        let request = v1::SubmitRequest {
            client_ref: row.line,
            writer_region: self.writer_region.to_string(),
            provenance: self.provenance.into(),
            wait: self.wait.into(),
            body: Some(body),
        };
        Ok(Submission { subject, request })
    }

    fn certificate(&self, cells: &Cells<'_>) -> Result<(String, Body), Vec<RowFault>> {
        let (groups, faults) = self.groups(cells);
        let checked = submission::certificate(&groups, self.writer_region.province());
        let checked = merge(checked, faults)?;
        let body = Body::Certificate(v1::CertificateSubmission {
            groups: to_proto(&checked.groups),
        });
        Ok((checked.number.expose().to_owned(), body))
    }

    /// The groups for which the row has cells, and what is wrong with these here.
    pub(super) fn groups(&self, cells: &Cells<'_>) -> (BTreeMap<Group, Values>, Vec<RowFault>) {
        let mut faults = Vec::new();
        let mut groups = BTreeMap::new();
        for (group, fields) in GROUPS {
            let mut values = BTreeMap::new();
            for field in fields {
                if let Some(value) = cells.get(field).and_then(|c| value(field, c, &mut faults)) {
                    values.insert(*field, value);
                }
            }
            self.complete(group, &mut values);
            // What a certificate must have is there even if blank, so that the column is named.
            let is_required = self.header.kind == Kind::Certificates && REQUIRED.contains(&group);
            if is_required || !values.is_empty() {
                groups.insert(group, Values::new(values));
            }
        }
        (groups, faults)
    }

    /// Adds what a table leaves out because it is the same for all rows.
    fn complete(&self, group: Group, values: &mut BTreeMap<&'static str, String>) {
        match group {
            // A status table corrects the certificate group only if it has cells for it
            // besides the number, which names the target.
            Group::Certificate
                if self.header.kind == Kind::Statuses && values.keys().all(|f| *f == "number") =>
            {
                values.clear();
            }
            Group::Certificate => {
                self.default("track", "L", values);
                self.default("occupation_edition", &self.edition.to_string(), values);
            }
            Group::HolderId if self.header.kind == Kind::Certificates || !values.is_empty() => {
                self.default("id_kind", "居民身份证", values);
            }
            _ => {}
        }
    }

    fn default(
        &self,
        field: &'static str,
        value: &str,
        values: &mut BTreeMap<&'static str, String>,
    ) {
        if !self.header.has(field) {
            values.insert(field, value.to_owned());
        }
    }
}

const REQUIRED: [Group; 3] = [Group::Certificate, Group::HolderName, Group::HolderId];

/// The fields of each group, as `huren_core::submission` names them.
const GROUPS: [(Group, &[&str]); 5] = [
    (
        Group::Certificate,
        &[
            "number",
            "track",
            "occupation_edition",
            "occupation_code",
            "occupation_name",
            "job_name",
            "level",
            "institution_code",
            "institution_name",
            "site_code",
            "issue_date",
            "valid_until",
            "method",
            "standard",
            "print_serial",
        ],
    ),
    (Group::HolderName, &["name"]),
    (Group::HolderId, &["id_kind", "id_number"]),
    (
        Group::Statistics,
        &[
            "activity_region",
            "work_region",
            "subsidy_region",
            "household_region",
        ],
    ),
    (Group::Scores, &["theory", "practice", "review", "overall"]),
];

/// A cell as submissions want it. They take a digit for a level's ordinal; in tables it is
/// the character of certificate numbers, which runs the other way.
fn value(field: &'static str, cell: &str, faults: &mut Vec<RowFault>) -> Option<String> {
    match field {
        "level" => match Level::parse(cell) {
            Ok(level) => Some(level.ordinal().to_string()),
            Err(error) => {
                faults.push(RowFault::of(field, &error));
                None
            }
        },
        "occupation_edition" => Some(cell.trim().trim_end_matches(['年', '版']).to_owned()),
        _ => Some(cell.to_owned()),
    }
}

/// Puts together what was found here and there. A field refused here is missing there, which
/// is not worth telling.
pub(super) fn merge<T>(
    checked: Result<T, Vec<submission::Invalid>>,
    mut faults: Vec<RowFault>,
) -> Result<T, Vec<RowFault>> {
    match checked {
        Ok(checked) if faults.is_empty() => Ok(checked),
        Ok(_) => Err(faults),
        Err(invalid) => {
            let known: Vec<_> = faults.iter().map(|fault| fault.field.clone()).collect();
            let news = invalid
                .into_iter()
                .filter(|fault| !known.iter().any(|f| f == fault.field));
            faults.extend(news.map(RowFault::from));
            Err(faults)
        }
    }
}

/// Groups as they travel.
pub(super) fn to_proto(groups: &BTreeMap<Group, Values>) -> Vec<v1::GroupValues> {
    let field = |(name, value): (&str, &str)| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    groups
        .iter()
        .map(|(group, values)| v1::GroupValues {
            group: group.number(),
            fields: values.iter().map(field).collect(),
        })
        .collect()
}

/// The number of the certificate that a row is about, whatever its track.
pub(super) fn target_number(
    cells: &Cells<'_>,
    province: Region,
    faults: &mut Vec<RowFault>,
) -> Option<CertificateNumber> {
    let Some(text) = cells.get("number") else {
        faults.push(RowFault::missing("number"));
        return None;
    };
    match CertificateNumber::parse(text, None) {
        Ok(number) => {
            if number.province().is_some_and(|own| own != province) {
                let zh = "证书编号中的省份不是本日志所属省份";
                faults.push(RowFault::new(
                    "NUMBER_PROVINCE",
                    "number",
                    zh,
                    "the number is of another province",
                ));
            }
            Some(number)
        }
        Err(error) => {
            faults.push(RowFault::of("number", &error));
            None
        }
    }
}

/// The day from which a row takes effect.
pub(super) fn effective_date(cells: &Cells<'_>, faults: &mut Vec<RowFault>) -> Option<Date> {
    let field = "effective_date";
    let Some(text) = cells.get(field) else {
        faults.push(RowFault::missing(field));
        return None;
    };
    Date::parse(text)
        .map_err(|error| faults.push(RowFault::of(field, &error)))
        .ok()
}
