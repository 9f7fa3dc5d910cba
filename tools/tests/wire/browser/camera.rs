//! A code that is held before the camera, in a browser whose camera sees what a file says.

use std::{fs, net::SocketAddr, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::codes::Region;
use qrcode::{Color, QrCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    chromium::browser,
    devtools::{Tab, WIDTHS},
    employer::look,
    page::axe,
    paper::codes_in,
};
use crate::page::{ISSUED, issued};

/// A camera's picture, in pixels.
const WIDE: usize = 640;
const HIGH: usize = 480;

/// Pixels of a module of a code.
const MODULE: usize = 8;

/// Not every Chromium reads codes. What this one is to read, the test reads out of what it is given.
const READER: &str = "
let waiting;
globalThis.codes = [];
globalThis.frame = () => new Promise((seen) => { waiting = seen; });
globalThis.BarcodeDetector = class {
  static async getSupportedFormats() { return ['qr_code']; }
  async detect(video) {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let grey = '';
    for (let at = 0; at < data.length; at += 4) grey += String.fromCharCode(data[at]);
    waiting?.({ width: canvas.width, grey: btoa(grey) });
    return codes;
  }
};
if (navigator.mediaDevices) {
  const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    globalThis.wanted = wanted;
    return globalThis.stream = await asked(wanted);
  };
}";

/// What is told next of the scan.
const TOLD: &str = "new Promise((resolve) => {
  const told = document.getElementById('scanned');
  if (told.textContent) resolve(told.textContent);
  new MutationObserver(() => told.textContent && resolve(told.textContent)).observe(told, { childList: true });
})";

/// A camera that sees a code which says that: a film of one frame ("YUV4MPEG2").
fn camera(says: &str) -> (TempDir, Vec<String>) {
    let code = QrCode::new(says).unwrap();
    let modules = code.width();
    let (left, top) = ((WIDE - modules * MODULE) / 2, (HIGH - modules * MODULE) / 2);
    let mut film =
        format!("YUV4MPEG2 W{WIDE} H{HIGH} F10:1 Ip A1:1 C420mpeg2\nFRAME\n").into_bytes();
    let begin = film.len();
    film.resize(begin + WIDE * HIGH, 235);
    for (at, color) in code.to_colors().into_iter().enumerate() {
        let (x, y) = (left + at % modules * MODULE, top + at / modules * MODULE);
        if color == Color::Dark {
            for row in y..y + MODULE {
                film[begin + row * WIDE + x..][..MODULE].fill(16);
            }
        }
    }
    film.resize(film.len() + WIDE * HIGH / 2, 128);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen.y4m");
    fs::write(&file, film).unwrap();
    let arguments = [
        "--use-fake-device-for-media-stream".to_owned(),
        "--use-fake-ui-for-media-stream".to_owned(),
        format!("--use-file-for-fake-video-capture={}", file.display()),
    ];
    (folder, arguments.into())
}

/// The form, with the camera open: what it sees is asked for.
fn opened(browser: &Path, arguments: &[String], node: SocketAddr, width: u32) -> Tab {
    let mut tab = Tab::with(browser, arguments, width, true);
    tab.beforehand(READER);
    tab.go(&format!("http://{node}/"));
    let offered = "document.getElementById('opener').checkVisibility()";
    assert_eq!(tab.value(offered), true);
    tab.value("globalThis.first = frame(); document.getElementById('opener').click()");
    tab
}

/// Whether the camera is on, and whether the page shows it.
fn is_on(tab: &mut Tab) -> (Value, Value) {
    (
        tab.value("stream.active"),
        tab.value("document.getElementById('seen').checkVisibility()"),
    )
}

const ON: (Value, Value) = (Value::Bool(true), Value::Bool(true));
const OFF: (Value, Value) = (Value::Bool(false), Value::Bool(false));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_before_the_camera_fills_in_the_number() {
    let Some((browser, axe)) = browser().zip(axe()) else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI).http;
    let scan = move || {
        let link = format!("https://zj.huren.example:8443/#{}", ISSUED.number);
        let (_folder, arguments) = camera(&link);
        for width in WIDTHS {
            let mut tab = opened(browser, &arguments, node, width);
            let mut seen = tab.value("first");
            let says = loop {
                let grey = BASE64_STANDARD.decode(seen["grey"].as_str().unwrap());
                let width = seen["width"].as_u64().unwrap();
                let read = codes_in(width.try_into().unwrap(), &grey.unwrap());
                if let Some(code) = read.into_iter().next() {
                    break code;
                }
                seen = tab.value("frame()");
            };
            assert_eq!(is_on(&mut tab), ON);
            assert_eq!(tab.value("wanted.video.facingMode"), "environment");
            assert_eq!(tab.value("document.activeElement.id"), "closer");
            look(&mut tab, (width, "zh-CN"), Some(&axe));
            // A code of somebody else's changes nothing, and the camera stays open.
            tab.value("codes = [{ rawValue: 'https://example.com/' }]; frame()");
            assert_eq!(tab.value("frame().then(() => number.value)"), "");
            assert_eq!(is_on(&mut tab), ON);
            tab.value(&format!("codes = [{}]; 0", json!({ "rawValue": says })));
            let told = tab.value(TOLD);
            assert!(told.as_str().unwrap().contains("已读出编号"), "{told}");
            assert_eq!(tab.value("number.value"), ISSUED.number);
            assert_eq!(is_on(&mut tab), OFF);
            let sent = tab.requested().iter();
            let sent = sent.filter(|url| !url.ends_with("favicon.ico"));
            assert_eq!(sent.count(), 1, "nothing leaves the browser");
        }
    };
    tokio::task::spawn_blocking(scan).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_camera_is_closed_by_its_user_and_when_the_page_is_hidden() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI).http;
    let close = move || {
        let (_folder, arguments) = camera("nothing");
        let mut tab = opened(browser, &arguments, node, WIDTHS[0]);
        tab.value("first.then(() => 0)");
        assert_eq!(is_on(&mut tab), ON);
        tab.value("document.getElementById('closer').click()");
        assert_eq!(is_on(&mut tab), OFF);
        assert_eq!(tab.value("document.activeElement.id"), "opener");
        // Closing it is no failure, and it opens again.
        tab.value("globalThis.first = frame(); document.getElementById('opener').click()");
        tab.value("first.then(() => 0)");
        assert_eq!(is_on(&mut tab), ON);
        assert_eq!(tab.value("told.textContent"), "");
        tab.value(
            "Object.defineProperty(document, 'hidden', { value: true });
             document.dispatchEvent(new Event('visibilitychange'))",
        );
        assert_eq!(is_on(&mut tab), OFF);
    };
    tokio::task::spawn_blocking(close).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_is_not_there_or_not_allowed_is_said_in_words() {
    let Some(browser) = browser() else { return };
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI).http;
    let refused = move || {
        let failing = |name: &str, query: &str| {
            let mut tab = Tab::open(browser, WIDTHS[0], true);
            tab.beforehand(READER);
            tab.go(&format!("http://{node}/{query}"));
            let fails = format!(
                "navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }};
                 document.getElementById('opener').click()"
            );
            tab.value(&fails);
            let told = tab.value(TOLD);
            assert_eq!(tab.value("opener.disabled || opener.hidden"), false);
            told.as_str().unwrap().to_owned()
        };
        for (name, query, told) in [
            ("NotAllowedError", "", "未获准使用相机"),
            ("NotAllowedError", "?lang=en", "may not use the camera"),
            ("NotFoundError", "", "没有找到相机"),
            ("NotFoundError", "?lang=en", "There is no camera"),
            ("NotReadableError", "", "相机打不开"),
            ("NotReadableError", "?lang=en", "does not open"),
        ] {
            let said = failing(name, query);
            assert!(said.contains(told), "{name}: {said}");
        }
        // Refused by the browser itself.
        let (_folder, mut arguments) = camera("nothing");
        arguments[1] = "--deny-permission-prompts".to_owned();
        let mut tab = opened(browser, &arguments, node, WIDTHS[0]);
        let told = tab.value(TOLD);
        assert!(told.as_str().unwrap().contains("未获准使用相机"), "{told}");
        // Where there is none to ask for, it is not offered; pictures are.
        let mut tab = Tab::open(browser, WIDTHS[0], true);
        tab.beforehand(&format!(
            "{READER} Object.defineProperty(navigator, 'mediaDevices', {{ value: undefined }});"
        ));
        tab.go(&format!("http://{node}/"));
        let offered = |id: &str| format!("document.getElementById('{id}').checkVisibility()");
        assert_eq!(tab.value(&offered("picture")), true);
        assert_eq!(tab.value(&offered("opener")), false);
    };
    tokio::task::spawn_blocking(refused).await.unwrap();
}
