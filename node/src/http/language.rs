//! The two languages in which pages are read.

use axum::extract::{Query, rejection::QueryRejection};
use huren_core::codes::Region;
use serde::Deserialize;

/// Chinese unless somebody chose otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    #[default]
    Zh,
    En,
}

/// `?lang=en`.
#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    lang: Language,
}

/// The language that an address names.
pub(super) fn chosen(query: Result<Query<Choice>, QueryRejection>) -> Language {
    query.map(|Query(choice)| choice.lang).unwrap_or_default()
}

impl Language {
    /// The one of two texts that is in this language.
    pub(super) const fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// As the `lang` attribute has it (RFC 5646).
    pub(super) const fn tag(self) -> &'static str {
        self.of("zh-CN", "en")
    }

    /// As forms and addresses have it.
    pub(super) const fn code(self) -> &'static str {
        self.of("zh", "en")
    }

    /// What behind a page's path keeps to this language.
    pub(super) const fn query(self) -> &'static str {
        self.of("", "?lang=en")
    }

    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// What it calls itself.
    pub(super) const fn name(self) -> &'static str {
        self.of("中文", "English")
    }

    /// A province's name; those of the federation have one in English.
    pub(super) fn province(self, region: Region) -> String {
        let english = match region {
            Region::SHANGHAI => "Shanghai",
            Region::JIANGSU => "Jiangsu",
            Region::ZHEJIANG => "Zhejiang",
            Region::ANHUI => "Anhui",
            _ => return region.full_name(),
        };
        self.of(&region.full_name(), english).to_owned()
    }

    /// A template in this language: of each pair `[[Chinese|English]]` in it one side stays.
    pub(super) fn side(self, template: &'static str) -> String {
        let mut chosen = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("[[") {
            let (pair, after) = after.split_once("]]").unwrap_or((after, ""));
            debug_assert_eq!(pair.matches('|').count(), 1, "{pair}");
            let (zh, en) = pair.split_once('|').unwrap_or((pair, pair));
            chosen.push_str(before);
            chosen.push_str(self.of(zh, en));
            rest = after;
        }
        chosen.push_str(rest);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_each_pair_stays() {
        let template = "<p>[[编号 {{a}}|Number {{a}}]] [[是|yes]]</p>";
        assert_eq!(Language::Zh.side(template), "<p>编号 {{a}} 是</p>");
        assert_eq!(Language::En.side(template), "<p>Number {{a}} yes</p>");
        assert_eq!(Language::En.side("<p></p>"), "<p></p>");
    }

    #[test]
    fn a_province_of_the_federation_has_a_name_in_both() {
        assert_eq!(Language::Zh.province(Region::ANHUI), "安徽省");
        assert_eq!(Language::En.province(Region::ANHUI), "Anhui");
    }
}
