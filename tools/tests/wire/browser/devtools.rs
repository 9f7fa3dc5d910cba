//! A browser that is told what to do, by the Chrome DevTools Protocol over a pipe: how wide its
//! screen is, whether scripts run, and what a person does; and what it asks for meanwhile.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chromium::QUIET;

/// Chromium speaks the protocol on descriptors 3 and 4 (`--remote-debugging-pipe`).
const ON_A_PIPE: &str = r#"exec "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1"#;

/// A phone and a desk, in CSS pixels.
pub(super) const WIDTHS: [u32; 2] = [390, 1280];

/// One tab of a browser of its own.
pub(super) struct Tab {
    browser: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// Pages that have loaded.
    loaded: u64,
    /// Addresses that were asked for.
    requested: Vec<String>,
    _profile: TempDir,
}

impl Tab {
    /// Opens a tab of that width, in which pages' scripts run or do not.
    ///
    /// # Panics
    /// As everything here, if the browser fails.
    pub(super) fn open(browser: &Path, width: u32, scripts: bool) -> Self {
        Self::with(browser, &[], width, scripts)
    }

    /// The same of a browser with further arguments.
    pub(super) fn with(browser: &Path, more: &[String], width: u32, scripts: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new("sh")
            .args(["-c", ON_A_PIPE])
            .arg(browser)
            .args(QUIET)
            .args(more)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (browser.stdin.take(), browser.stdout.take());
        let mut tab = Self {
            browser,
            commands: commands.unwrap(),
            answers: BufReader::new(answers.unwrap()),
            session: None,
            last: 0,
            loaded: 0,
            requested: Vec::new(),
            _profile: profile,
        };
        let target = tab.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = tab.call("Target.attachToTarget", attach);
        tab.session = attached["sessionId"].as_str().map(str::to_owned);
        tab.call("Page.enable", json!({}));
        tab.call("Network.enable", json!({}));
        let screen =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        tab.call("Emulation.setDeviceMetricsOverride", screen);
        let off = json!({ "value": !scripts });
        tab.call("Emulation.setScriptExecutionDisabled", off);
        tab
    }

    /// What is to run in every page before its own scripts.
    pub(super) fn beforehand(&mut self, script: &str) {
        let source = json!({ "source": script });
        self.call("Page.addScriptToEvaluateOnNewDocument", source);
    }

    /// Goes to an address, and waits until its page has loaded.
    pub(super) fn go(&mut self, url: &str) {
        let before = self.loaded;
        self.call("Page.navigate", json!({ "url": url }));
        self.wait(before);
    }

    /// Does what a script says that leads to another page, and waits until that has loaded.
    pub(super) fn leave(&mut self, script: &str) {
        let before = self.loaded;
        self.value(&format!("{{ {script}; }} 0"));
        self.wait(before);
    }

    /// What an expression of JavaScript comes to in the page, once it has come to it.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let evaluate = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", evaluate);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// The text of the page as a person reads it.
    pub(super) fn text(&mut self) -> String {
        let text = self.value("document.body.innerText");
        text.as_str().unwrap().to_owned()
    }

    /// Chooses a file in a form.
    pub(super) fn choose(&mut self, selector: &str, file: &Path) {
        let document = self.call("DOM.getDocument", json!({}));
        let wanted = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let input = self.call("DOM.querySelector", wanted);
        let files = json!({ "nodeId": input["nodeId"], "files": [file] });
        self.call("DOM.setFileInputFiles", files);
    }

    /// A picture of the whole page, as PNG.
    pub(super) fn picture(&mut self) -> Vec<u8> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", whole);
        BASE64_STANDARD
            .decode(picture["data"].as_str().unwrap())
            .unwrap()
    }

    /// The page on paper: the bytes of the PDF.
    pub(super) fn printed(&mut self) -> Vec<u8> {
        let paper = json!({ "preferCSSPageSize": true, "printBackground": false });
        let printed = self.call("Page.printToPDF", paper);
        BASE64_STANDARD
            .decode(printed["data"].as_str().unwrap())
            .unwrap()
    }

    /// Addresses that were asked for so far.
    pub(super) fn requested(&self) -> &[String] {
        &self.requested
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands
            .write_all(command.to_string().as_bytes())
            .unwrap();
        self.commands.write_all(&[0]).unwrap();
        loop {
            let message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    fn wait(&mut self, before: u64) {
        while self.loaded == before {
            self.next();
        }
    }

    fn next(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        let message: Value = serde_json::from_slice(&message).unwrap();
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded += 1,
            Some("Network.requestWillBeSent") => {
                let url = &message["params"]["request"]["url"];
                self.requested.push(url.as_str().unwrap().to_owned());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // It has nothing to put in order: its profile goes too.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
