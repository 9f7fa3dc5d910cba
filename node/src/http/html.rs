//! HTML that is safe by its type: text gets in escaped, and only then.

use super::language::Language;

/// Markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// Text as it is to be read, in an element or between double quotes.
    pub(super) fn text(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                c => escaped.push(c),
            }
        }
        Self(escaped)
    }

    /// Markup, style or script of our own, as it is.
    pub(super) fn ours(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// A template of our own, each `{{name}}` replaced. Values are not searched for names, so
    /// nobody can have one replaced by typing it.
    pub(super) fn fill(template: &'static str, values: &[(&str, Self)]) -> Self {
        Self::filled(template, values)
    }

    /// As [`Html::fill`], with one side of each `[[Chinese|English]]` of the template.
    pub(super) fn fill_in(
        language: Language,
        template: &'static str,
        values: &[(&str, Self)],
    ) -> Self {
        Self::filled(&language.side(template), values)
    }

    fn filled(template: &str, values: &[(&str, Self)]) -> Self {
        let mut filled = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            let value = values.iter().find(|(known, _)| *known == name);
            debug_assert!(value.is_some(), "{name} is left open");
            filled.push_str(value.map_or("", |(_, value)| value.0.as_str()));
            rest = after;
        }
        filled.push_str(rest);
        Self(filled)
    }

    /// What every page's head has: how it is read, and its style, with more for this page alone.
    pub(super) fn head(more: &str) -> Self {
        let style = format!("{}{more}", include_str!("style.css"));
        let values = [("style", Self::ours(style.trim_end()))];
        Self::fill(include_str!("head.html").trim_end(), &values)
    }

    /// The markup as text.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        Self(parts.into_iter().map(Self::into_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let check = |text, expected: &str| assert_eq!(Html::text(text).into_string(), expected);
        check("张三", "张三");
        check("<b>&", "&lt;b&gt;&amp;");
        check("\" onfocus='x", "&quot; onfocus=&#39;x");
    }

    #[test]
    fn values_are_not_templates() {
        let values = [("a", Html::text("{{b}}<")), ("b", Html::text("secret"))];
        let filled = Html::fill("<p>{{a}}|{{b}}</p>", &values);
        assert_eq!(filled.into_string(), "<p>{{b}}&lt;|secret</p>");
    }
}
