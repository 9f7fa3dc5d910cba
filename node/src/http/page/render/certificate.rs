//! What the certificate says, as rows for people.

use huren_core::codes::{Level, Track, mask_name};
use huren_proto::v1;

use super::{Asked, Place};
use crate::http::{html::Html, language::Language, page::level};

/// The rows of a table: what the certificate says, what its level means, and how its institution
/// stood on the day of issue.
pub(super) fn facts(
    asked: &Asked,
    response: &v1::VerifyResponse,
    decided: Option<&v1::DecideResponse>,
    place: Place,
) -> Html {
    let field = |name: &str| field(response, name).to_owned();
    let level = field("level").parse().ok().and_then(Level::from_ordinal);
    let meaning = level.map(level::meaning);
    let standing = decided.and_then(|decided| standing(decided, response));
    let note = |words: Option<(&str, &str)>| {
        let words = words.map(|(zh, en)| place.language.of(zh, en).to_owned());
        words.unwrap_or_default()
    };
    let level = match level {
        Some(level) => place
            .language
            .of(&level.to_string(), level.english())
            .to_owned(),
        None => field("level"),
    };
    let occupation = ["occupation_name", "job_name", "occupation_code"].map(field);
    let holder = match asked.is_by_id() {
        true => place
            .language
            .of("证件号码相符", "The ID number matches")
            .to_owned(),
        false => mask_name(&asked.name),
    };
    let standing = standing.as_ref().map(|(zh, en)| (zh.as_str(), en.as_str()));
    let plain = String::new;
    let rows = [
        (("编号", "Number"), field("number"), plain()),
        (("持证人", "Holder"), holder, plain()),
        (("职业", "Occupation"), occupation.join(" "), plain()),
        (("等级", "Level"), level, note(meaning)),
        (
            ("评价机构", "Institution"),
            field("institution_name"),
            note(standing),
        ),
        (("发证日期", "Date of issue"), field("issue_date"), plain()),
        (("有效期至", "Valid until"), field("valid_until"), plain()),
    ];
    let row = |((zh, en), value, note): ((&str, &str), String, String)| {
        let note = (!note.is_empty()).then(|| {
            let template = "<br><span class=\"note\">{{note}}</span>";
            Html::fill(template, &[("note", Html::text(&note))])
        });
        let values = [
            ("label", place.text(zh, en)),
            ("lang", spoken(&value, place.language)),
            ("value", Html::text(&value)),
            ("note", note.unwrap_or_default()),
        ];
        let template = "<tr><th scope=\"row\">{{label}}</th>\
                        <td><span{{lang}}>{{value}}</span>{{note}}</td></tr>\n";
        Html::fill(template, &values)
    };
    rows.into_iter()
        .filter(|(_, value, _)| !value.trim().is_empty())
        .map(row)
        .collect()
}

/// What a certificate says in a field, or nothing.
fn field<'a>(response: &'a v1::VerifyResponse, name: &str) -> &'a str {
    let mut fields = response.certificate.iter();
    let found = fields.find(|field| field.name == name);
    found.map_or("", |field| field.value.as_str())
}

/// Certificates are in Chinese, also on a page in English.
fn spoken(value: &str, language: Language) -> Html {
    let is_foreign = language == Language::En && !value.is_ascii();
    Html::ours(if is_foreign { " lang=\"zh-CN\"" } else { "" })
}

/// How the institution stood on the day of issue, in Chinese and in English, as the decision found
/// it. `None` if it did not look, as for special abilities, which no institution certifies.
fn standing(
    decided: &v1::DecideResponse,
    response: &v1::VerifyResponse,
) -> Option<(String, String)> {
    let looked = decided.answer.as_ref()?;
    let is_special = Track::parse(field(response, "track")) == Ok(Track::S);
    if is_special || looked.certificate.is_empty() || field(response, "institution_code").is_empty()
    {
        return None;
    }
    let is_about = |reason: &&v1::Reason| {
        let codes = [
            "DIRECTORY_ABSENT",
            "INST_UNLISTED",
            "INST_SUSPENDED",
            "INST_EXITED",
        ];
        codes.contains(&reason.code.as_str())
    };
    let mut reasons = decided
        .findings
        .iter()
        .filter_map(|finding| finding.reason.as_ref());
    Some(match reasons.find(is_about) {
        Some(reason) => (reason.zh.clone(), reason.en.clone()),
        None => (
            "发证日在评价机构目录中，状态正常".to_owned(),
            "in the directory and in good standing on the date of issue".to_owned(),
        ),
    })
}
