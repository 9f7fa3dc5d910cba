//! Headless Chromium.

use serde_json::Value;
use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Set to anything, it makes the lack of a browser a failure.
const REQUIRED: &str = "REQUIRE_BROWSER";

/// What it is called where, the first that there is.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What the browser would otherwise do by itself, none of which a page needs.
pub(super) const QUIET: [&str; 9] = [
    "--headless=new",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    // Where the tests run as root, whom the sandbox refuses, and in containers without namespaces.
    "--no-sandbox",
    "--disable-dev-shm-usage",
];

/// The browser of this machine. Where there is none, that is said once on the standard error.
///
/// # Panics
/// If there is none and it is [`REQUIRED`].
pub(super) fn browser() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        let mut places = NAMES
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let found = places.find(|place| place.is_file());
        if found.is_none() {
            let what = "Chromium is not installed: the tests of pages in a browser are NOT run \
                        (install `chromium` to run them)";
            assert!(env::var_os(REQUIRED).is_none(), "{what}");
            // Not the macro, whose output the test harness keeps to itself.
            let _ = writeln!(io::stderr(), "{what}");
        }
        found
    };
    FOUND.get_or_init(find).as_deref()
}

/// The document as it is once a page has loaded and its scripts have run for a while.
///
/// # Panics
/// If the browser cannot be run, or fails.
pub(super) fn document(browser: &Path, url: &str) -> String {
    let arguments = ["--virtual-time-budget=60000", "--dump-dom", url];
    run(browser, &arguments.map(str::to_owned))
}

/// What a test's script returns that runs in a page, behind the page's last script and among its
/// names; `given` is what it is given.
///
/// # Panics
/// If it does not return.
pub(super) fn returned(browser: &Path, html: &str, given: &Value, script: &str) -> Value {
    let harness = include_str!("harness.js")
        .replace("GIVEN", &given.to_string().replace('<', "\\u003c"))
        .replace("SCRIPT", script);
    let at = html.rfind("</script>").unwrap();
    let (before, behind) = html.split_at(at);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, format!("{before}{harness}{behind}")).unwrap();
    let page = format!("file://{}", file.display());
    // Its script may ask a node, from which it did not come.
    let arguments = [
        "--disable-web-security",
        "--virtual-time-budget=60000",
        "--dump-dom",
        page.as_str(),
    ];
    let shown = run(browser, &arguments.map(str::to_owned));
    let (_, result) = shown.split_once("<pre id=\"result\">").expect(&shown);
    let (result, _) = result.split_once("</pre>").unwrap();
    let result = result
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&result).unwrap()
}

/// A page printed on paper: the bytes of the PDF.
///
/// # Panics
/// If it cannot be printed.
pub(super) fn printed(browser: &Path, html: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (page, pdf) = (
        folder.path().join("page.html"),
        folder.path().join("page.pdf"),
    );
    fs::write(&page, html).unwrap();
    run(
        browser,
        &[
            format!("--print-to-pdf={}", pdf.display()),
            "--no-pdf-header-footer".to_owned(),
            format!("file://{}", page.display()),
        ],
    );
    fs::read(pdf).unwrap()
}

fn run(browser: &Path, arguments: &[String]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let shown = Command::new(browser)
        .args(QUIET)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success(), "{errors}");
    String::from_utf8(shown.stdout).unwrap()
}
