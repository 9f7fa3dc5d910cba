//! The operator's console: one page that asks the JSON API, with a token that its reader types.
//!
//! It holds nothing by itself and may do nothing by itself: every question goes through the gate.

use axum::Router;

use super::{html::Html, scripted};

const SCRIPTS: [&str; 3] = [
    include_str!("dom.js"),
    include_str!("console/chart.js"),
    include_str!("console/console.js"),
];

/// `/console`.
pub fn routes() -> Router {
    let script = format!("\n{}", SCRIPTS.join("\n"));
    let source = scripted::source(&script);
    // It asks this node and nobody else.
    let policy = format!(
        "default-src 'none'; script-src {source}; style-src 'unsafe-inline'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'"
    );
    let style = concat!(
        include_str!("style.css"),
        include_str!("console/console.css")
    );
    let values = [
        ("style", Html::ours(style.trim_end())),
        ("script", Html::ours(script)),
    ];
    let html = Html::fill(include_str!("console/console.html"), &values);
    scripted::route("/console", html.into_string(), &policy)
}
