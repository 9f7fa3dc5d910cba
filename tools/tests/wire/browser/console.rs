//! Pages that ask the JSON API, in a browser, asking a node: the operator's console and the map.

use huren_core::codes::Region;
use huren_proto::v1;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    chromium::{browser, document, returned},
    devtools::{Tab, WIDTHS},
    employer::look,
    page::{JUDGE, axe},
};
use crate::{
    api::Program,
    page::{ISSUED, issued, text},
    support::{
        http,
        nodes::{Node, Nodes, until},
    },
    tokens::token,
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

/// A page that asks that node wherever it lies, with the rules of accessibility.
async fn page(node: &Node, path: &str, axe: &str) -> String {
    let page = text(&http::get(node.http, path).await);
    assert!(page.len() < 100_000);
    let here = format!("const NODE = \"http://{}/\"", node.http);
    page.replacen("const NODE = \"\"", &here, 1)
        .replacen("<script>", "<script type=\"module\">", 1)
        .replacen("</head>", &format!("<script>{axe}</script></head>"), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_see_the_node_s_state_sees_it() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let page = page(node, "/console", &axe).await;
    let show = format!(
        "{ONCE} await showAudit(); {JUDGE}
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

/// Waits until what is told of the imports has a text in it, and gives what is told.
fn told(has: &str) -> String {
    format!(
        "new Promise((resolve) => {{
           const place = document.getElementById('imports');
           const look = () => place.textContent.includes('{has}') && resolve(place.innerText);
           new MutationObserver(look).observe(place, {{ childList: true }});
           look();
         }})"
    )
}

/// Under its own policy, at any width, while submissions come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_followed_while_it_runs() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let auditor = Program::of(node, &["auditor"]).await.token;
    let (sender, requests) = mpsc::channel(4);
    let message = |permille, change: fn(&mut v1::SubmitRequest)| {
        let mut submission = ISSUED.submission();
        change(&mut submission);
        v1::SubmitManyRequest {
            submission: Some(submission),
            progress: Some(v1::ImportProgress {
                permille,
                ..Default::default()
            }),
        }
    };
    let mut client = node.issuance();
    let answers = client.submit_many(ReceiverStream::new(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let url = format!("http://{}/console", node.http);
    let watch = move || {
        let enter = format!("token = '{auditor}'; enter().catch(failed); 0");
        let mut tabs = WIDTHS.map(|width| {
            let mut tab = Tab::open(browser, width, true);
            tab.go(&url);
            tab.value(&enter);
            (width, tab)
        });
        for (width, tab) in &mut tabs {
            let shown = tab.value(&told("收到 0"));
            assert!(shown.as_str().unwrap().contains("进行中"), "{shown}");
            assert_eq!(tab.value("document.querySelector('progress')"), Value::Null);
            look(tab, (*width, "zh-CN"), Some(&axe));
        }
        let mut first = message(250, |submission| {
            submission.client_ref = 7;
            submission.body = None;
        });
        // The importer refused a row by itself, for a reason whose name is long.
        let code = "NUMBER_INSTITUTION_MISMATCH".to_owned();
        let progress = first.progress.as_mut().unwrap();
        progress.newest.push(v1::RefusedRow {
            client_ref: 1_000_006,
            code: code.clone(),
            field: "number".into(),
        });
        progress.refused.push(v1::RefusedCode { code, count: 1 });
        sender.blocking_send(first).unwrap();
        for (width, tab) in &mut tabs {
            tab.value(&told("拒绝 2"));
            assert_eq!(tab.value("document.querySelector('progress').value"), 250);
            tab.value("document.querySelector('#imports summary').click()");
            tab.value("document.querySelector('#imports summary').focus()");
            let row = tab.value("document.querySelector('#imports tbody tr').innerText");
            assert_eq!(row, "7\tBODY_MISSING\tbody", "its line and why");
            look(tab, (*width, "zh-CN"), Some(&axe));
        }
        sender.blocking_send(message(500, |_| {})).unwrap();
        for (_, tab) in &mut tabs {
            tab.value(&told("接受 1"));
            // What a reader has opened stays open, with the focus where it was.
            assert_eq!(
                tab.value("document.querySelector('#imports details').open"),
                true
            );
            assert_eq!(tab.value("document.activeElement.tagName"), "SUMMARY");
        }
        drop(sender);
        for (width, tab) in &mut tabs {
            let shown = tab.value(&told("已完成"));
            let shown = shown.as_str().unwrap();
            assert!(
                shown.contains("收到 2") && !shown.contains(ISSUED.number),
                "{shown}"
            );
            look(tab, (*width, "zh-CN"), Some(&axe));
        }
    };
    let read = async { while answers.message().await.unwrap().is_some() {} };
    let (watched, ()) = tokio::join!(tokio::task::spawn_blocking(watch), read);
    watched.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_shows_every_city_and_its_figures() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::ZHEJIANG);
    let made = token(node, &["statistician"], &["33"]).await.token;
    let program = Program {
        node,
        token: made.clone(),
    };
    let size = node.size().await.to_string();
    let counted = async || {
        let answer = program.get("/statistics?basis=STATISTICS_BASIS_WORK").await;
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        let counted = answer["counted"].as_object().unwrap();
        counted.values().any(|counted| *counted == size)
    };
    until("the log is counted", counted).await;
    // Under its own policy, the script runs that fills in the years.
    let url = format!("http://{}/map", node.http);
    let page = page(node, "/map", &axe).await;
    let script = format!(
        "token = given.token; await enter(); {JUDGE}
         const text = (id) => byId(id).textContent;
         const of_all = text('trend');
         selected = '3301'; await show();
         return {{ broken, tiles: document.querySelectorAll('#tiles button').length,
           trends: [of_all, text('trend')], total: text('total'), told: text('told'), csv: await (await fetch(byId('csv').href)).text(),
           hidden: byId('shown').hidden }};"
    );
    let enter = format!(
        "(async () => {{ token = {}; await enter(); }})()",
        json!(made)
    );
    let look_at_it = move || {
        for width in WIDTHS {
            let mut tab = Tab::open(browser, width, true);
            tab.go(&url);
            tab.value(&enter);
            look(&mut tab, (width, "zh-CN"), Some(&axe));
        }
        let shown = returned(browser, &page, &json!({ "token": made }), &script);
        (document(browser, &url), shown)
    };
    let (served, shown) = tokio::task::spawn_blocking(look_at_it).await.unwrap();
    assert!(served.contains("<option value=\"2020\">2020</option>"));
    assert_eq!(shown["broken"], json!([]));
    assert_eq!(shown["tiles"], 41);
    assert_eq!(
        (&shown["hidden"], &shown["told"]),
        (&json!(false), &json!(""))
    );
    // Who asks for no exact figures is told none about one person.
    assert!(shown["total"].as_str().unwrap().contains('—'), "{shown}");
    let of = |n: usize| shown["trends"][n].as_str().unwrap();
    assert!(
        of(0).contains("三省一市") && of(1).contains("杭州市"),
        "{shown}"
    );
    let csv = shown["csv"].as_str().unwrap();
    assert!(csv.contains("code,city,persons"), "{csv}");
}
