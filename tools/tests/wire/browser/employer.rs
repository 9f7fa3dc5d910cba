//! What an employer does on the page, in a browser: on a phone and at a desk, in both languages, with
//! scripts and without; then the paper that is printed of it, and a code that is scanned.

use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::codes::Region;
use serde_json::{Value, json};

use super::{
    chromium::browser,
    devtools::{Tab, WIDTHS},
    page::{JUDGE, axe},
    paper,
};
use crate::page::{ISSUED, issued};

/// Largest page, in bytes.
const MAX_PAGE: u64 = 100_000;

/// Fills in the form and sends it.
fn ask(tab: &mut Tab) {
    let fill = format!(
        "document.getElementById('number').value = '{}'; \
         document.getElementById('name').value = '{}'; \
         document.querySelector('main form button[type=submit]').click()",
        ISSUED.number, ISSUED.name
    );
    tab.leave(&fill);
}

/// Leaves a picture of the page in the folder that `PICTURES` names, for a person to look at.
fn keep_picture(tab: &mut Tab, width: u32, language: &str) {
    static KEPT: AtomicUsize = AtomicUsize::new(0);
    if let Some(folder) = env::var_os("PICTURES") {
        let path = tab.value("location.pathname");
        let path = path.as_str().unwrap().replace('/', "_");
        let number = KEPT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:02}{path}-{width}-{language}.png");
        fs::write(Path::new(&folder).join(name), tab.picture()).unwrap();
    }
}

/// What holds for every page, whatever it says.
pub(super) fn look(tab: &mut Tab, (width, language): (u32, &str), axe: Option<&str>) {
    keep_picture(tab, width, language);
    assert_eq!(tab.value("document.documentElement.lang"), language);
    let wide = tab.value("document.documentElement.scrollWidth").as_u64();
    assert!(
        wide <= Some(width.into()),
        "{wide:?} of {width} pixels: {}",
        tab.text()
    );
    let size = tab.value("performance.getEntriesByType('navigation')[0].decodedBodySize");
    assert!(size.as_u64() < Some(MAX_PAGE), "{size} bytes");
    if let Some(axe) = axe {
        tab.value(&format!("{axe}; 0"));
        let broken = tab.value(&format!("(async () => {{ {JUDGE} return broken; }})()"));
        assert_eq!(broken, json!([]), "{width} {language}: {}", tab.text());
    }
}

fn is_asked_alone(tab: &Tab, node: SocketAddr) {
    let own = format!("http://{node}/");
    let others: BTreeSet<&String> = tab
        .requested()
        .iter()
        .filter(|url| !url.starts_with(&own))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(tab.requested().len() > 3);
    let told = tab
        .requested()
        .iter()
        .any(|url| url.contains(ISSUED.number));
    assert!(!told, "the number is in an address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employer_gets_an_answer_at_any_width_in_both_languages_with_scripts_and_without() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI).http;
    let visit = move |width, scripts: bool| {
        let mut tab = Tab::open(browser, width, scripts);
        // Its rules are a script too.
        let axe = scripts.then_some(axe.as_str());
        tab.go(&format!("http://{node}/"));
        look(&mut tab, (width, "zh-CN"), axe);
        tab.leave("document.querySelector('a[hreflang=en]').click()");
        look(&mut tab, (width, "en"), axe);
        ask(&mut tab);
        look(&mut tab, (width, "en"), axe);
        let english = tab.text();
        for shown in ["Valid", "Shanghai", "Institution", "as of"] {
            assert!(english.contains(shown), "{shown}: {english}");
        }
        tab.leave("document.querySelector('.switch button').click()");
        look(&mut tab, (width, "zh-CN"), axe);
        let chinese = tab.text();
        for shown in ["有效", "上海市", "评价机构", "截至"] {
            assert!(chinese.contains(shown), "{shown}: {chinese}");
        }
        tab.leave("document.querySelector('main nav a').click()");
        tab.leave("document.querySelector('a[href^=batch]').click()");
        look(&mut tab, (width, "zh-CN"), axe);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.csv");
        let list = format!("证书编号,姓名\n{},{}\n", ISSUED.number, ISSUED.name);
        fs::write(&file, list).unwrap();
        tab.choose("#file", &file);
        tab.leave("document.querySelector('main form button').click()");
        look(&mut tab, (width, "zh-CN"), axe);
        assert!(tab.text().contains("核验完毕"), "{}", tab.text());
        tab.leave("document.querySelector('a[hreflang=en]').click()");
        look(&mut tab, (width, "en"), axe);
        assert!(tab.text().contains("Results (CSV)"), "{}", tab.text());
        is_asked_alone(&tab, node);
    };
    let visits = move || {
        for width in WIDTHS {
            for scripts in [false, true] {
                visit(width, scripts);
            }
        }
    };
    tokio::task::spawn_blocking(visits).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_answer_is_read_back_with_its_code() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let address = node.http;
    let print = move || {
        for (query, shown) in [
            ("", ["有效", "上海市", "欧**霄", "截至", "中式烹调师"]),
            (
                "?lang=en",
                ["alid", "Shanghai", "欧**霄", "as of", "中式烹调师"],
            ),
        ] {
            let mut tab = Tab::open(browser, WIDTHS[1], true);
            tab.go(&format!("http://{address}/{query}"));
            ask(&mut tab);
            let pdf = tab.printed();
            let Some((text, codes)) = paper::read(&pdf) else {
                return;
            };
            for shown in [ISSUED.number].iter().chain(&shown) {
                assert!(text.contains(shown), "{shown}: {text}");
            }
            // What is typed for the other language and the receipt is not printed, nor are buttons.
            assert!(
                !text.contains(ISSUED.name) && !text.contains("中文"),
                "{text}"
            );
            let [code] = codes.as_slice() else {
                panic!("{codes:?}");
            };
            assert!(code.starts_with("https://"), "{code}");
            assert!(
                code.ends_with(&format!("/{query}#{}", ISSUED.number)),
                "{code}"
            );
        }
    };
    tokio::task::spawn_blocking(print).await.unwrap();
}

/// A browser that reads codes, which not every Chromium is: what it reads is `code`.
fn reader(code: &str) -> String {
    format!(
        "globalThis.BarcodeDetector = class {{
           static async getSupportedFormats() {{ return ['qr_code']; }}
           async detect(picture) {{
             if (!(picture instanceof ImageBitmap)) throw new TypeError('no picture');
             return [{{ rawValue: '{code}' }}];
           }}
         }};"
    )
}

/// A picture of one pixel, PNG.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// What the page shows after a picture was chosen: the number, and what is told.
fn scanned(browser: &Path, node: SocketAddr, code: &str) -> (Value, Value) {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("code.png");
    fs::write(&picture, BASE64_STANDARD.decode(PICTURE).unwrap()).unwrap();
    let mut tab = Tab::open(browser, WIDTHS[0], true);
    tab.beforehand(&reader(code));
    tab.go(&format!("http://{node}/"));
    let told = "new Promise((resolve) => {
      const told = document.getElementById('scanned');
      if (told.textContent) resolve(told.textContent);
      new MutationObserver(() => resolve(told.textContent)).observe(told, { childList: true });
    })";
    assert_eq!(
        tab.value("document.getElementById('scan').checkVisibility()"),
        true
    );
    tab.choose("#picture", &picture);
    let told = tab.value(told);
    let sent = tab
        .requested()
        .iter()
        .filter(|url| !url.ends_with("favicon.ico"));
    assert_eq!(
        sent.count(),
        1,
        "nothing leaves the browser: {:?}",
        tab.requested()
    );
    (tab.value("document.getElementById('number').value"), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_scanned_from_a_picture_where_the_browser_can() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI).http;
    let scan = move || {
        let link = format!("https://zj.huren.example:8443/?lang=en#{}", ISSUED.number);
        let (number, told) = scanned(browser, node, &link);
        assert_eq!(number, ISSUED.number);
        assert!(told.as_str().unwrap().contains("已读出编号"), "{told}");
        for foreign in ["https://example.com/", "nothing", "https://a/#%E4%zz"] {
            let (number, told) = scanned(browser, node, foreign);
            assert_eq!(number, "", "{foreign}");
            assert!(told.as_str().unwrap().contains("没有可识别"), "{told}");
        }
        // Where the browser cannot, it is not offered.
        let mut tab = Tab::open(browser, WIDTHS[0], true);
        tab.beforehand("delete globalThis.BarcodeDetector;");
        tab.go(&format!("http://{node}/"));
        assert_eq!(tab.value("document.getElementById('scan').hidden"), true);
    };
    tokio::task::spawn_blocking(scan).await.unwrap();
}
