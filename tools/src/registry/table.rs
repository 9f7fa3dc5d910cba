//! Register entries out of a CSV file: a line for each, in the form that JSON would have.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::files::{DecodingReader, detect, detect_delimiter};

/// The column that says from which day on an entry holds; no entry has a field of that name.
const EFFECTIVE: &str = "effective_date";
/// Between the values of a list.
const BETWEEN: char = ';';

/// Reads entries of a message's kind. The first line names the fields, those of a field with
/// dots between: `standard.code`. Empty cells are absent. Encoding and delimiter are told as when
/// certificates are imported.
pub(super) fn read(message: &MessageDescriptor, file: &[u8]) -> Result<Vec<Value>> {
    let encoding = detect(file)?;
    let mut lines = csv::ReaderBuilder::new()
        .delimiter(detect_delimiter(file, encoding))
        .from_reader(DecodingReader::new(file, encoding));
    let mut names = BTreeSet::new();
    let mut columns = Vec::new();
    let unreadable = "不是可读的 CSV / not a readable CSV";
    for name in lines.headers().context(unreadable)? {
        let name = name.trim();
        ensure!(
            names.insert(name.to_owned()),
            "列名重复 / a column is there twice: {name}"
        );
        columns.push(column(message, name)?);
    }
    let mut entries = Vec::new();
    for line in lines.records() {
        let line = line.context(unreadable)?;
        let number = line.position().map_or(0, csv::Position::line);
        let entry = entry(&columns, &line);
        entries.push(entry.with_context(|| format!("第 {number} 行 / line {number}"))?);
    }
    Ok(entries)
}

/// The fields that lead to what a column says; `None` for the day of effect.
fn column(message: &MessageDescriptor, name: &str) -> Result<Option<Vec<FieldDescriptor>>> {
    if name == EFFECTIVE {
        return Ok(None);
    }
    let mut within = Some(message.clone());
    let mut path: Vec<FieldDescriptor> = Vec::new();
    for part in name.split('.') {
        let field = within.as_ref().and_then(|of| of.get_field_by_name(part));
        let field =
            field.with_context(|| format!("没有此字段 / there is no such field: {name}"))?;
        within = field.kind().as_message().cloned();
        ensure!(
            !(field.is_map() || field.is_list() && within.is_some()),
            "CSV 不能表达多层列表，请用 JSON / a list of messages needs JSON: {name}"
        );
        path.push(field);
    }
    ensure!(
        within.is_none(),
        "请写出其下的字段，如 {name}.… / name a field within it: {name}.…"
    );
    Ok(Some(path))
}

fn entry(columns: &[Option<Vec<FieldDescriptor>>], line: &csv::StringRecord) -> Result<Value> {
    let (mut entry, mut effective) = (Map::new(), None);
    for (column, cell) in columns.iter().zip(line) {
        let cell = cell.trim();
        match column.as_deref() {
            _ if cell.is_empty() => {}
            None => effective = Some(cell.parse::<u32>().context(EFFECTIVE)?),
            Some(path) => put(&mut entry, path, cell)?,
        }
    }
    let entry = Value::Object(entry);
    Ok(match effective {
        Some(day) => json!({ (EFFECTIVE): day, "entry": entry }),
        None => entry,
    })
}

fn put(entry: &mut Map<String, Value>, path: &[FieldDescriptor], cell: &str) -> Result<()> {
    let Some((field, rest)) = path.split_first() else {
        return Ok(());
    };
    let name = field.name();
    if !rest.is_empty() {
        let within = entry.entry(name).or_insert_with(|| json!({}));
        return within
            .as_object_mut()
            .map_or(Ok(()), |within| put(within, rest, cell));
    }
    let value = if field.is_list() {
        let parts = cell.split(BETWEEN).map(str::trim);
        let parts = parts.map(|part| plain(&field.kind(), part));
        parts.collect::<Result<Vec<Value>>>().map(Value::Array)
    } else {
        plain(&field.kind(), cell)
    };
    entry.insert(name.to_owned(), value.with_context(|| name.to_owned())?);
    Ok(())
}

/// One value, as JSON writes it.
fn plain(kind: &Kind, text: &str) -> Result<Value> {
    Ok(match kind {
        Kind::Bool => text.parse::<bool>()?.into(),
        Kind::Float | Kind::Double => text.parse::<f64>()?.into(),
        Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => text.into(),
        _ => text.parse::<i64>()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use huren_proto::v1::Kind;

    use super::*;
    use crate::registry::message;

    fn filings(text: &str) -> Result<Vec<Value>> {
        read(&message(Kind::StandardFiling).unwrap(), text.as_bytes())
    }

    #[test]
    fn a_line_is_an_entry_as_json_has_it() {
        let text = "\u{feff}standard.code,standard.edition,filing_number,filed_on,effective_date\n\
                    ZJ-1,2024,浙备1号,20240101,\n\
                    ZJ-2,2024,,,20240301\n";
        let expected = [
            json!({
                "standard": {"code": "ZJ-1", "edition": 2024},
                "filing_number": "浙备1号",
                "filed_on": 20_240_101,
            }),
            json!({
                "effective_date": 20_240_301,
                "entry": {"standard": {"code": "ZJ-2", "edition": 2024}},
            }),
        ];
        assert_eq!(filings(text).unwrap(), expected);
    }

    /// As Excel writes it in China, and with another delimiter.
    #[test]
    fn encoding_and_delimiter_are_told() {
        let text = "standard.code;filing_number\nZJ-1;浙江省备案第一号\n";
        let (file, _, _) = encoding_rs::GB18030.encode(text);
        let read = read(&message(Kind::StandardFiling).unwrap(), &file).unwrap();
        assert_eq!(read, filings(text).unwrap());
        assert_eq!(read[0]["filing_number"], "浙江省备案第一号");
    }

    #[test]
    fn values_of_a_list_stand_between_semicolons() {
        let agreement = message(Kind::Agreement).unwrap();
        let lists = agreement.fields().filter(FieldDescriptor::is_list);
        let mut plain = lists.filter(|field| matches!(field.kind(), super::Kind::String));
        let field = plain.next().expect("a list of texts");
        let text = format!("{}\n31; 33\n", field.name());
        assert_eq!(
            read(&agreement, text.as_bytes()).unwrap(),
            [json!({ (field.name()): ["31", "33"] })]
        );
    }

    #[test]
    fn what_csv_cannot_say_is_refused_with_its_line() {
        let said = |text: &str| format!("{:#}", filings(text).unwrap_err());
        assert!(said("no_such\n1\n").contains("no_such"));
        assert!(said("standard\n1\n").contains("standard.…"));
        assert!(said("standard.code.more\n1\n").contains("standard.code.more"));
        let bad = said("standard.code,filed_on\nZJ-1,20240101\nZJ-2,gestern\n");
        assert!(bad.contains("line 3") && bad.contains("filed_on"), "{bad}");
        let twice = said("filed_on,filed_on\n20240101,20240102\n");
        assert!(twice.contains("filed_on"), "{twice}");
        // A line of another length.
        assert!(filings("standard.code,filed_on\nZJ-1\n").is_err());
        let plan = message(Kind::AnnualPlan).unwrap();
        let said = format!("{:#}", read(&plan, b"sessions.number\n1\n").unwrap_err());
        assert!(said.contains("JSON"), "{said}");
    }
}
