//! The operator's console in a browser, asking a node.

use huren_core::codes::Region;
use serde_json::json;

use super::{
    chromium::{browser, returned},
    page::{JUDGE, axe},
};
use crate::{
    api::Program,
    page::{issued, text},
    support::http,
};

/// One event of a watch, and its end: the browser is done with a page once it has nothing open.
const ONCE: &str = r#"
const asked = window.fetch;
window.fetch = async (url, options) => {
  const response = await asked(String(url).replace("/watch", ""), options);
  if (!response.ok || !String(url).endsWith("/watch")) return response;
  return new Response(`data: ${await response.text()}\n\n`);
};
token = given.token;
const ended = await enter().catch((error) => error.message);
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_see_the_node_s_state_sees_it() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let page = text(&http::get(node.http, "/console").await);
    assert!(page.len() < 100_000);
    let api = format!("const API = \"http://{}/api/v1\"", node.http);
    let page = page
        .replacen("const API = \"api/v1\"", &api, 1)
        .replacen("<script>", "<script type=\"module\">", 1)
        .replacen("</head>", &format!("<script>{axe}</script></head>"), 1);
    let show = format!(
        "{ONCE} await showRest(); {JUDGE}
         const text = (id) => byId(id).textContent;
         return {{ ended, broken, worst: document.querySelectorAll('#alarms .bad').length, alarms: text('alarms'), node: text('node'), logs: text('logs'),
           audit: text('audit'), charts: document.querySelectorAll('#growth svg polyline').length }};"
    );
    let refuse = format!("{ONCE} return {{ ended, hidden: byId('console').hidden }};");
    let auditor = Program::of(node, &["auditor"]).await.token;
    let verifier = Program::of(node, &["verifier"]).await.token;
    let look = move || {
        let shown = returned(browser, &page, &json!({ "token": auditor }), &show);
        let refused = returned(browser, &page, &json!({ "token": verifier }), &refuse);
        (shown, refused)
    };
    let (shown, refused) = tokio::task::spawn_blocking(look).await.unwrap();
    assert_eq!(shown["broken"], json!([]));
    let says = |id: &str, what: &str| {
        let text = shown[id].as_str().unwrap();
        assert!(text.contains(what), "{id}: {text}");
    };
    says("ended", "连接已断开");
    assert_eq!(shown["worst"], 0, "{}", shown["alarms"]);
    assert_ne!(shown["alarms"], "");
    says("node", "31");
    says("logs", "log/33");
    says("logs", "正常");
    says("audit", "TOKEN_CREATED");
    assert_eq!(shown["charts"], 1);
    assert_eq!(refused["hidden"], true);
    let ended = refused["ended"].as_str().unwrap();
    assert!(ended.starts_with("CALLER_NOT_AUDITOR"), "{ended}");
}
