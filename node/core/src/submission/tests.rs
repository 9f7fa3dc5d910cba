use proptest::prelude::*;

use super::*;
use huren_proto::v1;

const CERTIFICATE: [(&str, &str); 14] = [
    ("number", "S000033010006243000123"),
    ("track", "L"),
    ("occupation_edition", "2022"),
    ("occupation_code", "4-03-02-01"),
    ("occupation_name", "中式烹调师"),
    ("level", "4"),
    ("institution_code", "S000033010006"),
    ("institution_name", "浙江某某评价有限公司"),
    ("site_code", "S000033010007"),
    ("issue_date", "2024-03-01"),
    ("valid_until", "2034-02-28"),
    ("method", "理论+实操"),
    ("standard", "中式烹调师国家职业技能标准"),
    ("print_serial", "33000012345"),
];

type Groups = BTreeMap<Group, Values>;

fn sample() -> Groups {
    let values = |fields: &[(&str, &str)]| Values::new(fields.iter().copied());
    BTreeMap::from([
        (Group::Certificate, values(&CERTIFICATE)),
        (Group::HolderName, values(&[("name", "张三")])),
        (
            Group::HolderId,
            values(&[
                ("id_kind", "resident_id"),
                ("id_number", "11010519491231002X"),
            ]),
        ),
        (
            Group::Statistics,
            values(&[("activity_region", "330106"), ("work_region", "3302")]),
        ),
        (
            Group::Scores,
            values(&[("theory", "85.5"), ("overall", "90")]),
        ),
    ])
}

/// The sample with some fields set; an empty value removes the field.
fn changed(changes: &[(Group, &str, &str)]) -> Groups {
    let mut groups = sample();
    for (group, field, value) in changes {
        let old = groups.remove(group).unwrap_or_default();
        let kept = old.iter().filter(|(name, _)| name != field);
        groups.insert(*group, Values::new(kept.chain([(*field, *value)])));
    }
    groups
}

fn codes<T>(result: Result<T, Vec<Invalid>>) -> Vec<(&'static str, &'static str)> {
    result
        .err()
        .unwrap_or_default()
        .iter()
        .map(|fault| (fault.field, fault.code))
        .collect()
}

fn check(changes: &[(Group, &str, &str)], expected: &[(&str, &str)]) {
    assert_eq!(
        codes(certificate(&changed(changes), Region::ZHEJIANG)),
        expected,
        "{changes:?}"
    );
}

/// One field of the group `certificate` changed.
fn check_one(field: &str, value: &str, expected: &[(&str, &str)]) {
    check(&[(Group::Certificate, field, value)], expected);
}

#[test]
fn what_is_refused_and_why() {
    check(&[], &[]);
    check_one("number", "", &[("number", "FIELD_MISSING")]);
    check_one(
        "number",
        "S00003301000624300012",
        &[("number", "NUMBER_GRAMMAR")],
    );
    check_one(
        "number",
        "S000033010006246000123",
        &[("number", "NUMBER_POSITION")],
    );
    check_one(
        "number",
        "S0000330100062430001二3",
        &[("number", "NUMBER_CHARSET")],
    );
    check_one(
        "number",
        "S000099010006243000123",
        &[("number", "NUMBER_PROVINCE")],
    );
    check_one(
        "number",
        "S000033010006233000123",
        &[("number", "NUMBER_YEAR_MISMATCH")],
    );
    check_one(
        "number",
        "S000033010006244000123",
        &[("number", "NUMBER_LEVEL_MISMATCH")],
    );
    check_one(
        "number",
        "S000033010009243000123",
        &[("number", "NUMBER_INSTITUTION_MISMATCH")],
    );
    check_one(
        "site_code",
        "S000032010007",
        &[("site_code", "NUMBER_SITE_MISMATCH")],
    );
    check_one("site_code", "杭州一号考点", &[("site_code", "SITE_FORMAT")]);
    check_one("site_code", "HZ-01", &[]);
    check_one("track", "X", &[("track", "TRACK_UNKNOWN")]);
    check_one("level", "", &[("level", "FIELD_MISSING")]);
    check_one("level", "9", &[("level", "LEVEL_UNKNOWN")]);
    check_one("level", "三级/高级工", &[]);
    check_one("level", "二级/高级工", &[("level", "LEVEL_CONTRADICTORY")]);
    check_one(
        "level",
        "7",
        &[
            ("level", "LEVEL_EMPLOYER_ONLY"),
            ("number", "NUMBER_LEVEL_MISMATCH"),
        ],
    );
    check_one(
        "occupation_edition",
        "2020",
        &[("occupation_edition", "OCCUPATION_EDITION")],
    );
    check_one(
        "occupation_code",
        "4030201",
        &[("occupation_code", "OCCUPATION_FORMAT")],
    );
    check_one(
        "occupation_name",
        "茶艺师",
        &[("occupation_name", "OCCUPATION_NAME_MISMATCH")],
    );
    check_one("occupation_name", "中餐烹调师", &[]);
    check_one(
        "institution_code",
        "",
        &[("institution_code", "FIELD_MISSING")],
    );
    check_one(
        "institution_code",
        "Z000033010006",
        &[("institution_code", "INSTITUTION_FORMAT")],
    );
    check_one(
        "institution_name",
        " \u{3000}",
        &[("institution_name", "FIELD_MISSING")],
    );
    check_one(
        "institution_name",
        &"长".repeat(134),
        &[("institution_name", "FIELD_TOO_LONG")],
    );
    check_one("method", "理论\u{0}", &[("method", "CONTROL_CHARACTER")]);
    check_one(
        "method",
        "理论\u{fffd}",
        &[("method", "REPLACEMENT_CHARACTER")],
    );
    check_one(
        "issue_date",
        "2024-02-30",
        &[("issue_date", "DATE_INVALID")],
    );
    check_one(
        "valid_until",
        "2024-02-29",
        &[("valid_until", "VALID_UNTIL_BEFORE_ISSUE")],
    );
    check_one("colour", "red", &[("certificate", "FIELD_UNKNOWN")]);

    let holder = |field, value, expected: &[(&str, &str)]| {
        let group = if field == "name" {
            Group::HolderName
        } else {
            Group::HolderId
        };
        check(&[(group, field, value)], expected);
    };
    holder("name", "张*三", &[("name", "NAME_MASKED")]);
    holder("name", "张三2", &[("name", "NAME_FORMAT")]);
    holder("name", "··", &[("name", "NAME_FORMAT")]);
    holder("name", "\u{e863}", &[]);
    holder("id_kind", "驾驶证", &[("id_kind", "ID_KIND_UNKNOWN")]);
    holder(
        "id_number",
        "110105194912310021",
        &[("id_number", "ID_CHECK_DIGIT")],
    );
    holder(
        "id_number",
        "1101**********002X",
        &[("id_number", "ID_CHARSET")],
    );

    let statistics = |value, expected: &[(&str, &str)]| {
        check(&[(Group::Statistics, "subsidy_region", value)], expected);
    };
    statistics("3300", &[("subsidy_region", "REGION_FORMAT")]);
    statistics("650100", &[]);
    for (score, expected) in [
        ("100", None),
        ("100.1", Some("SCORE_RANGE")),
        ("99999999999", Some("SCORE_RANGE")),
        ("60.25", Some("SCORE_FORMAT")),
        ("60.", Some("SCORE_FORMAT")),
        ("-1", Some("SCORE_FORMAT")),
        ("合格", Some("SCORE_FORMAT")),
        ("６０.50", None),
    ] {
        let expected: Vec<_> = expected
            .map(|code| ("practice", code))
            .into_iter()
            .collect();
        check(&[(Group::Scores, "practice", score)], &expected);
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    check(
        &[
            (Group::Certificate, "number", "S000032010006235000123"),
            (Group::Certificate, "site_code", "?"),
            (Group::Certificate, "issue_date", "1949-10-01"),
            (Group::HolderName, "name", ""),
            (Group::Scores, "theory", "101"),
        ],
        &[
            ("site_code", "SITE_FORMAT"),
            ("number", "NUMBER_PROVINCE"),
            ("number", "NUMBER_YEAR_MISMATCH"),
            ("number", "NUMBER_LEVEL_MISMATCH"),
            ("number", "NUMBER_INSTITUTION_MISMATCH"),
            ("issue_date", "ISSUE_DATE_RANGE"),
            ("name", "FIELD_MISSING"),
            ("theory", "SCORE_RANGE"),
            ("id_number", "ID_BIRTH_AFTER_ISSUE"),
        ],
    );
    let groups = BTreeMap::from([(Group::Scores, Values::default())]);
    assert_eq!(
        codes(certificate(&groups, Region::ZHEJIANG)),
        [
            ("certificate", "GROUP_MISSING"),
            ("holder_name", "GROUP_MISSING"),
            ("holder_id", "GROUP_MISSING"),
            ("scores", "GROUP_EMPTY"),
        ]
    );
}

#[test]
fn the_other_tracks() {
    let c = |field, value| (Group::Certificate, field, value);
    let qualification = [
        c("track", "职业资格证书"),
        c("number", "2433012005300123"),
        c("institution_code", "330112005"),
        c("site_code", ""),
    ];
    check(&qualification, &[]);
    check(
        &[
            qualification[0],
            qualification[3],
            c("number", "2432012005300123"),
        ],
        &[("number", "NUMBER_PROVINCE")],
    );
    check(
        &[qualification.as_slice(), &[c("institution_code", "？")]].concat(),
        &[("institution_code", "INSTITUTION_FORMAT")],
    );
    // A number of Shanghai's old scheme says so by its form alone.
    let old = [c("track", "Q"), c("number", "1201000012345")];
    check(&old, &[("number", "NUMBER_PROVINCE")]);
    let groups = changed(&[
        c("track", "Q"),
        c("number", "1201000012345"),
        c("site_code", ""),
    ]);
    let checked = certificate(&groups, Region::SHANGHAI).unwrap();
    assert_eq!(
        checked.groups[&Group::Certificate].get("number"),
        Some("0001201000012345")
    );

    let special = [
        c("track", "S"),
        c("number", "ZX33020240000123"),
        c("institution_code", ""),
    ];
    check(&special, &[("level", "LEVEL_NOT_ALLOWED")]);
    check(&[special.as_slice(), &[c("level", "")]].concat(), &[]);

    let pilot = [
        c("number", "RSN33010000124300001"),
        c("institution_code", ""),
    ];
    check(&pilot, &[]);
    check(&[pilot[0], c("institution_code", "S000033010006")], &[]);

    let employer = [
        c("number", "Y00003301000624T000123"),
        c("institution_code", "Y000033010006"),
        c("level", "特级技师"),
    ];
    check(&employer, &[]);
    check(
        &[c("number", "S00003301000624T000123"), c("level", "7")],
        &[("level", "LEVEL_EMPLOYER_ONLY")],
    );
    check(
        &[c("number", "S00003301000624T000123")],
        &[
            ("number", "NUMBER_LEVEL_MISMATCH"),
            ("number", "NUMBER_LEVEL_EMPLOYER_ONLY"),
        ],
    );
}

#[test]
fn nobody_is_certified_before_birth() {
    let body = "33010620240301001";
    let check_digit = crate::codes::id_check_digit(body.as_bytes().try_into().unwrap());
    let changes = [
        (
            Group::HolderId,
            "id_number",
            &*format!("{body}{check_digit}"),
        ),
        (Group::Certificate, "issue_date", "2024-03-01"),
    ];
    check(&changes, &[("id_number", "ID_BIRTH_AFTER_ISSUE")]);
}

#[test]
fn corrections_replace_whole_groups() {
    let replaced = |groups: &Groups| replaced(groups, Region::ZHEJIANG);
    assert_eq!(codes(replaced(&Groups::new())), [("", "REPLACED_EMPTY")]);
    let mut name = sample();
    name.retain(|group, _| *group == Group::HolderName);
    assert_eq!(replaced(&name).unwrap(), name);
    assert_eq!(replaced(&sample()).unwrap(), sample());
    let blank = Groups::from([(Group::Statistics, Values::new([("work_region", " ")]))]);
    assert_eq!(codes(replaced(&blank)), [("statistics", "GROUP_EMPTY")]);
    let half = Groups::from([(Group::HolderId, Values::new([("id_kind", "护照")]))]);
    assert_eq!(codes(replaced(&half)), [("id_number", "FIELD_MISSING")]);
}

#[test]
fn equal_facts_give_equal_bytes() {
    let c = |field, value| (Group::Certificate, field, value);
    let written_otherwise = changed(&[
        c("number", " s0000 33010006-24-3-000123 "),
        c("track", "职业技能等级证书"),
        c("occupation_code", "4－03－02－01"),
        c("occupation_name", "中式烹调师 L"),
        c("level", "高级工（三级）"),
        c("institution_name", "浙江某某评价有限公司\n"),
        c("issue_date", "2024年3月1日"),
        c("valid_until", "20340228"),
        c("method", "理论＋实操"),
        (Group::HolderName, "name", "张　三"),
        (Group::HolderId, "id_kind", "身份证"),
        (Group::HolderId, "id_number", "\t110105 19491231 002x"),
        (Group::Statistics, "work_region", "330200"),
        (Group::Scores, "theory", "085.50"),
        (Group::Scores, "overall", "90.00"),
    ]);
    let checked = certificate(&written_otherwise, Region::ZHEJIANG).unwrap();
    assert_eq!(checked.groups, sample());
    assert_eq!(checked.number.expose(), "S000033010006243000123");
}

#[test]
fn groups_on_the_wire() {
    let group = |number: i32, names: &[&str]| v1::GroupValues {
        group: number,
        fields: names
            .iter()
            .map(|n| v1::Field {
                name: (*n).into(),
                value: "v".into(),
            })
            .collect(),
    };
    let read = |groups: &[v1::GroupValues]| codes(from_proto(groups));
    assert_eq!(read(&[group(2, &["name"]), group(5, &[])]), []);
    assert_eq!(
        read(&[group(6, &[]), group(0, &[])]),
        [("", "GROUP_UNKNOWN")]
    );
    assert_eq!(
        read(&[group(2, &["name", "name"])]),
        [("holder_name", "FIELD_TWICE")]
    );
    assert_eq!(
        read(&[group(2, &["name"]), group(2, &[])]),
        [("holder_name", "GROUP_TWICE")]
    );
}

/// Any field of any group with a value that may be far off.
fn change() -> impl Strategy<Value = (Group, String, String)> {
    let fields: Vec<_> = sample()
        .iter()
        .flat_map(|(group, values)| {
            values
                .iter()
                .map(|(name, value)| (*group, name.to_owned(), value.to_owned()))
        })
        .collect();
    let noise = prop_oneof!["[ 　0-9A-Za-z张·.*/-]{0,24}", "\\PC{0,40}", any::<String>()];
    (
        prop::sample::select(fields),
        noise,
        0usize..40,
        any::<bool>(),
    )
        .prop_map(|((group, name, value), noise, at, replaces)| {
            let chars: Vec<char> = value.chars().collect();
            let (before, after) = chars.split_at(at.min(chars.len()));
            let inserted: String = before
                .iter()
                .copied()
                .chain(noise.chars())
                .chain(after.iter().copied())
                .collect();
            (group, name, if replaces { noise } else { inserted })
        })
}

proptest! {
    #[test]
    fn what_is_accepted_is_canonical(changes in prop::collection::vec(change(), 0..4)) {
        let changes: Vec<_> =
            changes.iter().map(|(g, n, v)| (*g, n.as_str(), v.as_str())).collect();
        if let Ok(checked) = certificate(&changed(&changes), Region::ZHEJIANG) {
            let again = certificate(&checked.groups, Region::ZHEJIANG).unwrap();
            prop_assert_eq!(&again.groups, &checked.groups);
            prop_assert_eq!(again.number.expose(), checked.number.expose());
        }
    }

    #[test]
    fn faults_never_hold_the_value(
        field in prop::sample::select(CERTIFICATE.map(|(name, _)| name).to_vec()),
        secret in "[#-&]{6,20}",
    ) {
        let groups = changed(&[(Group::Certificate, field, &secret), (Group::HolderId, "id_number", &secret)]);
        for fault in certificate(&groups, Region::ZHEJIANG).unwrap_err() {
            let shown = format!("{fault:?}");
            prop_assert!(!shown.contains(&secret));
        }
    }
}
