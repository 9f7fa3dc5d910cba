//! The header of a table: which column holds which field.

use std::collections::BTreeMap;

use csv::StringRecord;
use huren_core::normalise;

use crate::files::{Kind, canonical_name, columns};

/// Columns that a file of rejects has besides the original ones. Such a file can be put right
/// and imported as it is.
pub(super) const REJECT_COLUMNS: [&str; 5] = ["行号", "列", "原因代码", "原因", "reason"];

/// A header that was understood.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The names as they stand in the file.
    names: Vec<String>,
    /// The field of each column, if it is known.
    fields: Vec<Option<&'static str>>,
}

/// Why a table cannot be imported at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// Neither told nor to be seen.
    #[error(
        "无法从表头判断文件种类，请用 --kind 指明 / the header does not tell the kind: use --kind"
    )]
    KindUnknown,
    /// Columns are missing.
    #[error("表头缺少必需的列 / required columns are missing: {}", .0.join("、"))]
    Missing(Vec<&'static str>),
    /// Two columns hold one field.
    #[error("有两列都表示“{0}” / two columns mean the same: {0}")]
    Twice(&'static str),
}

impl Header {
    pub(super) fn read(names: &StringRecord, kind: Option<Kind>) -> Result<Self, HeaderError> {
        let names: Vec<String> = names.iter().map(normalise::text).collect();
        let kind = kind
            .or_else(|| detect(&names))
            .ok_or(HeaderError::KindUnknown)?;
        let fields: Vec<_> = names.iter().map(|name| field(kind, name)).collect();
        let count = |field| fields.iter().filter(|own| **own == Some(field)).count();
        let known = columns(kind);
        if let Some(column) = known.iter().find(|column| count(column.field) > 1) {
            return Err(HeaderError::Twice(column.names[0]));
        }
        let is_required = |field: &str, required: bool| match (kind, field) {
            // Without a column that says otherwise all are level certificates.
            (Kind::Certificates, "level") => count("track") == 0,
            // Of certificates' columns a status table needs the number alone.
            (Kind::Statuses, "number" | "action" | "effective_date") => true,
            (Kind::Statuses, _) => false,
            _ => required,
        };
        let missing: Vec<_> = known
            .iter()
            .filter(|c| is_required(c.field, c.required) && count(c.field) == 0)
            .map(|c| c.names[0])
            .collect();
        if !missing.is_empty() {
            return Err(HeaderError::Missing(missing));
        }
        Ok(Self {
            kind,
            names,
            fields,
        })
    }

    /// The columns: name, field, and whether it is one of [`REJECT_COLUMNS`].
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, Option<&'static str>, bool)> {
        let columns = self.names.iter().zip(&self.fields);
        columns.map(|(name, field)| {
            let is_ours = REJECT_COLUMNS.contains(&name.as_str());
            (name.as_str(), *field, is_ours)
        })
    }

    /// Names of columns that are not known here.
    pub(super) fn unknown(&self) -> Vec<String> {
        let columns = self.names.iter().zip(&self.fields);
        columns
            .filter(|(name, field)| field.is_none() && !name.is_empty())
            .filter(|(name, _)| !REJECT_COLUMNS.contains(&name.as_str()))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The names as they stand in the file, without those of an earlier file of rejects.
    pub(super) fn own_names(&self) -> impl Iterator<Item = &str> {
        self.own_columns()
            .filter_map(|at| self.names.get(at).map(String::as_str))
    }

    /// A row's cells, without those of an earlier file of rejects, and at least as many as
    /// there are columns.
    pub(super) fn own_cells<'a>(&'a self, row: &'a StringRecord) -> impl Iterator<Item = &'a str> {
        let surplus = self.names.len()..row.len();
        self.own_columns()
            .chain(surplus)
            .map(|at| row.get(at).unwrap_or_default())
    }

    fn own_columns(&self) -> impl Iterator<Item = usize> {
        let is_own = |name: &String| !REJECT_COLUMNS.contains(&name.as_str());
        self.names
            .iter()
            .enumerate()
            .filter(move |(_, name)| is_own(name))
            .map(|(at, _)| at)
    }

    /// The field of a column, if it is known.
    pub(super) fn field_at(&self, column: usize) -> Option<&'static str> {
        self.fields.get(column).copied().flatten()
    }

    /// Whether the table is a file of rejects that we have written.
    pub(super) fn is_of_rejects(&self) -> bool {
        let has = |ours: &str| self.names.iter().any(|name| name == ours);
        // Text has four of them.
        REJECT_COLUMNS.iter().take(4).all(|ours| has(ours))
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }

    /// Whether there is a column for a field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains(&Some(field))
    }

    /// What people call a field: as in the file, or as usual if it is not there.
    pub(super) fn label<'a>(&'a self, field: &'a str) -> &'a str {
        let at = self.fields.iter().position(|own| *own == Some(field));
        at.and_then(|at| self.names.get(at).map(String::as_str))
            .or_else(|| canonical_name(self.kind, field))
            .unwrap_or(field)
    }

    /// The cells that are not blank, by field.
    pub(super) fn cells<'a>(&self, row: &'a StringRecord) -> Cells<'a> {
        let cells = self.fields.iter().zip(row).filter_map(|(field, cell)| {
            let is_blank = normalise::text(cell).is_empty();
            field.filter(|_| !is_blank).map(|field| (field, cell))
        });
        Cells(cells.collect())
    }
}

/// The cells of a row that are not blank, by field.
pub(super) struct Cells<'a>(BTreeMap<&'static str, &'a str>);

impl<'a> Cells<'a> {
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        self.0.get(field).copied()
    }
}

fn field(kind: Kind, name: &str) -> Option<&'static str> {
    let name = bare(name);
    // Tables of corrections say which value is the new one.
    let name = name
        .strip_prefix("更正后")
        .filter(|_| kind == Kind::Statuses)
        .unwrap_or(&name);
    columns(kind)
        .into_iter()
        .find(|column| column.names.contains(&name))
        .map(|c| c.field)
}

/// A column's name without spaces and the signs that templates put on required columns.
fn bare(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '*')
        .collect();
    let stem = name
        .strip_suffix("(必填)")
        .or_else(|| name.strip_suffix("(选填)"));
    stem.map(str::to_owned).unwrap_or(name)
}

fn detect(names: &[String]) -> Option<Kind> {
    let has = |kind, wanted| names.iter().any(|name| field(kind, name) == Some(wanted));
    let kinds = [
        (Kind::Statuses, "action"),
        (Kind::Certificates, "number"),
        (Kind::Institutions, "kind"),
    ];
    kinds
        .into_iter()
        .find(|(kind, field)| has(*kind, field))
        .map(|(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Header, HeaderError> {
        Header::read(&StringRecord::from(names.to_vec()), None)
    }

    const USUAL: [&str; 8] = [
        "证书编号",
        "姓名",
        "证件号码",
        "职业编码",
        "职业名称",
        "评价机构名称",
        "发证日期",
        "技能等级",
    ];

    #[test]
    fn other_names_mean_the_same() {
        for names in [
            USUAL,
            [
                "证书号码",
                " 姓 名*",
                "身份证号",
                "职业（工种）编码",
                "职业(工种)名称",
                "发证机构",
                "核发日期（必填）",
                "职业技能等级",
            ],
        ] {
            let header = read(&names).unwrap();
            assert_eq!(header.kind, Kind::Certificates);
            let fields: Vec<_> = header.fields.iter().flatten().copied().collect();
            let expected = [
                "number",
                "name",
                "id_number",
                "occupation_code",
                "occupation_name",
                "institution_name",
                "issue_date",
                "level",
            ];
            assert_eq!(fields, expected);
            assert!(header.unknown().is_empty());
        }
    }

    #[test]
    fn kinds_are_told() {
        assert_eq!(
            read(&["证书编号", "变更类型", "生效日期", "更正后姓名"])
                .map(|h| (h.kind, h.fields[3])),
            Ok((Kind::Statuses, Some("name")))
        );
        assert_eq!(
            read(&["机构编码", "机构名称", "机构类型", "所在地", "生效日期"]).map(|h| h.kind),
            Ok(Kind::Institutions)
        );
        assert_eq!(read(&["甲", "乙"]).err(), Some(HeaderError::KindUnknown));
    }

    #[test]
    fn what_stops_an_import() {
        assert_eq!(
            read(&USUAL[..6]).err(),
            Some(HeaderError::Missing(vec!["技能等级", "发证日期"]))
        );
        let with_track = [&USUAL[..7], &["证书类别"]].concat();
        assert!(read(&with_track).is_ok());
        let twice = [&USUAL[..], &["身份证号"]].concat();
        assert_eq!(read(&twice).err(), Some(HeaderError::Twice("证件号码")));
    }

    #[test]
    fn a_file_of_rejects_can_be_read_again() {
        let names = [&USUAL[..], &["备注", "行号", "列", "原因代码", "原因"]].concat();
        let header = read(&names).unwrap();
        assert_eq!(header.unknown(), ["备注"]);
        assert_eq!(header.own_names().count(), 9);
        let row = StringRecord::from(vec!["x"; 15]);
        assert_eq!(header.own_cells(&row).count(), 11);
    }
}
