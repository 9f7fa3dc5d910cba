//! Answers as pages: functions of what was asked and what the engine said.

mod certificate;
pub(super) mod list;

use huren_core::{
    codes::{Date, Level, Region},
    recognition::Outcome,
    verdict::Verdict,
};
use huren_proto::v1;

use super::{Asked, MAX_AGE, Problem, SCRIPT, qr};
use crate::http::{html::Html, language::Language};

/// Where and in which language a page is read.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The node's province.
    pub(super) region: Region,
    /// The reader's.
    pub(super) language: Language,
}

impl Place {
    fn fill(self, template: &'static str, values: &[(&str, Html)]) -> Html {
        Html::fill_in(self.language, template, values)
    }

    fn text(self, zh: &str, en: &str) -> Html {
        Html::text(self.language.of(zh, en))
    }

    /// A sentence.
    fn line(self, zh: &str, en: &str) -> Html {
        Html::fill("<p>{{text}}</p>\n", &[("text", self.text(zh, en))])
    }

    /// A province by its code; as it is if there is none.
    fn province(self, code: &str) -> String {
        let region = Region::parse(code).ok();
        region.map_or_else(|| code.to_owned(), |region| self.language.province(region))
    }

    /// What stands behind the paths of pages.
    fn query(self) -> (&'static str, Html) {
        ("query", Html::text(self.language.query()))
    }
}

/// The node as answers show it.
pub(super) struct Here {
    pub(super) place: Place,
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
pub(super) fn form(place: Place) -> Html {
    let values = [
        ("lang", Html::text(place.language.code())),
        ("script", Html::ours(SCRIPT)),
        place.query(),
    ];
    let content = place.fill(include_str!("form.html"), &values);
    layout(place, link(place, ""), content)
}

/// What kept a question from being answered; `back` leads to the form.
pub(super) fn problem(place: Place, problem: Problem, back: &'static str) -> Html {
    let (zh, en) = problem.words();
    let values = [
        ("words", place.text(zh, en)),
        ("back", Html::ours(back)),
        place.query(),
    ];
    let content = place.fill(include_str!("problem.html"), &values);
    layout(place, link(place, back), content)
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
        Some(verdict) => found(asked, response, (verdict, decided), here),
        None => nothing(here),
    };
    layout(here.place, repeat(asked, here.place), content)
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
    let gaps = gaps.then(|| here.place.fill(include_str!("gaps.html"), &[]));
    let values = [
        ("gaps", gaps.unwrap_or_default()),
        (
            "as_of",
            as_of(here.place, &here.today.to_string(), &here.logs),
        ),
        here.place.query(),
    ];
    here.place.fill(include_str!("nothing.html"), &values)
}

fn found(
    asked: &Asked,
    response: &v1::VerifyResponse,
    (verdict, decided): (Verdict, Option<&v1::DecideResponse>),
    here: &Here,
) -> Html {
    let place = here.place;
    let is_reached = here.address.starts_with("https://");
    let code = is_reached.then(|| qr::code(&here.address, asked.number.trim(), place.language));
    let tone = match verdict {
        Verdict::Valid => "good",
        Verdict::Revoked | Verdict::Void | Verdict::Superseded | Verdict::Expired => "bad",
        _ => "unsure",
    };
    let date = Date::from_yyyymmdd(response.as_of_date).map(|date| date.to_string());
    let date = date.unwrap_or_default();
    let receipt = (!response.receipt.is_empty()).then(|| {
        let values = [
            ("number", Html::text(&asked.number)),
            ("name", Html::text(&asked.name)),
            ("lang", Html::text(place.language.code())),
        ];
        place.fill(include_str!("receipt.html"), &values)
    });
    let recognition = decided.map(|decided| recognition(decided, place));
    let values = [
        ("tone", Html::text(tone)),
        ("verdict", place.text(verdict.zh(), verdict.en())),
        ("reasons", reasons(response, place)),
        ("date", Html::text(&date)),
        ("recognition", recognition.unwrap_or_default()),
        ("qr", code.flatten().unwrap_or_default()),
        ("now", Html::text(&here.now)),
        ("facts", certificate::facts(asked, response, decided, place)),
        ("receipt", receipt.unwrap_or_default()),
        ("as_of", as_of(place, &date, &response.as_of)),
        (
            "answered",
            Html::text(&place.province(&response.answered_by)),
        ),
        place.query(),
    ];
    place.fill(include_str!("found.html"), &values)
}

/// A conclusion on recognition, and its tone.
pub(super) fn outcome(decided: &v1::DecideResponse) -> (Outcome, &'static str) {
    match decided.outcome() {
        v1::RecognitionOutcome::Recognized => (Outcome::Recognized, "good"),
        v1::RecognitionOutcome::RecognizedWithConditions => {
            (Outcome::RecognizedWithConditions, "unsure")
        }
        v1::RecognitionOutcome::NotRecognized => (Outcome::NotRecognized, "bad"),
        v1::RecognitionOutcome::Undetermined | v1::RecognitionOutcome::Unspecified => {
            (Outcome::Undetermined, "unsure")
        }
    }
}

/// Whether the province recognises it, as which level, and why.
fn recognition(decided: &v1::DecideResponse, place: Place) -> Html {
    let (outcome, tone) = outcome(decided);
    let level = u8::try_from(decided.level)
        .ok()
        .and_then(Level::from_ordinal);
    let level = level.map(|level| {
        place.line(
            &format!("按{level}互认"),
            &format!("It counts as: {}", level.english()),
        )
    });
    let findings = decided.findings.iter().filter_map(|finding| {
        let reason = finding.reason.as_ref()?;
        Some(place.line(&reason.zh, &reason.en))
    });
    let values = [
        ("tone", Html::text(tone)),
        (
            "province",
            Html::text(&place.language.province(place.region)),
        ),
        ("outcome", place.text(outcome.zh(), outcome.en())),
        ("findings", level.into_iter().chain(findings).collect()),
    ];
    place.fill(include_str!("recognition.html"), &values)
}

fn reasons(response: &v1::VerifyResponse, place: Place) -> Html {
    let last_known = verdict(response.last_known).map(|known| {
        place.line(
            &format!("最近一次可确认的状态：{}", known.zh()),
            &format!("Last known: {}", known.en()),
        )
    });
    let reasons = response.reasons.iter();
    last_known
        .into_iter()
        .chain(reasons.map(|reason| place.line(&reason.zh, &reason.en)))
        .collect()
}

fn as_of(place: Place, date: &str, logs: &[v1::LogExtent]) -> Html {
    let row = |log: &v1::LogExtent| {
        let values = [
            ("region", Html::text(&place.province(&log.region))),
            ("origin", Html::text(&log.origin)),
            ("size", Html::text(&log.size.to_string())),
            ("age", Html::text(&age(log, place.language))),
        ];
        let template = "<tr><td>{{region}} <span class=\"note\">{{origin}}</span></td>\
                        <td>{{size}}</td><td>{{age}}</td></tr>\n";
        Html::fill(template, &values)
    };
    let values = [
        ("date", Html::text(date)),
        ("rows", logs.iter().map(row).collect()),
    ];
    place.fill(include_str!("as_of.html"), &values)
}

fn age(log: &v1::LogExtent, language: Language) -> String {
    if log.frozen {
        return language.of("已冻结", "frozen").to_owned();
    }
    let (count, zh, en) = match log.age_seconds {
        None => return language.of("尚未见证", "never witnessed").to_owned(),
        Some(seconds @ ..120) => (seconds, "秒", "s"),
        Some(seconds @ ..7200) => (seconds / 60, "分钟", "min"),
        Some(seconds @ ..172_800) => (seconds / 3600, "小时", "h"),
        Some(seconds) => (seconds / 86_400, "天", "days"),
    };
    format!("{count} {}", language.of(zh, en))
}

/// Leads to the page at a path in the other language; empty for the page itself.
fn link(place: Place, path: &'static str) -> Html {
    let other = place.language.other();
    // Never empty, as that would be the address as it is.
    let values = [
        ("href", Html::text(&format!("{path}?lang={}", other.code()))),
        ("tag", Html::text(other.tag())),
        ("name", Html::text(other.name())),
    ];
    Html::fill(include_str!("switch.html"), &values)
}

/// Asks the same in the other language: what was asked is in no address.
fn repeat(asked: &Asked, place: Place) -> Html {
    let other = place.language.other();
    let values = [
        ("number", Html::text(&asked.number)),
        ("asked", Html::text(&asked.name)),
        ("code", Html::text(other.code())),
        ("tag", Html::text(other.tag())),
        ("name", Html::text(other.name())),
    ];
    Html::fill(include_str!("repeat.html"), &values)
}

fn layout(place: Place, switch: Html, content: Html) -> Html {
    let values = [
        ("tag", Html::text(place.language.tag())),
        ("switch", switch),
        ("content", content),
        ("head", Html::head("")),
        (
            "province",
            Html::text(&place.language.province(place.region)),
        ),
    ];
    place.fill(include_str!("layout.html"), &values)
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
