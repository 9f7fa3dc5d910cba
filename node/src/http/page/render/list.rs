//! Pages of a list: the form, the page that grows while lines are answered, and what is at its end.

use super::{Place, layout, link};
use crate::http::{
    html::Html,
    page::{
        batch::{Standing, Tally},
        problem::Problem,
    },
};

/// Where a page that grows is to grow.
const SEAM: &str = "<!-- results -->";

/// Lines that were not asked, on a page at most; the results name all.
const MAX_SHOWN: usize = 50;

/// The form.
pub(in crate::http::page) fn form(place: Place) -> Html {
    let values = [("lang", Html::text(place.language.code())), place.query()];
    let content = place.fill(include_str!("../batch/form.html"), &values);
    layout(place, link(place, ""), content)
}

/// What stands before and behind the results of a list of so many lines.
pub(in crate::http::page) fn around(place: Place, total: usize) -> (String, String) {
    let values = [
        ("total", Html::text(&total.to_string())),
        ("seam", Html::ours(SEAM)),
        place.query(),
    ];
    let content = place.fill(include_str!("../batch/list.html"), &values);
    let page = layout(place, link(place, ""), content).into_string();
    let (before, behind) = page.split_once(SEAM).unwrap_or((&page, ""));
    (before.to_owned(), behind.to_owned())
}

/// So many percent are answered by now, so many more than was told last.
pub(in crate::http::page) fn step(percent: usize, more: usize) -> String {
    format!("<span style=\"width:{more}%\">{percent}%</span>\n")
}

/// What became of a list, which is forgotten after so many seconds.
pub(in crate::http::page) fn done(
    place: Place,
    reference: &str,
    tally: &Tally,
    seconds: u64,
) -> String {
    let count = |(standing, count): &(Standing, usize)| {
        let (zh, en) = standing.words();
        let values = [
            ("standing", place.text(zh, en)),
            ("count", Html::text(&count.to_string())),
        ];
        let template =
            "<tr><th scope=\"row\">{{standing}}</th><td class=\"figure\">{{count}}</td></tr>\n";
        Html::fill(template, &values)
    };
    let refused = |(row, code, (zh, en)): &(usize, &str, (&str, &str))| {
        let values = [
            ("row", Html::text(&row.to_string())),
            ("code", Html::text(code)),
            ("words", place.text(zh, en)),
        ];
        let template = "[[第 {{row}} 行：|Line {{row}}: ]]{{words}} <code>{{code}}</code><br>\n";
        place.fill(template, &values)
    };
    let refused: Html = tally.refused.iter().take(MAX_SHOWN).map(refused).collect();
    let further = match tally.refused.len().saturating_sub(MAX_SHOWN) {
        0 => Html::default(),
        more => place.fill(
            "[[另有 {{more}} 行未能查询，见结果文件。|Further lines that could not be asked: {{more}}; see the results.]]",
            &[("more", Html::text(&more.to_string()))],
        ),
    };
    let values = [
        (
            "counts",
            tally
                .counts
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(count)
                .collect(),
        ),
        ("refused", refused),
        ("further", further),
        ("reference", Html::text(reference)),
        ("minutes", Html::text(&(seconds / 60).to_string())),
        place.query(),
    ];
    place
        .fill(include_str!("../batch/done.html"), &values)
        .into_string()
}

/// What is at the end of a page whose list was deleted meanwhile.
pub(in crate::http::page) fn gone(place: Place) -> String {
    let (zh, en) = Problem::Gone.words();
    let values = [("words", place.text(zh, en))];
    place.fill("</p>\n<p>{{words}}</p>", &values).into_string()
}
