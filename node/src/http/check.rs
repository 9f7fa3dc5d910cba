//! The page that checks receipts without us: one self-contained file, which a node serves and which
//! works from a memory stick as well. A receipt never leaves the browser that it is dropped into.
//!
//! It is a second implementation of `huren_core::receipt`, in the language of browsers: whoever does
//! not trust one of the two can compare them.

use axum::Router;
use huren_core::{
    codes::{Level, Region, RegionLevel},
    receipt::ReceiptError,
    trust::{TrustError, kind_name},
    verdict::Verdict,
};
use huren_proto::v1::Kind;
use serde_json::{Map, Value, json};

use super::{html::Html, scripted};

/// What the page is made of, in the order in which one part needs the other.
const SCRIPTS: [&str; 6] = [
    include_str!("dom.js"),
    include_str!("check/formats.js"),
    include_str!("check/curves.js"),
    include_str!("check/trust.js"),
    include_str!("check/receipt.js"),
    include_str!("check/page.js"),
];

/// The page.
#[derive(Clone, Debug)]
pub struct CheckPage {
    html: String,
    policy: String,
}

impl CheckPage {
    /// The page for whoever trusts these root keys (the file that `--trust` reads), unless they
    /// give it others.
    pub fn new(roots: &str) -> Self {
        let script = format!("\nconst FACTS = {};\n{}", facts(), SCRIPTS.join("\n"));
        let source = scripted::source(&script);
        // Nothing is loaded and nothing sent, whatever a receipt says: this one script runs.
        let policy = format!(
            "default-src 'none'; script-src {source}; style-src 'unsafe-inline'; \
             base-uri 'none'; form-action 'none'"
        );
        let values = [
            ("policy", Html::text(&policy)),
            ("head", Html::head("")),
            ("roots", Html::text(roots)),
            ("script", Html::ours(script)),
        ];
        Self {
            html: Html::fill(include_str!("check/check.html"), &values).into_string(),
            policy,
        }
    }

    /// The file.
    pub fn html(&self) -> &str {
        &self.html
    }
}

/// `/check`.
pub fn routes(page: CheckPage) -> Router {
    scripted::route("/check", page.html, &page.policy)
}

/// What the scripts know of codes and words: the tables of the core.
fn facts() -> Value {
    let provinces = Region::listed(RegionLevel::Province)
        .map(|region| (region.to_string(), region.full_name().into()));
    let kinds = (1..=255)
        .filter(|kind| Kind::try_from(*kind).is_ok())
        .map(|kind| (kind.to_string(), kind_name(kind).into()));
    let levels = (0..=9).filter_map(|ordinal| {
        let level = Level::from_ordinal(ordinal)?;
        let words = json!([level.to_string(), level.english()]);
        Some((ordinal.to_string(), words))
    });
    let verdicts = Verdict::ALL.into_iter().filter_map(|verdict| {
        let name = serde_json::to_value(verdict).ok()?;
        let words = json!([verdict.zh(), verdict.en()]);
        Some((name.as_str()?.to_owned(), words))
    });
    let errors = errors().map(|error| {
        // What stands behind the colon is of one receipt.
        let en = error.to_string();
        let en = en.split(':').next().unwrap_or_default();
        let words = json!({ "zh": error.zh(), "en": en, "undecided": error.is_undecided() });
        (error.code().to_owned(), words)
    });
    let old = json!({
        "zh": "此浏览器不支持 Ed25519，请升级浏览器，或使用命令 huren receipt verify。",
        "en": "This browser does not know Ed25519: use a newer one, or the command huren receipt verify.",
        "undecided": true,
    });
    json!({
        "provinces": provinces.collect::<Map<_, _>>(),
        "kinds": kinds.collect::<Map<_, _>>(),
        "levels": levels.collect::<Map<_, _>>(),
        "verdicts": verdicts.collect::<Map<_, _>>(),
        "errors": errors.chain([("BROWSER_OLD".to_owned(), old)]).collect::<Map<_, _>>(),
    })
}

/// One of each kind.
fn errors() -> impl Iterator<Item = ReceiptError> {
    [
        ReceiptError::Format,
        ReceiptError::NewerFormat,
        ReceiptError::Trust(TrustError::Empty),
        ReceiptError::UnknownLog,
        ReceiptError::Proof(0),
        ReceiptError::LogSignature,
        ReceiptError::NoQuorum,
        ReceiptError::Record(""),
        ReceiptError::NewerRecord,
        ReceiptError::Disclosure,
        ReceiptError::Statuses,
        ReceiptError::AnswerSignature,
        ReceiptError::Contradiction,
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_small_file_that_loads_nothing() {
        let page = CheckPage::new("threshold 1\nroot <a+b>\n");
        assert!(page.html().len() < 100_000, "{}", page.html().len());
        assert!(
            page.html().contains("root &lt;a+b&gt;"),
            "the roots are text"
        );
        assert_eq!(page.html().matches("<script").count(), 1);
        assert_eq!(page.html().matches("</script>").count(), 1);
        for loading in [
            "src=",
            "<link",
            "@import",
            "url(",
            "fetch(",
            "XMLHttpRequest",
        ] {
            assert!(!page.html().contains(loading), "{loading}");
        }
    }

    #[test]
    fn every_code_that_the_scripts_give_has_its_words() {
        let words = facts();
        let codes = SCRIPTS.iter().flat_map(|script| {
            let quoted = script.split('"').skip(1).step_by(2);
            quoted.filter(|text| text.starts_with("RECEIPT_") || *text == "BROWSER_OLD")
        });
        let codes: Vec<&str> = codes.collect();
        assert!(codes.len() > 20, "{codes:?}");
        for code in codes {
            assert!(words["errors"][code]["zh"].is_string(), "{code}");
        }
        assert_eq!(words["provinces"]["33"], "浙江省");
        assert_eq!(words["kinds"]["1"], "certificate");
        assert_eq!(words["verdicts"]["valid"], json!(["有效", "valid"]));
    }
}
