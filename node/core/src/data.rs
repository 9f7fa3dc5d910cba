//! The tables that this program comes with: read and checked as a whole before any is used, and
//! what in them stands in for a fact that is not known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    codes::{
        Date, Occupation,
        level::{self, Confidence},
        number::grammar,
        occupation, region,
        table::{self, BadLine},
    },
    monitoring,
    recognition::{Rule, Rules, RulesError},
    statistics,
};

/// A table that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataFile {
    /// Name of its file in `node/core/data`.
    pub file: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub source: String,
    /// How many entries it has.
    pub entries: usize,
    /// What in it stands in for facts that are not known.
    pub placeholders: Vec<Placeholder>,
}

/// Something that stands in for a fact that is not known, or not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// The entry or field that it is about.
    pub about: String,
    /// What it is and what to do, in Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// Why the tables are not used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A line of a table.
    #[error("line {line} of the built-in table {file} cannot be read")]
    Line {
        /// Its file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
    },
    /// A table that is not in the list of tables.
    #[error("files.json does not say where the built-in table {0} comes from")]
    Unlisted(&'static str),
    /// A file that is JSON.
    #[error("the built-in table {file} cannot be read")]
    Json {
        /// The file.
        file: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The table of rules.
    #[error("a built-in table of rules (recognition*.json) cannot be read")]
    Rules(#[from] RulesError),
}

/// The list of tables as it stands in its file.
const LIST: &str = include_str!("../data/files.json");
/// Standards that test data is invented from.
const STANDARDS: &str = include_str!("../data/standards_sample.csv");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    file: String,
    version: String,
    source: String,
}

/// Reads every table as the program does, and says what is in it. Who has called it needs not
/// fear that the first use of a table fails.
///
/// # Errors
/// [`DataError`] for the first table that cannot be read.
pub fn check() -> Result<Vec<DataFile>, DataError> {
    let list: Vec<Listed> = json("files.json", serde_json::from_str(LIST))?;
    let list = list.into_iter().map(|listed| (listed.file.clone(), listed));
    let mut list: BTreeMap<String, Listed> = list.collect();
    let mut files = Vec::new();
    for (file, read) in TABLES {
        let (entries, placeholders) = read(file)?;
        let listed = list.remove(*file).ok_or(DataError::Unlisted(file))?;
        files.push(DataFile {
            file: listed.file,
            version: listed.version,
            source: listed.source,
            entries,
            placeholders,
        });
    }
    let [newest, _] = Rules::read_all()?;
    files.extend([
        rules(newest),
        described::<statistics::Settings>("statistics.json", statistics::FILE)?,
        described::<monitoring::Settings>("monitoring.json", monitoring::FILE)?,
    ]);
    Ok(files)
}

/// A file of settings, which says itself where it comes from and what in it is a placeholder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described<T> {
    version: String,
    source: String,
    placeholders: Vec<Placeholder>,
    settings: T,
}

/// The settings in a file of settings.
///
/// # Errors
/// If it is none.
pub(crate) fn settings<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json).map(|file: Described<T>| file.settings)
}

fn described<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<DataFile, DataError> {
    let described: Described<T> = json(file, serde_json::from_str(text))?;
    Ok(DataFile {
        file: file.to_owned(),
        version: described.version,
        source: described.source,
        entries: 1,
        placeholders: described.placeholders,
    })
}

/// How many entries, and what stands in for facts.
type Contents = (usize, Vec<Placeholder>);
type Read = fn(&'static str) -> Result<Contents, DataError>;

const TABLES: &[(&str, Read)] = &[
    ("provinces.csv", |file| regions(file, region::PROVINCES)),
    ("regions.csv", |file| regions(file, region::CITIES)),
    ("counties.csv", |file| regions(file, region::COUNTIES)),
    ("occupations.csv", occupations),
    ("levels.csv", levels),
    ("grammars.json", grammars),
    ("standards_sample.csv", standards),
];

fn json<T>(file: &'static str, read: serde_json::Result<T>) -> Result<T, DataError> {
    read.map_err(|source| DataError::Json { file, source })
}

fn lines<T>(file: &'static str, read: Result<Vec<T>, BadLine>) -> Result<Vec<T>, DataError> {
    read.map_err(|BadLine(line)| DataError::Line { file, line })
}

fn regions(file: &'static str, csv: &'static str) -> Result<Contents, DataError> {
    let rows = lines(file, region::read(csv))?;
    let own = rows.iter().filter(|row| row.is_own);
    let placeholders = own.map(|row| Placeholder {
        about: row.name.to_owned(),
        zh: "代码据一般知识补入：与 GB/T 2260 现行版核对".to_owned(),
        en: "its code was added by general knowledge: compare with GB/T 2260 as it is in force"
            .to_owned(),
    });
    Ok((rows.len(), placeholders.collect()))
}

fn occupations(file: &'static str) -> Result<Contents, DataError> {
    let rows = lines(file, occupation::read(occupation::FILE))?;
    let drafts = rows.iter().filter(|row| row.is_draft).count();
    let edition = Occupation::CURRENT_EDITION;
    let placeholder = (drafts > 0).then(|| Placeholder {
        about: format!("{edition}: {drafts}/{}", rows.len()),
        zh: "职业名称与编码摘自大典公示稿且不完整：以正式版登记 occupation_catalogue".to_owned(),
        en: "codes and names are an extract of the draft: enter the published edition as an \
             occupation_catalogue"
            .to_owned(),
    });
    Ok((rows.len(), placeholder.into_iter().collect()))
}

fn levels(file: &'static str) -> Result<Contents, DataError> {
    let rows = lines(file, level::read(level::FILE))?;
    let unsure = rows.iter().filter_map(|row| {
        let (zh, en) = match row.confidence {
            Confidence::Sourced => return None,
            Confidence::Placeholder => (
                "编号中的等级字符为占位，未见公布的规则：取得后改正 levels.csv 与 grammars.json",
                "its character in certificate numbers is a placeholder: correct levels.csv and \
                 grammars.json once a rule is published",
            ),
            Confidence::Own => (
                "不分等级系据一般知识：与主管部门核实",
                "that it has no grades is general knowledge: confirm with the department",
            ),
        };
        let code = row.code_char.map(|code| format!(" {code}"));
        Some(Placeholder {
            about: format!("{}{}", row.name, code.unwrap_or_default()),
            zh: zh.to_owned(),
            en: en.to_owned(),
        })
    });
    Ok((rows.len(), unsure.collect()))
}

fn grammars(file: &'static str) -> Result<Contents, DataError> {
    let grammars = json(file, grammar::read(grammar::FILE))?;
    let placeholders = grammars.iter().flat_map(|grammar| {
        let all = grammar.placeholders().iter();
        all.map(|placeholder| Placeholder {
            about: format!("{} {}", grammar.id(), placeholder.about),
            ..placeholder.clone()
        })
    });
    Ok((grammars.len(), placeholders.collect()))
}

fn standards(file: &'static str) -> Result<Contents, DataError> {
    let rows = table::rows(STANDARDS, |cells| {
        let [code, name, document, from] = cells else {
            return None;
        };
        let is_known = !name.is_empty() && !document.is_empty();
        Occupation::parse(Occupation::CURRENT_EDITION, code).ok()?;
        Date::parse(from).ok().filter(|_| is_known)
    });
    Ok((lines(file, rows)?.len(), Vec::new()))
}

fn rules(rules: Rules) -> DataFile {
    let proposals = rules.proposals.iter().map(|rule| Placeholder {
        about: rule.code().to_owned(),
        zh: "文件未规定其效力，现为本项目建议：由各省以 recognition_rules 登记".to_owned(),
        en:
            "no document fixes what it does, this is the project's proposal: each province sets it \
             by a recognition_rules entry"
                .to_owned(),
    });
    DataFile {
        file: "recognition.json".to_owned(),
        entries: Rule::ALL.len(),
        placeholders: proposals.collect(),
        version: rules.version,
        source: rules.source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read_and_says_where_it_comes_from() {
        let files = check().unwrap();
        let listed: Vec<Listed> = serde_json::from_str(LIST).unwrap();
        assert_eq!(
            files.len(),
            listed.len() + 3,
            "each is listed once or describes itself, and is read"
        );
        for file in &files {
            assert!(file.entries > 0, "{}", file.file);
            assert!(!file.version.is_empty() && !file.source.is_empty());
            for placeholder in &file.placeholders {
                assert!(!placeholder.about.is_empty() && !placeholder.zh.is_ascii());
                assert!(!placeholder.en.is_empty());
            }
        }
        let entries = |name: &str| files.iter().find(|f| f.file == name).unwrap().entries;
        assert_eq!(entries("provinces.csv"), 34);
        assert_eq!(entries("levels.csv"), 9);
        assert_eq!(entries("standards_sample.csv"), 30);
    }

    /// What the project's notes on the field call unverified.
    #[test]
    fn what_is_not_verified_says_so() {
        let files = check().unwrap();
        let about = |name: &str| -> Vec<String> {
            let file = files.iter().find(|file| file.file == name).unwrap();
            file.placeholders.iter().map(|p| p.about.clone()).collect()
        };
        let levels = ["学徒工 X", "特级技师 T", "首席技师 S", "专项能力(不分级)"];
        assert_eq!(about("levels.csv"), levels);
        assert_eq!(about("occupations.csv"), ["2022: 271/271"]);
        assert_eq!(about("provinces.csv").len(), 3);
        let grammars = about("grammars.json").join(" ");
        for id in ["zjdj-22", "pilot-20", "zgzs-13-sh", "zgzs-16", "special"] {
            assert!(grammars.contains(id), "{id}");
        }
        let rules = about("recognition.json");
        assert!(rules.contains(&"EMPLOYER_SCOPE".to_owned()));
        assert!(!rules.contains(&"STATUS_REVOKED".to_owned()));
    }
}
