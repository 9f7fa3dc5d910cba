//! What stands on paper, read back by poppler's tools, which share nothing with the browser.

use std::{
    fs,
    io::{self, Write as _},
    process::Command,
};

/// The text of a PDF, and what the QR codes on it say; `None` where poppler's tools are not
/// installed, which is said.
///
/// # Panics
/// If they are missing where a browser is required, or cannot read it.
pub(super) fn read(pdf: &[u8]) -> Option<(String, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.pdf");
    fs::write(&file, pdf).unwrap();
    let Ok(text) = Command::new("pdftotext")
        .args(["-layout"])
        .arg(&file)
        .arg("-")
        .output()
    else {
        let what = "pdftotext is not installed: the printed page is NOT read back (install \
                    `poppler-utils`)";
        assert!(std::env::var_os("REQUIRE_BROWSER").is_none(), "{what}");
        // Not the macro, whose output the test harness keeps to itself.
        let _ = writeln!(io::stderr(), "{what}");
        return None;
    };
    let drawn = Command::new("pdftoppm")
        .args(["-gray", "-r", "200", "-singlefile"])
        .arg(&file)
        .output();
    let text = String::from_utf8(text.stdout).unwrap();
    Some((text, codes(&drawn.unwrap().stdout)))
}

/// What the codes in a picture say: a "portable graymap" of one byte a pixel, P5.
fn codes(picture: &[u8]) -> Vec<String> {
    let mut parts = picture.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut number = || {
        let part = std::str::from_utf8(parts.next().unwrap()).unwrap();
        part.trim_start_matches("P").parse::<usize>().unwrap()
    };
    let (kind, width, height) = (number(), number(), number());
    assert_eq!(kind, 5);
    codes_in(width, &picture[picture.len() - width * height..])
}

/// What the codes say in a picture of that width, of one grey byte a pixel.
pub(super) fn codes_in(width: usize, pixels: &[u8]) -> Vec<String> {
    let height = pixels.len() / width;
    let mut picture =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = picture.detect_grids();
    let read = grids.iter().filter_map(|grid| grid.decode().ok());
    read.map(|(_, text)| text).collect()
}
