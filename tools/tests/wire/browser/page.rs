//! The employers' page in a browser: with axe-core, on paper, and from a QR code.

use std::{fs, path::Path};

use huren_core::codes::Region;
use huren_node::http::check::CheckPage;
use serde_json::{Value, json};

use super::chromium::{browser, document, printed, returned};
use crate::{
    page::{ISSUED, ask, issued, text},
    support::{http, nodes::Node},
};

/// Where the rules of accessibility are: `npm install --prefix target/axe axe-core`.
const AXE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/axe/node_modules/axe-core/axe.min.js"
);

async fn form(node: &Node) -> String {
    text(&http::get(node.http, "/").await)
}

async fn answer(node: &Node, name: &str) -> String {
    text(&ask(node, "/verify", ISSUED.number, name).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qr_code_fills_in_the_number_and_leaves_the_name_to_be_typed() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let address = nodes.at(Region::SHANGHAI).http;
    let url = format!("http://{address}/#{}", ISSUED.number);
    let look = tokio::task::spawn_blocking(move || document(browser, &url));
    let shown = look.await.unwrap();
    let (_, number) = shown.split_once("<input id=\"number\"").unwrap();
    let (number, _) = number.split_once('>').unwrap();
    assert!(
        number.contains(&format!("value=\"{}\"", ISSUED.number)),
        "{number}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_printed_on_one_page() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let html = answer(nodes.at(Region::SHANGHAI), ISSUED.name).await;
    assert!(html.contains("verdict good"));
    let pdf = tokio::task::spawn_blocking(move || printed(browser, &html));
    let pdf = String::from_utf8_lossy(&pdf.await.unwrap()).into_owned();
    assert_eq!(pdf.matches("/Type /Page\n").count(), 1, "pages");
}

/// WCAG 2.2 AA, by the rules of axe-core.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_from_reading_a_page() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let pages = [
        form(node).await,
        answer(node, ISSUED.name).await,
        answer(node, "尉迟听雨").await,
        CheckPage::new("threshold 1\n").html().to_owned(),
    ];
    let look = move || {
        for page in &pages {
            let violations = violations(browser, &axe, page);
            assert_eq!(violations, json!([]), "{page}");
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

/// The rules of accessibility; `None` where they are missing, which is said.
///
/// # Panics
/// If they are missing where a browser is required.
pub(super) fn axe() -> Option<String> {
    let rules = fs::read_to_string(AXE).ok();
    if rules.is_none() {
        let what = "axe-core is missing: npm install --prefix target/axe axe-core";
        assert!(std::env::var_os("REQUIRE_BROWSER").is_none(), "{what}");
        eprintln!("{what}");
    }
    rules
}

/// A script that returns what a page breaks of them, with the rules in it.
pub(super) const JUDGE: &str = r#"
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
const broken = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`)]);
"#;

fn violations(browser: &Path, axe: &str, page: &str) -> Value {
    let script = format!("{JUDGE} return broken;");
    // No policy, and every script a module, as the harness is one.
    let page = page.replacen(
        "<meta http-equiv=\"Content-Security-Policy\"",
        "<meta name=\"policy\"",
        1,
    );
    let page = match page.contains("</script>") {
        true => page.replacen("<script>", "<script type=\"module\">", 1),
        false => page.replacen("</body>", "<script type=\"module\"></script></body>", 1),
    };
    let axe = format!("<script>{axe}</script></head>");
    returned(
        browser,
        &page.replacen("</head>", &axe, 1),
        &json!({}),
        &script,
    )
}
