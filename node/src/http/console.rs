//! The operator's console: a page that asks the JSON API how the node is, and follows it.

use axum::Router;

use super::scripted;

const SCRIPTS: [&str; 4] = [
    include_str!("dom.js"),
    include_str!("ask.js"),
    include_str!("chart.js"),
    include_str!("console/console.js"),
];

/// `/console`.
pub fn routes() -> Router {
    let template = include_str!("console/console.html");
    let style = include_str!("console/console.css");
    scripted::asking("/console", template, style, &SCRIPTS)
}
