//! Showing that a name is known without showing the name.

use crate::normalise;

/// A name with its middle hidden: `张*`, `张*三`, `欧**修`; a single character becomes `*`.
///
/// Every hidden character gives one star. Variation selectors are left out: they would count as
/// characters and so uncover the end of a shorter name.
pub fn mask_name(name: &str) -> String {
    let chars: Vec<char> = normalise::name(name)
        .chars()
        .filter(|c| !normalise::is_variation_selector(*c))
        .collect();
    match chars.as_slice() {
        [] => String::new(),
        [_] => "*".to_owned(),
        [first, _] => format!("{first}*"),
        [first, hidden @ .., last] => format!("{first}{}{last}", "*".repeat(hidden.len())),
    }
}

/// A document's number with all but its last four characters hidden.
pub fn mask_document(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(4);
    let shown = number.chars().skip(hidden);
    std::iter::repeat_n('*', hidden).chain(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let check = |input, expected| assert_eq!(mask_name(input), expected, "{input:?}");
        check("", "");
        check("张", "*");
        check("张三", "张*");
        check("张　三", "张*");
        check("张小三", "张*三");
        check("欧阳小修", "欧**修");
        check("阿卜杜拉•买买提", "阿******提");
        check("𠮷\u{e0100}三", "𠮷*");
    }

    #[test]
    fn documents_show_their_end() {
        assert_eq!(mask_document("11010519491231002X"), "**************002X");
        assert_eq!(mask_document("E123"), "E123");
        assert_eq!(mask_document(""), "");
    }
}
