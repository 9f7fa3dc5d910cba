//! Workbooks as Excel and others write them, and as nobody should.

use std::io::{Cursor, Write as _};

use csv::StringRecord;
use rust_xlsxwriter::{ExcelDateTime, Format as Style, Formula, Workbook};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{CellFaultKind, Limits, Options, Row, Table, TableError, Unopened, WorkbookWriter};

type Opened = Result<(Table, ()), Unopened<String>>;

/// Opens bytes; a heading is a row with `编号` in it.
fn open(bytes: Vec<u8>, options: &Options) -> Opened {
    Table::of_bytes(bytes, options, |cells: &StringRecord| {
        let is_heading = cells.iter().any(|cell| cell == "编号");
        is_heading.then_some(()).ok_or("没有编号".to_owned())
    })
}

fn rows(bytes: Vec<u8>) -> Vec<Row> {
    let (mut table, ()) = open(bytes, &Options::default()).unwrap();
    std::iter::from_fn(|| table.next_row().unwrap()).collect()
}

fn code(opened: Opened) -> &'static str {
    match opened {
        Err(Unopened::Table(error)) => error.code(),
        Err(Unopened::Heading { .. }) => "HEADING",
        Ok((mut table, ())) => loop {
            match table.next_row() {
                Ok(Some(_)) => {}
                Ok(None) => return "READ",
                Err(error) => return error.code(),
            }
        },
    }
}

#[test]
fn what_is_written_is_read() {
    let mut writer = WorkbookWriter::new("结果", ["编号", "姓名"]).unwrap();
    writer.row(["007", "张三 & <李四>"]).unwrap();
    writer.row(["", "_x0041_"]).unwrap();
    let mut bytes = Cursor::new(Vec::new());
    writer.finish(&mut bytes).unwrap();
    let rows = rows(bytes.into_inner());
    let texts: Vec<Vec<&str>> = rows.iter().map(|row| row.cells.iter().collect()).collect();
    assert_eq!(texts, [["007", "张三 & <李四>"], ["", "_x0041_"]]);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3]);
}

/// A title, a heading of two rows with merged cells, hidden sheets, and every kind of cell.
#[test]
fn sheets_as_provinces_have_them() {
    let mut workbook = Workbook::new();
    workbook
        .add_worksheet()
        .set_name("说明")
        .unwrap()
        .write(0, 0, "填表说明")
        .unwrap();
    let hidden = workbook.add_worksheet().set_name("码表").unwrap();
    hidden.set_hidden(true).write(0, 0, "编号").unwrap();
    let plain = Style::new();
    let day = Style::new().set_num_format("yyyy\"年\"m\"月\"d\"日\"");
    let padded = Style::new().set_num_format("000000");
    let sheet = workbook.add_worksheet().set_name("证书").unwrap();
    sheet
        .merge_range(0, 0, 0, 6, "某省证书一览", &plain)
        .unwrap();
    sheet.merge_range(2, 0, 3, 0, "编号", &plain).unwrap();
    sheet.merge_range(2, 1, 2, 3, "证书信息", &plain).unwrap();
    for (column, name) in [
        (1, "日期"),
        (2, "分数"),
        (3, "代码"),
        (4, "公式"),
        (5, "对否"),
    ] {
        sheet.write(3, column, name).unwrap();
    }
    sheet.write(5, 0, 330_106_199_001_011_f64).unwrap();
    let date = ExcelDateTime::from_ymd(2024, 2, 29)
        .unwrap()
        .and_hms(13, 5, 0)
        .unwrap();
    sheet.write_with_format(5, 1, &date, &day).unwrap();
    sheet.write(5, 2, 85.3).unwrap();
    sheet.write_with_format(5, 3, 123, &padded).unwrap();
    sheet
        .write(5, 4, Formula::new("=\"甲\"&\"乙\"").set_result("甲乙"))
        .unwrap();
    sheet.write(5, 5, true).unwrap();
    sheet.write(5, 9, "表外的备注").unwrap();
    let bytes = workbook.save_to_buffer().unwrap();

    let names = |cells: &StringRecord| {
        let has = |name| cells.iter().any(|cell| cell == name);
        (has("编号") && has("分数")).then_some(()).ok_or(())
    };
    let (mut table, ()) = Table::of_bytes(bytes, &Options::default(), names).unwrap();
    assert_eq!(table.heading().line, 4);
    let row = table.next_row().unwrap().unwrap();
    assert_eq!(row.line, 6);
    let expected = [
        "330106199001011",
        "2024-02-29",
        "85.3",
        "000123",
        "甲乙",
        "TRUE",
    ];
    assert_eq!(row.cells.iter().collect::<Vec<_>>(), expected);
    assert_eq!(row.faults, []);
    assert_eq!(table.next_row().unwrap(), None);
}

/// Parts of the smallest workbook, of which a test replaces some.
fn parts() -> Vec<(&'static str, String)> {
    const RELS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    vec![
        ("[Content_Types].xml", "<Types/>".into()),
        (
            "_rels/.rels",
            format!(r#"<Relationships><Relationship Id="a" Type="{RELS}/officeDocument" Target="/xl/workbook.xml"/></Relationships>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships><Relationship Id="s" Type="{RELS}/worksheet" Target="sheet.xml"/><Relationship Id="t" Type="{RELS}/sharedStrings" Target="strings.xml"/><Relationship Id="f" Type="{RELS}/styles" Target="styles.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            r#"<workbook><workbookPr date1904="1"/><sheets><sheet name="一" r:id="s"/></sheets></workbook>"#.into(),
        ),
        (
            "xl/strings.xml",
            "<sst uniqueCount=\"18446744073709551615\"><si><t>编号</t></si><si><r><t>甲_x0009_</t></r><rPh><t>jia</t></rPh><r><t>&#20057;</t></r></si></sst>".into(),
        ),
        (
            "xl/styles.xml",
            r#"<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#.into(),
        ),
        ("xl/sheet.xml", sheet("")),
    ]
}

/// A sheet with a heading and more rows.
fn sheet(more: &str) -> String {
    format!(
        r#"<x:worksheet><x:sheetData><x:row r="1"><x:c r="A1" t="s"><x:v>0</x:v></x:c><x:c r="B1" t="inlineStr"><x:is><x:t>值</x:t></x:is></x:c></x:row>{}</x:sheetData></x:worksheet>"#,
        more.replace('<', "<x:").replace("<x:/", "</x:")
    )
}

fn archive(parts: &[(&str, String)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, text) in parts {
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn with(name: &'static str, text: String) -> Vec<u8> {
    let mut parts = parts();
    parts.retain(|(other, _)| *other != name);
    parts.push((name, text));
    archive(&parts)
}

fn with_rows(more: &str) -> Vec<u8> {
    with("xl/sheet.xml", sheet(more))
}

#[test]
fn cells_that_cannot_be_trusted_are_named() {
    let check = |cell: &str, text: &str, fault: Option<CellFaultKind>| {
        let more = format!(r#"<row r="7"><c r="A7" t="s"><v>1</v></c>{cell}</row>"#);
        let row = rows(with_rows(&more)).remove(0);
        assert_eq!((row.line, &row.cells[0]), (7, "甲\t乙"));
        assert_eq!(&row.cells[1], text, "{cell}");
        assert_eq!(row.faults.first().map(|fault| fault.kind), fault, "{cell}");
    };
    use CellFaultKind::{Date, Digits, Error};
    check(r#"<c r="B7" t="e"><v>#N/A</v></c>"#, "#N/A", Some(Error));
    check(
        r#"<c r="B7"><v>3.30106199001011E+17</v></c>"#,
        "3.30106199001011E+17",
        Some(Digits),
    );
    check(
        r#"<c r="B7"><v>330106199001011230</v></c>"#,
        "330106199001011230",
        Some(Digits),
    );
    check(
        r#"<c r="B7"><v>1234567890123450</v></c>"#,
        "1234567890123450",
        Some(Digits),
    );
    check(
        r#"<c r="B7"><v>1.234567890123456E15</v></c>"#,
        "1234567890123456",
        None,
    );
    check(
        r#"<c r="B7"><v>1.23456789012345E14</v></c>"#,
        "123456789012345",
        None,
    );
    check(r#"<c r="B7"><v>85.300000000000004</v></c>"#, "85.3", None);
    check(r#"<c r="B7"><v>0.00001</v></c>"#, "0.00001", None);
    // Days of the calendar from 1904, which this workbook has.
    check(r#"<c r="B7" s="1"><v>43889</v></c>"#, "2024-02-29", None);
    check(r#"<c r="B7" s="1"><v>43889.75</v></c>"#, "2024-02-29", None);
    check(r#"<c r="B7" s="1"><v>-1</v></c>"#, "-1", Some(Date));
    check(r#"<c r="B7" s="1"><v>1e300</v></c>"#, "1e300", Some(Date));
    check(
        r#"<c r="B7" t="d"><v>2024-02-29T00:00:00</v></c>"#,
        "2024-02-29",
        None,
    );
    check(r#"<c r="B7" t="str"><f>A1</f><v>值</v></c>"#, "值", None);
    // Without a place of its own a cell stands behind the last one.
    check(r#"<c t="b"><v>0</v></c>"#, "FALSE", None);
}

#[test]
fn the_calendar_of_1900_has_a_day_too_many() {
    let workbook = r#"<workbook><sheets><sheet name="一" r:id="s"/></sheets></workbook>"#;
    let check = |number: &str, day: &str| {
        let mut parts = parts();
        let more = format!(r#"<row r="2"><c r="B2" s="1"><v>{number}</v></c></row>"#);
        for (name, text) in &mut parts {
            match *name {
                "xl/workbook.xml" => *text = workbook.into(),
                "xl/sheet.xml" => *text = sheet(&more),
                _ => {}
            }
        }
        let row = rows(archive(&parts)).remove(0);
        assert_eq!(
            (&row.cells[1], row.faults.len()),
            (day, usize::from(day == "60"))
        );
    };
    check("1", "1900-01-01");
    check("59", "1900-02-28");
    check("60", "60");
    check("61", "1900-03-01");
    check("45351", "2024-02-29");
    check("2958465", "9999-12-31");
}

#[test]
fn hostile_workbooks_are_refused_with_a_code() {
    let check = |what: &str, bytes: Vec<u8>, expected: &str| {
        let options = Options {
            limits: Limits {
                sheet_bytes: 4 << 20,
                string_bytes: 1 << 20,
            },
            ..Options::default()
        };
        assert_eq!(code(open(bytes, &options)), expected, "{what}");
    };
    check("as it should be", archive(&parts()), "READ");
    let zeros = |n: usize| "0".repeat(n);
    check(
        "a part of zeros",
        with("xl/strings.xml", zeros(2 << 20)),
        "WORKBOOK_TOO_LARGE",
    );
    let cell = r#"<c r="B2"><v>1</v></c>"#;
    let many = |row: &str, n| row.repeat(n);
    let blank = (2..80_000).fold(String::new(), |mut all, n| {
        all += &format!(r#"<row r="{n}"><c r="XFD{n}" s="1"/><c/><c/><c/></row>"#);
        all
    });
    check(
        "empty cells far away",
        with_rows(&blank),
        "WORKBOOK_TOO_LARGE",
    );
    check(
        "a few of them",
        with_rows(r#"<row r="1048576"><c r="XFD1048576"/></row>"#),
        "READ",
    );
    check(
        "text far away",
        with_rows(r#"<row r="2"><c r="XFD2"><v>1</v></c></row>"#),
        "WORKBOOK_TOO_LARGE",
    );
    check(
        "a row beyond",
        with_rows(r#"<row r="1048577"/>"#),
        "WORKBOOK_DAMAGED",
    );
    check(
        "a row twice",
        with_rows(&format!(r#"<row r="2">{cell}</row>"#).repeat(2)),
        "WORKBOOK_DAMAGED",
    );
    check(
        "cells out of order",
        with_rows(&format!(r#"<row r="2">{cell}{cell}</row>"#)),
        "WORKBOOK_DAMAGED",
    );
    check(
        "no such place",
        with_rows(r#"<row r="2"><c r="ZZZZZZZZZZZZZZZZ2"><v>1</v></c></row>"#),
        "WORKBOOK_DAMAGED",
    );
    check(
        "no such string",
        with_rows(r#"<row r="2"><c t="s"><v>2</v></c></row>"#),
        "WORKBOOK_DAMAGED",
    );
    let endless = format!(r#"<row r="2">{}</row>"#, many(r#"<c r="XFD2"/>"#, 20_000));
    check(
        "a row without end",
        with_rows(&endless),
        "WORKBOOK_TOO_LARGE",
    );
    let long = format!("<sst><si><t>{}</t></si></sst>", zeros(200_000));
    check(
        "a long string",
        with("xl/strings.xml", long),
        "WORKBOOK_TOO_LARGE",
    );
    let runs = format!(
        "<sst><si>{}</si></sst>",
        many("<r><t>0000000000</t></r>", 20_000)
    );
    check(
        "a string of many runs",
        with("xl/strings.xml", runs),
        "WORKBOOK_TOO_LARGE",
    );
    let empty = format!("<sst>{}</sst>", many("<si/>", 250_000));
    check(
        "empty strings",
        with("xl/strings.xml", empty),
        "WORKBOOK_TOO_LARGE",
    );
    let entity = r#"<!DOCTYPE x [<!ENTITY a "aaaa">]><sst><si><t>&a;</t></si></sst>"#;
    check(
        "entities",
        with("xl/strings.xml", entity.into()),
        "WORKBOOK_DAMAGED",
    );
    let named = r#"<sheet name="一" r:id="s"/>"#;
    let workbook = |n| format!("<workbook><sheets>{}</sheets></workbook>", many(named, n));
    check(
        "a sheet again and again",
        with("xl/workbook.xml", workbook(1_000)),
        "WORKBOOK_TOO_LARGE",
    );
    let mut blank_sheets = parts();
    for (name, text) in &mut blank_sheets {
        match *name {
            "xl/workbook.xml" => *text = workbook(200),
            "xl/sheet.xml" => {
                *text = format!(
                    "<worksheet><sheetData>{}</sheetData></worksheet>",
                    many("<row/>", 10_000)
                );
            }
            _ => {}
        }
    }
    check(
        "a blank sheet unpacked again and again",
        archive(&blank_sheets),
        "WORKBOOK_TOO_LARGE",
    );
    let codes = zeros(70_000);
    let padded = format!(
        r#"<styleSheet><numFmts><numFmt numFmtId="200" formatCode="{codes}"/></numFmts><cellXfs><xf/><xf numFmtId="200"/></cellXfs></styleSheet>"#
    );
    let mut many_zeros = parts();
    for (name, text) in &mut many_zeros {
        match *name {
            "xl/styles.xml" => *text = padded.clone(),
            "xl/sheet.xml" => *text = sheet(r#"<row r="2"><c r="B2" s="1"><v>1</v></c></row>"#),
            _ => {}
        }
    }
    check("a number of many digits", archive(&many_zeros), "READ");
    let formats = format!(
        "<styleSheet><cellXfs>{}</cellXfs></styleSheet>",
        many("<xf/>", 70_000)
    );
    check(
        "formats",
        with("xl/styles.xml", formats),
        "WORKBOOK_TOO_LARGE",
    );
    check(
        "nested elements",
        with("xl/styles.xml", many("<a>", 100_000)),
        "WORKBOOK_DAMAGED",
    );
    check(
        "not XML",
        with("xl/sheet.xml", "<a></b>".into()),
        "WORKBOOK_DAMAGED",
    );
    let whole = archive(&parts());
    check(
        "cut off",
        whole[..whole.len() / 2].to_vec(),
        "WORKBOOK_DAMAGED",
    );
    for part in [
        "_rels/.rels",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/sheet.xml",
    ] {
        let mut parts = parts();
        parts.retain(|(name, _)| *name != part);
        let code = code(open(archive(&parts), &Options::default()));
        assert!(code.starts_with("WORKBOOK_"), "{part}: {code}");
    }
}

#[test]
fn a_cell_beyond_what_excel_takes_is_cut_and_named() {
    let long = "长".repeat(32_768);
    let more = format!(r#"<row r="2"><c r="B2" t="str"><v>{long}</v></c></row>"#);
    let row = rows(with_rows(&more)).remove(0);
    assert_eq!(row.cells[1].chars().count(), 32_767);
    assert_eq!(row.faults[0].kind, CellFaultKind::Long);
}

#[test]
fn a_flipped_bit_is_noticed() {
    let text = sheet(r#"<row r="2"><c r="B2"><v>123456</v></c></row>"#);
    let mut all = parts();
    all.retain(|(name, _)| *name != "xl/sheet.xml");
    all.push(("xl/sheet.xml", text));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in &all {
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let mut bytes = archive.finish().unwrap().into_inner();
    assert_eq!(code(open(bytes.clone(), &Options::default())), "READ");
    let at = bytes.windows(6).position(|part| part == b"123456").unwrap();
    bytes[at] ^= 1;
    assert_eq!(code(open(bytes, &Options::default())), "WORKBOOK_DAMAGED");
}

#[test]
fn other_files_are_refused_with_what_to_do() {
    let check = |bytes: Vec<u8>, expected: &str| {
        assert_eq!(code(open(bytes, &Options::default())), expected);
    };
    let named = |names: &[&'static str]| -> Vec<u8> {
        archive(
            &names
                .iter()
                .map(|name| (*name, String::new()))
                .collect::<Vec<_>>(),
        )
    };
    check(named(&["mimetype", "content.xml"]), "WORKBOOK_OPENDOCUMENT");
    check(
        named(&["[Content_Types].xml", "xl/workbook.bin"]),
        "WORKBOOK_BINARY",
    );
    check(named(&["a.txt"]), "WORKBOOK_NOT_ONE");
    check(named(&[]), "WORKBOOK_NOT_ONE");
    let mut compound = vec![0; 2048];
    compound[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    compound[30] = 9;
    compound[48] = 1;
    check(compound.clone(), "WORKBOOK_LEGACY");
    let name = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes);
    compound.splice(1024 + 128..1024 + 160, name);
    check(compound, "WORKBOOK_ENCRYPTED");
    check(b"\xff\xfea\0".to_vec(), "TABLE_UTF16");
    check(Vec::new(), "TABLE_EMPTY");
    check("姓名\n张三\n".into(), "HEADING");
}

#[test]
fn a_sheet_is_found_or_named() {
    let mut workbook = Workbook::new();
    for (name, heading) in [("一", "别的"), ("二", "编号"), ("三", "编号")] {
        let sheet = workbook.add_worksheet().set_name(name).unwrap();
        sheet
            .write(0, 0, heading)
            .unwrap()
            .write(1, 0, name)
            .unwrap();
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let named = |sheet: Option<&str>| {
        let options = Options {
            sheet: sheet.map(str::to_owned),
            ..Options::default()
        };
        open(bytes.clone(), &options)
            .map(|(mut table, ())| table.next_row().unwrap().unwrap().cells[0].to_owned())
    };
    assert!(matches!(
        named(None),
        Err(Unopened::Table(TableError::ManySheets))
    ));
    assert_eq!(named(Some("二")).unwrap(), "二");
    assert_eq!(named(Some("三")).unwrap(), "三");
    assert!(matches!(
        named(Some("一")),
        Err(Unopened::Heading { line: 1, .. })
    ));
    let missing = named(Some("四"));
    assert!(matches!(
        missing,
        Err(Unopened::Table(TableError::NoSheet(_)))
    ));
}
