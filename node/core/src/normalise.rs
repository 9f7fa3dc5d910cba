//! The normaliser: one spelling for values that people write in many ways.
//!
//! Salted digests and lookup tags are computed over what these functions return, so version 1
//! is permanent: a different result for the same input is a new version with a new number,
//! never a correction of this one. `tests/vectors/huren/normaliser-v1.json` fixes it.
//!
//! What is deliberately *not* done: no NFKC (it would fold ①, ㈱ or ﬁ into other text), no
//! folding of simplified and traditional forms, no change to characters outside the rules below.
//! Rare characters of GB 18030-2022 are kept: extensions A to I, variation selectors, and the
//! private-use code points that older GB 18030 editions assigned. Translating those is for
//! whoever decodes the source bytes and knows their edition.
//!
//! NFC maps most CJK compatibility ideographs (U+F900..) to the unified ideograph to which they
//! are canonically equivalent, among them nine of the 21 that GB 18030 encodes (郎 U+F92C,
//! 凉 U+F979 and so on); any transport may do the same, so a digest must not depend on it. The
//! other twelve (U+FA0E, FA0F, FA11, FA13, FA14, FA1F, FA21, FA23, FA24, FA27, FA28, FA29) are
//! unified ideographs in spite of their block: NFC keeps them.
//!
//! Unicode's stability policy guarantees that NFC of an assigned character never changes.

use unicode_normalization::UnicodeNormalization;

/// The version of the rules in this module, part of every digest.
pub const VERSION: u32 = 1;

/// The middle dot of a personal name, as GB/T 15834 and the ID card write it.
const MIDDLE_DOT: char = '\u{b7}';

/// Any text: invisible characters dropped, full-width forms made half-width, NFC, white space
/// trimmed and inner runs folded to one U+0020.
pub fn text(input: &str) -> String {
    if is_normal(input) {
        input.to_owned()
    } else {
        spelt_out(input)
    }
}

/// Whether nothing is left of a text.
pub fn is_blank(input: &str) -> bool {
    !input.chars().next().is_some_and(is_plainly_visible) && text(input).is_empty()
}

fn spelt_out(input: &str) -> String {
    // Widths before NFC: a full-width letter followed by a combining accent composes only once
    // it is a half-width letter, and the result has to be stable under a second pass.
    let visible = input.chars().filter(|c| !is_invisible(*c)).map(half_width);
    // For plain characters alone NFC changes nothing, and costs more than everything else here.
    if visible.clone().all(is_plain) {
        fold_spaces(visible, input.len())
    } else {
        fold_spaces(visible.nfc(), input.len())
    }
}

/// Whether [`text`] changes nothing for sure, as it does with nearly every value: plain visible
/// characters with single spaces between them.
fn is_normal(input: &str) -> bool {
    let mut before = ' ';
    let fits = |c: char| {
        let is_single_space = c == ' ' && before != ' ';
        before = c;
        is_single_space || is_plainly_visible(c)
    };
    input.chars().all(fits) && !input.ends_with(' ')
}

/// Characters that NFC leaves as they are, whatever stands beside them: ASCII, and the unified
/// ideographs of the first block.
fn is_plain(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{4e00}'..='\u{9fff}')
}

fn is_plainly_visible(c: char) -> bool {
    is_plain(c) && !c.is_ascii_control() && c != ' '
}

/// Trims white space and folds inner runs of it to one U+0020.
fn fold_spaces(characters: impl Iterator<Item = char>, capacity: usize) -> String {
    let mut output = String::with_capacity(capacity);
    let mut space_pending = false;
    for c in characters {
        if c.is_whitespace() {
            space_pending = !output.is_empty();
            continue;
        }
        if space_pending {
            output.push(' ');
            space_pending = false;
        }
        output.push(c);
    }
    output
}

/// A personal name: [`text`], then every form of the middle dot folded to U+00B7 without
/// spaces around it and without repetition, and no spaces between two Chinese characters.
///
/// Forms pad two-character names to the width of three (`张　三`), hence the last rule; spaces
/// beside Latin letters separate words and stay. A full stop counts as a middle dot only between
/// two Chinese characters, where it is a common substitute (`阿卜杜拉.买买提`); in `J. Smith` it
/// is a full stop.
pub fn name(input: &str) -> String {
    let folded: Vec<char> = text(input)
        .chars()
        .map(|c| if is_middle_dot(c) { MIDDLE_DOT } else { c })
        .collect();
    let mut output = String::with_capacity(input.len());
    let mut rest = folded.as_slice();
    while let Some(&first) = rest.first() {
        let run_length = rest.iter().take_while(|c| is_separator(**c)).count();
        if run_length == 0 {
            output.push(first);
            rest = &rest[1..];
            continue;
        }
        let (run, after) = rest.split_at(run_length);
        let between_chinese = output.chars().next_back().is_some_and(is_chinese)
            && after.first().copied().is_some_and(is_chinese);
        push_separator(&mut output, run, between_chinese);
        rest = after;
    }
    output
}

/// The number of an identity document: [`text`], ASCII letters upper-case, spaces and hyphens
/// removed (no kind of document has them in its number; people add them to read it).
pub fn id(input: &str) -> String {
    compact(input)
}

/// The number of a certificate: the same rules as [`id`], for the same reason.
pub fn number(input: &str) -> String {
    compact(input)
}

fn compact(input: &str) -> String {
    let kept: String = text(input)
        .chars()
        .filter(|c| *c != ' ' && !is_hyphen(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if kept.is_ascii() {
        return kept;
    }
    // Removing a hyphen can bring a letter and a combining mark together.
    kept.nfc().collect()
}

/// Whether this is one of the hyphens and dashes that people type between digits. (The full-width
/// hyphen U+FF0D is U+002D by the time this is asked.)
pub(crate) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}')
}

/// Characters without a visible form that spreadsheets and web pages leave behind: controls that
/// are not white space, soft hyphen, zero-width space, word joiner, byte order mark and the
/// direction marks. Joiners (U+200C, U+200D) and variation selectors change what is shown: kept.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Full-width ASCII forms (U+FF01..=U+FF5E) and the ideographic space to their ASCII twins.
fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Dots that input methods produce where U+00B7 is meant. U+0387 is one by NFC already.
fn is_middle_dot(c: char) -> bool {
    matches!(
        c,
        MIDDLE_DOT
            | '\u{2022}' // bullet
            | '\u{2027}' // hyphenation point
            | '\u{2219}' // bullet operator
            | '\u{22c5}' // dot operator
            | '\u{25cf}' // black circle
            | '\u{2e31}' // word separator middle dot
            | '\u{2e33}' // raised dot
            | '\u{30fb}' // katakana middle dot
            | '\u{318d}' // Hangul letter araea, typed as a middle dot in Korean names
            | '\u{ff65}' // half-width katakana middle dot
            | '\u{16eb}' // runic single punctuation
    )
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '.' | MIDDLE_DOT)
}

/// Writes what stays of a run of spaces, full stops and middle dots.
fn push_separator(output: &mut String, run: &[char], between_chinese: bool) {
    let has_dot = run.contains(&MIDDLE_DOT);
    if between_chinese {
        if has_dot || run.contains(&'.') {
            output.push(MIDDLE_DOT);
        }
        return;
    }
    if !has_dot {
        output.extend(run);
        return;
    }
    let mut previous = None;
    for &c in run.iter().filter(|c| **c != ' ') {
        if c != MIDDLE_DOT || previous != Some(MIDDLE_DOT) {
            output.push(c);
        }
        previous = Some(c);
    }
}

/// Han characters as names contain them: ideographs of all planes, 〇, the private-use area where
/// older systems put rare ones, and the variation selectors that follow an ideograph.
fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{3007}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    ) || is_variation_selector(c)
}

/// Whether the character only selects a glyph for the one before it.
pub(crate) fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        version: u32,
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        kind: String,
        input: String,
        output: String,
        note: Option<String>,
    }

    fn apply(kind: &str, input: &str) -> String {
        match kind {
            "text" => text(input),
            "name" => name(input),
            "id" => id(input),
            "number" => number(input),
            other => panic!("unknown kind {other}"),
        }
    }

    #[test]
    fn committed_vectors() {
        let file = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/huren/normaliser-v1.json"
        ));
        let vectors: Vectors = serde_json::from_str(file).unwrap();
        assert_eq!(vectors.version, VERSION);
        assert!(vectors.vectors.len() >= 40);
        for v in vectors.vectors {
            let note = v.note.unwrap_or_default();
            assert_eq!(
                apply(&v.kind, &v.input),
                v.output,
                "{} {:?} {note}",
                v.kind,
                v.input
            );
            assert_eq!(
                apply(&v.kind, &v.output),
                v.output,
                "not idempotent: {:?}",
                v.input
            );
        }
    }

    /// Strings rich in the characters that the rules treat specially, and any other.
    fn awkward() -> impl Strategy<Value = String> {
        let special = prop::sample::select(
            " \u{3000}\t\u{a0}.．·•‧・･∙⋅-－—\u{2212}\u{301}\u{308}\u{338}\u{200b}\u{200d}\u{feff}\u{0}\
             aAＡkK\u{212a}eé０9X\u{ff58}张三〇\u{f979}\u{fa0e}\u{20087}\u{e0100}\u{37e}\u{387}\u{2000}\u{1100}\u{1161}"
                .chars()
                .collect::<Vec<_>>(),
        );
        let c = prop_oneof![4 => special, 1 => any::<char>()];
        prop::collection::vec(c, 0..16).prop_map(|chars| chars.into_iter().collect())
    }

    #[test]
    fn nearly_every_value_is_normal() {
        for value in [
            "",
            "张三",
            "S000033010006243000001",
            "J. Smith",
            "2024-01-31",
        ] {
            assert!(is_normal(value), "{value}");
        }
        for value in [
            " 张三",
            "张三 ",
            "张  三",
            "张\u{3000}三",
            "a\tb",
            "e\u{301}",
            "Ａ",
        ] {
            assert!(!is_normal(value), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn blank_is_what_nothing_is_left_of(input in prop_oneof![awkward(), "[ \t\u{3000}\u{200b}]{0,4}a?"]) {
            prop_assert_eq!(is_blank(&input), text(&input).is_empty());
        }

        #[test]
        fn idempotent(input in awkward()) {
            for kind in ["text", "name", "id", "number"] {
                let once = apply(kind, &input);
                prop_assert_eq!(apply(kind, &once), once);
            }
        }

        #[test]
        fn plain_text_is_in_nfc(input in "[ -~\u{4e00}-\u{9fff}]{0,16}") {
            prop_assert!(input.chars().all(is_plain));
            prop_assert_eq!(input.nfc().collect::<String>(), input);
        }

        #[test]
        fn what_is_normal_stays_as_it_is(
            input in prop_oneof![awkward(), "[ a-c\u{4e00}-\u{4e03}]{0,6}".boxed()],
        ) {
            if is_normal(&input) {
                prop_assert_eq!(spelt_out(&input), input);
            }
        }

        #[test]
        fn canonically_equivalent_inputs_agree(input in awkward()) {
            let decomposed: String = input.nfd().collect();
            for kind in ["text", "name"] {
                prop_assert_eq!(apply(kind, &decomposed), apply(kind, &input));
            }
        }
    }
}
