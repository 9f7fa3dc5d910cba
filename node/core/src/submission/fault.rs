//! What can be wrong with a submission beyond what the codes themselves report.

use crate::codes::Coded;

/// One reason why a submission was refused. It never holds the value at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The stable reason code, in `UPPER_SNAKE` letters.
    pub code: &'static str,
    /// The field at fault, or the group, or empty for the whole.
    pub field: &'static str,
    /// A sentence in Chinese.
    pub zh: String,
    /// A sentence in English.
    pub en: String,
}

/// The faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Invalid>);

impl Faults {
    /// Adds a fault; the same one again, from another line of a list, says nothing new.
    pub(crate) fn push(&mut self, field: &'static str, reason: &impl Coded) {
        let code = reason.code();
        if !self
            .0
            .iter()
            .any(|known| known.code == code && known.field == field)
        {
            self.0.push(Invalid {
                code,
                field,
                zh: reason.zh(),
                en: reason.en(),
            });
        }
    }

    /// The value of a result; its error becomes a fault of the field.
    pub(crate) fn take<T, E: Coded>(
        &mut self,
        field: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.push(field, &error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<Invalid> {
        self.0
    }
}

/// Declares faults with their codes and sentences side by side, so that none lacks one.
macro_rules! faults {
    (
        $(#[$enum_doc:meta])* $visibility:vis enum $enum:ident;
        $($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal, $en:literal;)*
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        $visibility enum $enum {
            $($(#[$doc])* #[error($en)] $name,)*
        }

        impl $crate::codes::Coded for $enum {
            fn code(&self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            fn zh(&self) -> String {
                match self { $(Self::$name => $zh,)* }.to_owned()
            }
        }
    };
}

pub(crate) use faults;

faults! {
    /// The rules of submissions that can be broken.
    pub(crate) enum Fault;
    /// A group that a certificate has to have.
    GroupMissing = "GROUP_MISSING", "缺少必需的信息组", "a required group is missing";
    /// A group number that this program does not know.
    GroupUnknown = "GROUP_UNKNOWN", "无法识别的信息组", "the group is not known";
    /// One group given twice.
    GroupTwice = "GROUP_TWICE", "同一信息组出现两次", "the group is given twice";
    /// A group without any value.
    GroupEmpty = "GROUP_EMPTY", "信息组没有任何内容", "the group has no value";
    /// A correction without a group.
    NothingReplaced = "REPLACED_EMPTY", "更正或补发未给出任何替换内容", "nothing is replaced";
    /// A field name that the group does not have.
    FieldUnknown = "FIELD_UNKNOWN", "信息组中有无法识别的字段", "the group has a field that is not known";
    /// One field given twice.
    FieldTwice = "FIELD_TWICE", "同一字段出现两次", "the field is given twice";
    /// A required field without a value.
    FieldMissing = "FIELD_MISSING", "缺少必填字段", "a required field is missing";
    /// More bytes than a value may have.
    FieldTooLong = "FIELD_TOO_LONG", "字段内容过长（最多 400 字节）", "the value is longer than 400 bytes";
    /// More entries than a list may have.
    ListTooLong = "LIST_TOO_LONG", "列表条目过多", "the list has too many entries";
    /// NUL or another control character.
    ControlCharacter = "CONTROL_CHARACTER", "字段含有控制字符", "the value holds a control character";
    /// U+FFFD: the text was decoded under the wrong encoding before it came here.
    ReplacementCharacter = "REPLACEMENT_CHARACTER", "字段含有替换字符（文件编码读取有误）",
        "the value holds U+FFFD: it was read under the wrong encoding";
    /// A number of another province.
    NumberProvince = "NUMBER_PROVINCE", "证书编号中的省份不是本日志所属省份",
        "the certificate number belongs to another province than this log";
    /// A level on a certificate without levels.
    LevelNotAllowed = "LEVEL_NOT_ALLOWED", "专项职业能力证书不分等级",
        "special ability certificates have no level";
    /// 学徒工, 特级技师 or 首席技师 from someone who is no employer.
    LevelEmployerOnly = "LEVEL_EMPLOYER_ONLY", "学徒工、特级技师、首席技师只能由用人单位评定",
        "only an employer may award this level";
    /// Code and name of two different occupations.
    OccupationName = "OCCUPATION_NAME_MISMATCH", "职业名称属于另一职业编码",
        "the occupation's name belongs to another code";
    /// Not letters and digits.
    SiteFormat = "SITE_FORMAT", "考点代码应为 1 至 32 位字母或数字",
        "a site code is 1 to 32 letters and digits";
    /// Not letters and digits.
    AgencyFormat = "INSTITUTION_FORMAT", "评价机构代码应为 1 至 24 位字母或数字",
        "the institution's code is 1 to 24 letters and digits";
    /// Before there were such certificates.
    IssueDateRange = "ISSUE_DATE_RANGE", "发证日期早于 1950 年", "the date of issue is before 1950";
    /// Ends before it begins.
    ValidUntil = "VALID_UNTIL_BEFORE_ISSUE", "有效期截止日早于发证日期",
        "the certificate ends before its date of issue";
    /// The holder's document says they were not born yet.
    BornAfterIssue = "ID_BIRTH_AFTER_ISSUE", "证件号码中的出生日期不早于发证日期",
        "the holder was born on or after the date of issue";
    /// `张*三`: a name to be shown, not one to be recorded.
    NameMasked = "NAME_MASKED", "姓名已脱敏，请提供完整姓名", "the name is masked";
    /// No letter at all, or a digit.
    NameFormat = "NAME_FORMAT", "姓名应由文字组成，不含数字", "a name is letters, without digits";
    /// Not a number with at most one decimal.
    ScoreFormat = "SCORE_FORMAT", "成绩应为数字，最多一位小数",
        "a score is a number with at most one decimal";
    /// Above 100.
    ScoreRange = "SCORE_RANGE", "成绩应在 0 至 100 之间", "a score is between 0 and 100";
    /// An institution's kind is not one of the four.
    InstitutionKind = "INSTITUTION_KIND", "机构类别缺失或无法识别",
        "the institution's kind is missing or not known";
    /// The letter of the code says another kind.
    InstitutionKindMismatch = "INSTITUTION_KIND_MISMATCH", "机构类别与机构代码首字母不一致",
        "the institution's kind differs from the letter of its code";
    /// A code of another province.
    InstitutionOtherProvince = "INSTITUTION_OTHER_PROVINCE", "机构代码所示省份不是本日志所属省份",
        "the institution's code belongs to another province than this log";
    /// An institution's standing is not one of the three.
    InstitutionState = "INSTITUTION_STATE", "机构状态缺失或无法识别",
        "the institution's standing is missing or not known";
    /// Not a public key of its algorithm.
    InstitutionKey = "INSTITUTION_KEY", "机构签名公钥无效：应为 32 字节的 Ed25519 公钥或 65 字节未压缩的 SM2 公钥",
        "not a public key: 32 bytes of Ed25519, or 65 bytes of SM2, uncompressed";
    /// Not a certificate.
    SignedKind = "SIGNED_KIND", "评价机构只能签署证书", "an institution signs certificates only";
    /// No institution holds the key.
    KeyUnknown = "KEY_UNKNOWN", "签名密钥不属于本省目录中的任何评价机构",
        "the key is not of an institution in this province's directory";
    /// The institution may not assess.
    KeyInstitutionState = "KEY_INSTITUTION_STATE", "该评价机构在目录中不是正常状态",
        "the institution is not active in the directory";
    /// For a region that the institution's entry does not cover.
    KeyRegion = "KEY_REGION", "该评价机构不能代表此地区签署",
        "the institution may not sign for this region";
    /// The certificate names another institution.
    KeyInstitution = "KEY_INSTITUTION", "证书所载机构不是签署机构",
        "the certificate names another institution than the one that signed it";
    /// Disclosures that cannot be read.
    DisclosureMalformed = "DISCLOSURE_MALFORMED", "披露内容格式有误", "the disclosures cannot be read";
    /// Not every digest is opened, or in another order.
    DisclosureMissing = "DISCLOSURE_MISSING", "披露内容须按信息组顺序逐一给出并含字段值",
        "each group is disclosed once with its values, in ascending order";
    /// They do not open the digests.
    DisclosureWrong = "DISCLOSURE_WRONG", "披露内容与签名记录的摘要不符",
        "the disclosures do not open the digests of the record";
    /// Values that a node would have written otherwise.
    NotCanonical = "NOT_CANONICAL", "字段值不是规范形式", "the values are not in canonical form";
    /// More than five stars.
    Stars = "STARS_RANGE", "星级应为 0 至 5", "stars are 0 to 5";
    /// Levels that do not exist, or the higher one first.
    ScopeLevel = "SCOPE_LEVEL_RANGE", "认定范围的等级应为 1 至 8 且起始不高于截止；专项机构为 0",
        "the levels of a scope are 1 to 8 in ascending order; 0 for special ability";
    /// Ends before it begins.
    ScopeDates = "SCOPE_DATES", "认定范围的截止日期早于起始日期", "a scope ends before it begins";
}
