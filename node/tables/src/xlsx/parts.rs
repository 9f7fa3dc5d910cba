//! What a workbook says of itself: its sheets, its calendar, how its numbers are shown.

use std::{collections::HashMap, sync::Arc};

use quick_xml::events::Event;

use super::{
    cell::{Cells, NumberFormat},
    package::Package,
    strings::Strings,
    xml::{Xml, attribute},
};
use crate::{Limits, TableError};

/// How much is read of each of these parts. Excel bounds formats to 65,490 and their codes to
/// 255 characters ("Excel specifications and limits", support.microsoft.com).
const MOST_BYTES: u64 = 16 << 20;

/// More formats than Excel has.
const MOST_FORMATS: usize = 65_536;

/// Sheets that are looked at: a few bytes name one, and each is unpacked to see what is in it.
const MOST_SHEETS: usize = 256;

/// Bytes of a part's name.
const MOST_NAME: usize = 1024;

/// A sheet of cells.
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) is_visible: bool,
    /// The part that holds its cells.
    pub(super) part: String,
}

/// What is needed to read sheets.
pub(super) struct Parts {
    pub(super) sheets: Vec<Sheet>,
    pub(super) cells: Arc<Cells>,
}

/// A part that another one names.
struct Relation {
    /// The last part of its type, which is the same in the strict and the usual variant.
    kind: String,
    /// The part's name in the archive.
    target: String,
}

impl Parts {
    pub(super) fn read(package: &Package, limits: Limits) -> Result<Self, TableError> {
        let roots = relations(package, "")?;
        let workbook = roots.into_values().find(|one| one.kind == "officeDocument");
        let workbook = workbook.ok_or(TableError::Archive)?.target;
        let related = relations(package, &workbook)?;
        let of_kind = |kind: &str| related.values().find(|one| one.kind == kind);
        let (sheets, is_1904) = sheets(package, &workbook, &related)?;
        let formats = match of_kind("styles") {
            Some(one) => formats(package, &one.target)?,
            None => Vec::new(),
        };
        let strings = match of_kind("sharedStrings") {
            Some(one) => package.part(&one.target, limits.string_bytes),
            None => None,
        };
        let strings = match strings {
            Some(part) => Strings::read(part)?,
            None => Strings::default(),
        };
        let cells = Arc::new(Cells {
            strings,
            formats,
            is_1904,
        });
        Ok(Self { sheets, cells })
    }
}

/// The parts that a part names, by the name that it gives them. The archive itself has none.
fn relations(package: &Package, of: &str) -> Result<HashMap<String, Relation>, TableError> {
    let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
    let slash = if folder.is_empty() { "" } else { "/" };
    let name = format!("{folder}{slash}_rels/{file}.rels");
    let part = package.part(&name, MOST_BYTES);
    let mut xml = Xml::new(part.ok_or(TableError::Damaged("rels"))?, "rels");
    let mut related = HashMap::new();
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == "Relationship" => {
                let (Some(id), Some(kind), Some(target)) = (
                    attribute(&start, "Id"),
                    attribute(&start, "Type"),
                    attribute(&start, "Target"),
                ) else {
                    continue;
                };
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                let target = resolve(folder, &target);
                if id.len().max(kind.len()).max(target.len()) > MOST_NAME {
                    return Err(TableError::TooLarge("rels"));
                }
                related.insert(id, Relation { kind, target });
            }
            Event::Eof => return Ok(related),
            _ => {}
        }
    }
}

/// A target as a name in the archive (ECMA-376 part 2, 6.5.3).
fn resolve(folder: &str, target: &str) -> String {
    let mut path: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => folder.split('/').collect(),
    };
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.retain(|step| !step.is_empty());
    path.join("/")
}

/// The sheets of cells in their order, and whether days are counted from 1904.
fn sheets(
    package: &Package,
    workbook: &str,
    related: &HashMap<String, Relation>,
) -> Result<(Vec<Sheet>, bool), TableError> {
    let part = package.part(workbook, MOST_BYTES);
    let mut xml = Xml::new(part.ok_or(TableError::Damaged("workbook"))?, "workbook");
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == "sheet" => {
                let relation = attribute(&start, "id").and_then(|id| related.get(&id));
                // Sheets of charts and macros have no cells.
                if let Some(relation) = relation.filter(|one| one.kind == "worksheet") {
                    if sheets.len() == MOST_SHEETS {
                        return Err(TableError::TooLarge("sheets"));
                    }
                    sheets.push(Sheet {
                        name: attribute(&start, "name").unwrap_or_default(),
                        is_visible: attribute(&start, "state").is_none_or(|s| s == "visible"),
                        part: relation.target.clone(),
                    });
                }
            }
            Event::Start(start) if start.local_name().as_ref() == "workbookPr" => {
                if let Some(value) = attribute(&start, "date1904") {
                    is_1904 = value == "1" || value == "true";
                }
            }
            Event::Eof => return Ok((sheets, is_1904)),
            _ => {}
        }
    }
}

/// How numbers are shown, by the style that cells name.
fn formats(package: &Package, name: &str) -> Result<Vec<NumberFormat>, TableError> {
    let Some(part) = package.part(name, MOST_BYTES) else {
        return Ok(Vec::new());
    };
    let mut xml = Xml::new(part, "styles");
    let mut own: HashMap<u32, NumberFormat> = HashMap::new();
    let mut formats = Vec::new();
    let mut in_cell_formats = false;
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
    loop {
        match xml.next()? {
            Event::Start(start) => match start.local_name().as_ref() {
                "numFmt" => {
                    let code = attribute(&start, "formatCode").unwrap_or_default();
                    if let Some(id) = number(attribute(&start, "numFmtId")) {
                        own.insert(id, NumberFormat::of_code(&code));
                    }
                }
                "cellXfs" => in_cell_formats = true,
                "xf" if in_cell_formats => {
                    let id = number(attribute(&start, "numFmtId")).unwrap_or_default();
                    let known = own.get(&id).copied();
                    formats.push(known.unwrap_or_else(|| NumberFormat::built_in(id)));
                }
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == "cellXfs" => in_cell_formats = false,
            Event::Eof => return Ok(formats),
            _ => {}
        }
        if formats.len().max(own.len()) > MOST_FORMATS {
            return Err(TableError::TooLarge("styles"));
        }
    }
}
