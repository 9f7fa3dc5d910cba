//! Pages that one script of our own does the work of.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{Html as HtmlResponse, IntoResponse as _},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use super::html::Html;

/// What a page's policy admits a script as (CSP Level 3, section 2.3.1): it and no other runs.
pub(super) fn source(script: &str) -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    format!("'sha256-{hash}'")
}

/// A page of our own that asks the JSON API of its node, and nobody else, with a token that its
/// reader types: it holds nothing by itself, and every question goes past the gate.
pub(super) fn asking(path: &str, template: &'static str, style: &str, scripts: &[&str]) -> Router {
    let script = format!("\n{}", scripts.join("\n"));
    let source = source(&script);
    let policy = format!(
        "default-src 'none'; script-src {source}; style-src 'unsafe-inline'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'"
    );
    let values = [("head", Html::head(style)), ("script", Html::ours(script))];
    route(path, Html::fill(template, &values).into_string(), &policy)
}

/// A page that is the same for everybody, under its policy. Nobody frames it.
pub(super) fn route(path: &str, html: String, policy: &str) -> Router {
    let policy = format!("{policy}; frame-ancestors 'none'");
    let policy = HeaderValue::try_from(policy).ok();
    let page = get(async move || {
        let mut response = HtmlResponse(html).into_response();
        let headers = response.headers_mut();
        let plain: [(HeaderName, &str); 5] = [
            (
                HeaderName::from_static("permissions-policy"),
                "camera=(), microphone=(), geolocation=()",
            ),
            (header::CACHE_CONTROL, "no-cache"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        for (name, value) in plain {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
        response
    });
    Router::new().route(path, page)
}
