//! Answers as pages: functions of what was asked and what the engine said.

use huren_core::{
    codes::{Date, Level, Region, mask_name},
    recognition::Outcome,
    verdict::Verdict,
};
use huren_proto::v1;

use super::{Asked, MAX_AGE, Problem, SCRIPT, qr};
use crate::http::html::Html;

/// The node as pages show it.
pub(super) struct Here {
    /// Its province.
    pub(super) region: Region,
    /// Where it is reached, as the trust list says; empty if it is not known.
    pub(super) address: String,
    /// The time in Shanghai, by the minute.
    pub(super) now: String,
    /// Today in Shanghai.
    pub(super) today: Date,
    /// How far it knows every log.
    pub(super) logs: Vec<v1::LogExtent>,
}

/// The form.
pub(super) fn form(region: Region) -> Html {
    let values = [("script", Html::ours(SCRIPT))];
    layout(region, Html::fill(include_str!("form.html"), &values))
}

/// What kept a question from being answered.
pub(super) fn problem(region: Region, problem: Problem) -> Html {
    let (zh, en) = problem.words();
    let values = [("zh", Html::text(zh)), ("en", Html::text(en))];
    layout(region, Html::fill(include_str!("problem.html"), &values))
}

/// The answer to a question that named a number and a name, and whether the certificate is
/// recognised here, if that was decided.
pub(super) fn answer(
    asked: &Asked,
    response: &v1::VerifyResponse,
    decided: Option<&v1::DecideResponse>,
    here: &Here,
) -> Html {
    let content = match confirmed(response) {
        Some(verdict) => {
            let recognition = decided.map(|decided| recognition(decided, here.region));
            found(asked, response, (verdict, recognition), here)
        }
        None => nothing(here),
    };
    layout(here.region, content)
}

/// The verdict, if number and name are confirmed to belong together.
///
/// Everything else gives one and the same page, made of nothing in the response: whether the
/// number is unknown, belongs to somebody else, or is known from stale evidence only, must not
/// be told apart by somebody who tries numbers or names. The engine fills `certificate` only if
/// the holder matched.
pub(super) fn confirmed(response: &v1::VerifyResponse) -> Option<Verdict> {
    let tells_nothing = |verdict| matches!(verdict, Verdict::NotFound | Verdict::HolderMismatch);
    let verdict = verdict(response.verdict)?;
    let last_known = self::verdict(response.last_known);
    let confirmed = !response.certificate.is_empty()
        && !tells_nothing(verdict)
        && !last_known.is_some_and(tells_nothing);
    confirmed.then_some(verdict)
}

/// Rests on this node's own view alone: another member is asked after one of the two cases
/// only, so what it said would tell them apart.
fn nothing(here: &Here) -> Html {
    let is_gap =
        |log: &v1::LogExtent| log.frozen || log.age_seconds.is_none_or(|seconds| seconds > MAX_AGE);
    let gaps = here.logs.iter().any(is_gap);
    let gaps = gaps.then(|| Html::fill(include_str!("gaps.html"), &[]));
    let values = [
        ("gaps", gaps.unwrap_or_default()),
        ("as_of", as_of(&here.today.to_string(), &here.logs)),
    ];
    Html::fill(include_str!("nothing.html"), &values)
}

fn found(
    asked: &Asked,
    response: &v1::VerifyResponse,
    (verdict, recognition): (Verdict, Option<Html>),
    here: &Here,
) -> Html {
    let is_reached = here.address.starts_with("https://");
    let code = is_reached.then(|| qr::code(&here.address, asked.number.trim()));
    let tone = match verdict {
        Verdict::Valid => "good",
        Verdict::Revoked | Verdict::Void | Verdict::Superseded | Verdict::Expired => "bad",
        _ => "unsure",
    };
    let date = Date::from_yyyymmdd(response.as_of_date).map(|date| date.to_string());
    let region = Region::parse(&response.answered_by).map(Region::full_name);
    let receipt = (!response.receipt.is_empty()).then(|| {
        let values = [
            ("number", Html::text(&asked.number)),
            ("name", Html::text(&asked.name)),
        ];
        Html::fill(include_str!("receipt.html"), &values)
    });
    let values = [
        ("tone", Html::text(tone)),
        ("verdict_zh", Html::text(verdict.zh())),
        ("verdict_en", Html::text(verdict.en())),
        ("reasons", reasons(response)),
        ("recognition", recognition.unwrap_or_default()),
        ("qr", code.flatten().unwrap_or_default()),
        ("now", Html::text(&here.now)),
        ("facts", facts(asked, response)),
        ("receipt", receipt.unwrap_or_default()),
        ("as_of", as_of(&date.unwrap_or_default(), &response.as_of)),
        ("answered_zh", Html::text(&region.unwrap_or_default())),
        ("answered_by", Html::text(&response.answered_by)),
    ];
    Html::fill(include_str!("found.html"), &values)
}

/// Whether the province recognises it, as which level, and why.
fn recognition(decided: &v1::DecideResponse, region: Region) -> Html {
    let (outcome, tone) = match decided.outcome() {
        v1::RecognitionOutcome::Recognized => (Outcome::Recognized, "good"),
        v1::RecognitionOutcome::RecognizedWithConditions => {
            (Outcome::RecognizedWithConditions, "unsure")
        }
        v1::RecognitionOutcome::NotRecognized => (Outcome::NotRecognized, "bad"),
        v1::RecognitionOutcome::Undetermined | v1::RecognitionOutcome::Unspecified => {
            (Outcome::Undetermined, "unsure")
        }
    };
    let level = u8::try_from(decided.level)
        .ok()
        .and_then(Level::from_ordinal);
    let level = level.map(|level| {
        line(
            &format!("按{level}互认"),
            &format!("It counts as: {}", level.english()),
        )
    });
    let findings = decided.findings.iter().filter_map(|finding| {
        let reason = finding.reason.as_ref()?;
        Some(line(&reason.zh, &reason.en))
    });
    let values = [
        ("tone", Html::text(tone)),
        ("province", Html::text(&region.full_name())),
        ("region", Html::text(&region.to_string())),
        ("outcome_zh", Html::text(outcome.zh())),
        ("outcome_en", Html::text(outcome.en())),
        ("findings", level.into_iter().chain(findings).collect()),
    ];
    Html::fill(include_str!("recognition.html"), &values)
}

/// A sentence in both languages.
fn line(zh: &str, en: &str) -> Html {
    let values = [("zh", Html::text(zh)), ("en", Html::text(en))];
    Html::fill(
        "<p>{{zh}}<br><span class=\"en\">{{en}}</span></p>\n",
        &values,
    )
}

fn reasons(response: &v1::VerifyResponse) -> Html {
    let last_known = verdict(response.last_known).map(|known| {
        line(
            &format!("最近一次可确认的状态：{}", known.zh()),
            &format!("Last known: {}", known.en()),
        )
    });
    let reasons = response.reasons.iter();
    last_known
        .into_iter()
        .chain(reasons.map(|reason| line(&reason.zh, &reason.en)))
        .collect()
}

fn facts(asked: &Asked, response: &v1::VerifyResponse) -> Html {
    let field = |name: &str| {
        let found = response.certificate.iter().find(|field| field.name == name);
        found.map_or("", |field| field.value.as_str())
    };
    let level = field("level");
    let level = match level.parse().ok().and_then(Level::from_ordinal) {
        Some(level) => format!("{level} {}", level.english()),
        None => level.to_owned(),
    };
    let occupation = [
        field("occupation_name"),
        field("job_name"),
        field("occupation_code"),
    ];
    let holder = match asked.is_by_id() {
        true => "证件号码相符 The ID number matches".to_owned(),
        false => mask_name(&asked.name),
    };
    let rows = [
        ("编号 Number", field("number").to_owned()),
        ("持证人 Holder", holder),
        ("职业 Occupation", occupation.join(" ")),
        ("等级 Level", level),
        ("评价机构 Institution", field("institution_name").to_owned()),
        ("发证日期 Date of issue", field("issue_date").to_owned()),
        ("有效期至 Valid until", field("valid_until").to_owned()),
    ];
    let row = |(label, value): (&str, String)| {
        let values = [("label", Html::text(label)), ("value", Html::text(&value))];
        Html::fill(
            "<tr><th scope=\"row\">{{label}}</th><td>{{value}}</td></tr>\n",
            &values,
        )
    };
    rows.into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(row)
        .collect()
}

fn as_of(date: &str, logs: &[v1::LogExtent]) -> Html {
    let row = |log: &v1::LogExtent| {
        let name = Region::parse(&log.region).map(Region::full_name);
        let values = [
            ("region", Html::text(&name.unwrap_or_default())),
            ("origin", Html::text(&log.origin)),
            ("size", Html::text(&log.size.to_string())),
            ("age", Html::text(&age(log))),
        ];
        let template = "<tr><td>{{region}} <span class=\"en\">{{origin}}</span></td>\
                        <td>{{size}}</td><td>{{age}}</td></tr>\n";
        Html::fill(template, &values)
    };
    let values = [
        ("date", Html::text(date)),
        ("rows", logs.iter().map(row).collect()),
    ];
    Html::fill(include_str!("as_of.html"), &values)
}

fn age(log: &v1::LogExtent) -> String {
    if log.frozen {
        return "已冻结 frozen".to_owned();
    }
    match log.age_seconds {
        None => "尚未见证 never witnessed".to_owned(),
        Some(seconds @ ..120) => format!("{seconds} 秒 s"),
        Some(seconds @ ..7200) => format!("{} 分钟 min", seconds / 60),
        Some(seconds @ ..172_800) => format!("{} 小时 h", seconds / 3600),
        Some(seconds) => format!("{} 天 d", seconds / 86_400),
    }
}

fn layout(region: Region, content: Html) -> Html {
    let values = [
        ("content", content),
        ("style", Html::ours(include_str!("../style.css").trim_end())),
        ("province", Html::text(&region.full_name())),
        ("region", Html::text(&region.to_string())),
    ];
    Html::fill(include_str!("layout.html"), &values)
}

fn verdict(number: i32) -> Option<Verdict> {
    Some(match v1::Verdict::try_from(number).ok()? {
        v1::Verdict::Unspecified => return None,
        v1::Verdict::Valid => Verdict::Valid,
        v1::Verdict::Revoked => Verdict::Revoked,
        v1::Verdict::Void => Verdict::Void,
        v1::Verdict::Suspended => Verdict::Suspended,
        v1::Verdict::Superseded => Verdict::Superseded,
        v1::Verdict::Expired => Verdict::Expired,
        v1::Verdict::HolderMismatch => Verdict::HolderMismatch,
        v1::Verdict::Pending => Verdict::Pending,
        v1::Verdict::Unknown => Verdict::Unknown,
        v1::Verdict::NotFound => Verdict::NotFound,
    })
}

#[cfg(test)]
mod tests;
