//! The QR code on an answer, which leads whoever holds a print of it back to the form.

use qrcode::{EcLevel, QrCode, render::svg};

use crate::http::{html::Html, language::Language};

/// Width of a code on the screen and on paper, in CSS pixels.
const WIDTH: u32 = 150;

/// A code that leads to the form at an address, in a language, with the number filled in. The number stands behind
/// `#`: what stands there no browser sends. `None` if that is too long for a code.
pub(super) fn code(address: &str, number: &str, language: Language) -> Option<Html> {
    let link = link(address, number, language);
    let code = QrCode::with_error_correction_level(link, EcLevel::M).ok()?;
    let mut drawing = code.render::<svg::Color<'_>>();
    let drawing = drawing.min_dimensions(WIDTH, WIDTH).build();
    // The declaration of an XML file has no place inside of a page.
    let (_, drawing) = drawing.split_once("?>")?;
    let name = language.of("二维码", "QR code");
    let named = format!("<svg role=\"img\" aria-label=\"{name}\" ");
    let code = Html::ours(drawing.replacen("<svg ", &named, 1));
    let template = include_str!("qr.html");
    Some(Html::fill_in(language, template, &[("code", code)]))
}

fn link(address: &str, number: &str, language: Language) -> String {
    let mut link = format!("{}/{}#", address.trim_end_matches('/'), language.query());
    for byte in number.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => link.push(byte.into()),
            other => link.push_str(&format!("%{other:02X}")),
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "Y000133020600243000001";

    #[test]
    fn an_independent_decoder_reads_the_link() {
        let address = "https://zj.huren.example:8443/";
        let svg = code(address, NUMBER, Language::En).unwrap().into_string();
        // Dark modules are drawn as squares of one path: "M x y h s v s H x V y z".
        let (_, path) = svg.split_once(" d=\"").unwrap();
        let (path, _) = path.split_once('"').unwrap();
        let size = 1000;
        let mut dark = vec![false; size * size];
        for square in path.split('M').skip(1) {
            let numbers: Vec<usize> = square
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|text| text.parse().ok())
                .collect();
            let [x, y, width, height, ..] = numbers[..] else {
                panic!("{square}");
            };
            for row in y..y + height {
                dark[row * size + x..row * size + x + width].fill(true);
            }
        }
        let is_dark = |x: usize, y: usize| if dark[y * size + x] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(size, size, is_dark);
        let grids = image.detect_grids();
        let (_, read) = grids.first().unwrap().decode().unwrap();
        assert_eq!(
            read,
            format!("https://zj.huren.example:8443/?lang=en#{NUMBER}")
        );
    }

    #[test]
    fn nothing_typed_becomes_a_part_of_the_address() {
        assert_eq!(
            link("https://a", "张 3#?/", Language::Zh),
            "https://a/#%E5%BC%A0%203%23%3F%2F"
        );
        assert!(code("https://a", &"x".repeat(4_000), Language::Zh).is_none());
    }
}
