//! What becomes of one line.

use huren_core::{
    codes::{Date, Level, mask_name},
    verdict::Verdict,
};
use huren_proto::v1;

use crate::http::page::{Asked, Problem, render};

/// What a line comes to, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http::page) enum Standing {
    /// Genuine and in force.
    Valid,
    /// Genuine, and not in force.
    NotInForce,
    /// It cannot be told at present.
    Unsure,
    /// Number and holder are not confirmed to belong together.
    Unconfirmed,
    /// The line was not asked.
    Refused,
}

impl Standing {
    pub(in crate::http::page) const ALL: [Self; 5] = [
        Self::Valid,
        Self::NotInForce,
        Self::Unsure,
        Self::Unconfirmed,
        Self::Refused,
    ];

    /// In Chinese and in English.
    pub(in crate::http::page) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Valid => ("有效", "valid"),
            Self::NotInForce => ("真实但已失效", "genuine, but not in force"),
            Self::Unsure => ("暂无法判定", "cannot be told at present"),
            Self::Unconfirmed => (
                "未能核到编号与持证人同时相符的证书",
                "no certificate with this number and this holder could be confirmed",
            ),
            Self::Refused => ("该行未能查询", "the line could not be asked"),
        }
    }

    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Valid => Self::Valid,
            Verdict::Revoked | Verdict::Void | Verdict::Superseded | Verdict::Expired => {
                Self::NotInForce
            }
            _ => Self::Unsure,
        }
    }
}

/// The columns of the results, in the order of [`Answered::cells`].
pub(super) const COLUMNS: [&str; 14] = [
    "行 Line",
    "证书编号 Number",
    "持证人 Holder",
    "结论 Verdict",
    "原因 Reasons",
    "代码 Codes",
    "本省互认 Recognised here",
    "职业 Occupation",
    "等级 Level",
    "评价机构 Institution",
    "发证日期 Date of issue",
    "有效期至 Valid until",
    "截至 As of",
    "回执 Receipt",
];

/// A line's answer. The holder is masked.
pub(super) struct Answered {
    row: usize,
    standing: Standing,
    refusal: Option<Problem>,
    cells: [String; COLUMNS.len()],
}

impl Answered {
    /// What the engine said of a line.
    pub(super) fn of(
        row: usize,
        asked: &Asked,
        response: &v1::VerifyResponse,
        decided: Option<&v1::DecideResponse>,
    ) -> Self {
        let Some(verdict) = render::confirmed(response) else {
            // One answer, made of nothing in the response: see `render::confirmed`.
            let (zh, en) = Standing::Unconfirmed.words();
            let mut cells = start(row, &asked.number);
            cells[3] = format!("{zh} {en}");
            return Self {
                row,
                standing: Standing::Unconfirmed,
                refusal: None,
                cells,
            };
        };
        let field = |name: &str| {
            let mut fields = response.certificate.iter();
            let found = fields.find(|field| field.name == name);
            found.map_or_else(String::new, |field| field.value.clone())
        };
        let level = field("level").parse().ok().and_then(Level::from_ordinal);
        let level = level.map(|level| format!("{level} {}", level.english()));
        let outcome = decided.map(|decided| render::outcome(decided).0);
        let findings = decided.into_iter().flat_map(|decided| &decided.findings);
        let reasons = response
            .reasons
            .iter()
            .chain(findings.filter_map(|f| f.reason.as_ref()));
        let mut reasons: Vec<&v1::Reason> = reasons.collect();
        reasons.dedup_by(|one, other| one.code == other.code);
        let words = reasons
            .iter()
            .map(|reason| format!("{} {}", reason.zh, reason.en));
        let codes = reasons.iter().map(|reason| reason.code.as_str());
        let holder = match asked.is_by_id() {
            true => "证件号码相符 ID number matches".to_owned(),
            false => mask_name(&asked.name),
        };
        let [line, number, ..] = start(row, &asked.number);
        let as_of = Date::from_yyyymmdd(response.as_of_date).map(|date| date.to_string());
        let receipt = (!response.receipt.is_empty()).then(|| super::bundle::name(row));
        Self {
            row,
            standing: Standing::of(verdict),
            refusal: None,
            cells: [
                line,
                number,
                holder,
                format!("{} {}", verdict.zh(), verdict.en()),
                words.collect::<Vec<_>>().join("\n"),
                codes.collect::<Vec<_>>().join(" "),
                outcome.map_or_else(String::new, |o| format!("{} {}", o.zh(), o.en())),
                field("occupation_name"),
                level.unwrap_or_default(),
                field("institution_name"),
                field("issue_date"),
                field("valid_until"),
                as_of.unwrap_or_default(),
                receipt.unwrap_or_default(),
            ],
        }
    }

    /// A line that was not asked, or not answered.
    pub(super) fn refused(row: usize, number: &str, problem: Problem) -> Self {
        let mut cells = start(row, number);
        let (zh, en) = Standing::Refused.words();
        cells[3] = format!("{zh} {en}");
        let (zh, en) = problem.words();
        cells[4] = format!("{zh} {en}");
        cells[5] = problem.code().to_owned();
        Self {
            row,
            standing: Standing::Refused,
            refusal: Some(problem),
            cells,
        }
    }

    /// The line of the file, from 1.
    pub(super) const fn row(&self) -> usize {
        self.row
    }

    pub(super) const fn standing(&self) -> Standing {
        self.standing
    }

    pub(super) const fn refusal(&self) -> Option<Problem> {
        self.refusal
    }

    /// Whether number and holder belong together: whoever asked knew both.
    pub(super) const fn is_confirmed(&self) -> bool {
        !matches!(self.standing, Standing::Unconfirmed | Standing::Refused)
    }

    /// As the columns of [`COLUMNS`].
    pub(super) const fn cells(&self) -> &[String; COLUMNS.len()] {
        &self.cells
    }
}

fn start(row: usize, number: &str) -> [String; COLUMNS.len()] {
    let mut cells = [const { String::new() }; COLUMNS.len()];
    cells[0] = row.to_string();
    number.clone_into(&mut cells[1]);
    cells
}
