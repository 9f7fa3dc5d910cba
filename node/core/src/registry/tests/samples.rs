//! One correct entry of every kind, in its one form.

use huren_proto::v1::*;

pub(super) const DIGEST: [u8; 32] = [7; 32];
pub(super) const INSTITUTION: &str = "S000033010006";

fn s(text: &str) -> String {
    text.to_owned()
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| s(text)).collect()
}

pub(super) fn reference() -> StandardRef {
    StandardRef {
        code: s("ZJ-PJGF-001"),
        edition: 2023,
    }
}

pub(super) fn seed() -> DrawSeed {
    DrawSeed {
        origin: s("huren.example/log/33"),
        size: 4_096,
        root: DIGEST.to_vec(),
    }
}

pub(super) fn occupation_catalogue() -> OccupationCatalogue {
    let line = |code: &str, name: &str, green| OccupationLine {
        code: s(code),
        name: s(name),
        green,
        digital: false,
    };
    let step = |from: &str, to: &str, relation: OccupationRelation| OccupationCrosswalk {
        from_edition: 2015,
        from: s(from),
        to: s(to),
        relation: relation.into(),
    };
    OccupationCatalogue {
        edition: 2022,
        part: 1,
        parts: 4,
        title: s("中华人民共和国职业分类大典(2022年版)"),
        document_number: String::new(),
        lines: vec![
            line("4-03-02-01", "中式烹调师", false),
            line("4-09-07-04", "碳排放管理员", true),
        ],
        crosswalk: vec![
            step("4-03-02-01", "4-03-02-01", OccupationRelation::Same),
            step("6-31-01-10", "", OccupationRelation::Ended),
        ],
    }
}

pub(super) fn qualification_catalogue() -> QualificationCatalogue {
    let line = |number, name: &str, category: QualificationCategory, occupations: &[&str]| {
        QualificationLine {
            number,
            name: s(name),
            category: category.into(),
            access: QualificationAccess::Required.into(),
            department: s("人力资源社会保障部"),
            occupations: list(occupations),
        }
    };
    use QualificationCategory::{Professional, Skilled};
    QualificationCatalogue {
        edition: 20_211_123,
        part: 1,
        parts: 1,
        title: s("国家职业资格目录(2021年版)"),
        document_number: s("人社部公告2021年第1号"),
        occupation_edition: 2022,
        lines: vec![
            line(1, "教师资格", Professional, &[]),
            line(2, "焊工", Skilled, &["6-18-02-04", "6-30-05-01-014"]),
        ],
    }
}

pub(super) fn standard() -> Standard {
    Standard {
        code: s("ZJ-PJGF-001"),
        edition: 2023,
        kind: StandardKind::Norm.into(),
        title: s("茶艺师职业技能评价规范"),
        occupation_edition: 2022,
        occupation: s("4-03-02-07"),
        level_from: 2,
        level_to: 6,
        document_number: s("浙人社函〔2023〕9号"),
        authors: list(&["浙江某某协会", "浙江某某学院"]),
        state: StandardState::Issued.into(),
        committee: s("ZJ-BZ"),
        reviewed_on: 20_230_301,
        superseded_by: None,
        institution: String::new(),
        base: None,
        functions: list(&["F1", "F2"]),
    }
}

pub(super) fn filing(step: FilingStep) -> StandardFiling {
    StandardFiling {
        standard: Some(reference()),
        step: step.into(),
        filing_number: s("浙备2023-1"),
        filed_on: 20_230_401,
        digest: DIGEST.to_vec(),
        state: FilingState::Filed.into(),
    }
}

pub(super) fn committee() -> Committee {
    let step = |stage: ReviewStage, decided_on| ReviewStep {
        stage: stage.into(),
        decided_on,
    };
    Committee {
        code: s("ZJ-BZ"),
        name: s("浙江省职业技能标准开发指导委员会"),
        members: 31,
        state: CommitteeState::Active.into(),
        standard: Some(reference()),
        steps: vec![
            step(ReviewStage::Accepted, 20_220_601),
            step(ReviewStage::Examined, 20_220_901),
            step(ReviewStage::Reviewed, 20_221_201),
            step(ReviewStage::Published, 20_230_101),
            step(ReviewStage::Approved, 20_230_301),
        ],
    }
}

pub(super) fn expert() -> Expert {
    Expert {
        code: s("KP-0001"),
        region: s("330106"),
        teams: vec![ExpertTeam::Assessor.into(), ExpertTeam::Developer.into()],
        employer: s("Y000033020009"),
        trained: list(&["S000033010007"]),
        occupation_edition: 2022,
        occupations: list(&["4-03-02-01", "4-03-02-07"]),
        state: ExpertState::Active.into(),
    }
}

pub(super) fn expert_qualification() -> ExpertQualification {
    ExpertQualification {
        expert: s("KP-0001"),
        region: s("330106"),
        team: ExpertTeam::Assessor.into(),
        occupation_edition: 2022,
        occupations: list(&["4-03-02-07"]),
        trained_on: 20_230_501,
        valid_from: 20_230_601,
        valid_to: 20_260_531,
        state: QualificationState::Valid.into(),
    }
}

pub(super) fn expert_dispatch() -> ExpertDispatch {
    let expert = |province: &str, code: &str| DispatchedExpert {
        province: s(province),
        code: s(code),
        team: ExpertTeam::Assessor.into(),
    };
    ExpertDispatch {
        institution: s(INSTITUTION),
        region: s("330106"),
        round: 3,
        date: 20_240_615,
        seed: Some(seed()),
        candidates: DIGEST.to_vec(),
        candidate_count: 40,
        experts: vec![expert("33", "KP-0002"), expert("31", "KP-0001")],
        state: DispatchState::Drawn.into(),
    }
}

pub(super) fn expert_performance() -> ExpertPerformance {
    ExpertPerformance {
        expert: s("KP-0001"),
        region: s("330106"),
        period: ExpertPeriod::Annual.into(),
        year: 2024,
        number: 1,
        grade: ExpertGrade::Passed.into(),
        integrity: ExpertIntegrity::Sound.into(),
        dispatches: 12,
        decided_on: 20_250_115,
        digest: DIGEST.to_vec(),
    }
}

pub(super) fn resource() -> Resource {
    Resource {
        code: s("ZY-2024-017"),
        title: s("茶艺师实操课程"),
        kind: ResourceKind::Course.into(),
        occupation_edition: 2022,
        occupation: s("4-03-02-07"),
        owner: s("浙江某某学院"),
        version: 2,
        digest: DIGEST.to_vec(),
        sharing: SharingTerms::Members.into(),
        state: ResourceState::Available.into(),
    }
}

pub(super) fn item_bank_entry() -> ItemBankEntry {
    ItemBankEntry {
        code: s("TK-0042"),
        title: s("茶艺师题库"),
        occupation_edition: 2022,
        occupation: s("4-03-02-07"),
        level_from: 2,
        level_to: 4,
        standard: Some(reference()),
        version: 1,
        owner: s("浙江某某协会"),
        digest: DIGEST.to_vec(),
        sharing: SharingTerms::Province.into(),
        theory_items: 1_200,
        practical_items: 60,
        published_items: 20,
        disclosure_permille: 333,
        state: ResourceState::Available.into(),
    }
}

pub(super) fn funding() -> Funding {
    let part = |name: &str, source: FundingSource, share| Contribution {
        name: s(name),
        source: source.into(),
        share,
    };
    Funding {
        code: s("JF-9"),
        resource: s("TK-0042"),
        document_number: String::new(),
        amount_yuan: 300_000,
        contributions: vec![
            part("浙江某某协会", FundingSource::Own, 6_667),
            part("省财政", FundingSource::Government, 3_333),
        ],
        state: FundingState::Agreed.into(),
    }
}

pub(super) fn annual_plan() -> AnnualPlan {
    let session = |number, first_day, last_day| PlannedSession {
        number,
        occupation_edition: 2022,
        occupation: s("4-03-02-07"),
        level_from: 2,
        level_to: 4,
        site_region: s("330106"),
        first_day,
        last_day,
        mode: SessionMode::Paperless.into(),
        daily_capacity: 80,
    };
    AnnualPlan {
        institution: s(INSTITUTION),
        region: s("330106"),
        year: 2024,
        sessions: vec![
            session(1, 20_240_510, 20_240_511),
            session(2, 20_241_108, 20_241_108),
        ],
        state: PlanState::Published.into(),
    }
}

pub(super) fn session_result() -> SessionResult {
    SessionResult {
        institution: s(INSTITUTION),
        region: s("330106"),
        year: 2024,
        session: 1,
        occupation_edition: 2022,
        occupation: s("4-03-02-07"),
        level: 4,
        held_on: 20_240_511,
        examined: 120,
        passed: 87,
    }
}

pub(super) fn assessment() -> Assessment {
    Assessment {
        institution: s(INSTITUTION),
        region: s("3301"),
        kind: AssessmentKind::Annual.into(),
        year: 2024,
        number: 1,
        stars: 0,
        grade: AssessmentGrade::Passed.into(),
        standing: 0,
        reason: 0,
        decided_on: 20_250_301,
        document_number: String::new(),
    }
}

pub(super) fn site() -> Site {
    Site {
        institution: s(INSTITUTION),
        site_region: s("330206"),
        number: 1,
        name: s("宁波北仑考点"),
        region: s("3302"),
        supervisor: SiteSupervisor::Local.into(),
        agreed_on: 20_240_110,
        state: SiteState::Agreed.into(),
    }
}

pub(super) fn draw_notice() -> DrawNotice {
    DrawNotice {
        subject: DrawSubject::Institutions.into(),
        region: s("3301"),
        number: s("JC-2024-3"),
        institution: String::new(),
        candidates: DIGEST.to_vec(),
        candidate_count: 40,
        count: 1,
    }
}

pub(super) fn inspection() -> Inspection {
    Inspection {
        number: s("JC-2024-3"),
        region: s("3301"),
        institution: s(INSTITUTION),
        mode: InspectionMode::OnSite.into(),
        basis: InspectionBasis::Random.into(),
        seed: Some(seed()),
        institutions: DIGEST.to_vec(),
        inspectors: DIGEST.to_vec(),
        experts: list(&["DD-0007", "DD-0011"]),
        evaluator: String::new(),
        state: InspectionState::Done.into(),
        inspected_on: 20_240_701,
        result: InspectionResult::Findings.into(),
        published_on: 20_240_715,
        report: DIGEST.to_vec(),
    }
}

pub(super) fn finding() -> Finding {
    Finding {
        inspection: s("JC-2024-3"),
        region: s("3301"),
        institution: s(INSTITUTION),
        number: 2,
        irregularity: Irregularity::Files.into(),
        severity: Severity::Minor.into(),
        found_on: 20_240_701,
        deadline: 20_240_731,
        state: FindingState::Open.into(),
        closed_on: 0,
        digest: Vec::new(),
    }
}

pub(super) fn complaint() -> Complaint {
    Complaint {
        number: s("TS-2024-12"),
        region: s("3301"),
        institution: s(INSTITUTION),
        irregularity: Irregularity::Fees.into(),
        received_on: 20_240_801,
        deadline: 20_240_830,
        state: ComplaintState::Received.into(),
        closed_on: 0,
        digest: Vec::new(),
    }
}

pub(super) fn institution_credit() -> InstitutionCredit {
    InstitutionCredit {
        institution: s(INSTITUTION),
        region: s("33"),
        number: s("CX-2024-5"),
        reason: CreditReason::FalseCertificates.into(),
        state: CreditState::Listed.into(),
        listed_from: 20_240_901,
        listed_to: 20_270_831,
        document_number: s("浙人社罚〔2024〕5号"),
        digest: Vec::new(),
    }
}

pub(super) fn person_credit() -> PersonCredit {
    PersonCredit {
        origin: s("huren.example/log/31"),
        certificate: DIGEST.to_vec(),
        region: s("3301"),
        number: s("CX-2024-6"),
        reason: CreditReason::Cheating.into(),
        state: CreditState::Listed.into(),
        listed_from: 20_240_901,
        listed_to: 0,
        digest: Vec::new(),
    }
}

pub(super) fn subsidy_claim() -> SubsidyClaim {
    SubsidyClaim {
        origin: s("huren.example/log/31"),
        certificate: DIGEST.to_vec(),
        region: s("330106"),
        claimed_on: 20_240_916,
        state: ClaimState::Claimed.into(),
        document_number: s("杭西人社补〔2024〕第9批"),
    }
}

pub(super) fn agreement() -> Agreement {
    Agreement {
        code: s("SFQ-2021-46"),
        title: s("长三角生态绿色一体化发展示范区技能人才协同评价实施方案"),
        document_number: s("示范区执委会发〔2021〕46号"),
        parties: list(&["31", "32", "33"]),
        territory: list(&["310118", "320509", "330421"]),
        tracks: vec![Track::Qualification.into(), Track::Level.into()],
        occupation_edition: 2022,
        occupations: list(&["4-03-02-01", "4-03-02-07"]),
        level_from: 2,
        level_to: 7,
        mappings: vec![LevelMapping {
            track: Track::Level.into(),
            from: 7,
            to: 6,
            conditional: true,
        }],
        valid_from: 20_211_201,
        valid_to: 0,
        state: AgreementState::InForce.into(),
    }
}

pub(super) fn title_mapping() -> TitleMapping {
    let line = |level, rank: TitleRank| TitleLine {
        occupation: String::new(),
        level,
        series: s("工程"),
        rank: rank.into(),
        direction: MappingDirection::ToTitle.into(),
    };
    TitleMapping {
        code: s("ZC-2020-96"),
        document_number: s("人社部发〔2020〕96号"),
        occupation_edition: 0,
        lines: vec![
            line(4, TitleRank::Assistant),
            line(5, TitleRank::Intermediate),
            line(6, TitleRank::AssociateSenior),
        ],
        state: MappingState::InForce.into(),
    }
}

pub(super) fn shortage_list() -> ShortageList {
    let line = |occupation: &str| ShortageLine {
        occupation: s(occupation),
        level_from: 3,
        level_to: 5,
        degree: ShortageDegree::Urgent.into(),
    };
    ShortageList {
        region: s("33"),
        year: 2024,
        title: s("浙江省技能人才紧缺职业目录"),
        document_number: String::new(),
        occupation_edition: 2022,
        lines: vec![line("6-18-02-04"), line("6-31-07-01")],
    }
}

pub(super) fn upstream_batch() -> UpstreamBatch {
    UpstreamBatch {
        number: s("SB-2024-06"),
        from_index: 4_096,
        until_index: 8_192,
        certificates: 3_900,
        digest: DIGEST.to_vec(),
        state: BatchState::Acknowledged.into(),
        sent_on: 20_240_701,
        acknowledgement: s("HZ-88"),
        accepted: 3_890,
        refused: 10,
    }
}

pub(super) fn sector_share() -> SectorShare {
    SectorShare {
        number: s("GX-2024-2"),
        department: s("浙江省交通运输厅"),
        occupation_edition: 2022,
        occupations: list(&["6-18-02-04"]),
        groups: vec![Group::Certificate.into(), Group::HolderName.into()],
        masked: true,
        issued_from: 20_240_101,
        issued_to: 20_240_630,
        certificates: 812,
        digest: DIGEST.to_vec(),
        shared_on: 20_240_710,
    }
}

pub(super) fn recognition_rules() -> RecognitionRules {
    let line = |rule: &str, effect: RecognitionEffect| RuleEffect {
        rule: s(rule),
        effect: effect.into(),
    };
    RecognitionRules {
        effects: vec![
            line("CREDIT_BAD", RecognitionEffect::Not),
            line("EMPLOYER_SCOPE", RecognitionEffect::None),
        ],
        document_number: s("浙人社发〔2026〕3号"),
    }
}
