//! What can be wrong with a register entry beyond what submissions and codes report already.

use crate::submission::faults;

faults! {
    /// The rules of register entries that can be broken.
    pub(super) enum Fault;
    /// Not a message of its kind.
    BodyUndecodable = "BODY_UNDECODABLE", "登记内容无法解析", "the entry does not decode as a message of its kind";
    /// Fields that this program does not know.
    BodyUnknownFields = "BODY_UNKNOWN_FIELDS", "登记内容含有无法识别的字段",
        "the entry holds more than was understood";
    /// No room for it in a leaf.
    BodyTooLarge = "BODY_TOO_LARGE", "登记内容过长（最多 65000 字节），请分册登记",
        "the entry is longer than 65000 bytes: split it into parts";
    /// A number of an enum that this program does not know: in a leaf, something newer.
    ValueUnknown = "VALUE_UNKNOWN", "无法识别的选项", "the value is not one of the list that is known";
    /// A field that says something where it does not apply.
    FieldNotAllowed = "FIELD_NOT_ALLOWED", "此类登记不应填写该字段", "the field does not apply here";
    /// Not a code.
    CodeFormat = "CODE_FORMAT", "编号应为 1 至 32 位大写字母、数字或连字符，首尾不为连字符；专家编号不少于 3 位",
        "a code is 1 to 32 of A-Z, 0-9 and hyphen, with no hyphen at its ends; an expert's at least 3";
    /// A year without an edition.
    EditionRange = "EDITION_RANGE", "职业分类大典版本应为 1999、2015、2022 或此后的年份",
        "an edition of the classification is 1999, 2015, 2022 or a later year";
    /// Levels that do not exist, or the higher one first.
    LevelRange = "LEVEL_RANGE", "等级应为 1 至 8 且起始不高于截止", "levels are 1 to 8, the lower one first";
    /// A day before another one that it follows.
    DateOrder = "DATE_ORDER", "日期先后颠倒", "the dates are in the wrong order";
    /// Not 32 bytes.
    DigestLength = "DIGEST_LENGTH", "摘要应为 32 字节", "a digest has 32 bytes";
    /// A number out of its range.
    NumberRange = "NUMBER_RANGE", "数值超出允许范围", "the number is out of its range";
    /// Two lines with one key.
    ListRepeated = "LIST_REPEATED", "同一条目出现多次", "an item of the list is given more than once";
    /// A city or county where a province is needed.
    NotProvince = "REGION_NOT_PROVINCE", "此处应为省级地区代码", "the region is not a province";
    /// Not the origin of a log.
    OriginFormat = "ORIGIN_FORMAT", "日志名称格式有误", "not the origin of a log";
    /// A crosswalk from the edition itself or from a later one.
    CrosswalkEdition = "CROSSWALK_EDITION", "对照表的来源版本应早于本版本",
        "a crosswalk leads from an earlier edition";
    /// A standard in its own place.
    OwnSuccessor = "STANDARD_OWN_REFERENCE", "标准不能以自身为替代版本或依据",
        "a standard is neither its own successor nor its own base";
    /// A review that left out a step.
    ReviewOrder = "REVIEW_ORDER", "评审步骤应从立项起依次进行，不得跳过", "a review takes its steps in order and skips none";
    /// Too few published items.
    DisclosureRatio = "DISCLOSURE_RATIO", "公开题目比例低于规定比例", "fewer items are published than the set share";
    /// Shares that are not a whole.
    SharesSum = "SHARES_SUM", "各方出资比例之和应为 100%", "the shares do not add up to the whole";
    /// A session in another year than its plan.
    SessionYear = "SESSION_YEAR", "场次日期不在计划年度内", "the session lies outside of the plan's year";
    /// A department that is not the site's.
    SiteElsewhere = "SITE_ELSEWHERE", "考点不在该部门所辖地区内",
        "the site lies outside of the region of the department";
    /// Territory of no party.
    TerritoryOutside = "TERRITORY_OUTSIDE", "适用地区不属于任何签署方", "the territory lies in none of the parties";
    /// A mapping of a track that the agreement leaves out.
    TrackNotCovered = "TRACK_NOT_COVERED", "等级对应涉及协议未覆盖或不分等级的证书类别",
        "a level is mapped of a track that is not covered or has no levels";
    /// An acknowledgement that does not add up.
    BatchReconcile = "BATCH_RECONCILE", "回执接收数与退回数之和不等于上报数",
        "what was taken and what was not do not make up the batch";
    /// Names or numbers in clear.
    NotMasked = "NOT_MASKED", "共享姓名或证件号码时必须脱敏", "names and document numbers are shared masked only";
    /// Not the code of a rule.
    RuleFormat = "RULE_FORMAT", "规则代码应为 1 至 32 位大写字母或下划线",
        "the code of a rule is 1 to 32 of A-Z and _";
    /// A rule about whether a certificate is genuine and in force.
    RuleGenuineness = "RULE_GENUINENESS", "证书真伪与状态不由各省另行规定效力",
        "whether a certificate is genuine and in force is not for a province to set";
    /// A rule that stands for what is lacking.
    RuleLack = "RULE_LACK", "缺少数据只能导致无法判定，其效力不可另行规定",
        "what is lacking makes a decision undetermined, and nothing else";
    /// A level of government that does not write this kind.
    WriterLevel = "WRITER_LEVEL", "该级人力资源社会保障部门无权登记此类事项",
        "entries of this kind are not written on this level of government";
    /// A region that the writer's does not contain.
    WriterRegion = "WRITER_REGION", "登记事项不在登记部门所辖地区内",
        "the entry is about a region outside of the writer's";
}
