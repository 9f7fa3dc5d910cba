//! Columns and the names that are in use for them.

use clap::ValueEnum;
use serde::Serialize;

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 证书
    Certificates,
    /// 证书状态变更
    Statuses,
    /// 评价机构目录
    Institutions,
}

/// A column of a table.
pub(crate) struct Column {
    /// The field that it holds; in certificates the name under which it is digested.
    pub(crate) field: &'static str,
    /// Its names, the usual one first.
    pub(crate) names: &'static [&'static str],
    /// Whether a table without it cannot be read.
    pub(crate) required: bool,
}

const fn column(field: &'static str, names: &'static [&'static str]) -> Column {
    Column {
        field,
        names,
        required: false,
    }
}

const fn required(field: &'static str, names: &'static [&'static str]) -> Column {
    Column {
        field,
        names,
        required: true,
    }
}

/// The names are those of certificates, of the national query system and of provinces'
/// exports.
const CERTIFICATES: [Column; 26] = [
    required("number", &["证书编号", "证书号码", "证书号"]),
    column("track", &["证书类别", "证书类型", "证书种类"]),
    required("name", &["姓名", "持证人姓名", "持证人"]),
    column("id_kind", &["证件类型", "证件类别", "证件种类"]),
    required(
        "id_number",
        &[
            "证件号码",
            "证件号",
            "身份证号",
            "身份证号码",
            "公民身份号码",
        ],
    ),
    column(
        "occupation_edition",
        &["职业编码版本", "职业分类版本", "大典版本"],
    ),
    required(
        "occupation_code",
        &["职业编码", "职业代码", "职业(工种)编码", "职业(工种)代码"],
    ),
    required(
        "occupation_name",
        &["职业名称", "职业", "职业(工种)名称", "职业(工种)"],
    ),
    column("job_name", &["工种名称", "工种", "工种(方向)"]),
    column(
        "level",
        &[
            "技能等级",
            "职业技能等级",
            "等级",
            "级别",
            "技能等级级别",
            "职业技能等级级别",
        ],
    ),
    column(
        "institution_code",
        &[
            "评价机构代码",
            "评价机构编码",
            "评价机构备案号",
            "机构代码",
            "机构编码",
        ],
    ),
    required(
        "institution_name",
        &[
            "评价机构名称",
            "评价机构",
            "发证机构",
            "发证机构名称",
            "鉴定机构",
            "鉴定机构名称",
        ],
    ),
    column("site_code", &["考点代码", "考点编码", "站点代码"]),
    required(
        "issue_date",
        &["发证日期", "核发日期", "颁证日期", "发证时间", "核发时间"],
    ),
    column(
        "valid_until",
        &["有效期至", "有效期止", "有效期截止", "有效期截止日期"],
    ),
    column("method", &["评价方式", "考核方式", "认定方式"]),
    column("standard", &["标准依据", "评价依据", "执行标准"]),
    column(
        "print_serial",
        &["流水号", "流水码", "印刷流水号", "证书流水号"],
    ),
    column(
        "theory",
        &[
            "理论成绩",
            "理论知识成绩",
            "理论考试成绩",
            "理论知识考试成绩",
        ],
    ),
    column(
        "practice",
        &["技能成绩", "操作技能成绩", "技能考核成绩", "实操成绩"],
    ),
    column("review", &["综合评审成绩", "综合成绩"]),
    column("overall", &["评定成绩", "总成绩"]),
    column(
        "activity_region",
        &["认定地区", "认定所在地", "评价活动所在地"],
    ),
    column("work_region", &["工作地区", "工作所在地"]),
    column("subsidy_region", &["补贴申领地区", "补贴申领地"]),
    column("household_region", &["户籍地区", "户籍所在地"]),
];

const STATUSES: [Column; 4] = [
    required("action", &["变更类型", "变更类别", "状态变更"]),
    column("reason", &["原因", "变更原因"]),
    required("effective_date", &["生效日期", "变更日期"]),
    column("reference", &["办理编号", "案号", "业务流水号"]),
];

const INSTITUTIONS: [Column; 12] = [
    required(
        "code",
        &["机构代码", "机构编码", "评价机构代码", "评价机构编码"],
    ),
    column("uscc", &["统一社会信用代码", "信用代码"]),
    required("name", &["机构名称", "评价机构名称", "评价机构"]),
    required("kind", &["机构类别", "机构类型"]),
    required("home_region", &["所在地区", "机构所在地", "所在地"]),
    column("selecting_region", &["遴选地区", "遴选部门所在地"]),
    column("scopes", &["认定范围", "评价范围"]),
    column("site_regions", &["考点地区", "考点所在地"]),
    column("stars", &["星级"]),
    column("state", &["机构状态", "状态"]),
    column("keys", &["签名公钥", "机构签名公钥"]),
    required("effective_date", &["生效日期", "备案日期"]),
];

/// The columns of a certificate table as provinces export it.
pub(crate) const CERTIFICATE_EXPORT: [&str; 24] = [
    "number",
    "track",
    "name",
    "id_kind",
    "id_number",
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
    "theory",
    "practice",
    "review",
    "overall",
    "activity_region",
    "work_region",
    "subsidy_region",
    "household_region",
];

/// The columns of a table of status changes; the last is what corrections replace.
pub(crate) const STATUS_EXPORT: [&str; 5] =
    ["number", "action", "reason", "effective_date", "name"];

/// The columns of a directory.
pub(crate) const INSTITUTION_EXPORT: [&str; 11] = [
    "code",
    "uscc",
    "name",
    "kind",
    "home_region",
    "selecting_region",
    "scopes",
    "site_regions",
    "stars",
    "state",
    "effective_date",
];

/// Every column that a table of the kind may have. Status tables may carry any column of
/// certificates besides their own: what a correction replaces.
pub(crate) fn columns(kind: Kind) -> Vec<&'static Column> {
    match kind {
        Kind::Certificates => CERTIFICATES.iter().collect(),
        Kind::Statuses => STATUSES.iter().chain(&CERTIFICATES).collect(),
        Kind::Institutions => INSTITUTIONS.iter().collect(),
    }
}

/// The usual name of a field's column.
pub(crate) fn canonical_name(kind: Kind, field: &str) -> Option<&'static str> {
    let column = columns(kind)
        .into_iter()
        .find(|column| column.field == field)?;
    column.names.first().copied()
}
