//! Tables that are read and checked without a node.

use encoding_rs::GB18030;

use super::*;

const HEADER: &str =
    "证书编号,证书类别,姓名,证件号码,职业编码,职业名称,技能等级,评价机构代码,评价机构名称,发证日期";
const SOUND: &str = "S000033010006243000123,职业技能等级,张三,11010519491231002X,4-03-02-01,\
                     中式烹调师,三级/高级工,S000033010006,某评价公司,2024-03-01";

/// Checks a table and gives the report and the file of rejects, if there is one.
async fn check_table(table: impl AsRef<[u8]>) -> (Report, Option<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.csv");
    std::fs::write(&path, table).unwrap();
    let report = checked(&path).await;
    let rejects = report
        .rejects_file
        .as_ref()
        .map(|path| std::fs::read(path).unwrap());
    (report, rejects)
}

#[tokio::test]
async fn generated_rows_are_accepted_and_faulty_ones_named() {
    for encoding in [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Gb18030] {
        let files = Files::generate(4_000, "6%", encoding);
        let report = checked(&files.path("certificates.csv")).await;
        assert_eq!(report.failure, None);
        assert_eq!(report.encoding, Some(encoding));
        assert_eq!(report.unknown_columns, Vec::<String>::new());
        let found: Vec<_> = report
            .rejected_by_code
            .iter()
            .map(|(code, n)| (code.as_str(), *n))
            .collect();
        let expected: Vec<_> = files
            .summary
            .faulty
            .iter()
            .filter(|(code, _)| **code != "NUMBER_TAKEN")
            .map(|(code, n)| (*code, *n))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(
            (report.read, report.rejected),
            (4_000, files.locally_faulty())
        );
        assert_eq!(report.exit_code(), 3);
        for name in ["statuses.csv", "institutions.csv"] {
            let report = checked(&files.path(name)).await;
            assert_eq!(
                (report.failure.as_deref(), report.rejected),
                (None, 0),
                "{report}"
            );
            assert_eq!(report.exit_code(), 0);
            assert!(report.read >= 20);
        }
    }
}

#[tokio::test]
async fn rejected_rows_are_written_as_they_came() {
    let faulty = SOUND
        .replace("张三", "\"张*三\"")
        .replace("31002X", "310021");
    let table = format!("{HEADER},备注\n{SOUND},好\n{faulty},\"有\n换行\"\n");
    let (report, rejects) = check_table(&table).await;
    assert_eq!((report.read, report.accepted, report.rejected), (2, 1, 1));
    assert_eq!(report.unknown_columns, ["备注"]);
    let expected = format!(
        "\u{feff}{HEADER},备注,行号,列,原因代码,原因\r\n{},\"有\n换行\",3,姓名；证件号码,\
         NAME_MASKED；ID_CHECK_DIGIT,姓名已脱敏，请提供完整姓名；身份证号码校验位不符，可能有数字写错\r\n",
        faulty.replace('"', "")
    );
    assert_eq!(String::from_utf8(rejects.unwrap()).unwrap(), expected);

    // In GB 18030 when the input is, and without the columns of the first run in the second.
    let repaired = expected.replace("张*三", "𠮷三");
    let (encoded, _, _) = GB18030.encode(repaired.trim_start_matches('\u{feff}'));
    let (report, rejects) = check_table(&encoded).await;
    assert_eq!(report.unknown_columns, ["备注"]);
    let rejects = rejects.unwrap();
    let (text, had_errors) = GB18030.decode_without_bom_handling(&rejects);
    assert!(!had_errors);
    let second = repaired.replace("姓名；", "").replace("NAME_MASKED；", "");
    let second = second
        .replace("姓名已脱敏，请提供完整", "")
        .replace(",3,", ",2,");
    assert_eq!(text, second.trim_start_matches('\u{feff}'));
}

#[tokio::test]
async fn what_rows_may_look_like() {
    let check = async |row: &str, expected: &[&str]| {
        let (report, _) = check_table(format!("{HEADER}\n{row}\n\n,,,,,,,,,\n")).await;
        assert_eq!(report.failure, None);
        let codes: Vec<_> = report.rejected_by_code.keys().collect();
        assert_eq!(codes, expected, "{row}");
        assert_eq!(report.read, 1);
    };
    check(SOUND, &[]).await;
    check(&SOUND.replace("三级/高级工", "3"), &[]).await;
    check(&SOUND.replace("三级/高级工", "高级"), &[]).await;
    check(
        &SOUND.replace("三级/高级工", "4"),
        &["NUMBER_LEVEL_MISMATCH"],
    )
    .await;
    // No code of the five grades, so not an ordinal of the eight levels either.
    check(&SOUND.replace("三级/高级工", "6"), &["LEVEL_UNKNOWN"]).await;
    check(
        &SOUND.replace("某评价公司", "某评价,公司"),
        &["COLUMN_COUNT"],
    )
    .await;
    check(SOUND.trim_end_matches(",2024-03-01"), &["COLUMN_COUNT"]).await;
    check(
        &SOUND.replace("S000033010006", "S000032010006"),
        &["NUMBER_PROVINCE"],
    )
    .await;
}

#[tokio::test]
async fn delimiters_and_damage() {
    for delimiter in [";", "\t"] {
        let table = format!("{HEADER}\n{SOUND}\n").replace(',', delimiter);
        assert_eq!(check_table(table).await.0.accepted, 1);
    }
    let mut damaged = format!("{HEADER}\n{SOUND}\n").into_bytes();
    let name = damaged
        .windows(6)
        .position(|w| w == "张三".as_bytes())
        .unwrap();
    damaged[name] = 0xff;
    // Read as UTF-8 because that is what it is otherwise.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.csv");
    std::fs::write(&path, damaged).unwrap();
    let args = ImportArgs {
        encoding: Some(Encoding::Utf8),
        ..args(&path)
    };
    let report = check(&args, &ProgressBar::hidden()).await;
    assert_eq!(
        report.rejected_by_code.keys().collect::<Vec<_>>(),
        ["REPLACEMENT_CHARACTER"]
    );
}

#[tokio::test]
async fn files_that_stop_before_anything_is_sent() {
    let check = async |table: Vec<u8>, part: &str| {
        let (report, _) = check_table(table).await;
        let failure = report.failure.clone().unwrap_or_default();
        assert!(failure.contains(part), "{failure}");
        assert_eq!((report.exit_code(), report.accepted), (1, 0));
    };
    check(b"PK\x03\x04xlsx".to_vec(), "Excel").await;
    check("甲,乙\n1,2\n".into(), "--kind").await;
    check(HEADER.replace(",姓名", "").into_bytes(), "姓名").await;
    check(Vec::new(), "nothing").await;
    let endless = format!("{HEADER}\n\"{}", "长,\n".repeat(600_000));
    check(endless.into_bytes(), "引号").await;
    let report = checked(Path::new("/nonexistent/table.csv")).await;
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test]
async fn changes_of_status() {
    const NUMBER: &str = "S000033010006243000123";
    let check = async |row: &str, expected: &[&str]| {
        let header = "证书编号,变更类型,原因,生效日期,姓名,证件号码";
        let (report, _) = check_table(format!("{header}\n{row}\n")).await;
        assert_eq!((report.failure.as_deref(), report.read), (None, 1));
        let codes: Vec<_> = report.rejected_by_code.keys().collect();
        assert_eq!(codes, expected, "{row}");
    };
    check(&format!("{NUMBER},撤销,弄虚作假,2024-05-01,,"), &[]).await;
    check(&format!("{NUMBER},撤销,,2024-05-01,,"), &[]).await;
    check(&format!("{NUMBER},补发,遗失,2024-05-01,,"), &[]).await;
    check(&format!("{NUMBER},更正,笔误,2024-05-01,张三,"), &[]).await;
    check(
        &format!("{NUMBER},更正,笔误,2024-05-01,,"),
        &["REPLACED_EMPTY"],
    )
    .await;
    check(&format!("{NUMBER},更正,笔误,2024-05-01,,1"), &["ID_LENGTH"]).await;
    check(
        &format!("{NUMBER},撤销,,2024-05-01,张三,"),
        &["STATUS_REPLACED"],
    )
    .await;
    check(
        &format!("{NUMBER},烧毁,心情,无,,"),
        &["DATE_INVALID", "STATUS_ACTION", "STATUS_REASON"],
    )
    .await;
    check(
        "S000032010006243000123,撤销,,2024-05-01,,",
        &["NUMBER_PROVINCE"],
    )
    .await;
    check(",撤销,,,,", &["FIELD_MISSING"]).await;
}
